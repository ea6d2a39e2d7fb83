"""References that we drop, given back to the other side: what finalisers have queued, as one batch.

Classic peers take one reference a message, and answer each in one of three ways, or never.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from proxyables.yamux import Session, Stream

from .tables import Tables

if TYPE_CHECKING:
    from .calls import Calls

TIMEOUT = 10.0
"""Seconds after which a classic peer is not expected to answer a RELEASE any more."""
_MOST_WAITING = 32
"""RELEASEs that wait for a classic peer's answer at once: each has a stream, and TypeScript peers
lose what comes on more than 256."""


class Releases:
    """Gives back on one connection.

    Args:
        calls: Whose streams are used.
        session: Its streams.
        tables: What was dropped.

    Attributes:
        waiting: The streams of those that a classic peer is still to answer.
    """

    def __init__(self, calls: Calls, session: Session, tables: Tables) -> None:
        self._calls = calls
        self._session = session
        self._imports = tables.imports
        self._unsent: deque[bytes] = deque()
        self.waiting: dict[Stream, asyncio.TimerHandle] = {}

    def send(self) -> None:
        """Sends what was dropped."""
        calls = self._calls
        if not calls.is_ready or not self._imports.dropped:
            return
        messages = calls.dialect.encode_release(self._imports.take_dropped())
        if calls.is_classic:
            self._unsent += messages
            self._send_classic()
            return
        for data in messages:
            stream = calls.pool.take()
            self._session.send(stream, data)
            if stream.parked:
                self._session.finish(stream)
            else:
                calls.pool.give(stream)

    def _send_classic(self) -> None:
        calls = self._calls
        while self._unsent and len(self.waiting) < _MOST_WAITING and calls.is_ready:
            stream = calls.pool.take()
            self._session.send(stream, self._unsent.popleft())
            # The stream is busy until the answer.
            self.waiting[stream] = calls.loop.call_later(TIMEOUT, self.end, stream)

    def end(self, stream: Stream) -> None:
        """Takes the answer, or waits for it no more."""
        self._forget(stream)
        if not stream.dead:
            self._session.retire(stream)
            self._calls.writer.flush_soon()
        self._send_classic()

    def fail(self, stream: Stream) -> None:
        """The stream has ended without an answer."""
        if self._forget(stream):
            self._send_classic()

    def _forget(self, stream: Stream) -> bool:
        timer = self.waiting.pop(stream, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def close(self) -> None:
        """Drops everything: the connection has ended."""
        for timer in self.waiting.values():
            timer.cancel()
        self.waiting.clear()
        self._unsent.clear()
