"""Yamux: many streams over one byte stream, as a machine without I/O, usable by itself.

::

    session = Session(client=True)
    stream = session.open_stream()
    session.send(stream, b"hello")
    transport.writelines(session.data_to_send())
    for kind, stream, payload in session.receive_data(data):
        ...

Source: the specification of hashicorp/yamux (spec.md), all of it.
"""

from __future__ import annotations

from proxyables.yamux.config import Config
from proxyables.yamux.events import (
    ACKED,
    BARE,
    DATA_RECEIVED,
    DEAD,
    FINISHED,
    OPENED,
    PINGED,
    PONGED,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Event,
)
from proxyables.yamux.frames import (
    INITIAL_WINDOW,
    INTERNAL_ERROR,
    NORMAL,
    PROTOCOL_ERROR,
    SessionClosed,
    StreamClosed,
    YamuxError,
)
from proxyables.yamux.sender import ROUND_TRIP_OPAQUE
from proxyables.yamux.session import KEEPALIVE_OPAQUE, Session
from proxyables.yamux.stream import Stream

__all__ = [
    "ACKED",
    "BARE",
    "DATA_RECEIVED",
    "DEAD",
    "FINISHED",
    "INITIAL_WINDOW",
    "INTERNAL_ERROR",
    "KEEPALIVE_OPAQUE",
    "NORMAL",
    "OPENED",
    "PINGED",
    "PONGED",
    "PROTOCOL_ERROR",
    "RESET",
    "ROUND_TRIP_OPAQUE",
    "WENT_AWAY",
    "WRITABLE",
    "Config",
    "Event",
    "Session",
    "SessionClosed",
    "Stream",
    "StreamClosed",
    "YamuxError",
]
