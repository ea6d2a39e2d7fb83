"""Peers that say whatever a test wants: Yamux and MessagePack, and not one check of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack

from proxyables.wire.hello import PING
from proxyables.wire.instructions import EXECUTE, HELLO
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.yamux import DATA_RECEIVED, Session, Stream
from proxyables.yamux.frames import HEADER

Ext = msgpack.ExtType


def hello(**changes: Any) -> dict[str, Any]:
    """Returns a HELLO map that is in order, but for `changes`."""
    told = {
        "version": 1,
        "software": "raw 1",
        "language": "none",
        "pid": 1,
        "instance": "x",
        "root": "",
        "max_message": 1 << 24,
        "max_streams": 1000,
        "features": [],
        "demands": "",
        "nonce": os.urandom(32),
    }
    return told | changes


def ext(number: int, payload: Any) -> Any:
    """Returns an extension whose payload is MessagePack again."""
    return Ext(number, msgpack.packb(payload, unicode_errors="surrogatepass"))


def own(reference: Any) -> Any:
    """Returns "your own object" of the px dialect."""
    return ext(2, reference)


def chain(target: Any, *steps: Any) -> Any:
    """Returns a chain to run over there first, as an argument of the px dialect."""
    return ext(3, [target, list(steps)])


def instruction(kind: int, data: Any = None) -> dict[str, Any]:
    """Returns an instruction of the classic dialect."""
    return {"id": "0" * 12, "kind": int(kind), "data": data}


def classic_call(*steps: tuple[int, Any]) -> dict[str, Any]:
    """Returns a classic EXECUTE of steps that are given as (kind, data)."""
    return instruction(Kind.EXECUTE, [instruction(kind, data) for kind, data in steps])


class RawPeer:
    """One end of a connection, driven by hand.

    Attributes:
        session: Our own Yamux, which takes care of windows and answers to pings.
        is_over: True once the other side has closed the connection.
        reader: What comes, for who does not want the session to answer it.
        writer: The way out, past the session.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool
    ) -> None:
        self.session = Session(client=client)
        self.is_over = False
        self.events: list[tuple[int, Any, Any]] = []
        self.received: dict[int, bytes] = {}
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        """Sends bytes as they are, behind what the session has queued."""
        data = b"".join(self.session.data_to_send()) + data
        if not data or self.writer.transport.is_closing():
            return
        with contextlib.suppress(ConnectionError):  # what it said before is to be read all the same
            self.writer.write(data)
            await self.writer.drain()

    async def frame(
        self, kind: int, flags: int, stream: int, value: int, data: bytes = b""
    ) -> None:
        """Sends one Yamux frame as it is."""
        await self.write(HEADER.pack(0, kind, flags, stream, value) + data)

    async def send(self, stream: Stream, *messages: Any) -> None:
        """Sends messages, or bytes in the place of messages, on one stream."""
        for message in messages:
            data = message if isinstance(message, bytes) else msgpack.packb(message)
            self.session.send(stream, data)
        await self.write(b"")

    async def receive(self) -> None:
        """Takes what one read brings."""
        try:
            data = await self.reader.read(65536)
        except ConnectionError:
            data = b""
        self.is_over = not data
        for event in self.session.receive_data(data):
            self.events.append(event)
            kind, stream, payload = event
            if kind == DATA_RECEIVED:
                self.received[stream.id] = self.received.get(stream.id, b"") + payload
        await self.write(b"")

    async def until(self, condition: Callable[[], Any]) -> None:
        """Waits for what the other side does; fails if it closes the connection first."""
        while not condition():
            assert not self.is_over, "the connection was closed"
            await self.receive()

    async def until_over(self) -> None:
        """Waits until the other side has closed the connection."""
        while not self.is_over:
            await self.receive()

    async def message(self, stream: Stream | int) -> Any:
        """Returns the next message on a stream, its extensions as they are."""
        number = stream if isinstance(stream, int) else stream.id
        await self.until(lambda: whole(self.received.get(number, b"")) is not None)
        data = self.received[number]
        end = whole(data)
        self.received[number] = data[end:]
        return msgpack.unpackb(data[:end], strict_map_key=False, unicode_errors="surrogatepass")

    async def exchange(self, message: Any, stream: Stream | None = None) -> Any:
        """Sends a request, on a stream of its own unless one is given; returns the answer."""
        stream = self.session.open_stream() if stream is None else stream
        await self.send(stream, message)
        return await self.message(stream)

    async def execute(self, *steps: Any, target: Any = None) -> Any:
        """Returns the answer to a chain of the px dialect."""
        return await self.exchange([EXECUTE, target, list(steps)])

    async def greet(self, **changes: Any) -> Any:
        """Goes through the px handshake; returns what the other side said."""
        self.session.ping(PING)
        if self.session._next_id % 2:  # the client speaks first
            return await self.exchange([HELLO, hello(**changes)])
        await self.write(b"")
        said = await self.message(1)
        await self.send(self.session.streams[1], [HELLO, hello(**changes)])
        return said

    def close(self) -> None:
        """Closes the connection as it is."""
        self.writer.transport.abort()


def whole(data: bytes) -> int | None:
    """Returns where the first message in `data` ends, if it is there."""
    scanner = msgpack.Unpacker(max_buffer_size=1 << 30)
    scanner.feed(data)
    try:
        scanner.skip()
    except msgpack.OutOfData:
        return None
    end: int = scanner.tell()
    return end


@contextlib.asynccontextmanager
async def dialled(address: str) -> AsyncIterator[RawPeer]:
    """A raw client of the server at a ``tcp://`` address."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    raw = RawPeer(reader, writer, client=True)
    try:
        yield raw
    finally:
        raw.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def listening(
    serve: Callable[[RawPeer], Awaitable[None]],
) -> AsyncIterator[str]:
    """The address of a raw server, which does `serve` with each connection, then closes it.

    An exception in `serve` is raised when the block is left.
    """
    failures: list[BaseException] = []
    serving: set[asyncio.Future[None]] = set()
    leaving = asyncio.Event()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Never cancelled itself: on Python 3.11 asyncio's servers cannot bear it.
        served = asyncio.ensure_future(serve(RawPeer(reader, writer, client=False)))
        serving.add(served)
        await asyncio.wait({served}, timeout=20)
        served.cancel()
        try:
            await served
        except (Exception, asyncio.CancelledError) as error:
            failures.append(error)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        serving.discard(served)
        leaving.set()

    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if sys.exc_info()[0] is not None:
            for served in serving:
                served.cancel()
        while serving:
            leaving.clear()
            await leaving.wait()
        await asyncio.sleep(0)
        await server.wait_closed()
    for failure in failures:
        raise failure
