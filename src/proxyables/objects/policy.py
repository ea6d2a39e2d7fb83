"""The one gate: what a peer may touch of the objects that this side lends.

Every step of every dialect asks here first, and asking runs nothing of the object (see
`inspection`). Three layers, each of which can only take away: the rules that always hold
(`rules`), what the author marked (`markers`), and what this policy was given (patterns,
``read_only``, ``strict``).

Caches keep the gate out of the hot path; they hold only what follows from a type:

* ``passed``: (type, name) pairs that may be read on *any* instance of exactly that type;
* ``harmless``: types whose instances may be a result, be exported, and be called;
* ``trusted``: types of which a builtin may run whatever special method it pleases.

Whatever depends on the object itself (modules, classes, functions, the root under an allow-list)
is in none. A name enters ``passed`` only if it exists, so a peer cannot fill it with garbage.
Marks are read when a type is first used; adding one later does not undo what was remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Literal

from proxyables.errors import AccessDenied

from . import rules, tables
from .inspection import (
    UNREAD,
    class_members,
    find,
    held_members,
    instance_dict,
    is_data_descriptor,
    is_descriptor,
    is_enumeration,
    is_path,
    module_of,
    mro_of,
    qualname_of,
    wrapped_function,
)
from .markers import Mark, class_mark, is_anything_hidden, mark_of, name_mark
from .names import MAX_NAME, Patterns, name_reason
from .rules import Kind

_MAX_REMEMBERED = 4096
_MAX_NESTING = 8
_SHOWN = 80

_PLAIN: frozenset[type] = frozenset(
    {type(None), bool, int, float, str, bytes, list, dict, tuple, set, frozenset, MethodType}
)
_SCALARS: frozenset[type] = frozenset({type(None), bool, int, float, str, bytes})
_HEAP_TYPE = 1 << 9
# What stands in a class where a method is written in C; it cannot be marked.
_IN_C = frozenset(
    {
        BuiltinFunctionType,
        ClassMethodDescriptorType,
        MethodDescriptorType,
        WrapperDescriptorType,
    }
)
_CALLABLE_REASONS: Mapping[Kind, Callable[[Any], str | None]] = MappingProxyType(
    {
        Kind.CLASS: rules.class_reason,
        Kind.BUILTIN: rules.builtin_reason,
        Kind.FUNCTION: rules.function_reason,
    }
)
_OWN_MACHINERY = ("proxyables.proxies.", "proxyables.errors")
_UNBOUND: Any = object()

Introspection = Literal["full", "names", "off"]


class Policy:
    """What a peer may touch.

    The default lends every public name of ordinary objects, and nothing of the interpreter's
    inside. Never changed in use, so connections may share one; the peer binds it to its root.

    Patterns are those of `fnmatch`, matched case-sensitively against single attribute names.
    Operators, items and calls go by the method that carries them out: ``__len__``,
    ``__getitem__``, ``__setitem__``, ``__delitem__``, ``__call__``, ``__add__``.

    Args:
        allow: If not empty, the only names that may be touched *on the root object*; what these
            give is lent as usual. On a policy without a root it holds for every object.
        deny: Names that are refused on every object; goes before `allow`.
        read_only: Refuse to set or delete attributes and items, in-place operators, and the
            methods that change builtin containers. Other methods may still change their object:
            what a method does is its author's.
        strict: Lend only what is marked by `expose`: a name whose nearest definition is marked,
            or that a marked class defines (its instances' own attributes included). Builtin
            containers and values, once reached, are lent.
        introspection: What a peer may ask about this side. ``"full"``: what objects offer, with
            signatures and documentation; of a server also its connections, the calls that run, and
            a trace of them (`Peer.status`, `Peer.trace`), and where an exception was raised.
            ``"names"``: the names of members, of their kinds, and of the type and its module;
            `async` says false of everything. ``"off"``: nothing; objects can be used by those who
            know them.
        show_arguments: Let a peer that may trace this server see the arguments of everybody's
            calls. Those that are named like secrets are left out.

    Raises:
        TypeError: `allow` or `deny` is not a collection of text.
        ValueError: `introspection` is none of the three.
    """

    __slots__ = (
        "_allow",
        "_deny",
        "_kinds",
        "_max_name",
        "_offered",
        "_passed_methods",
        "_read_only",
        "_root",
        "_strict",
        "harmless",
        "introspection",
        "passed",
        "show_arguments",
        "trusted",
    )

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        read_only: bool = False,
        strict: bool = False,
        introspection: Introspection = "full",
        show_arguments: bool = False,
    ) -> None:
        if introspection not in ("full", "names", "off"):
            raise ValueError(
                f"introspection takes 'full', 'names' or 'off', got {introspection!r:.80}"
            )
        self.introspection = introspection
        self.show_arguments = show_arguments
        self._allow = Patterns("allow", allow)
        self._deny = Patterns("deny", deny)
        self._read_only = read_only
        self._strict = strict
        self._root: object = _UNBOUND
        self._max_name = MAX_NAME
        self._offered: frozenset[str] = frozenset()
        self.passed: set[tuple[type, str]] = set()
        self.harmless: set[type] = set(_PLAIN)
        self.trusted: set[type] = set(_SCALARS)
        self._passed_methods: set[tuple[type, str]] = set()
        self._kinds: dict[type, Kind] = {}

    def __repr__(self) -> str:
        given = {
            "allow": list(self._allow),
            "deny": list(self._deny),
            "read_only": self._read_only,
            "strict": self._strict,
            "introspection": "" if self.introspection == "full" else self.introspection,
            "show_arguments": self.show_arguments,
        }
        return f"Policy({', '.join(f'{name}={value!r}' for name, value in given.items() if value)})"

    def for_root(self, root: object, max_name: int = MAX_NAME) -> Policy:
        """Returns this policy for a connection with a root, and names of at most so many letters.

        The root was chosen by the author, so it is lent whatever it is. If it is a module, what
        it offers is settled here: the names of its ``__all__``, else its own public functions
        and classes. The caches are shared where no decision depends on either.
        """
        bound = Policy(
            allow=self._allow,
            deny=self._deny,
            read_only=self._read_only,
            strict=self._strict,
            introspection=self.introspection,
            show_arguments=self.show_arguments,
        )
        bound._root = root
        bound._max_name = max_name
        bound._kinds = self._kinds
        bound.harmless = self.harmless
        if not self._allow and max_name == MAX_NAME:
            bound.passed = self.passed
            bound.trusted = self.trusted
            bound._passed_methods = self._passed_methods
        if ModuleType in mro_of(type(root)):
            bound._offered = frozenset(rules.module_names(root))  # type: ignore[arg-type]
        return bound

    # -- attributes -------------------------------------------------------------------------------

    def check_get(self, target: object, name: str) -> None:
        """Refuses, or lets a step read an attribute.

        Raises:
            AccessDenied: The same for what exists and what does not.
        """
        reason = self._get_reason(target, name)
        cls = type(target)
        held: object = UNREAD
        if reason is None and self._kind(cls) is Kind.OPEN:
            held = instance_dict(target).get(name, UNREAD)
        is_method = type(held) is MethodType
        if is_method:  # of another name, or of another object
            reason = self._value_reason(held)
        if reason is not None:
            raise denied(name, reason)
        if self._kind(cls) is Kind.OPEN and self._is_settled(cls, name) and not is_method:
            if is_path(target):  # its methods are given as others
                return
            exists = held is not UNREAD or find(cls, name) is not None
            if exists:
                _remember(self.passed, (cls, name))

    def check_set(self, target: object, name: str) -> None:
        """Refuses, or lets a step assign an attribute.

        Data can be assigned. Methods cannot be replaced, nor anything that could not be read.

        Raises:
            AccessDenied: The same for what exists and what does not.
        """
        reason = self._change_reason(target, name)
        if reason is not None:
            raise denied(name, reason)

    def check_delete(self, target: object, name: str) -> None:
        """Refuses, or lets a step delete an attribute; as `check_set`."""
        self.check_set(target, name)

    def check_keywords(self, names: Iterable[object]) -> None:
        """Refuses keyword arguments that no caller could mean: private names and non-names.

        Raises:
            AccessDenied: One of them is not a public name.
        """
        for name in names:
            reason = name_reason(name, self._max_name)
            if reason is not None:
                raise denied(name, reason)

    # -- items, calls, operators ------------------------------------------------------------------

    def check_item(self, target: object, key: object) -> None:
        """Refuses, or lets a step read an item. Classes have none, but for enumerations.

        Raises:
            AccessDenied: Not for this peer.
        """
        if type(key) is str and is_enumeration(target):
            self.check_get(target, key)  # Color["RED"] is Color.RED
        else:
            self._check_item(target, key, "__getitem__")

    def check_set_item(self, target: object, key: object) -> None:
        """Refuses, or lets a step assign an item; raises as `check_item`."""
        self._check_item(target, key, "__setitem__")

    def check_delete_item(self, target: object, key: object) -> None:
        """Refuses, or lets a step delete an item; raises as `check_item`."""
        self._check_item(target, key, "__delitem__")

    def check_call(self, target: object) -> None:
        """Refuses, or lets a step call its target.

        Needed only for targets whose type is not in `harmless`: whatever is called was a result,
        an export or the root before, and `check_value` has seen the first two.

        Raises:
            AccessDenied: Not for this peer.
        """
        reason = self._call_reason(target)
        if reason is not None:
            raise denied("__call__", reason)

    def check_operation(self, name: str, target: object) -> None:
        """Refuses, or lets one of the closed table's operators act on its target.

        ``dir`` passes for everything: answer it with `visible_names`.

        Raises:
            AccessDenied: Not for this peer.
        """
        reason = self._operation_reason(name, target)
        if reason is not None:
            raise denied(name, reason)

    def check_method(self, method: str, target: object) -> None:
        """Refuses, or lets a special method of an object that may be lent run.

        Raises:
            AccessDenied: Not for this peer.
        """
        reason = self._method_reason(target, method)
        if reason is not None:
            raise denied(method, reason)

    def may_refuse_methods(self) -> bool:
        """Whether there may be special methods that this policy refuses."""
        return bool(self._strict or self._deny or self._allow) or is_anything_hidden()

    def check_handing(self, target: object) -> bool:
        """Refuses, or lets a builtin have an object, of which it may run any special method.

        Returns:
            Whether every instance of exactly its type passes.

        Raises:
            AccessDenied: One of those that it has is not for this peer.
        """
        cls = type(target)
        if not cls.__flags__ & _HEAP_TYPE or module_of(cls).startswith(_OWN_MACHINERY):
            return True  # a value of a builtin type; a cursor, or an error
        is_settled = True
        for name, raw in class_members(cls).items():
            if name not in tables.RUN_BY_BUILTINS or raw is None or raw is vars(object).get(name):
                continue
            reason = self._patterns_reason(target, name)
            if reason is None and type(raw) not in _IN_C and not _is_of_python(cls, name):
                reason = self._mark_reason(cls, name)
            if reason is not None:
                raise denied(name, reason)
            is_settled = is_settled and self._is_settled(cls, name)
        return is_settled

    # -- values -----------------------------------------------------------------------------------

    def check_value(self, value: object) -> None:
        """Refuses, or lets a value be a step's result, be exported or be returned.

        Needed only for values whose type is not in `harmless`, and for bound methods that no
        step has read as an attribute.

        Raises:
            AccessDenied: Not for any peer.
        """
        reason = self._value_reason(value)
        if reason is not None:
            raise denied(None, reason)
        cls = type(value)
        if self._kind(cls) is Kind.OPEN and value is not self._root and self._may_call(cls):
            _remember(self.harmless, cls)

    # -- what may be told -------------------------------------------------------------------------

    def check_description(self) -> None:
        """Refuses, or lets an object be described, if only by its names.

        Raises:
            AccessDenied: The same for every object.
        """
        if self.introspection == "off":
            raise denied(None, "introspection is off")

    def check_inspection(self) -> None:
        """Refuses, or lets a peer see what this side does for others.

        Raises:
            AccessDenied: Not for this peer.
        """
        if self.introspection != "full":
            raise denied(None, f"introspection is {self.introspection}")

    def visible_names(self, target: object) -> list[str]:
        """Returns, sorted, the names that `dir`, descriptions and completions may tell.

        Read statically: what `__getattr__` or `__dir__` would make up is not among them.
        """
        return sorted(dict(self.visible_members(target)))

    def visible_members(self, target: object) -> Iterator[tuple[str, object]]:
        """Yields each visible name of `target` with what stands there, no descriptor asked."""
        kind = self._kind(type(target))
        held: dict[str, object] = {}
        defined: dict[str, object] = {}
        if kind is Kind.MODULE:
            names = instance_dict(target)
            held = {name: names.get(name, UNREAD) for name in self._offered}
        elif kind is Kind.CLASS:
            defined = class_members(target)  # type: ignore[arg-type]  # a class, by its kind
        else:
            held = held_members(target)
            defined = class_members(type(target))
        for name, raw in (defined | held).items():
            if self._get_reason(target, name) is not None:
                continue
            if self._may_tell(raw) if name in held else self._may_tell_defined(raw):
                yield name, raw

    def type_members(self, cls: type) -> Iterator[tuple[str, object]]:
        """Yields each name that every instance of `cls` shows, with what stands in the class.

        Slots are left out, like all that instances hold: what is in them may have to be hidden.
        """
        if self._kind(cls) not in (Kind.OPEN, Kind.PARTIAL):
            return
        for name, raw in class_members(cls).items():
            if type(raw) is MemberDescriptorType or self._type_reason(cls, name) is not None:
                continue
            if self._may_tell_defined(raw):
                yield name, raw

    def offers(self, cls: type, method: str) -> bool:
        """Whether instances of `cls` have a special method, and this policy lets peers use it."""
        found = find(cls, method)
        if found is None or found.raw is None:  # a class says with None that it has none
            return False
        refused = self._type_patterns_reason(cls, method) or self._mark_reason(cls, method)
        return refused is None

    def _may_tell(self, value: object) -> bool:
        return value is UNREAD or self._value_reason(value) is None

    def _may_tell_defined(self, raw: object) -> bool:
        """As `_may_tell`, for what a class defines; a property may, as nobody asked it."""
        behind = wrapped_function(raw)
        if behind is raw and is_descriptor(raw) and type(raw) is not FunctionType:
            return True
        return self._may_tell(behind)

    # -- reasons: None lets it pass ---------------------------------------------------------------

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

    def _check_item(self, target: object, key: object, method: str) -> None:
        cls = type(target)
        if rules.is_reserved_key(cls, key):
            raise denied(key, "an item is not the way to a special name")
        if (cls, method) in self._passed_methods:
            return
        reason = self._method_reason(target, method)
        if reason is None and method != "__getitem__":
            read_only = "the policy is read-only" if self._read_only else None
            reason = read_only or rules.change_reason(cls, method)
        if reason is not None:
            raise denied(method, reason)
        if self._kind(cls) is Kind.OPEN and self._is_settled(cls, method):
            _remember(self._passed_methods, (cls, method))

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
            if len(self._kinds) >= _MAX_REMEMBERED:
                self._kinds.clear()
            self._kinds[cls] = kind
        return kind


def _is_of_python(cls: type, name: str) -> bool:
    """Whether the class that defines `name` for `cls` comes with Python."""
    found = find(cls, name)
    return found is not None and _package_of(found.owner) in sys.stdlib_module_names


def _package_of(cls: type) -> str:
    return module_of(cls).partition(".")[0]


def _value_mark(value: Any, kind: Kind) -> Mark | None:
    """Returns what the author said of a value: of itself if it can carry a mark, or its class."""
    if kind is Kind.FUNCTION:
        return mark_of(value)
    if kind is Kind.BUILTIN:
        return None
    return class_mark(value if kind is Kind.CLASS else type(value))


def denied(name: object, reason: str) -> AccessDenied:
    """Returns the refusal: its text is for the peer, ``extra["reason"]`` only for our log."""
    if type(name) is str:
        what = repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")
    else:
        what = "this value" if name is None else f"a name of type {type(name).__name__}"
    error = AccessDenied(
        f"access to {what} is denied", type_name="AccessDenied", module="proxyables.errors"
    )
    error.extra["reason"] = reason
    return error


def _remember(known: set[Any], entry: object) -> None:
    if len(known) >= _MAX_REMEMBERED:  # a program that makes classes without end
        known.clear()
    known.add(entry)


__all__ = ["Introspection", "Policy", "denied"]
