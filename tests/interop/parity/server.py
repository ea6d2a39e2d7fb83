"""`serve` and `bridge`: agents that others dial, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import proxyables
from proxyables import Limits, Server

from .bridge import open_bridge
from .lines import tell_ready
from .options import Options
from .root import Root
from .scenarios import ROOT_NAME

_LIMITS = Limits(grace=1.0)
"""A harness that ends an agent does not wait for the calls that it has left there."""


async def serve(options: Options) -> int:
    """Serves the scenarios; returns the exit code."""

    def find_address() -> str:
        return server.addresses[0]

    server = _listen(Root(options.language, find_address), ROOT_NAME)
    return await _run("serve", options, server)


async def bridge(options: Options) -> int:
    """Serves what the upstream serves; returns the exit code."""
    root, upstream = await open_bridge(options)
    try:
        return await _run("bridge", options, _listen(root))
    finally:
        await upstream.close()


def _listen(root: Any, name: str = "") -> Server:
    return proxyables.serve(root, "tcp://127.0.0.1:0", name=name, limits=_LIMITS)


async def _run(mode: str, options: Options, server: Server) -> int:
    ended = asyncio.Event()
    stop: Callable[[], None] = ended.set
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with server:
        tell_ready(mode, options.language, server.addresses[0])
        await ended.wait()
    return 0
