"""What a connection does from time to time: it keeps itself alive, and notices when it is dead."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from proxyables.errors import ConnectionLost
from proxyables.yamux import Session

from .ending import Ending
from .vigil import Vigil

if TYPE_CHECKING:
    from .peer import Peer

log = logging.getLogger("proxyables")
_SHORTEST = 0.01
_LONGEST = 3600.0


class Heartbeat:
    """The clock of one connection.

    Args:
        peer: The connection.
        session: Sends and awaits the keep-alive pings.
        vigil: Finds what is alive and of no use.
        ending: Ends the connection.

    Attributes:
        timer: The next beat; None before the first.
    """

    def __init__(self, peer: Peer, session: Session, vigil: Vigil, ending: Ending) -> None:
        self._peer = peer
        self._session = session
        self._vigil = vigil
        self._ending = ending
        self.timer: asyncio.TimerHandle | None = None
        limits = peer.limits
        often = (limits.keepalive, limits.stall_timeout, limits.idle_timeout)
        interval = min(limits.keepalive_timeout, *(each or _LONGEST for each in often)) / 4
        self._interval = max(interval, _SHORTEST)

    def beat(self) -> None:
        """Looks after the connection, now and from now on."""
        now = self._peer.loop.time()
        for _dead in () if self._peer.is_classic else self._session.tick(now):
            limits = self._peer.limits
            silence = limits.keepalive + limits.keepalive_timeout
            self._ending.abort(ConnectionLost(f"the peer has been silent for {silence:g} s"))
            return
        if self._peer.info is not None and not self._ending.is_begun:
            self._watch(now)
        self._peer.writer.flush_soon()
        # On a grid of time, so that one waking of the loop serves thousands of idle connections.
        grid = self._interval / 16
        due = (now + self._interval) // grid * grid
        self.timer = self._peer.loop.call_at(due, self.beat)

    def _watch(self, now: float) -> None:
        """Ends what is alive, but of no use."""
        error = self._vigil.look(now, self._peer.received)
        if isinstance(error, ConnectionLost):
            self._ending.cut_off(error)
        elif error is not None:
            log.info("%s: %s", self._peer, error)
            self._ending.error = error
            self._peer.close()

    def stop(self) -> None:
        """Ends the beats."""
        if self.timer is not None:
            self.timer.cancel()
