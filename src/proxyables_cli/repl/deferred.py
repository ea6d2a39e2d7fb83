"""An awaitable of the REPL's own, which auto-await awaits as it does a chain.

As with a chain, what is written behind it (``px.copy(obj.rows)[0].name``) is done to its value.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Deferred:
    """Work that begins when it is awaited.

    Args:
        work: Makes the coroutine; called anew for each await.
    """

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, Any]:
        return self._work().__await__()

    def __getattr__(self, name: str) -> Deferred:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._then(lambda value: getattr(value, name))

    def __getitem__(self, key: object) -> Deferred:
        return self._then(lambda value: value[key])

    def __call__(self, *args: object, **kwargs: object) -> Deferred:
        return self._then(lambda value: value(*args, **kwargs))

    def _then(self, step: Callable[[Any], Any]) -> Deferred:
        async def work() -> Any:
            return step(await self)

        return Deferred(work)

    def __repr__(self) -> str:
        return "<not awaited yet>"


__all__ = ["Deferred"]
