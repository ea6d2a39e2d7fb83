"""`sorted`, `min`, `max` and a list's `sort`: what they compare is fetched first.

A comparison of two remote values is a chain like any other, which has no truth until it is awaited;
the builtins cannot wait for it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from types import BuiltinMethodType

from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.notes import REPLACED
from proxyables_cli.repl.replacing import Replacement, UserValue

_ORDERING = (sorted, min, max)


class Ordering(Replacement):
    """Stands for one of the builtins in a cell, or for the method of a list."""

    __slots__ = ()

    def __call__(self, *args: UserValue, **options: UserValue) -> UserValue:
        """Calls the builtin; a `Deferred` where its keys have to be fetched."""
        owner = self._owner
        if bool(args) is (owner is not None):
            return self._callee(*args, **options)  # for its complaint
        given = args if owner is None else (owner,)
        items = list(given if len(given) > 1 and self._callee is not sorted else given[0])
        key = options.get("key")
        keys = items if key is None else [key(item) for item in items]
        if any(map(self._has_remote, keys)):
            self._note(sys._getframe(1), REPLACED)
            return Deferred(lambda: self._later(items, keys, options))
        if key is None:
            return self._callee(items, **options) if owner is None else self._callee(**options)
        return self._ordered(items, keys, options)

    @property
    def _owner(self) -> list[UserValue] | None:
        """The list whose method it is."""
        return None if self._callee in _ORDERING else getattr(self._callee, "__self__", None)

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
            return self._callee(items, **options) if self._owner is None else None
        order = sorted if self._owner is not None else self._callee
        places: UserValue = order(range(len(items)), **{**options, "key": keys.__getitem__})
        if self._owner is not None:
            self._owner[:] = [items[place] for place in places]
            return None
        return [items[place] for place in places] if order is sorted else items[places]

    def _has_remote(self, key: UserValue) -> bool:
        return self._is_remote(key) or (type(key) is tuple and any(map(self._is_remote, key)))

    async def _fetched(self, key: UserValue) -> UserValue:
        if type(key) is tuple:
            return tuple([await self._resolve(part) for part in key])
        return await self._resolve(key)


def orders(callee: object) -> bool:
    """Whether a function is one of those that this module is about."""
    if any(callee is each for each in _ORDERING):
        return True
    if not isinstance(callee, BuiltinMethodType):
        return False
    return callee.__name__ == "sort" and isinstance(callee.__self__, list)


__all__ = ["Ordering", "orders"]
