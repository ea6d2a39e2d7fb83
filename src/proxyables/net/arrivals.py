"""Accepted sockets on their way to become peers: one task each.

A task that is cancelled before its first step cannot close its socket, so a socket that nobody has
claimed is closed here, however its task ended.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable, Coroutine

log = logging.getLogger("proxyables")


class Arrivals:
    """The arrivals of one server.

    Args:
        on_end: Called when one has become a peer, or never will.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        self._unclaimed: set[socket.socket] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def unclaimed(self) -> int:
        """How many of them are no peers yet."""
        return len(self._unclaimed)

    def take(self, sock: socket.socket, work: Coroutine[None, None, None]) -> None:
        """Has `work` make a peer of a socket, which belongs to the arrivals until `claim`."""
        self._unclaimed.add(sock)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._on_done, sock))

    def claim(self, sock: socket.socket) -> None:
        """Notes that a peer has the socket."""
        self._unclaimed.discard(sock)

    def cancel(self) -> None:
        """Ends them all."""
        for task in self._tasks:
            task.cancel()

    def _on_done(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if sock in self._unclaimed:
            self._unclaimed.discard(sock)
            sock.close()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OSError):
            log.info("a connection failed before it began: %s", error)
        elif error is not None:
            log.error("making the object of a connection failed", exc_info=error)
        self._on_end()


__all__ = ["Arrivals"]
