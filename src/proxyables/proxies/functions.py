"""What one does to a cursor: functions, so that no method of a cursor hides a remote name.

Each takes a cursor that was not awaited yet, or one that a call gave. To a type checker a cursor
may be an object of any type (see `typed`), so that it is here, and not there, that what is no
cursor is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar, cast, overload

from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import (
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    ITEM,
    REF,
    SET,
    SETITEM,
    Step,
)

from .cursor import Caller, ProxyCursor, RemoteValue, extend, operate

T = TypeVar("T")


def _check(cursor: object, function: str) -> ProxyCursor:
    if type(cursor) is not ProxyCursor:
        raise TypeError(
            f"{function} takes a cursor on a remote object, got a {type(cursor).__name__}"
        )
    return cursor


def _split(cursor: object, function: str) -> tuple[ProxyCursor, bool, Any]:
    """Returns the cursor on the owner, whether an item of it is meant, and the name or key."""
    cursor = _check(cursor, function)
    last = cursor._steps[-1] if cursor._steps else [REF]
    is_item = type(last) is list
    if is_item and last[0] != ITEM:
        raise TypeError(f"{function} takes a path that ends in an attribute or an item")
    owner = ProxyCursor(cursor._peer, cursor._reference, cursor._steps[:-1])
    return owner, is_item, last[1] if is_item else last


async def assign(target: object, value: object) -> None:
    """Sets the remote attribute or item at the end of `target` to `value`, in one round trip."""
    owner, is_item, name = _split(target, "assign")
    await extend(owner, [SETITEM if is_item else SET, name, value])


async def delete(target: object) -> None:
    """Deletes the remote attribute or item at the end of `target`, in one round trip."""
    owner, is_item, name = _split(target, "delete")
    await extend(owner, [DELITEM if is_item else DEL, name])


@overload
async def copy(target: Awaitable[T]) -> T: ...
@overload
async def copy(target: object) -> RemoteValue: ...
async def copy(target: object) -> RemoteValue:
    """Returns the remote value itself, whatever the rule says.

    Raises:
        RemoteError: It has no form that travels by value.
    """
    return await extend(_check(target, "copy"), [COPY])


@overload
def ref(target: ProxyCursor) -> Awaitable[ProxyCursor]: ...
@overload
def ref(target: object) -> Any: ...
def ref(target: object) -> Any:
    """Keeps a value where it is, and lets a reference travel, whatever the rule says.

    Of a cursor: an awaitable of the cursor on the object itself, which stays over there. Of
    anything else: a wrapper to be given as an argument, or returned from a method.
    """
    if type(target) is ProxyCursor:
        return extend(target, [REF])
    return ByReference(target)


async def describe(target: object, *, static: bool = False) -> dict[str, Any]:
    """Returns what the remote object offers: members, signatures, first lines of their docs.

    It is read statically over there: no property runs, nothing is called. Where `target` is a
    path, its steps do run, as those of any chain, unless `static` is true.

    Args:
        target: The object, or a path to it.
        static: Follow the path without running anything either: through attributes and classes,
            and the items of builtin lists, tuples and dicts.

    Raises:
        AccessDenied: The policy over there hides the object, or tells nothing; or `static` is
            true, and something would have to run.
        TypeError: `static` is true, and the path has steps that are no names and no items with a
            number or a text as key.
    """
    cursor = _check(target, "describe")
    if not static:
        return cast(dict[str, Any], await extend(cursor, [DESCRIBE]))
    if not all(map(_is_still, cursor._steps)):
        raise TypeError("describe, when static, takes a path of attributes and items")
    step = [DESCRIBE, cursor._steps] if cursor._steps else [DESCRIBE]
    found = ProxyCursor(cursor._peer, cursor._reference, [step])
    return cast(dict[str, Any], await found)


def _is_still(step: Step) -> bool:
    """Whether a step may be one that runs nothing."""
    return type(step) is str or (step[0] == ITEM and type(step[1]) in (int, str))


async def contains(target: object, item: object) -> bool:
    """Returns whether `item` is in the remote container."""
    return bool(await operate(_check(target, "contains"), "contains", item))


def perform(target: object, operation: str, *args: object) -> ProxyCursor:
    """Returns the path to the outcome of an operation of the closed table: ``perform(x, "len")``.

    Awaited, it is one message, and so is what is written behind it: ``perform(x, "repr")[:80]``.

    The names are those of `operator` and of the builtins without their underscores: ``add``,
    ``contains``, ``len``, ``str``, ``repr``, ``dir`` and so on; `docs/reference/protocol.md` has
    the table.
    """
    return operate(_check(target, "perform"), operation, *args)


def construct(target: object, /, *args: object, **kwargs: object) -> ProxyCursor:
    """Returns the path to a new instance of the remote class at the end of `target`.

    Calling the class does the same; some classic peers tell the two apart.
    """
    step = [CONSTRUCT, list(args), kwargs] if kwargs else [CONSTRUCT, list(args)]
    return extend(_check(target, "construct"), step)


async def run(target: Awaitable[T]) -> T:
    """Awaits `target`: its coroutine, for those who take nothing but coroutines.

    A cursor is awaitable, which is enough for ``await``, `asyncio.gather`, `asyncio.wait_for` and
    `asyncio.ensure_future`. A task is made of ``run(cursor)``::

        async with asyncio.TaskGroup() as group:
            group.create_task(proxyables.run(shop.total()))
    """
    value: T = await _check(target, "run")
    return value


def release(target: object) -> None:
    """Gives the remote object back now, without waiting for the garbage collector.

    Any later use of a cursor on it raises `ReferenceNotFound`. Doing it twice does no harm.
    """
    reference = _check(target, "release")._reference
    if reference is not None:
        reference.release()


def is_settled(target: object) -> bool:
    """Whether a cursor stands for one known object, and not for a path with steps still to take.

    What a call gave is settled, and so is a root; ``root.shop`` and ``root.shop()`` are paths, each
    of whose uses takes the steps again. Asks nothing of the other side.
    """
    return not _check(target, "is_settled")._steps


def peer_of(target: object) -> Caller:
    """Returns the `Peer` that a cursor belongs to."""
    return _check(target, "peer_of")._peer
