"""`sorted`, `min` and `max` on remote objects: what they compare is fetched first.

A comparison of two remote values is a chain like any other, which counts as true until it is
awaited; the builtins would take that for an answer, and order wrongly without a word.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import Any

from proxyables_cli.repl.deferred import Deferred

UserValue = Any
_ORDERING = (sorted, min, max)


class Ordering:
    """Stands for one of the builtins in a cell.

    Args:
        callee: The builtin.
        is_remote: Tells cursors from other values.
        resolve: Fetches the value of a chain.
        note: Hears of the frames in which keys had to be fetched.
    """

    __slots__ = ("_callee", "_is_remote", "_note", "_resolve")

    def __init__(
        self,
        callee: Callable[..., UserValue],
        is_remote: Callable[[object], bool],
        resolve: Callable[[UserValue], Awaitable[UserValue]],
        note: Callable[[FrameType], None],
    ) -> None:
        self._callee = callee
        self._is_remote = is_remote
        self._resolve = resolve
        self._note = note

    def __call__(self, *args: UserValue, **options: UserValue) -> UserValue:
        """Calls the builtin; a `Deferred` where its keys have to be fetched."""
        if not args:
            return self._callee(**options)
        items = list(args if len(args) > 1 and self._callee is not sorted else args[0])
        key = options.pop("key", None)
        keys = items if key is None else [key(item) for item in items]
        if any(map(self._has_remote, keys)):
            self._note(sys._getframe(1))
            return Deferred(lambda: self._later(items, keys, options))
        return self._ordered(items, keys, options)

    async def _later(
        self, items: list[UserValue], keys: list[UserValue], options: dict[str, UserValue]
    ) -> UserValue:
        keys = await asyncio.gather(*map(self._fetched, keys))
        if any(map(self._has_remote, keys)):
            name = self._callee.__name__
            raise TypeError(
                f"remote objects have no order here: give {name}() a key, as in "
                f"{name}(items, key=lambda item: item.price)"
            )
        return self._ordered(items, keys, options)

    def _ordered(
        self, items: Sequence[UserValue], keys: Sequence[UserValue], options: dict[str, UserValue]
    ) -> UserValue:
        if not items:
            return self._callee(items, **options)
        places = self._callee(range(len(items)), key=keys.__getitem__, **options)
        return [items[place] for place in places] if self._callee is sorted else items[places]

    def _has_remote(self, key: UserValue) -> bool:
        return self._is_remote(key) or (type(key) is tuple and any(map(self._is_remote, key)))

    async def _fetched(self, key: UserValue) -> UserValue:
        if type(key) is tuple:
            return tuple([await self._resolve(part) for part in key])
        return await self._resolve(key)


def orders(callee: object) -> bool:
    """Whether a function is one of the builtins that this module is about."""
    return any(callee is each for each in _ORDERING)


__all__ = ["Ordering", "orders"]
