"""What the log tells of requests that failed: enough to see what goes on, and never more than that.

Whoever is refused may ask again, thousands of times a second. So each connection has only so many
lines in an interval, and then one that tells how many more there were.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from proxyables.errors import (
    AccessDenied,
    LimitExceeded,
    PeerProtocolError,
    ProxyError,
    ReferenceNotFound,
)
from proxyables.wire.exceptions import safe_text

if TYPE_CHECKING:
    from .peer import Peer

log = logging.getLogger("proxyables")
MOST = 20
"""Lines of one connection in an interval."""
INTERVAL = 10.0
"""Seconds from the first line of an interval to its end."""
_REFUSALS = (AccessDenied, ReferenceNotFound, LimitExceeded, PeerProtocolError)
_LOGGED = 400


class Refusals:
    """Tells the log of one connection's.

    Args:
        peer: The connection.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._seen = 0
        self._interval: asyncio.TimerHandle | None = None

    def note(self, error: BaseException) -> None:
        """Notes a request that failed; what was refused is worth a warning."""
        if isinstance(error, _REFUSALS) or type(error) is ProxyError:
            if self._interval is None:
                self._interval = self._peer.loop.call_later(INTERVAL, self._end_interval)
            self._seen += 1
            if self._seen <= MOST:
                self._warn(error)
        elif log.isEnabledFor(logging.DEBUG):
            text = safe_text(error, _LOGGED)
            log.debug("%s: raised %s: %s", self._peer, type(error).__name__, ascii(text))

    def _warn(self, error: ProxyError) -> None:
        told = str(error)
        if "reason" in error.extra:
            told += f": {error.extra['reason']}"  # which is for us only
        log.warning("%s: refused: %s", self._peer, ascii(told[:_LOGGED]))

    def _end_interval(self) -> None:
        if self._seen > MOST:
            log.warning("%s: refused: and %d more", self._peer, self._seen - MOST)
        self._seen = 0
        self._interval = None

    def close(self) -> None:
        """Tells the rest: the connection has ended."""
        if self._interval is not None:
            self._interval.cancel()
            self._end_interval()
