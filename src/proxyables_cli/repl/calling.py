"""`map` and `filter` with functions that may give remote values, which are awaited.

A remote value is true until it is awaited, so `filter` itself would keep everything.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from proxyables_cli.repl.faces import Generation
from proxyables_cli.repl.notes import REPLACED, Site
from proxyables_cli.repl.replacing import Replacement, UserValue


class Calling(Replacement):
    """Stands for `map` or `filter` in a cell; lazy as they are.

    Args:
        ask: What a function, a builtin such as `len` or `str`, gets for a remote object.
        given: As `Replacement` takes it.
    """

    __slots__ = ("_ask",)

    def __init__(
        self, ask: Callable[[UserValue, UserValue], Awaitable[UserValue]], *given: UserValue
    ) -> None:
        super().__init__(*given)
        self._ask = ask

    def __call__(self, *args: UserValue) -> UserValue:
        """Gives what the builtin would, as something that can wait."""
        self._callee(*args)  # for its complaints about what it was given
        function, *others = args
        frame = sys._getframe(1)
        if self._is_remote(function) or any(map(self._has_remote, others)):
            self._note(frame, REPLACED)
        work = self._mapped if self._callee is map else self._filtered
        return Generation(work(function, others, Site(frame.f_code, frame.f_lasti)))

    def _has_remote(self, items: UserValue) -> bool:
        return type(items) in (list, tuple) and any(map(self._is_remote, items))

    async def _mapped(
        self, function: Callable[..., UserValue], others: list[Iterable[UserValue]], site: Site
    ) -> AsyncGenerator[UserValue, None]:
        for given in zip(*others):  # noqa: B905 - as map does, the shortest ends it
            asked = [await self._ask(function, each) for each in given]
            yield await self._resolve(self._noted(function(*asked), site))

    async def _filtered(
        self,
        function: Callable[..., UserValue] | None,
        others: list[Iterable[UserValue]],
        site: Site,
    ) -> AsyncGenerator[UserValue, None]:
        (items,) = others
        for item in items:
            told = item if function is None else function(item)
            if await self._resolve(self._noted(told, site)):
                yield item

    def _noted(self, value: UserValue, site: Site) -> UserValue:
        if self._is_remote(value):
            self._note(site, REPLACED)
        return value


__all__ = ["Calling"]
