"""What holds back a peer whose frames carry nothing: floods of pings, of streams opened and reset.

Such frames cost their sender next to nothing, and this side as much as any other; and everybody
else waits meanwhile. So there is only a certain number of them for each message, and beyond that in
a second. Whoever sends more is read more slowly, and loses nothing else: no honest peer comes near.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from .calls import Calls
from .service import Service

if TYPE_CHECKING:
    from .peer import Peer

log = logging.getLogger("proxyables")
FREE = 8
"""Frames without data that belong to each message: a stream is opened, accepted, ended twice."""
RATE = 50_000
"""Further ones that are read in a second; and so many at once in the beginning."""
MOST = 250_000
"""How many can be saved up: the streams of a crowd of calls end when all of them have been made."""


class Brake:
    """Slows one connection down.

    Args:
        peer: The connection.
        calls: Counts the messages of the one direction.
        service: Counts those of the other.

    Attributes:
        held: Seconds for which it was not read so far.
    """

    def __init__(self, peer: Peer, calls: Calls, service: Service) -> None:
        self._peer = peer
        self._calls = calls
        self._service = service
        self._messages = 0
        self._looked_at = peer.loop.time()
        self._allowed = float(RATE)
        self._resume_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._has_told = False
        self.held = 0.0

    def on_bare(self, count: int) -> None:
        """Takes note of `count` frames without data."""
        now = self._peer.loop.time()
        messages = self._calls.made + self._service.served + self._service.running
        earned = FREE * (messages - self._messages) + RATE * (now - self._looked_at)
        self._messages, self._looked_at = messages, now
        self._allowed = min(MOST, self._allowed + earned) - count
        if self._allowed < 0:
            self._hold(now, -self._allowed / RATE)

    def _hold(self, now: float, seconds: float) -> None:
        transport = self._peer.writer.transport
        if transport is None or transport.is_closing():
            return
        if not self._has_told:
            self._has_told = True
            log.warning("%s: read more slowly: it sends frames that carry nothing", self._peer)
        self.held += now + seconds - max(now, self._resume_at)
        self._resume_at = now + seconds
        if self._timer is None:
            transport.pause_reading()
            self._timer = self._peer.loop.call_at(self._resume_at, self._resume)

    def _resume(self) -> None:
        if self._peer.loop.time() < self._resume_at:
            self._timer = self._peer.loop.call_at(self._resume_at, self._resume)
            return
        self._timer = None
        transport = self._peer.writer.transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    def close(self) -> None:
        """Ends the wait: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
