"""Puts a protocol on a stream that somebody else has opened.

Two ways, whatever the stream is. What sits on a socket of this loop (a connected socket, a
matching pair of asyncio streams) is taken over: the protocol then runs at the loop's full speed.
Everything else is pumped (see pumps.py).
"""

from __future__ import annotations

import asyncio
import inspect
import io
import socket
from collections.abc import Awaitable
from typing import Any, TypeAlias

from proxyables.errors import ConnectionClosed
from proxyables.net.pumps import READ_BYTES, Pipe, PumpedTransport
from proxyables.net.transports import check_socket, drive_socket, set_nodelay

Stream: TypeAlias = Any
"""Any of the duplex streams that `attach` describes: told apart by what they can do."""

EXPECTED = (
    "a (StreamReader, StreamWriter) pair, an object with read, write and close coroutines, "
    "a connected socket.socket, or an anyio byte stream"
)


async def attach(stream: Stream, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Gives the protocol the stream, which it owns from then on.

    ``protocol.connection_made`` has been called when this returns. Bytes that a StreamReader had
    buffered arrive first. The stream is closed with the transport, and when attaching fails
    because of it; a mistake of the caller's (TypeError, ValueError) leaves it as it was.

    Args:
        stream: A ``(StreamReader, StreamWriter)`` pair; an object with ``read(n)``, ``write(data)``
            and ``close()``, where ``read`` is a coroutine that gives up to n bytes and the others
            may be plain functions; a connected stream socket, blocking or not; or an anyio byte
            stream.

    Raises:
        TypeError: It is none of these.
        ValueError: It is a socket that listens, or is not a stream socket.
        HandshakeFailed: It is a socket that is not connected.
        ConnectionClosed: It is a stream that has been closed.
    """
    if isinstance(stream, socket.socket):
        check_socket(stream)
        return await drive_socket(stream, protocol)
    if isinstance(stream, tuple) and len(stream) == 2:
        reader, writer = stream
        if is_takeable(reader, writer):
            return _take_over(reader, writer, protocol)
        if _has(reader, "read") and _has(writer, "write", "close"):
            return PumpedTransport(_pair_pipe(reader, writer), protocol)
    elif _has(stream, "receive", "send", "aclose"):
        return PumpedTransport(_anyio_pipe(stream), protocol)
    elif _has(stream, "read", "write", "close") and not isinstance(stream, io.IOBase):
        return PumpedTransport(_pair_pipe(stream, stream), protocol)
    raise TypeError(f"expected {EXPECTED}, got {stream!r:.200}")


def is_takeable(reader: Stream, writer: Stream) -> bool:
    """Whether the two are asyncio's own streams over one transport.

    Taking over needs private attributes of both. Where they are missing (another implementation,
    a version to come) the streams are pumped through their public methods: slower, not wrong.
    """
    if type(reader) is not asyncio.StreamReader or type(writer) is not asyncio.StreamWriter:
        return False
    transport, protocol = writer.transport, writer.transport.get_protocol()
    return (
        getattr(reader, "_transport", None) is transport
        and isinstance(protocol, asyncio.StreamReaderProtocol)
        and all(hasattr(reader, name) for name in ("_buffer", "_eof", "_paused"))
        and hasattr(protocol, "_paused")
    )


class _Successor(asyncio.Protocol):
    """Stands on the transport of a pair of streams in the place of their own protocol.

    The loop calls the new protocol's bound methods directly, so nothing is lost in speed. The old
    protocol still hears of the end and of write pauses, without which ``writer.wait_closed()``
    and ``writer.drain()`` would wait for ever. And the writer stays alive as long as the
    transport: its finaliser would close it.
    """

    def __init__(
        self, protocol: asyncio.Protocol, old: asyncio.StreamReaderProtocol, writer: object
    ) -> None:
        self.data_received = protocol.data_received  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self._protocol = protocol
        self._old = old
        self._writer = writer

    def pause_writing(self) -> None:
        self._old.pause_writing()
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._old.resume_writing()
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._old.connection_lost(exc)
        self._protocol.connection_lost(exc)


def _take_over(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """Does all in one step of the loop, so that no byte can arrive in between."""
    state: Any = reader
    error = reader.exception()
    transport: Any = writer.transport
    if transport.is_closing() or error is not None:
        transport.abort()
        raise ConnectionClosed("the stream is closed", local=error is None, cause=error)
    set_nodelay(writer.get_extra_info("socket"))
    old: Any = transport.get_protocol()
    transport.set_protocol(_Successor(protocol, old, writer))
    buffered, at_end = bytes(state._buffer), state._eof
    state._buffer.clear()
    if state._paused:
        state._paused = False
        transport.resume_reading()
    reader.feed_eof()  # whoever still reads from it gets the end instead of waiting for ever

    protocol.connection_made(transport)
    if old._paused:
        protocol.pause_writing()
    if buffered:
        protocol.data_received(buffered)
    if at_end and not transport.is_closing() and not protocol.eof_received():
        transport.close()
    taken: asyncio.Transport = transport
    return taken


def _pair_pipe(reader: Stream, writer: Stream) -> Pipe:
    drain = getattr(writer, "drain", None)
    wait_closed = getattr(writer, "wait_closed", None)
    extra = getattr(writer, "get_extra_info", None)
    if callable(extra):
        set_nodelay(extra("socket"))

    async def receive() -> bytes:
        coming = reader.read(READ_BYTES)
        if not inspect.isawaitable(coming):
            raise TypeError(f"read() of {reader!r:.200} must be a coroutine")
        return _checked(await coming, reader)

    async def send(data: bytes | bytearray | memoryview) -> None:
        await _settled(writer.write(data))
        if callable(drain):
            await _settled(drain())

    async def close() -> None:
        await _settled(writer.close())
        if callable(wait_closed):
            await _settled(wait_closed())

    return Pipe(receive, send, close, extra if callable(extra) else lambda _name: None)


def _anyio_pipe(stream: Stream) -> Pipe:
    async def receive() -> bytes:
        try:
            return _checked(await stream.receive(), stream)
        except Exception as error:
            # By name, since anyio is no dependency; every other error goes on to the protocol.
            if type(error).__name__ == "EndOfStream":
                return b""
            raise

    return Pipe(receive, stream.send, stream.aclose)


def _checked(data: object, stream: object) -> bytes:
    if data is None:
        return b""  # the end, as some streams put it
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"reading {stream!r:.200} gave {type(data).__name__}, expected bytes")


async def _settled(result: Awaitable[object] | object) -> None:
    if inspect.isawaitable(result):
        await result


def _has(stream: object, *names: str) -> bool:
    return all(callable(getattr(stream, name, None)) for name in names)


__all__ = ["Stream", "attach", "is_takeable"]
