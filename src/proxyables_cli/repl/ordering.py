"""`sorted`, `min` and `max` on remote objects: what they compare is fetched first.

A comparison of two remote values is a chain like any other, which counts as true until it is
awaited; the builtins would take that for an answer, and order wrongly without a word.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.replacing import Replacement, UserValue

_ORDERING = (sorted, min, max)


class Ordering(Replacement):
    """Stands for one of the builtins in a cell."""

    __slots__ = ()

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
