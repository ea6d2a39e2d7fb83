"""What a session tells its driver: plain tuples of (kind, stream or None, payload).

An object per event would cost more than all the rest of receiving a small frame.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

DATA_RECEIVED: Final = 0
"""(stream, bytes): never empty."""
OPENED: Final = 1
"""(stream, delta): the peer opened it; it is acknowledged already. The delta of the window update
that carried the SYN, or None if a data frame carried it: peers can be told apart by that."""
FINISHED: Final = 2
"""(stream, None): the peer will send nothing more; all of its data has been handed out before."""
RESET: Final = 3
"""(stream, None): the peer reset it, or refused it. The stream has left the table."""
WRITABLE: Final = 4
"""(stream, None): credit came, and the last of the parked data has left."""
ACKED: Final = 5
"""(stream, delta): the peer accepted a stream of ours; the delta as for `OPENED`. Once a stream."""
PINGED: Final = 6
"""(None, opaque): their ping. The answer is queued already."""
PONGED: Final = 7
"""(None, opaque): an answer to a ping of ours, whatever it carries: some peers answer 0."""
WENT_AWAY: Final = 8
"""(None, code): they accept no more streams."""
DEAD: Final = 9
"""(None, None): the keep-alive ping went unanswered. Only `Session.tick` gives this."""
BARE: Final = 10
"""(None, count): so many frames more have come that carried no data for a live stream. They cost
their sender next to nothing, and this side as much as others: the driver may read more slowly."""

# The kind decides the types of the two others, which no type of a tuple can say.
EventStream: TypeAlias = Any
EventPayload: TypeAlias = Any

Event: TypeAlias = tuple[int, EventStream, EventPayload]
