"""A side that cursors can belong to, without a connection: it notes what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any, TypeVar

from proxyables.objects.imports import Reference
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.instructions import Step

T = TypeVar("T")


class Notebook:
    """The real protocol `Caller`, with a list in the place of a peer."""

    def __init__(self, answer: Any = None, address: str = "") -> None:
        self.answer = answer
        self.address = address
        self.asked: list[tuple[Reference | None, list[Step]]] = []
        self.root = ProxyCursor(self, None, [])

    def request(self, reference: Reference | None, steps: list[Step]) -> Generator[Any, None, Any]:
        self.asked.append((reference, steps))
        return self.answer
        yield

    async def iterate(
        self, reference: Reference | None, steps: list[Step], owner: object
    ) -> AsyncIterator[Any]:
        self.asked.append((reference, steps))
        for item in self.answer:
            yield item

    def running_task(self) -> object:
        return None


def wait_for(awaitable: Awaitable[T]) -> T:
    """Returns what an awaitable gives, on a loop of its own."""

    async def wait() -> T:
        return await awaitable

    return asyncio.run(wait())
