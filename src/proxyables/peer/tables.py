"""Both tables of references of one connection, as encoding, decoding and execution see them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any

from proxyables.errors import AccessDenied, ReferenceNotFound
from proxyables.limits import Limits
from proxyables.objects.imports import Imports
from proxyables.objects.imports import Reference as Import
from proxyables.objects.policy import Policy
from proxyables.objects.registry import ObjectRegistry
from proxyables.proxies.blocking import cursor_of, is_blocking
from proxyables.proxies.containers import with_proxies
from proxyables.proxies.cursor import Caller, ProxyCursor, extend
from proxyables.wire.dialect import Reference
from proxyables.wire.instructions import INSPECTOR, Step
from proxyables.wire.registration import REGISTRATION
from proxyables.wire.values import has_form, row_of

_MAX_TYPES = 4096
_NONE: frozenset[str] = frozenset()


class Tables:
    """Exports and imports of one connection.

    Args:
        caller: The peer that cursors on imports belong to.
        registry: The exports.
        policy: What may be lent; already bound to the root.
        limits: This side's bounds.
        wake: See `Imports`.
        find_root: Returns our root object, or raises.
    """

    cursor_type: type = ProxyCursor

    def __init__(
        self,
        caller: Caller,
        registry: ObjectRegistry,
        policy: Policy,
        limits: Limits,
        wake: Callable[[], None],
        find_root: Callable[[], object],
    ) -> None:
        self._caller = caller
        self._policy = policy
        self._find_root = find_root
        self.registry = registry
        self.imports = Imports(wake, limit=limits.max_references)
        self.borrowed: list[Import] = []
        """What the message that is being decoded counted, in case that it must be undone."""
        self.handed = 0
        """Cursors given to decoded messages so far, at the least."""
        self.on_lent: Callable[[object], None] = _ignore
        """Told of each type, and of each function, that is lent."""
        self.inspect: Callable[[Policy], object] | None = None
        """Returns what the other side may ask about this one, if there is such a thing."""
        self.untold: set[int] = set()
        """Types whose description is in a message that has not left yet."""
        self._type_numbers: dict[type | tuple[type, frozenset[str]], int] = {}
        self._shadows: dict[type, Callable[[object], frozenset[str]] | None] = {}
        """By type, what finds the methods that an instance hides."""
        self._told: set[int] = set()

    # -- what we lend (see `wire.dialect.References`) -------------------------------------------

    def lend(self, value: object) -> Reference:
        """Exports `value` once more; raises as `wire.dialect.References.lend` says."""
        if type(value) not in self._policy.harmless:
            if is_blocking(value):  # of another connection
                value = cursor_of(value)
            self._policy.check_value(value)
            self.on_lent(value)
        elif type(value) is MethodType:
            self._policy.check_value(value)
        reference: Reference = self.registry.register(value)
        return reference

    def tell_type(self, value: object) -> list[Any]:
        """Returns ``[type number]``, and the type's description behind it until it was sent.

        The number is 0 for types that are not described. Instances that hide some of its methods
        by attributes of their own have a type to themselves, without these.
        """
        if self._policy.introspection == "off":
            return [0]
        kind = type(value)
        told: dict[str, Any] | None = None
        if kind not in self._shadows:
            if len(self._shadows) >= _MAX_TYPES:
                return [0]
            self.on_lent(kind)
            told = self._describe(kind)
        find_shadows = self._shadows[kind]
        hidden = _NONE if find_shadows is None else find_shadows(value)
        key = (kind, hidden) if hidden else kind
        number = self._type_numbers.get(key)
        if number is None:
            if len(self._type_numbers) >= _MAX_TYPES:
                return [0]
            number = self._type_numbers[key] = len(self._type_numbers) + 1
        if number in self._told or number in self.untold:
            return [number]
        self.untold.add(number)
        told = told or self._describe(kind)
        if hidden:
            told["methods"] = [name for name in told["methods"] if name not in hidden]
        return [number, told]

    def _describe(self, kind: type) -> dict[str, Any]:
        from proxyables.objects.description import describe_type, shadows_of  # once for each type

        told = describe_type(kind, self._policy)
        self._shadows[kind] = shadows_of(kind, told)
        return told

    def confirm_types(self, *, sent: bool) -> None:
        """Notes whether the message that told the untold types has left before all later ones."""
        if sent:
            self._told.update(self.untold)
        self.untold.clear()

    def take_back(self) -> None:
        """Undoes what encoding a message that does not leave has counted."""
        self.confirm_types(sent=False)
        self.registry.roll_back(self.registry.take_journal())

    def own(self, reference: Reference) -> object:
        """Returns the object that we exported under `reference`; 0 is the root."""
        # Nothing of another type is compared, hashed or shown: it may be an object of ours.
        if type(reference) is int or type(reference) is str:
            if reference == 0:
                return self._find_root()
            found = self.registry.get(reference)
            if found is not None or reference in self.registry:
                self.handed += type(found) is ProxyCursor  # of another connection
                return found
            if reference == INSPECTOR and self.inspect is not None:
                self._policy.check_inspection()
                return self.inspect(self._policy)
        raise ReferenceNotFound(
            f"no object is exported under the reference {shown(reference)}: "
            "it was released, or never existed in this session"
        )

    def is_quiet(self, kind: type) -> bool:
        """Whether hashing and comparing our objects of exactly this type runs no code of theirs."""
        from .keys import is_quiet  # hardly any message sends one back

        return is_quiet(kind)

    def check_key(self, value: object) -> None:
        """Refuses, or lets a value that came, or what a path gave, be hashed."""
        from .keys import check_key

        try:
            check_key(self._policy, value)
        except AccessDenied as error:
            reference = self.registry.reference_of(value)
            which = "what" if reference is None else f"reference {reference}"
            error.message += f": {which} was to be an element of a set, or a key"
            raise

    # -- what we borrow -------------------------------------------------------------------------

    def borrow(self, reference: Reference, kind: int, description: Any) -> ProxyCursor:
        """Counts one more occurrence of the other side's object; returns its cursor."""
        entry = self.imports.receive(reference, kind, description)
        self.borrowed.append(entry)
        self.handed += 1
        cursor: ProxyCursor | None = entry.cursor()
        if cursor is None:
            cursor = ProxyCursor(self._caller, entry, [])
            entry.cursor = weakref.ref(cursor)
        return cursor

    def undo_borrowing(self) -> None:
        """Takes back what a failed decoding counted: the bytes will be decoded again."""
        for entry in self.borrowed:
            entry.count -= 1
        self.borrowed.clear()

    def path_to(self, value: object) -> tuple[Reference | None, list[Step]] | None:
        """Returns the target and steps of a cursor of this connection, None for all else."""
        if is_blocking(value):
            value = cursor_of(value)
        if type(value) is not ProxyCursor or value._peer is not self._caller:
            return None
        entry = value._reference
        if entry is None:
            return None, value._steps
        if entry.released:
            raise ReferenceNotFound(f"{value!r} was released")
        return entry.id, value._steps

    # -- cursors as values (see `objects.executor.Borrowed`) ------------------------------------

    def is_relayed(self, value: object) -> bool:
        """Whether `value` is a cursor of another connection."""
        return type(value) is ProxyCursor and value._peer is not self._caller

    def relay(self, cursor: ProxyCursor, steps: list[Step]) -> ProxyCursor:
        """Returns the cursor that `steps` on `cursor` make."""
        return extend(cursor, *steps)

    def is_unfinished(self, value: object) -> bool:
        """Whether `value` is a path on another connection, whose end was not fetched yet."""
        return self.is_relayed(value) and bool(value._steps)  # type: ignore[attr-defined]

    def is_awaited(self, value: object) -> bool:
        """Whether a step's result is awaited here: any awaitable but our caller's own cursors."""
        return hasattr(type(value), "__await__") and type(value) is not ProxyCursor

    def has_form(self, value: object) -> bool:
        """Whether a value that is no container travels by value."""
        return has_form(value)

    def is_value(self, kind: type) -> bool:
        """Whether what is of exactly this type travels by value, and is of no builtin type."""
        return kind in REGISTRATION.names or row_of(kind) is not None

    def is_blocking(self, value: object) -> bool:
        """Whether `value` is a cursor's blocking face."""
        return is_blocking(value)

    def cursor_of(self, value: object) -> ProxyCursor:
        """Returns the cursor behind a blocking face."""
        return cursor_of(value)

    def call_blocking(
        self,
        function: Callable[..., Any],
        fixed: tuple[Any, ...],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Calls ``function(*fixed, *args, **kwargs)`` on a worker, in the blocking face's terms."""
        is_ours = self.registry.holds
        given = [with_proxies(value, is_ours) for value in args]
        named = {name: with_proxies(value, is_ours) for name, value in kwargs.items()}
        result = function(*fixed, *given, **named)
        return cursor_of(result) if is_blocking(result) else result

    def clear(self) -> None:
        """Drops everything: the connection has ended."""
        self.registry.clear()
        self.imports.clear()
        self.borrowed.clear()


def _ignore(value: object) -> None:
    """Takes no notice."""


def shown(value: object) -> str:
    """Returns what an error may tell of a value from the wire; runs nothing of the value's."""
    if type(value) is str:
        return ascii(value[:40])
    if type(value) is int and value.bit_length() <= 64:
        return str(value)
    return f"of type {type(value).__name__}" if type(value).__module__ == "builtins" else "given"
