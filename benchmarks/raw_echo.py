"""The floor: a bare protocol that answers ``[id, [name, argument, …]]`` with ``[id, result]``.

Nothing is left out of it that a call needs, and nothing is in it that a library adds: no
multiplexing, no errors, no policy, no references.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack

from .cases import BODY, ROWS, Operation

_METHODS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "echo": lambda body: body,
    "rows": lambda: ROWS,
}


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self._pack = msgpack.Packer().pack

    def data_received(self, data: bytes) -> None:
        self._unpacker.feed(data)
        pack = self._pack
        answers = [pack([id_, _METHODS[name](*args)]) for id_, (name, *args) in self._unpacker]
        if answers:
            self._transport.write(b"".join(answers))


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self._pack = msgpack.Packer().pack
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def call(self, name: str, *args: object) -> asyncio.Future[Any]:
        self._last_id = id_ = self._last_id + 1
        self._waiting[id_] = future = self._loop.create_future()
        self._transport.write(self._pack([id_, [name, *args]]))
        return future

    def data_received(self, data: bytes) -> None:
        self._unpacker.feed(data)
        for id_, result in self._unpacker:
            self._waiting.pop(id_).set_result(result)


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    """Serves while it is entered; gives the port."""
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(port: int) -> dict[str, Operation]:
    """Returns what can be measured."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(_Client, "127.0.0.1", port)
    return {
        "add": lambda: client.call("add", 1, 2),
        "echo": lambda: client.call("echo", BODY),
        "rows": lambda: client.call("rows"),
    }
