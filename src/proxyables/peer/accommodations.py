"""How the other implementations show what they are, and what is done about it.

Measured on the implementations themselves; only for peers that the handshake found to be classic.

========== ==================================================== ================================
peer       how it shows itself                                  what is done
========== ==================================================== ================================
Python     answers pings with 0; opens streams with a data      send without waiting for credit;
           frame; never sends ACK or window updates             one stream per exchange
Rust, Zig  a window update of 262144 with its first SYN or ACK  send without waiting for credit
the others                                                      obey their windows
========== ==================================================== ================================
"""

from __future__ import annotations

from proxyables.yamux import ACKED, INITIAL_WINDOW, OPENED, PONGED, Session

from .pool import StreamPool


def accommodate(kind: int, payload: object, session: Session, pool: StreamPool) -> str:
    """Draws the conclusions from one event of a classic peer.

    Returns:
        The software that shows itself, or an empty string.
    """
    if (kind == PONGED and payload == 0) or (kind == OPENED and payload is None):
        session.unlimited_send = True
        pool.reuse = False
        return "stateforward-proxyables (Python)"
    if kind in (OPENED, ACKED) and payload == INITIAL_WINDOW:
        session.unlimited_send = True
        return "proxyables (Rust or Zig)"
    return ""
