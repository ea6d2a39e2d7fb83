"""Pipes, terminals, files and devices as a wire: pumped, since no loop drives two descriptors.

uvloop aborts the process when it is given a regular file or the null device, and epoll refuses
them. So the loop only ever gets sockets and pipes; whatever else is there is read and written
directly, which does not wait: the end of a file comes at once.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from proxyables.net.pumps import READ_BYTES, Pipe, PumpedTransport

Receive: TypeAlias = Callable[[], Awaitable[bytes]]
Send: TypeAlias = Callable[[bytes | bytearray | memoryview], Awaitable[None]]
Close: TypeAlias = Callable[[], Awaitable[None]]


async def attach_pipes(read_fd: int, write_fd: int, protocol: asyncio.Protocol) -> PumpedTransport:
    """Gives the protocol a pair of descriptors, which it owns from then on, whatever happens."""
    try:
        send, close_writing = await _open_writing(write_fd)
    except BaseException:
        os.close(read_fd)
        raise
    try:
        receive, close_reading = await _open_reading(read_fd)
    except BaseException:
        await close_writing()
        raise

    async def close() -> None:
        await close_reading()
        await close_writing()

    known = {"descriptors": (read_fd, write_fd)}
    return PumpedTransport(Pipe(receive, send, close, known.get), protocol)


def _is_for_loops(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


async def _open_reading(fd: int) -> tuple[Receive, Close]:
    if not _is_for_loops(fd):

        async def read_file() -> bytes:
            await asyncio.sleep(0)  # a long file leaves the loop its turns
            return os.read(fd, READ_BYTES)

        async def close_file() -> None:
            os.close(fd)

        return read_file, close_file

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(READ_BYTES)
    file = os.fdopen(fd, "rb", buffering=0)
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
    except BaseException:
        file.close()
        raise

    async def read() -> bytes:
        return await reader.read(READ_BYTES)

    async def close() -> None:
        transport.close()

    return read, close


async def _open_writing(fd: int) -> tuple[Send, Close]:
    if not _is_for_loops(fd):

        async def write_file(data: bytes | bytearray | memoryview) -> None:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]

        async def close_file() -> None:
            os.close(fd)

        return write_file, close_file

    loop = asyncio.get_running_loop()
    file = os.fdopen(fd, "wb", buffering=0)
    try:
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), file
        )
    except BaseException:
        file.close()
        raise
    transport.set_write_buffer_limits(0)  # so that drain() means: gone to the kernel
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def write(data: bytes | bytearray | memoryview) -> None:
        writer.write(data)
        await writer.drain()

    async def close() -> None:
        # What has not left by now never will: the pump has sent everything before.
        transport.abort()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass  # the reader left first, and a write has said so

    return write, close


__all__ = ["attach_pipes"]
