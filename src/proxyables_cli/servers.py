"""The servers of this user on this machine, found by the sockets that nobody named."""

from __future__ import annotations

import asyncio
from typing import Any

from proxyables_cli import connecting, report, runtime

PATIENCE = 1.0
"""Seconds that a server of this machine gets to say who it is."""

Server = dict[str, Any]


async def running(seconds: float = PATIENCE, *, with_status: bool = False) -> list[Server]:
    """Asks each socket of the directory, all at once, who is there; those that answer.

    Args:
        seconds: How long each of them gets.
        with_status: Whether to ask as well what they do. One that does not tell is there
            nevertheless.
    """
    asked = (ask(path, seconds, with_status=with_status) for path in runtime.sockets())
    return [answer for answer in await asyncio.gather(*asked) if answer is not None]


async def ask(path: str, seconds: float = PATIENCE, *, with_status: bool = False) -> Server | None:
    """Asks who is at a socket; None if nobody of ours answers in time."""
    import proxyables

    address = f"unix:{path}"
    try:
        async with asyncio.timeout(seconds), proxyables.connect(address, timeout=None) as peer:
            found = {"address": address, **connecting.identity(peer.info)}
            if with_status:
                found |= await _status(peer)
            return found
    except (proxyables.ProxyError, OSError, TimeoutError):
        return None  # a socket that a dead server has left, or nobody of ours


async def _status(peer: Any) -> Server:
    import proxyables

    try:
        told = await peer.status()
    except proxyables.ProxyError:  # it is older, or does not let itself be looked into
        return {}
    return {
        "uptime": report.part(told, "server", "uptime"),
        "connections": report.part(told, "totals", "connections"),
        "running": report.part(told, "totals", "running"),
    }


__all__ = ["PATIENCE", "Server", "ask", "running"]
