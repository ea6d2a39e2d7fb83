"""The way out: what the session has queued leaves in one write per turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxyables.errors import ConnectionLost, LimitExceeded
from proxyables.limits import KIB, Limits
from proxyables.yamux import Session

if TYPE_CHECKING:
    from .portions import Portions

_JOIN_LIMIT = 64 * KIB
"""Up to here one copy is cheaper than a vector of many pieces."""
_SMALL = 4 * KIB
"""Nor do pieces go alone that are smaller than this on average: asyncio's own transport keeps 200
bytes for each from Python 3.12 on, which for the answers to a flood of pings would be many times
what they hold."""


class Writer:
    """Writes to the transport of one connection.

    Args:
        session: What is queued.
        limits: How much may wait.
        loop: Whose turns count.
        on_flushed: Called after each flush once the connection is closing.
        on_stalled: Called when the other side does not read what it asks for.

    Attributes:
        transport: Where to; None before the connection is made.
        portions: What holds back what the session has queued, for some classic peers.
        is_closing: Whether `on_flushed` is called.
        is_pending: True while a flush is certain to come, so that none need be asked for.
        sent: Bytes written so far.
    """

    __slots__ = (
        "_limits",
        "_loop",
        "_may_write",
        "_on_flushed",
        "_on_stalled",
        "_session",
        "_writable",
        "is_closing",
        "is_pending",
        "portions",
        "sent",
        "transport",
    )

    def __init__(
        self,
        session: Session,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        on_flushed: Callable[[], None],
        on_stalled: Callable[[ConnectionLost], None],
    ) -> None:
        self._session = session
        self._limits = limits
        self._loop = loop
        self._on_flushed = on_flushed
        self._on_stalled = on_stalled
        self._may_write = False
        self._writable: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.portions: Portions | None = None
        self.is_closing = False
        self.is_pending = False
        self.sent = 0

    def end_read(self, answered: int) -> None:
        """Sends what a read has caused, and prepares for what the tasks send that it woke.

        Those that have just got an answer run next. Of one task, what it sends first may leave at
        once. Of several, it leaves in one write right behind them, in the same turn of the loop.
        """
        if self._session.outgoing or self.is_closing:
            self.flush()
        else:
            self.is_pending = False
        if answered == 1:
            self._may_write = True
        elif answered:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Has what is queued sent at the end of this turn of the loop."""
        if self._may_write:
            self.flush()
        elif not self.is_pending:
            self.is_pending = True
            self._loop.call_soon(self.flush)

    def hurry(self) -> None:
        """Has what is queued next leave at once, if nothing else is waiting for its turn's end."""
        if not self.is_pending:
            self._may_write = True

    def flush(self) -> None:
        """Sends what is queued, in one write."""
        self.is_pending = self._may_write = False
        if self.portions is None:
            outgoing = self._session.data_to_send()
        else:
            outgoing = self._fetch_portion(self.portions)
        transport = self.transport
        if outgoing and transport is not None and not transport.is_closing():
            if len(outgoing) == 1:
                data = outgoing[0]
                self.sent += len(data)
                transport.write(data)
            else:
                size = sum(map(len, outgoing))
                self.sent += size
                if size <= max(_JOIN_LIMIT, len(outgoing) * _SMALL):
                    transport.write(b"".join(outgoing))
                else:
                    # Python 3.12 and 3.13 begin to hold us back in write(), not in writelines().
                    transport.writelines(outgoing[:-1])
                    transport.write(outgoing[-1])
            if self._writable is not None:
                self.check_unsent()
        if self.is_closing:
            self._on_flushed()

    def _fetch_portion(self, portions: Portions) -> list[bytes | memoryview]:
        outgoing = portions.data_to_send()
        if portions.held_bytes:
            self.check_unsent()
        return outgoing

    @property
    def held_back(self) -> int:
        """Bytes that wait here for the other side: for credit, or for the answer to a ping."""
        parked = sum(stream.parked for stream in self._session.streams.values())
        return parked if self.portions is None else parked + self.portions.held_bytes

    def check_unsent(self) -> None:
        """Has a peer cut off that does not read what it asks for."""
        waiting = self.held_back
        if self.transport is not None:
            waiting += self.transport.get_write_buffer_size()
        limit = self._limits.max_write_buffer
        if waiting > limit:
            error = LimitExceeded("max_write_buffer", limit, waiting, "the peer does not read")
            self._on_stalled(ConnectionLost(str(error), cause=error))

    def pause(self) -> None:
        """The transport holds as much as it should."""
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume(self) -> None:
        """The transport takes more again, or nothing any more."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    @property
    def is_paused(self) -> bool:
        """Whether the transport holds as much as it should."""
        return self._writable is not None

    async def writable(self) -> None:
        """Waits until the transport takes more."""
        if self._writable is not None:
            await asyncio.shield(self._writable)
