"""This library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import proxyables

from .cases import BODY, Operation


class _API:
    def add(self, a: int, b: int) -> int:
        return a + b

    async def add_async(self, a: int, b: int) -> int:
        return a + b

    async def apply(self, callback: Any, value: int) -> int:
        result: int = await callback(value)
        return result

    def echo(self, body: bytes) -> bytes:
        return body


def _increment(value: int) -> int:
    return value + 1


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    """Serves while it is entered; gives the port."""
    async with proxyables.serve(_API(), "tcp://127.0.0.1:0") as server:
        yield int(server.addresses[0].rpartition(":")[2])


async def connect(port: int) -> dict[str, Operation]:
    """Returns what can be measured."""
    peer = await proxyables.connect(f"tcp://127.0.0.1:{port}")
    proxy = peer.root
    return {
        "add": lambda: proxy.add(1, 2),
        "add_async": lambda: proxy.add_async(1, 2),
        "apply": lambda: proxy.apply(_increment, 1),
        "echo": lambda: proxy.echo(BODY),
    }
