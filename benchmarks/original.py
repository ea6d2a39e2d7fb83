"""The first Python implementation, `stateforward-proxyables` 0.1.0 of PyPI.

Its module has the same name as ours, and it wants Python 3.12 or later: it runs in an environment
of its own (see `contestants`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxyables.transport import AsyncIOStreamAdapter  # type: ignore[import-not-found]

from proxyables import Proxyable

from .cases import Operation


class _API:
    def add(self, a: int, b: int) -> int:
        return a + b


async def _export(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await Proxyable.Export(_API(), AsyncIOStreamAdapter(reader, writer))


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    """Serves while it is entered; gives the port. The loop sets TCP_NODELAY on both ends."""
    server = await asyncio.start_server(_export, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(port: int) -> dict[str, Operation]:
    """Returns what can be measured."""
    streams = await asyncio.open_connection("127.0.0.1", port)
    proxy = await Proxyable.ImportFrom(AsyncIOStreamAdapter(*streams))
    return {"add": lambda: proxy.add(1, 2)}
