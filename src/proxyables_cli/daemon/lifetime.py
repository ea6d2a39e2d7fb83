"""When a server ends by itself: after one connection, or when nobody has been there for a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxyables import Server

IDLE_SECONDS = 30.0


async def served_once(server: Server) -> None:
    """Lets one peer in, and waits until its connection, and with it the server, has ended.

    Whoever does not even introduce itself does not count: a port that is looked at by a stranger
    still waits for its peer.
    """
    while not (known := [peer for peer in server.peers if peer.info is not None]):
        await server.changed()
    server.stop_accepting()
    for peer in server.peers:
        if peer is not known[0]:
            peer.abort()
    await server.wait_closed()


async def idle(server: Server, seconds: float) -> None:
    """Waits until there has been no connection for so long, counted from the start at first."""
    while True:
        while server.peers:
            await server.changed()
        try:
            async with asyncio.timeout(seconds):
                await server.changed()
        except TimeoutError:
            if not server.peers:
                return


__all__ = ["IDLE_SECONDS", "idle", "served_once"]
