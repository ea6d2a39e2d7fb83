"""Why a peer may not have something: what the rules, the marks and a policy's patterns say of it.

Every method named ``…_reason`` gives a reason for this side's log, or None, which lets it pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, MethodType, WrapperDescriptorType
from typing import Any

from . import rules, tables
from .inspection import (
    UNREAD,
    find,
    instance_dict,
    is_data_descriptor,
    is_descriptor,
    mro_of,
    qualname_of,
)
from .markers import Mark, class_mark, mark_of, name_mark
from .names import MAX_NAME, Patterns, name_reason
from .rules import Kind

MAX_REMEMBERED = 4096
_MAX_NESTING = 8
_PLAIN: frozenset[type] = frozenset(
    {type(None), bool, int, float, str, bytes, list, dict, tuple, set, frozenset, MethodType}
)
_CALLABLE_REASONS: Mapping[Kind, Callable[[Any], str | None]] = MappingProxyType(
    {
        Kind.CLASS: rules.class_reason,
        Kind.BUILTIN: rules.builtin_reason,
        Kind.FUNCTION: rules.function_reason,
    }
)
_UNBOUND: Any = object()
"""The root of a policy that has none."""


class Judge:
    """Judges names and values; `Policy` says of each step what is to be judged.

    Args:
        allow, deny, read_only, strict: See `Policy`.
    """

    __slots__ = (
        "_allow",
        "_deny",
        "_kinds",
        "_max_name",
        "_offered",
        "_read_only",
        "_root",
        "_strict",
        "harmless",
        "passed",
    )

    def __init__(
        self, allow: Iterable[str], deny: Iterable[str], *, read_only: bool, strict: bool
    ) -> None:
        self._allow = Patterns("allow", allow)
        self._deny = Patterns("deny", deny)
        self._read_only = read_only
        self._strict = strict
        self._root: object = _UNBOUND
        self._max_name = MAX_NAME
        self._offered: frozenset[str] = frozenset()
        self.passed: set[tuple[type, str]] = set()
        self.harmless: set[type] = set(_PLAIN)
        self._kinds: dict[type, Kind] = {}

    def _get_reason(self, target: object, name: str) -> str | None:
        cls = type(target)
        reason = name_reason(name, self._max_name) or self._patterns_reason(target, name)
        if reason is not None:
            return reason
        kind = self._kind(cls)
        if kind is Kind.CLASS:
            named: Any = target
            return rules.class_member_reason(named, name) or self._mark_reason(named, name)
        if kind is Kind.MODULE:
            return self._offer_reason(target, name)
        if kind is Kind.REFUSED and target is not self._root:
            return f"a {qualname_of(cls)} is not lent"
        if (
            kind is Kind.METHOD
            and self._kind(type(rules.method_function(target))) is not Kind.FUNCTION
        ):
            return "the method passes names on to what it calls"
        return self._member_reason(cls, name)

    def _offer_reason(self, module: object, name: str) -> str | None:
        if module is not self._root or name not in self._offered:
            return "a module shows only what it offers, and only as the root"
        mark = mark_of(instance_dict(module).get(name))
        if mark is None:
            return f"{name!r} is not exposed" if self._strict else None
        return None if mark.exposed else f"{name!r} is hidden"

    def _type_reason(self, cls: type, name: str) -> str | None:
        """As `_get_reason`, for all instances of a class."""
        return (
            name_reason(name, self._max_name)
            or self._type_patterns_reason(cls, name)
            or self._member_reason(cls, name)
        )

    def _member_reason(self, cls: type, name: str) -> str | None:
        reason = rules.member_reason(cls, name)
        if reason is None and self._read_only and rules.is_mutator(cls, name):
            reason = f"{name!r} changes its object, and the policy is read-only"
        return reason or self._mark_reason(cls, name)

    def _mark_reason(self, cls: type, name: str) -> str | None:
        mark = name_mark(cls, name)
        if mark is not None:
            return None if mark.exposed else f"{name!r} is hidden"
        if not self._strict:
            return None
        found = find(cls, name)
        owner = cls if found is None else found.owner
        mark = mark_of(owner)
        if mark is not None:
            return None if mark.exposed else f"{name!r} is hidden"
        return None if rules.is_standard_value(owner) else f"{name!r} is not exposed"

    def _change_reason(self, target: object, name: str) -> str | None:
        if self._read_only:
            return "the policy is read-only"
        cls = type(target)
        reason = self._get_reason(target, name) or rules.change_reason(cls, name)
        if reason is not None or self._kind(cls) is not Kind.OPEN:
            return reason or f"attributes of a {qualname_of(cls)} cannot be changed"
        found = find(cls, name)
        if found is not None:
            if is_data_descriptor(found.raw):
                return None
            if is_descriptor(found.raw) or type in mro_of(type(found.raw)):
                return f"{name!r} is behaviour, not data"
            reason = self._value_reason(found.raw)
        held = instance_dict(target)
        return reason or (self._value_reason(held[name]) if name in held else None)

    def _method_reason(self, target: object, method: str) -> str | None:
        """Judges a special method of an object that may be lent."""
        cls = type(target)
        kind = self._kind(cls)
        if kind in (Kind.MODULE, Kind.CLASS) or (kind is Kind.REFUSED and target is not self._root):
            return f"{method} of a {kind.name.lower()} is not lent"
        return self._patterns_reason(target, method) or self._mark_reason(cls, method)

    def _call_reason(self, target: object) -> str | None:
        reason = self._patterns_reason(target, "__call__")
        kind = self._kind(type(target))
        if reason is not None or kind in (Kind.FUNCTION, Kind.BUILTIN, Kind.METHOD, Kind.PARTIAL):
            return reason
        if kind is not Kind.CLASS:
            return self._method_reason(target, "__call__")
        cls: Any = target
        reason = self._value_reason(cls)
        if reason is None and self._strict and not rules.is_standard_value(cls):
            mark = mark_of(cls) or name_mark(cls, "__init__")
            if mark is None or not mark.exposed:
                reason = f"{qualname_of(cls)} is not exposed"
        return reason

    def _operation_reason(self, name: str, target: object) -> str | None:
        cls = type(target)
        kind = self._kind(cls)
        if name == "dir":
            return None
        if kind in (Kind.CLASS, Kind.MODULE):
            return rules.operation_reason(name, target)
        if self._read_only and name in tables.IN_PLACE:
            return "the policy is read-only"
        return self._method_reason(target, rules.method_behind(cls, name))

    def _value_reason(self, value: object, depth: int = 0) -> str | None:
        cls = type(value)
        if (cls in self.harmless and cls is not MethodType) or value is self._root:
            return None
        kind = self._kind(cls)
        if kind is Kind.METHOD:
            return self._method_value_reason(value)
        if kind in (Kind.REFUSED, Kind.MODULE):
            return f"a {qualname_of(cls)} is not lent"
        if kind is Kind.BUILTIN and rules.bound_name(value) in self.passed:
            return None  # a method of a builtin object, whose name passed on its way here
        mark = _value_mark(value, kind)
        if mark is not None and not mark.exposed:
            return f"{qualname_of(cls)}: hidden"
        if kind is Kind.PARTIAL:
            if depth == _MAX_NESTING:
                return "a partial of a partial of a partial …"
            return self._value_reason(rules.partial_target(value), depth + 1)
        reason = _CALLABLE_REASONS[kind](value) if kind in _CALLABLE_REASONS else None
        return None if reason is None or self._is_offered(value) else reason

    def _method_value_reason(self, method: object) -> str | None:
        """Judges a bound method that was not read as an attribute, as if it had been."""
        owner, function = rules.method_owner(method), rules.method_function(method)
        cls: Any = owner if self._kind(type(owner)) is Kind.CLASS else type(owner)
        name = rules.callable_name(function)
        mark = mark_of(function) or name_mark(cls, name)
        if mark is not None and not mark.exposed:
            return f"{qualname_of(cls)}.{name}: hidden"
        return rules.member_reason(cls, name) if rules.is_member(cls, name, function) else None

    def _is_offered(self, value: object) -> bool:
        """Whether the module that is the root offers this function or class."""
        if not self._offered:
            return False
        held = instance_dict(self._root)
        return any(held.get(name) is value for name in self._offered)

    def _may_call(self, cls: type) -> bool:
        """Whether calls on every instance of `cls` would pass, so that none need be asked."""
        found = find(cls, "__call__")
        if found is None:
            return True
        if type(found.raw) is WrapperDescriptorType:  # a builtin: what it is given is looked at
            return False
        settled = not self._allow and not self._deny
        return settled and self._mark_reason(cls, "__call__") is None

    # -- patterns ---------------------------------------------------------------------------------

    def _patterns_reason(self, target: object, name: str) -> str | None:
        if self._deny and self._deny.match(name):
            return f"{name!r} is on the deny list"
        at_root = self._root is _UNBOUND or target is self._root
        if self._allow and at_root and not self._allow.match(name):
            return f"{name!r} is not on the allow list"
        return None

    def _type_patterns_reason(self, cls: type, name: str) -> str | None:
        """As `_patterns_reason`, for all instances: if one may be the root, so may each be."""
        like_root = self._root is not _UNBOUND and type(self._root) is cls
        return self._patterns_reason(self._root if like_root else UNREAD, name)

    def _is_settled(self, cls: type, name: str) -> bool:
        """Whether the allow list says the same of `name` on every instance of exactly `cls`."""
        if not self._allow:
            return True
        other = self._root is not _UNBOUND and type(self._root) is not cls
        return other or self._allow.match(name)

    def _kind(self, cls: type) -> Kind:
        kind = self._kinds.get(cls)
        if kind is None:
            kind = rules.kind_of(cls)
            if len(self._kinds) >= MAX_REMEMBERED:
                self._kinds.clear()
            self._kinds[cls] = kind
        return kind


def _value_mark(value: Any, kind: Kind) -> Mark | None:
    """Returns what the author said of a value: of itself if it can carry a mark, or its class."""
    if kind is Kind.FUNCTION:
        return mark_of(value)
    if kind is Kind.BUILTIN:
        return None
    return class_mark(value if kind is Kind.CLASS else type(value))


__all__ = ["MAX_REMEMBERED", "Judge"]
