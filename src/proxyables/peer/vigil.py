"""What silence cannot tell: a connection that is alive and of no use.

The session's keep-alive notices a peer that is gone. Two things it takes for signs of life: the
answers to its own pings on a connection that nobody calls over, and the drops of a message that is
never to be whole. Both are looked for here, from time to time and from counts that are kept anyway,
so that a call costs nothing for it.
"""

from __future__ import annotations

from proxyables.errors import ConnectionClosed, ConnectionLost
from proxyables.limits import KIB, Limits
from proxyables.yamux import Session

from .calls import Calls
from .reader import Reader
from .service import Service

PROGRESS_BYTES: int = KIB
"""What has to arrive within `Limits.stall_timeout` while something is not whole. More than anybody
gets together from pings and their answers, less than the slowest link carries."""


class Vigil:
    """Watches one connection; see `look`.

    Args:
        limits: For how long what is tolerated.
        session: Whether a frame is not whole.
        reader: Whether a message is not whole.
        calls: What we have asked.
        service: What they have asked.
    """

    def __init__(
        self, limits: Limits, session: Session, reader: Reader, calls: Calls, service: Service
    ) -> None:
        self._limits = limits
        self._session = session
        self._reader = reader
        self._calls = calls
        self._service = service
        self._used = -1
        self._used_at = 0.0
        self._received = 0
        self._received_at: float | None = None

    def look(self, now: float, received: int) -> ConnectionClosed | None:
        """Returns why the connection has to end now, if it has to.

        A ConnectionLost if what has begun to arrive does not go on; else it is only not used, and
        may end in peace. What this finds has been so for as long as the limit says, and for up to
        two intervals between looks more.

        Args:
            now: Seconds on a clock that does not run backwards.
            received: Bytes that have arrived so far.
        """
        if self._is_stalled(now, received):
            seconds = self._limits.stall_timeout
            return ConnectionLost(f"a message that had begun did not go on for {seconds:g} s")
        if self._is_idle(now):
            seconds = self._limits.idle_timeout
            return ConnectionClosed(f"closed after {seconds:g} s without a call", local=True)
        return None

    def _is_stalled(self, now: float, received: int) -> bool:
        limit = self._limits.stall_timeout
        if not limit or not (self._session.is_interrupted or self._reader.is_amid):
            self._received_at = None
            return False
        if self._received_at is None or received - self._received >= PROGRESS_BYTES:
            self._received, self._received_at = received, now
        return now - self._received_at >= limit

    def _is_idle(self, now: float) -> bool:
        limit = self._limits.idle_timeout
        if not limit:
            return False
        used = self._calls.made + self._service.served
        if used != self._used or self._calls.waiting or self._service.running:
            self._used, self._used_at = used, now
        return now - self._used_at >= limit
