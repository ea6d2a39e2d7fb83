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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxyables.peer.peer import Peer

from proxyables.peer.forks import cover

log = logging.getLogger("proxyables")


class Arrivals:
    """The arrivals of one server.

    Args:
        on_end: Called when one has become a peer, or never will.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}
        self._claimed: dict[socket.socket, Peer | None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def unclaimed(self) -> int:
        """How many of them are no peers yet."""
        return len(self._tasks) - len(self._claimed)

    def take(self, sock: socket.socket, work: Coroutine[None, None, None]) -> None:
        """Has `work` make a peer of a socket, which belongs to the arrivals until `claim`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = sock
        task.add_done_callback(functools.partial(self._on_done, sock))

    def claim(self, sock: socket.socket, peer: Peer | None = None) -> None:
        """Notes that somebody has the socket: a peer, or whoever closes it."""
        self._claimed[sock] = peer

    def disown(self) -> None:
        """Leaves the sockets to the process that this one was forked from."""
        cover(sock.fileno() for sock in self._tasks.values() if sock not in self._claimed)

    def cancel(self) -> None:
        """Ends them all, but those whose peer has its transport: that one ends as all peers do.

        It may have been introduced already, and its work is done in a turn of the loop or two.
        """
        for task, sock in self._tasks.items():
            peer = self._claimed.get(sock)
            if peer is None or peer.writer.transport is None:
                task.cancel()

    def _on_done(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if sock in self._claimed:
            del self._claimed[sock]
        else:
            sock.close()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OSError):
            log.info("a connection failed before it began: %s", error)
        elif error is not None:
            log.error("making the object of a connection failed", exc_info=error)
        self._on_end()


__all__ = ["Arrivals"]
