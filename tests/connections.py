"""Two real peers in one process, over a real socket; and the loops that tests run on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any, NamedTuple

import pytest
import uvloop

from proxyables.peer.peer import NOTHING, Peer

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an asynchronous test on plain asyncio and on uvloop, each within 60 seconds."""

    @pytest.mark.parametrize("loop", list(LOOPS))
    @wraps(test)
    def run(*args: Any, loop: str, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(bounded())

    del run.__wrapped__  # its signature lacks `loop`
    run.__signature__ = _with_loop(test)  # type: ignore[attr-defined]
    return run


def _with_loop(test: Callable[..., Any]) -> Any:
    import inspect

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    return signature.replace(parameters=[*signature.parameters.values(), loop])


class Pair(NamedTuple):
    """Both ends: `client` dialled, `server` exports."""

    client: Peer
    server: Peer


@contextlib.asynccontextmanager
async def connected(
    export: object = NOTHING,
    *,
    back: object = NOTHING,
    client: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
) -> AsyncIterator[Pair]:
    """Two peers over a socket pair; `export` is the server's root, `back` the client's.

    At the end both are closed, and both ends' tables must be empty.
    """
    loop = asyncio.get_running_loop()
    ends = socket.socketpair()
    ours = Peer(client=True, export=back, **(client or {}))
    theirs = Peer(client=False, export=export, **(server or {}))
    for end, peer in zip(ends, (ours, theirs), strict=True):
        end.setblocking(False)
        await loop.create_connection(lambda peer=peer: peer, sock=end)  # type: ignore[misc]
    pair = Pair(ours, theirs)
    try:
        await ours.handshake()
        await theirs.handshake()
        yield pair
    finally:
        ours.close()
        await ours.wait_closed()
        theirs.close()
        await theirs.wait_closed()
    for peer in pair:
        counts = peer.statistics()
        assert counts["exports"] == counts["imports"] == counts["calls_waiting"] == 0
        assert counts["calls_running"] == 0


async def idle(*peers: Peer) -> None:
    """Waits until none of them serves anything any more."""
    while any(peer.statistics()["calls_running"] for peer in peers):
        await asyncio.sleep(0.001)


async def settled(peer: Peer, entries: int = 0, *, within: float = 5.0) -> dict[str, int]:
    """Waits until `peer` lends only so many objects; returns its snapshot."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        gc.collect()
        snapshot = peer.snapshot()
        if snapshot["entries"] <= entries or loop.time() > end:
            return snapshot
        await asyncio.sleep(0.005)
