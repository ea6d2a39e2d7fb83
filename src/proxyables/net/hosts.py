"""Host names, looked up; and sockets connected to what was found.

Neither asks uvloop: whatever it does with names and numbers goes through libuv's pool of threads,
and a process that is forked when there is one crashes at its end (libuv/libuv#4443).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from functools import partial
from typing import TypeAlias

Place: TypeAlias = tuple[int, tuple[str, int]]
"""An address family and what its sockets bind and connect to (IPv6 adds two numbers to it)."""


async def look_up(host: str, port: int) -> list[Place]:
    """Finds the places that a host stands for, in the order in which to try them.

    Raises:
        OSError: There is no such host.
    """
    try:
        # Numbers need no resolver, and so no thread.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(None, ask)
    places = {(int(family), place): None for family, _, _, _, place in found}
    return list(places)  # type: ignore[arg-type]


async def connect_socket(sock: socket.socket, place: tuple[str, int]) -> None:
    """Connects a non-blocking TCP socket, which stays the caller's, whatever happens.

    Raises:
        OSError: The place cannot be reached.
    """
    error = sock.connect_ex(place)
    if error == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        connected = loop.create_future()
        loop.add_writer(sock, _wake, connected)
        try:
            await connected
        finally:
            loop.remove_writer(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


__all__ = ["Place", "connect_socket", "look_up"]
