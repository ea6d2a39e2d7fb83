"""One stream: its two windows, and what of our data waits for credit.

The two directions end independently, so the state is two flags and not one list of names::

                     finish(), parked data gone        their FIN
    sending half:    open ── FIN is sent ──▶ ended
    receiving half:  open ── FIN arrives ──▶ ended
    both ended, or RST from either side, or abandoned here:  dead, out of the session's table

A half that has ended has the window `CLOSED`, which is smaller than any amount of data. So the
comparison with the window, which the fast paths make anyway, refuses data for an ended half too.

Only `proxyables.yamux.session` changes a stream; `owner` and `auto_credit` are the driver's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

CLOSED: Final = -1
UNLIMITED: Final = 1 << 62
"""The window towards a peer that gives no credit: more than any process will send."""

StreamOwner: TypeAlias = Any


class Stream:
    """One stream of a session; made by the session only.

    Attributes:
        id: Odd if the Yamux client opened it.
        is_ours: True if this side opened it.
        owner: The driver's own object for this stream; the session never looks at it.
        send_window: Bytes that the peer is ready to take.
        window: Bytes that the peer may send ahead of our reader: the size of the receive window
            when nothing is on its way.
        receive_window: What is left of it: bytes that the peer may still send; below zero only
            from a peer that ignores windows.
        low_water: Below so much of `receive_window`, credit is given.
        refilled_at: When credit was given last, by the session's clock.
        spent: True once the stream is of no use for another exchange: a half of it has ended, or a
            window has been larger than it was at first. Credit cannot be taken back: only the end
            of the stream does that.
        consumed: Bytes that the driver has taken without their credit being announced yet.
        parked: Bytes given to `send` that wait for credit. Keeps its number when the stream dies:
            what is parked then never leaves.
        auto_credit: True if data counts as consumed when it is handed out. Set it to False to give
            credit by `Session.credit` as the data is really used.
        acked: True if the peer accepted the stream, or opened it.
        local_closed: True once we said that we send no more; FIN leaves after the parked data.
        remote_closed: True once the peer's FIN has arrived.
        dead: True once the stream has left the session's table, for whatever reason.
    """

    __slots__ = (
        "_waiting",
        "acked",
        "auto_credit",
        "consumed",
        "dead",
        "id",
        "is_ours",
        "local_closed",
        "low_water",
        "owner",
        "parked",
        "receive_window",
        "refilled_at",
        "remote_closed",
        "send_window",
        "spent",
        "window",
    )

    def __init__(
        self,
        stream_id: int,
        *,
        is_ours: bool,
        send_window: int,
        receive_window: int,
        low_water: int,
    ) -> None:
        self.id = stream_id
        self.is_ours = is_ours
        self.owner: StreamOwner = None
        self.send_window = send_window
        self.window = self.receive_window = receive_window
        self.low_water = low_water
        self.refilled_at = -math.inf
        self.spent = False
        self.consumed = 0
        self.parked = 0
        self.auto_credit = True
        self.acked = not is_ours
        self.local_closed = False
        self.remote_closed = False
        self.dead = False
        self._waiting: deque[memoryview] | None = None

    @property
    def fin_sent(self) -> bool:
        """Whether our half has ended on the wire as well."""
        return self.local_closed and not self.parked

    def park(self, data: bytes) -> None:
        """Put data behind what is parked already. It is not copied."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(memoryview(data))
        self.parked += len(data)

    def unpark(self, limit: int) -> Iterator[memoryview]:
        """Take out, and count as sent, what the send window allows: pieces of at most ``limit``."""
        waiting = self._waiting
        while waiting and self.send_window > 0:
            view = waiting[0]
            size = min(len(view), limit, self.send_window)
            if size == len(view):
                waiting.popleft()
            else:
                waiting[0] = view[size:]
            self.send_window -= size
            self.parked -= size
            yield view[:size]

    def consume(self, size: int) -> int:
        """Count data as used; returns how much of it credit is due for, 0 while it is little."""
        unused = self.window - self.receive_window - self.consumed
        if not 0 <= size <= unused:
            raise ValueError(f"stream {self.id} has {unused} bytes to give credit for, not {size}")
        self.consumed += size
        return self.consumed if self.consumed > self.window - self.low_water else 0

    def refill(self, used: int, *, change: int, low_water: int) -> int:
        """Give credit for what was used, and change the window's size; returns the delta.

        Args:
            used: Bytes, all that are neither unread nor announced.
            change: Bytes by which the window is to be larger; ``-used`` at the least.
            low_water: Of the new size.
        """
        delta = used + change
        self.window += change
        self.receive_window += delta
        self.low_water = low_water
        self.consumed = 0
        return delta

    def end(self) -> None:
        """Mark the stream as dead, and let go of the data that was parked."""
        self.dead = self.spent = True
        self.send_window = self.receive_window = CLOSED
        self._waiting = None

    def __repr__(self) -> str:
        halves = f"local_closed={self.local_closed}, remote_closed={self.remote_closed}"
        return f"<Stream {self.id}: {'dead' if self.dead else halves}, parked={self.parked}>"
