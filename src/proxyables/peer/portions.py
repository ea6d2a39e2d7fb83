"""What leaves for a peer that loses a frame which two of its reads share.

The TypeScript implementation keeps no part of a frame between two reads of its socket, and reads
at most 64 KiB at once. So what it is sent leaves in portions of whole frames, each shorter than a
read and each in one write; the next leaves when the answer to a ping at the end of this one shows
that it was read. The answer says nothing about a link that cuts a portion by itself.

Sans-I/O; the `Writer` fetches from here in place of the session, if the peer may be of that kind.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from proxyables.limits import KIB
from proxyables.yamux import Session
from proxyables.yamux.frames import DATA, HEADER, HEADER_BYTES, PING, SYN

PORTION_BYTES: Final = 48 * KIB
PORTION_OPAQUE: Final = 0x706F7274
"""What the ping at the end of a portion carries ("port"), so that it is known in a capture."""
LARGEST_FRAME_BYTES: Final = 15 * KIB
"""Of payload: three frames fit into a portion, and some small ones beside them."""

_PING: Final = HEADER.pack(0, PING, SYN, 0, PORTION_OPAQUE)


class Portions:
    """Cuts what one session sends into portions.

    Args:
        session: Whose frames; from now on, none of them may be larger than a portion.

    Attributes:
        held_bytes: What waits for the answer to a ping.
        is_off: True once everything may leave at once; set it by `open_up`.
    """

    def __init__(self, session: Session) -> None:
        session.max_frame_payload = LARGEST_FRAME_BYTES
        self._session = session
        self._held: deque[tuple[bytes | memoryview, ...]] = deque()
        self._left = PORTION_BYTES - HEADER_BYTES
        self._is_waiting = False
        self.held_bytes = 0
        self.is_off = False

    def data_to_send(self) -> list[bytes | memoryview]:
        """Returns what may leave now, as `Session.data_to_send` does. To be written at once."""
        outgoing = self._session.data_to_send()
        if self.is_off and not self._held:
            return outgoing
        frames = iter(outgoing)
        for piece in frames:
            frame = (piece, next(frames)) if _is_bare_header(piece) else (piece,)
            self._held.append(frame)
            self.held_bytes += _size(frame)
        portion: list[bytes | memoryview] = []
        while self._held and not self._is_waiting:
            size = _size(self._held[0])
            if size > self._left and not self.is_off:
                portion.append(_PING)
                self._is_waiting = True
                break
            portion += self._held.popleft()
            self._left -= size
            self.held_bytes -= size
        return portion

    def on_answer(self, opaque: object) -> bool:
        """Takes the answer to a ping; returns whether more may leave now."""
        if opaque != PORTION_OPAQUE or not self._is_waiting:
            return False
        self._is_waiting = False
        self._left = PORTION_BYTES - HEADER_BYTES
        return bool(self._held)

    def open_up(self) -> None:
        """Lets everything leave at once from now on: the peer is of another kind."""
        self.is_off = True
        self._is_waiting = False


def _is_bare_header(piece: bytes | memoryview) -> bool:
    """Whether the payload of a data frame is the next piece."""
    return len(piece) == HEADER_BYTES and piece[1] == DATA and any(piece[8:])


def _size(frame: tuple[bytes | memoryview, ...]) -> int:
    return sum(map(len, frame))
