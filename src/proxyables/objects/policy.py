"""The one gate: what a peer may touch of the objects that this side lends.

Every step of every dialect asks here first, and asking runs nothing of the object (see
`inspection`). Three layers, each of which can only take away: the rules that always hold
(`rules`), what the author marked (`markers`), and what this policy was given (patterns,
``read_only``, ``strict``). What they say of a name or a value, `judge` knows; here it is asked.

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
from collections.abc import Iterable, Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
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
    is_descriptor,
    is_enumeration,
    is_path,
    module_of,
    mro_of,
    wrapped_function,
)
from .judge import MAX_REMEMBERED, Judge
from .markers import is_anything_hidden
from .names import MAX_NAME, name_reason
from .rules import Kind

_SHOWN = 80

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
_OWN_MACHINERY = ("proxyables.proxies.", "proxyables.errors")

Introspection = Literal["full", "names", "off"]


class Policy(Judge):
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

    __slots__ = ("_passed_methods", "introspection", "show_arguments", "trusted")

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
        super().__init__(allow, deny, read_only=read_only, strict=strict)
        self.trusted: set[type] = set(_SCALARS)
        self._passed_methods: set[tuple[type, str]] = set()

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


def _is_of_python(cls: type, name: str) -> bool:
    """Whether the class that defines `name` for `cls` comes with Python."""
    found = find(cls, name)
    return found is not None and _package_of(found.owner) in sys.stdlib_module_names


def _package_of(cls: type) -> str:
    return module_of(cls).partition(".")[0]


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
    if len(known) >= MAX_REMEMBERED:  # a program that makes classes without end
        known.clear()
    known.add(entry)


__all__ = ["Introspection", "Policy", "denied"]
