"""This library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import proxyables

from .cases import BODY, ROWS, Operation


class _Part:
    """What long chains lead through."""

    def __init__(self) -> None:
        self.inner = self
        self.three = 3

    def itself(self) -> _Part:
        return self

    def add(self, a: int, b: int) -> int:
        return a + b


class API:
    """What both of our faces call."""

    def __init__(self) -> None:
        self.inner = _Part()

    def add(self, a: int, b: int) -> int:
        return a + b

    async def add_async(self, a: int, b: int) -> int:
        return a + b

    async def apply(self, callback: Any, value: int) -> int:
        result: int = await callback(value)
        return result

    def echo(self, body: bytes) -> bytes:
        return body

    def rows(self) -> list[dict[str, object]]:
        return ROWS


def increment(value: int) -> int:
    """What is called back."""
    return value + 1


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    """Serves while it is entered; gives the port."""
    async with proxyables.serve(API(), "tcp://127.0.0.1:0") as server:
        yield int(server.addresses[0].rpartition(":")[2])


async def connect(port: int) -> dict[str, Operation]:
    """Returns what can be measured."""
    peer = await proxyables.connect(f"tcp://127.0.0.1:{port}")
    proxy = peer.root
    return {
        "add": lambda: proxy.add(1, 2),
        "add_async": lambda: proxy.add_async(1, 2),
        "apply": lambda: proxy.apply(increment, 1),
        "attributes": lambda: proxy.inner.inner.inner.inner.inner.inner.inner.inner.inner.three,
        "chain": lambda: proxy.inner.inner.itself().inner.itself().inner.add(1, 2),
        "echo": lambda: proxy.echo(BODY),
        "rows": lambda: proxy.rows(),
    }
