"""``a, (b, *c) = value`` where something remote stands in the value: its items are fetched.

What is local is taken apart by Python itself, and as far as Python would.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from types import EllipsisType, TracebackType
from typing import TypeAlias

from proxyables_cli.repl.faces import UserValue

Shape: TypeAlias = "tuple[Shape | EllipsisType | None, ...]"
"""What a target takes apart: a tuple for each list of targets, None for a name, ``...`` for the
one with a star."""
Unpack = Callable[[UserValue, Shape], Awaitable[UserValue]]
"""Gives a value with what is remote in it as lists, as deep as a shape goes."""


def shape_of(target: ast.expr | None) -> Shape | None:
    """The shape of a target; None if it takes nothing apart."""
    if not isinstance(target, (ast.Tuple, ast.List)):
        return None
    parts = target.elts
    return tuple(... if isinstance(part, ast.Starred) else shape_of(part) for part in parts)


def is_nested(shape: Shape) -> bool:
    """Whether items of items are wanted."""
    return any(isinstance(part, tuple) for part in shape)


async def unpacked_inside(value: UserValue, shape: Shape, unpack: Unpack) -> UserValue:
    """A local value with its parts unpacked as a shape says; the value itself if none changed.

    An iterator is gone through as far as Python goes to find out that there are not too many.
    """
    if not is_nested(shape):
        return value
    if type(value) in (list, tuple):
        items = list(value)
    else:
        try:
            iterator = iter(value)
        except TypeError:
            return value  # Python complains in its own words
        most = None if ... in shape else len(shape) + 1
        items = list(itertools.islice(iterator, most))
    star = shape.index(...) if ... in shape else len(shape)
    behind = len(items) - (len(shape) - star - 1)
    for place, part in enumerate(shape):
        there = place if place < star else behind + place - star - 1
        if isinstance(part, tuple) and 0 <= there < len(items):
            items[there] = await unpack(items[there], part)
    return items


class Unpacking:
    """An asynchronous iterator whose items are unpacked for the target of a loop.

    Args:
        items: What gives them.
        shape: That of the target.
        unpack: Unpacks one.
    """

    __slots__ = ("_items", "_shape", "_unpack")

    def __init__(self, items: AsyncIterator[UserValue], shape: Shape, unpack: Unpack) -> None:
        self._items = items
        self._shape = shape
        self._unpack = unpack

    def __aiter__(self) -> Unpacking:
        return self

    async def __anext__(self) -> UserValue:
        return await self._unpack(await self._items.__anext__(), self._shape)


class Entering:
    """An asynchronous context manager whose value is unpacked for the target of a ``with``.

    Args:
        manager: What is entered and left.
        shape: That of the target.
        unpack: Unpacks the value.
    """

    __slots__ = ("_manager", "_shape", "_unpack")

    def __init__(self, manager: UserValue, shape: Shape, unpack: Unpack) -> None:
        self._manager = manager
        self._shape = shape
        self._unpack = unpack

    async def __aenter__(self) -> UserValue:
        entered = await self._manager.__aenter__()
        try:
            return await self._unpack(entered, self._shape)
        except BaseException as error:
            # It is entered, and nobody else would leave it.
            await self._manager.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        left: bool | None = await self._manager.__aexit__(kind, error, traceback)
        return left


__all__ = ["Entering", "Shape", "Unpack", "Unpacking", "is_nested", "shape_of", "unpacked_inside"]
