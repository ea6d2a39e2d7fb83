"""Runs the chains that the other side sends, each step through the one policy gate.

Sans-I/O and without a loop: where a step gives an awaitable, `Executor` returns `Suspended`, and
whoever drives it awaits and calls `proceed` with the outcome. Nothing else in this package reads
an attribute of a user's object.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Protocol

from proxyables.errors import LimitExceeded, ProxyError, ReferenceNotFound
from proxyables.limits import Limits
from proxyables.wire.dialect import ByReference, Reference
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    GET,
    ITEM,
    LOOKUP,
    OPERATE,
    OPERATIONS,
    REF,
    SET,
    SETITEM,
    STREAM,
    Step,
)

from .description import describe
from .policy import Policy

_COPIED: tuple[type[Any], ...] = (
    dict,
    list,
    tuple,
    set,
    frozenset,
    bytearray,
    bytes,
    str,
    bool,
    int,
    float,
    complex,
)
_MAX_PLAIN_TYPES = 1024
_MAX_CHUNK = 4096


_ARITY = {GET: 2, CALL: 2, ITEM: 2, SET: 3, DEL: 2, SETITEM: 3, DELITEM: 2, OPERATE: 2}
_ARITY |= {COPY: 1, REF: 1, DESCRIBE: 1, STREAM: 2, CONSTRUCT: 2, LOOKUP: 2}


def _is_well_formed(step: Any) -> bool:
    """Whether a step has a known number and enough elements."""
    if type(step) is not list or not step or type(step[0]) is not int:
        return False
    return len(step) >= _ARITY.get(step[0], 1 << 30)


def _no_such_step(step: Any) -> ProxyError:
    """Tells the step's number only: the rest of it may be objects of ours."""
    number = step[0] if type(step) is list and step else None
    is_told = type(number) is int and number.bit_length() <= 64
    told = f"step {number}" if is_told else "step"
    return ProxyError(f"malformed chain: no such {told}, or not enough of it")


def _without_lookup(step: Step) -> Step:
    """Returns the classic GET as what it most likely means: only the object's owner could tell."""
    if step[0] != LOOKUP:
        return step
    return [ITEM if type(step[1]) is int else GET, step[1]]


class Suspended:
    """A chain that waits: await `awaitable`, then `proceed` with its outcome at step `index`."""

    __slots__ = ("awaitable", "index")

    def __init__(self, awaitable: Any, index: int) -> None:
        self.awaitable = awaitable
        self.index = index


class Iteration:
    """The outcome of a chain that ends with STREAM: iterate `source`, `size` items at a time.

    Attributes:
        owned: Whether the chain itself made the iterator, so that leaving early closes it.
    """

    __slots__ = ("owned", "size", "source")

    def __init__(self, source: Any, size: int, *, owned: bool) -> None:
        self.source = source
        self.size = size
        self.owned = owned


class Borrowed(Protocol):
    """What the executor has to know of the other connections' cursors."""

    cursor_type: type
    """What only instances of can be a cursor."""

    def is_relayed(self, value: object) -> bool:
        """Whether `value` is a cursor of another connection: steps on it are passed on."""

    def relay(self, cursor: Any, steps: list[Step]) -> Any:
        """Returns the cursor that `steps` on `cursor` make."""

    def is_unfinished(self, value: object) -> bool:
        """Whether `value` is a path on another connection, whose end was not fetched yet."""

    def is_awaited(self, value: object) -> bool:
        """Whether a call's result is to be awaited over here before the chain goes on."""


class Executor:
    """Runs chains on the objects of one connection.

    Args:
        root: What a chain without a target starts from; `missing` if there is nothing.
        policy: The gate, already bound to the root.
        find: Returns the object that is exported under a reference, or raises.
        borrowed: Knows cursors.
        limits: This side's bounds.
    """

    def __init__(
        self,
        root: Callable[[], object],
        policy: Policy,
        find: Callable[[Reference], object],
        borrowed: Borrowed,
        limits: Limits,
    ) -> None:
        self._root = root
        self._policy = policy
        self._find = find
        self._borrowed = borrowed
        self._cursor_type = borrowed.cursor_type
        self._limits = limits
        self._plain: set[type] = {type(None), bool, int, float, str, bytes, list, dict, tuple}
        self._rare: dict[int, Callable[[Any, Step], Any]] = {
            CONSTRUCT: self._call,
            ITEM: self._item,
            SET: self._set,
            DEL: self._delete,
            SETITEM: self._set_item,
            DELITEM: self._delete_item,
            OPERATE: self._operate,
            COPY: self._copy,
            REF: self._refer,
            DESCRIBE: self._describe,
        }

    def speak_classic(self) -> None:
        """Takes LOOKUP from here on: the step that only the classic dialect has."""
        self._rare[LOOKUP] = self._look_up

    def _is_known(self, step: Any) -> bool:
        return _is_well_formed(step) and (step[0] != LOOKUP or LOOKUP in self._rare)

    def start(self, target: Reference | None, steps: list[Step]) -> Any:
        """Runs a chain from its beginning.

        Returns:
            The value, or `Suspended`, or `Iteration`.

        Raises:
            ReferenceNotFound: The target is not exported.
            AccessDenied: The policy refuses a step.
            LimitExceeded: The chain is too long.
            ProxyError: It is malformed.
            BaseException: Whatever the exported code raises.
        """
        if type(steps) is not list:
            raise ProxyError("malformed chain: the steps are not a list")
        if len(steps) > self._limits.max_steps:
            raise LimitExceeded("max_steps", self._limits.max_steps, len(steps), "chain")
        value = self._root() if target is None else self._find(target)
        return self._run(value, steps, 0)

    def proceed(self, value: Any, steps: list[Step], index: int) -> Any:
        """Goes on at step `index` with what a `Suspended` waited for; returns as `start` does."""
        if type(value) not in self._plain:
            settled = self._settle(value, index)
            if type(settled) is Suspended:
                return settled
        return self._run(value, steps, index)

    def _run(self, value: Any, steps: list[Step], index: int) -> Any:
        policy = self._policy
        passed, plain, cursor_type = policy.passed, self._plain, self._cursor_type
        for place in range(index, len(steps)):
            step = steps[place]
            if type(value) is cursor_type and self._borrowed.is_relayed(value):
                return self._relay(value, steps, place)
            if type(step) is not list:
                raise _no_such_step(step)
            try:
                op = step[0]
                if op == GET:
                    name = step[1]
                    if (type(value), name) not in passed:
                        policy.check_get(value, name)
                    value = getattr(value, name)
                elif op == CALL:
                    value = self._call(value, step)
                elif op == STREAM:
                    return self._stream(value, steps, place)
                elif op != REF or place == len(steps) - 1:  # in mid-chain REF changes nothing
                    value = self._rare[op](value, step)
            except (IndexError, KeyError, TypeError):
                if self._is_known(step):
                    raise  # the exported code's own
                raise _no_such_step(step) from None
            if type(value) not in plain:
                settled = self._settle(value, place + 1)
                if type(settled) is Suspended:
                    return settled
        if type(value) is cursor_type and self._borrowed.is_unfinished(value):
            return Suspended(value, len(steps))
        return value

    def _settle(self, value: Any, index: int) -> Suspended | None:
        """Checks one result; remembers types that never need checking."""
        kind = type(value)
        if self._borrowed.is_relayed(value):
            return None
        if self._borrowed.is_awaited(value):
            return Suspended(value, index)
        policy = self._policy
        if kind not in policy.harmless:
            policy.check_value(value)
        if kind in policy.harmless and not hasattr(kind, "__await__"):
            if len(self._plain) >= _MAX_PLAIN_TYPES:  # classes made by the thousand
                self._plain.intersection_update({type(None), bool, int, float, str, bytes})
            self._plain.add(kind)
        return None

    def _relay(self, cursor: Any, steps: list[Step], index: int) -> Any:
        """Passes the rest of the chain on, as one message, to the peer that owns the object."""
        rest = steps[index:]
        if LOOKUP in self._rare:
            rest = [_without_lookup(step) for step in rest]
        for step in rest:
            self._check_relayed(cursor, step)
        if rest[-1][0] == STREAM:
            size = self._chunk_size(rest[-1])
            source = self._borrowed.relay(cursor, rest[:-1]) if len(rest) > 1 else cursor
            return Iteration(source, size, owned=True)
        return Suspended(self._borrowed.relay(cursor, rest), len(steps))

    def _check_relayed(self, cursor: Any, step: Any) -> None:
        """Holds a step that is passed on to our policy as well, as far as its form tells."""
        if not self._is_known(step):
            raise _no_such_step(step)
        checks: dict[int, Callable[[Any, Any], None]] = {
            GET: self._policy.check_get,
            SET: self._policy.check_set,
            DEL: self._policy.check_delete,
            ITEM: self._policy.check_item,
            SETITEM: self._policy.check_set_item,
            DELITEM: self._policy.check_delete_item,
        }
        if step[0] in checks:
            checks[step[0]](cursor, step[1])
        elif step[0] == OPERATE:
            self._policy.check_operation(step[1], cursor)

    # -- the rarer steps --------------------------------------------------------------------------

    def _call(self, value: Any, step: Step) -> Any:
        args = step[1]
        if type(args) is not list:
            raise ProxyError("malformed chain: CALL takes a list of arguments")
        policy = self._policy
        if type(value) not in policy.harmless:
            policy.check_call(value)
        if len(step) > 2:
            keywords = step[2]
            if type(keywords) is not dict:  # an object of ours would be asked for its keys
                raise ProxyError("malformed chain: CALL takes a map of keyword arguments")
            policy.check_keywords(keywords)
            return value(*args, **keywords)
        return value(*args)

    def _item(self, value: Any, step: Step) -> Any:
        self._policy.check_item(value, step[1])
        return operator.getitem(value, step[1])

    def _set(self, value: Any, step: Step) -> None:
        self._policy.check_set(value, step[1])
        setattr(value, step[1], step[2])

    def _delete(self, value: Any, step: Step) -> None:
        self._policy.check_delete(value, step[1])
        delattr(value, step[1])

    def _set_item(self, value: Any, step: Step) -> None:
        self._policy.check_set_item(value, step[1])
        operator.setitem(value, step[1], step[2])

    def _delete_item(self, value: Any, step: Step) -> None:
        self._policy.check_delete_item(value, step[1])
        operator.delitem(value, step[1])

    def _operate(self, value: Any, step: Step) -> Any:
        name = step[1]
        args = step[2] if len(step) > 2 else []
        if type(name) is not str or type(args) is not list:
            raise ProxyError("malformed chain: OPERATE takes a name and a list of arguments")
        if name == "dir" and not args:
            return self._policy.visible_names(value)
        operation = OPERATIONS.get(name)
        if operation is None:
            raise ProxyError(f"malformed chain: no such operation: {name[:40]!r}")
        self._policy.check_operation(name, value)
        return operation(value, *args)

    def _look_up(self, value: Any, step: Step) -> Any:
        """The classic GET: an item of a container, else an attribute."""
        key = step[1]
        if issubclass(type(value), dict) and key in value:
            return self._item(value, step)
        if issubclass(type(value), (list, tuple)) and (type(key) is int or key.isdecimal()):
            return self._item(value, [ITEM, int(key)])
        if type(key) is int:
            return self._item(value, step)
        if (type(value), key) not in self._policy.passed:
            self._policy.check_get(value, key)
        return getattr(value, key)

    def _copy(self, value: Any, step: Step) -> Any:
        """Gives containers of any make as the plain ones that travel by value."""
        self._policy.check_operation("iter", value)
        for kind in _COPIED:
            if issubclass(type(value), kind):  # isinstance would ask the object itself
                return kind(value)
        raise ProxyError(f"copy: a {type(value).__name__} has no form that travels by value")

    def _refer(self, value: Any, step: Step) -> ByReference:
        return ByReference(value)

    def _describe(self, value: Any, step: Step) -> Any:
        return describe(value, self._policy)

    def _stream(self, value: Any, steps: list[Step], place: int) -> Iteration:
        if place != len(steps) - 1:
            raise ProxyError("malformed chain: STREAM must be its last step")
        self._policy.check_operation("iter", value)
        return Iteration(value, self._chunk_size(steps[place]), owned=place > 0)

    @staticmethod
    def _chunk_size(step: Step) -> int:
        size = step[1] if len(step) > 1 else 0
        if type(size) is not int or size < 1:
            raise ProxyError("malformed chain: STREAM takes a positive number of items")
        return min(size, _MAX_CHUNK)


def no_root() -> object:
    """The root of a side that exports nothing."""
    raise ReferenceNotFound("this peer exports no root object")
