"""Descriptors that this process was started with: pipes and files as a wire, sockets to use.

uvloop aborts the process when it is given a regular file or the null device, and epoll refuses
them. So the loop only ever gets sockets and pipes; whatever else is there is read and written
directly, which does not wait: the end of a file comes at once.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from proxyables.net.addresses import FdAddress
from proxyables.net.pumps import READ_BYTES, Pipe, PumpedTransport
from proxyables.net.transports import drive_socket

Receive: TypeAlias = Callable[[], Awaitable[bytes]]
Send: TypeAlias = Callable[[bytes | bytearray | memoryview], Awaitable[None]]
Close: TypeAlias = Callable[[], Awaitable[None]]

FIRST_PASSED_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


async def attach_descriptors(
    read_fd: int, write_fd: int, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """Gives the protocol a pair of descriptors, which it owns from then on, whatever happens.

    Pipes, sockets, terminals, files and devices will all do. If both are the same socket, it is
    driven as a socket, at full speed.
    """
    if _is_same_socket(read_fd, write_fd):
        os.close(write_fd)
        return await drive_socket(socket.socket(fileno=read_fd), protocol)
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

    return PumpedTransport(Pipe(receive, send, close), protocol)


def passed_sockets() -> list[tuple[str, int]]:
    """Names and numbers of the sockets that a service manager has passed to this very process.

    They are described by the environment (LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES), which a
    child inherits without the sockets; hence the process id.
    """
    count = os.environ.get("LISTEN_FDS", "")
    # No process has more descriptors than this, and a list is about to be made of them.
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not re.fullmatch("[0-9]{1,6}", count):
        return []
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    names += ["unknown"] * (int(count) - len(names))
    return [
        (name or "unknown", FIRST_PASSED_FD + index)
        for index, name in enumerate(names[: int(count)])
    ]


def inherited_socket(address: FdAddress) -> socket.socket:
    """Takes over the stream socket that ``fd:N`` or ``fd:NAME`` stands for.

    Raises:
        OSError: There is none; the message says what there is instead.
    """
    number = address.descriptor
    if isinstance(number, str):
        passed = passed_sockets()
        for name, descriptor in passed:
            if name == number:
                number = descriptor
                break
        else:
            known = ", ".join(sorted({name for name, _ in passed})) or "none at all"
            raise OSError(f"{address}: no such socket was passed to this process ({known})")
    try:
        mode = os.fstat(number).st_mode
    except OSError as error:
        raise OSError(f"{address}: no such descriptor is open") from error
    if not stat.S_ISSOCK(mode):
        raise OSError(f"{address}: is not a socket")
    sock = socket.socket(fileno=number)
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise OSError(f"{address}: is not a stream socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _is_same_socket(read_fd: int, write_fd: int) -> bool:
    one, other = os.fstat(read_fd), os.fstat(write_fd)
    return stat.S_ISSOCK(one.st_mode) and os.path.samestat(one, other)


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


__all__ = ["attach_descriptors", "inherited_socket", "passed_sockets"]
