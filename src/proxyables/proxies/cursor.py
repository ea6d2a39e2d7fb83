"""The lazy, awaitable path to a value of the other side.

A cursor is immutable: each attribute, item, call or operator gives a new one, with one more step,
and neither sends nor exports anything. `await` sends the whole chain as one message.

Nothing that local machinery does to an object by itself (repr, comparing, hashing, copying,
pickling, probing for names that begin with an underscore) ever reaches the other side.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Any, NoReturn, Protocol, TypeAlias

from proxyables.objects.imports import Reference
from proxyables.wire.instructions import CALL, ITEM, OPERATE, REF, STREAM, Step
from proxyables.wire.payloads import visible

from .operators import Operators

RemoteValue: TypeAlias = Any
"""What a call gives: a plain value, or a cursor on an object that stayed over there."""

_MAX_KEPT = 256
_MAX_KEPT_BELOW = 16
CHUNK = 1024
"""Items that `async for` asks for at a time, at the most."""


class Caller(Protocol):
    """The peer, as far as a cursor knows it."""

    address: str

    def request(
        self, reference: Reference | None, steps: list[Step]
    ) -> Generator[Any, None, RemoteValue]: ...

    def iterate(
        self, reference: Reference | None, steps: list[Step], owner: object
    ) -> AsyncIterator[RemoteValue]: ...

    def running_task(self) -> object: ...


class ProxyCursor(Operators):
    """A path of steps from an object of the other side; `await` it for the value at its end.

    If the awaiting task is cancelled, the call is cancelled over there; it may or may not have
    run.
    """

    # The instance dictionary holds paths that were asked for before, see `__getattr__`.
    __slots__ = ("__dict__", "__weakref__", "_entered", "_path")

    _path: tuple[Caller, Reference | None, list[Step], int]
    """The peer, the target, the steps; and how many longer paths this one keeps."""
    _entered: list[tuple[object, ProxyCursor]]
    """The managers that `async with` has entered, each with the task; unset until then."""

    def __init__(self, peer: Caller, reference: Reference | None, steps: list[Step]) -> None:
        _set_path(self, (peer, reference, steps, 0 if steps else _MAX_KEPT))

    @property
    def _peer(self) -> Caller:
        return self._path[0]

    @property
    def _reference(self) -> Reference | None:
        return self._path[1]

    @property
    def _steps(self) -> list[Step]:
        return self._path[2]

    # -- steps ----------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> ProxyCursor:
        if name[:1] == "_":
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: names that begin with "
                "an underscore stay local"
            )
        peer, reference, steps, most = self._path
        cursor = _new(ProxyCursor)
        _set_path(cursor, (peer, reference, [*steps, name], most and _MAX_KEPT_BELOW))
        if most and len(self.__dict__) < most:
            # Kept where Python looks first: the next `root.method` costs what a local one does.
            # Not behind a call, which each path makes anew.
            self.__dict__[name] = cursor
        return cursor

    def __getitem__(self, key: object) -> ProxyCursor:
        peer, reference, steps, _ = self._path
        return ProxyCursor(peer, reference, [*steps, [ITEM, key]])

    def __call__(self, /, *args: object, **kwargs: object) -> ProxyCursor:
        step = [CALL, [*args], kwargs] if kwargs else [CALL, [*args]]
        peer, reference, steps, _ = self._path
        cursor = _new(ProxyCursor)
        _set_path(cursor, (peer, reference, [*steps, step], 0))
        return cursor

    # -- the value ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, RemoteValue]:
        peer, reference, steps, _ = self._path
        return peer.request(reference, steps)

    def __aiter__(self) -> AsyncIterator[RemoteValue]:
        return self._peer.iterate(self._reference, [*self._steps, [STREAM, CHUNK]], self)

    async def __aenter__(self) -> RemoteValue:
        # The chain must run once: its manager is kept over there, and left where it was entered.
        manager = await extend(self, [REF]) if self._steps else self
        try:
            entered = await operate(manager, "aenter")
        except BaseException:
            del manager  # else the traceback keeps it, and it stays entered over there
            raise
        pair = (self._peer.running_task(), manager)
        try:
            self._entered.append(pair)
        except AttributeError:
            object.__setattr__(self, "_entered", [pair])
        return entered

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return bool(await operate(self._pop_entered(), "aexit", error))

    def _pop_entered(self) -> ProxyCursor:
        """Returns the manager that this task has entered last: others may be on the same path."""
        task, entered = self._peer.running_task(), self._entered
        for place in reversed(range(len(entered))):
            if entered[place][0] is task:
                return entered.pop(place)[1]
        return entered.pop()[1]  # left by another task than the one that entered it

    def _operate(self, name: str, *args: object) -> ProxyCursor:
        return operate(self, name, *args)

    # -- what stays local -------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {path_of(self)}>"

    # Cursors on one object are equal. Paths with a call in them are not, however alike: each stands
    # for a call yet to be made, and asyncio.gather makes one of all awaitables that are equal.

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not ProxyCursor:
            return NotImplemented
        if self._steps or other._steps:
            return False
        return self._peer is other._peer and self._reference is other._reference

    def __hash__(self) -> int:
        return id(self) if self._steps else hash((id(self._peer), id(self._reference)))

    def __copy__(self) -> ProxyCursor:
        return self

    def __deepcopy__(self, memo: object) -> ProxyCursor:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(
            f"a cursor cannot be assigned to; await proxyables.assign(cursor.{name}, value)"
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError(f"a cursor cannot delete; await proxyables.delete(cursor.{name})")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise TypeError(
            f"a cursor cannot be assigned to; await proxyables.assign(cursor[{key!r}], value)"
        )

    def __delitem__(self, key: object) -> NoReturn:
        raise TypeError(f"a cursor cannot delete; await proxyables.delete(cursor[{key!r}])")

    def __bool__(self) -> bool:
        """True, as any object's; what an operator gives is no object, and not known yet.

        Python asks for it where nobody wrote an `await`: in ``a < b < c``, in `sorted`, `min` and
        `filter`, and would go on with a wrong answer. A path may be a function to be called, which
        ``if callback:`` asks for; the outcome of an operator is only ever a value.

        Raises:
            TypeError: The path ends in an operator, or in one of `perform`'s operations.
        """
        steps = self._path[2]
        if steps and type(steps[-1]) is list and steps[-1][0] == OPERATE:
            raise TypeError(
                f"{path_of(self)} is neither true nor false before it is awaited: await it first, "
                "as in 'if await (a < b)'. What compares by itself, as sorted() and 'a < b < c' "
                "do, cannot wait: give it values"
            )
        return True

    def __iter__(self) -> NoReturn:
        raise TypeError("a remote object is iterated with 'async for'")

    def __contains__(self, item: object) -> NoReturn:
        raise TypeError("'in' cannot wait for the other side: await proxyables.contains(…)")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a cursor cannot be pickled: it belongs to its connection")

    def __mro_entries__(self, bases: object) -> NoReturn:
        raise TypeError("a class of the other side cannot be the base of one here")


# `__setattr__` is for users; the constructor, on the path of every call, goes around it.
_new = object.__new__
_set_path = ProxyCursor.__dict__["_path"].__set__


def redirect(root: ProxyCursor, peer: Caller) -> None:
    """Has a cursor stand for the root of another peer; paths that were made from it keep theirs."""
    root.__dict__.clear()  # the paths that it keeps
    _set_path(root, (peer, None, [], _MAX_KEPT))


def extend(cursor: ProxyCursor, *steps: Step) -> ProxyCursor:
    """Returns `cursor` with more steps."""
    return ProxyCursor(cursor._peer, cursor._reference, [*cursor._steps, *steps])


def operate(cursor: ProxyCursor, name: str, *args: object) -> ProxyCursor:
    """Returns the path to the outcome of one operation of the closed table."""
    return extend(cursor, [OPERATE, name, list(args)])


def path_of(cursor: ProxyCursor) -> str:
    """Returns the path in Python's notation, without any I/O: ``root.items[0].name(…)``."""
    reference = cursor._reference
    if reference is None:
        start = "root"
    else:
        told = reference.type
        name = told.get("name") if isinstance(told, dict) else None
        if isinstance(name, str):  # a qualified one: ``Shop.Item``, ``make.<locals>.Item``
            name = name.rpartition(".")[2]
        if not (isinstance(name, str) and name.isidentifier() and name.isprintable()):
            name = "object"  # what the peer sends must not steer a terminal
        start = f"{name[:80]}#{reference.id if type(reference.id) is int else ascii(reference.id)}"
    text = "".join(_step_text(step) for step in cursor._steps)
    address = cursor._peer.address
    return f"{start}{text}" + (f" at {address}" if address else "")


def _step_text(step: Step) -> str:
    if type(step) is str:
        return f".{visible(step)}"
    if step[0] == ITEM:
        key = step[1]
        return f"[{key!r}]" if type(key) in (int, str) else "[…]"
    if step[0] == CALL:
        return "(…)" if step[1] or len(step) > 2 else "()"
    return f"«{step[1]}»" if step[0] == OPERATE else "«…»"
