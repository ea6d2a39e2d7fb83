"""Host names, looked up."""

from __future__ import annotations

import asyncio
import socket
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
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = {(int(family), place): None for family, _, _, _, place in found}
    return list(places)  # type: ignore[arg-type]


__all__ = ["Place", "look_up"]
