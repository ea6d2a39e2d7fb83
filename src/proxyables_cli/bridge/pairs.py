"""Two connections whose bytes are passed on to each other, on an event loop.

What one side cannot take yet is not read from the other. The end of one side's input is passed
on, and what the other still has to say arrives. TLS and WebSockets have no way to pass such an
end on; there the connection is closed when the other side has become silent.
"""

from __future__ import annotations

import asyncio
from typing import cast

PATIENCE = 5.0
"""Seconds that a side gets to take the last bytes when the other is gone."""

LINGER = 5.0
"""Seconds of silence that end a side which cannot be told that nothing more comes."""


class Side(asyncio.Protocol):
    """One of the two.

    Attributes:
        transport: Its connection, once there is one.
        lost: Done when the connection is gone.
        error: What has broken it, if it was not closed.
    """

    def __init__(self, pair: Pair) -> None:
        self.transport: asyncio.Transport | None = None
        self._pair = pair
        self._other: Side
        self._has_ended = False
        self._received = 0
        self._early: list[bytes] = []
        self._end: asyncio.TimerHandle | None = None
        self._fading: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes from it, or is taken."""
        return self._has_ended

    def meet(self, other: Side) -> None:
        """Says who gets the bytes."""
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()

    def begin(self) -> None:
        """Begins to read; both sides are connected."""
        for data in self._early:
            self._other.write(data)
        self._early.clear()
        if self._has_ended:
            self._pass_end_on()
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._pair.is_idle = False
        self._received += len(data)
        if self._has_ended:
            return  # we have said so, and take no more
        if self._other.transport is None:
            # uvloop begins to read after connection_made, whatever that has said of reading.
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
        else:
            self._other.write(data)

    def write(self, data: bytes) -> None:
        """Sends what the other side said."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.end_reading()
        # One that cannot end half of itself is closed by its transport.
        return self.transport is not None and self.transport.can_write_eof()

    def end_reading(self) -> None:
        """Takes its input as ended, as it is or because we stop."""
        if not self._has_ended:
            self._has_ended = True
            self._pass_end_on()

    def _pass_end_on(self) -> None:
        other = self._other.transport
        if other is None or other.is_closing():
            return
        if self._other._has_ended:
            self.close()
            self._other.close()
        elif other.can_write_eof():
            other.write_eof()
        else:
            self._other.fade()

    def fade(self) -> None:
        """Closes both sides once nothing has come from this one for a while."""
        if self._pair.linger:
            loop = asyncio.get_running_loop()
            self._fading = loop.call_later(self._pair.linger, self._fade, self._received)
        else:
            self._pair.close()

    def _fade(self, received: int) -> None:
        if self._received == received:
            self._pair.close()
        else:
            self.fade()

    def pause_writing(self) -> None:
        other = self._other.transport
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self._other.transport
        if other is not None and not other.is_closing() and not self._other._has_ended:
            other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._end, self._fading):
            if timer is not None:
                timer.cancel()
        self.error = exc
        if not self.lost.done():
            self.lost.set_result(None)
        self._other.close()

    def close(self) -> None:
        """Closes it once it has taken what it was sent, or has had time enough to."""
        if self.transport is None or self.lost.done() or self._end is not None:
            return
        self._end = asyncio.get_running_loop().call_later(PATIENCE, self.transport.abort)
        self.transport.close()


class Pair:
    """The two sides of one connection.

    Attributes:
        client: Who has come.
        upstream: Who was dialled for it.
        is_idle: Whether nothing has been said since this was last set.
        linger: Seconds; see `LINGER`.
    """

    def __init__(self) -> None:
        self.is_idle = True
        self.linger = LINGER
        self.client, self.upstream = Side(self), Side(self)
        self.client.meet(self.upstream)
        self.upstream.meet(self.client)

    async def carry(self, idle_timeout: float | None) -> bool:
        """Passes bytes on until both sides are gone.

        Args:
            idle_timeout: Seconds of silence after which both are closed; None for never.

        Returns:
            False if it was closed for its silence.
        """
        self.client.begin()
        self.upstream.begin()
        ends = asyncio.gather(self.client.lost, self.upstream.lost)
        while True:
            self.is_idle = True
            done, _ = await asyncio.wait([ends], timeout=idle_timeout or None)
            if done:
                return True
            if self.is_idle:
                self.close()
                await ends
                return False

    def drain(self) -> None:
        """Takes the client's input as ended; what it is still owed arrives."""
        self.client.end_reading()
        self.upstream.pause_writing()

    def hurry(self) -> None:
        """Closes both sides when the client's input has ended, and waits for no answer."""
        self.linger = 0.0
        if self.client.has_ended:
            self.close()

    def close(self) -> None:
        """Closes both once they have taken what they were sent."""
        self.client.close()
        self.upstream.close()

    def abort(self) -> None:
        """Ends both at once."""
        for side in (self.client, self.upstream):
            if side.transport is not None and not side.lost.done():
                side.transport.abort()


__all__ = ["Pair", "Side"]
