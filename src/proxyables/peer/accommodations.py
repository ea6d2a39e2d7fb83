"""How the other implementations show what they are, and what is done about it.

Measured on the implementations themselves; only for peers that the handshake found to be classic.

=========== =================================================== ================================
peer        how it shows itself                                 what is done
=========== =================================================== ================================
Python      answers pings with 0; opens streams with a data     send without waiting for credit;
            frame; never sends ACK or window updates            one stream per exchange
Rust, Zig   a window update of 262144 with its first SYN or ACK send without waiting for credit;
                                                                as a client, it answers no calls
TypeScript  an ACK whose delta is what it was sent so far       portions; few streams
Go          an ACK without a delta; its messages begin with a   nothing: it keeps the rules, and
            data frame of one byte                              ends a session that does not
=========== =================================================== ================================

Who has not shown itself is treated as if it were TypeScript, which needs the most care.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxyables.yamux import ACKED, DATA_RECEIVED, INITIAL_WINDOW, OPENED, PONGED, Session

from .portions import Portions
from .probes import have_probed

if TYPE_CHECKING:
    from .calls import Calls
    from .peer import Peer

PYTHON: Final = "stateforward-proxyables (Python)"
RUST: Final = "proxyables (Rust or Zig)"
GO: Final = "proxyables (Go)"
TYPESCRIPT: Final = "proxyables (TypeScript)"

MOST_STREAMS: Final = 200
"""Calls in flight: TypeScript takes 256 streams per session, and idle ones count."""
PATIENCE: Final = 30.0
"""Seconds after which a Rust client is not expected to answer a call any more."""


def recognise(kind: int, payload: object) -> str:
    """Returns the software that one event of a classic peer shows, or an empty string."""
    if kind == PONGED:
        return PYTHON if payload == 0 else ""
    if kind == DATA_RECEIVED:
        return GO if isinstance(payload, bytes) and len(payload) == 1 else ""
    if kind == OPENED and payload is None:
        return PYTHON
    if kind in (OPENED, ACKED) and payload == INITIAL_WINDOW:
        return RUST
    if kind == ACKED and payload is not None:
        return TYPESCRIPT if payload else GO
    return ""


class Accommodations:
    """What is done about one classic peer.

    Args:
        peer: The connection.
        session: Its streams.
        calls: What is asked of the other side.
    """

    def __init__(self, peer: Peer, session: Session, calls: Calls) -> None:
        self._peer = peer
        self._session = session
        self._calls = calls
        self._portions = peer.writer.portions = Portions(session)
        self._software = ""
        peer.most_streams = min(MOST_STREAMS, peer.limits.max_streams)
        if peer.writer.transport is not None:
            have_probed(peer.writer.transport.get_extra_info("socket"), peer.limits)

    def note(self, kind: int, payload: object) -> None:
        """Draws the conclusions from one event."""
        if kind == PONGED and self._portions.on_answer(payload):
            self._flush()
        software = recognise(kind, payload)
        # What looks like Go can be TypeScript in an odd moment; never the other way round.
        if software in ("", self._software) or self._software == TYPESCRIPT:
            return
        self._software = software
        if software == TYPESCRIPT:
            self._portions.is_off = False
            return
        if software == PYTHON:
            self._calls.pool.reuse = False
            self._peer.most_streams = self._peer.limits.max_streams
        if software != GO:
            self._session.unlimited_send = True
        if software == RUST and kind == OPENED:
            self._calls.patience = PATIENCE
        self._portions.open_up()
        self._flush()

    def _flush(self) -> None:
        """Sends what was held back: the end of the read looks at the session only."""
        self._peer.writer.flush()
        self._peer.writer.is_pending = True  # more of this read is to come
