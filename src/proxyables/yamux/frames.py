"""The 12 bytes in front of everything on the wire, and what may stand in them.

Source: the specification of hashicorp/yamux (spec.md), version 0. Every field is in network
order: version (8 bits), type (8), flags (16), stream id (32), length (32). The length counts the
bytes that follow for a data frame only; in the other types it is the value itself: the delta of
a window, the opaque number of a ping, the code of a go-away.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxyables.yamux.events import Event

VERSION: Final = 0

# Types.
DATA: Final = 0
WINDOW_UPDATE: Final = 1
PING: Final = 2
GO_AWAY: Final = 3

# Flags.
SYN: Final = 1
ACK: Final = 2
FIN: Final = 4
RST: Final = 8

# Codes of a go-away.
NORMAL: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2

INITIAL_WINDOW: Final = 256 * 1024
"""Bytes that either side may send on a new stream before it hears of any credit."""

MAX_WINDOW: Final = 2**32 - 1
"""The largest window, and the largest stream id: both are 32-bit fields."""

HEADER: Final = struct.Struct("!BBHII")
HEADER_BYTES: Final = HEADER.size

WORDS: Final = struct.Struct("!III")
"""The same 12 bytes with version, type and flags read as one number.

A data frame without flags, the only one that is frequent, is then the number 0: one comparison
in place of three, and three fields to unpack in place of five.
"""

# What this side sends besides plain data, as the first of those three words. All flags travel on
# window updates: the TypeScript peer throws away a payload that comes with SYN, and every known
# peer takes FIN and RST on either type.
SEND_DATA: Final = DATA << 16
SEND_WINDOW: Final = WINDOW_UPDATE << 16
SEND_SYN: Final = WINDOW_UPDATE << 16 | SYN
SEND_ACK: Final = WINDOW_UPDATE << 16 | ACK
SEND_FIN: Final = WINDOW_UPDATE << 16 | FIN
SEND_RST: Final = WINDOW_UPDATE << 16 | RST
SEND_PING: Final = PING << 16 | SYN
SEND_PONG: Final = PING << 16 | ACK
SEND_GO_AWAY: Final = GO_AWAY << 16


class YamuxError(Exception):
    """The peer broke the rules, so the session is over.

    Attributes:
        code: The code of the go-away that tells the peer; it is queued already.
        events: What the same bytes held before the offence, in order. They are delivered this way
            because where the reads cut the stream of bytes must not change what is seen.
    """

    def __init__(
        self, message: str, *, code: int = PROTOCOL_ERROR, events: list[Event] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.events: list[Event] = [] if events is None else events


class SessionClosed(YamuxError, RuntimeError):
    """No stream can be opened: the peer has gone away, broke the rules, or the ids are used up."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=NORMAL)


class StreamClosed(YamuxError, RuntimeError):
    """Data was given for a stream whose sending side has ended."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=NORMAL)
