"""What is told of one connection of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxyables.peer.inspection import is_inspection
from proxyables.peer.peer import Peer
from proxyables.peer.service import Service, Serving

from .tap import Tap

if TYPE_CHECKING:
    from proxyables.peer.reports import ConnectionReport


class Connection:
    """One connection.

    Args:
        number: Counts the connections of the server from 1.
        peer: Our end of it.
        service: What serves its calls.
        tap: What measures them.
        now: Seconds on `time.monotonic`'s clock.

    Attributes:
        asked: Inspections, which are no calls of anybody's object.
        seen: How many requests had been answered when it was looked at last.
        used_at: When it was seen last that one more was.
    """

    __slots__ = ("_since", "asked", "number", "peer", "seen", "service", "tap", "used_at")

    def __init__(
        self, number: int, peer: Peer[Any], service: Service, tap: Tap, now: float
    ) -> None:
        self.number = number
        self.peer = peer
        self.service = service
        self.tap = tap
        self.asked = self.seen = 0
        self._since = self.used_at = now

    @property
    def served(self) -> int:
        """Calls answered so far."""
        return self.service.served - self.asked

    def serving(self) -> list[Serving]:
        """Returns the calls that are being served."""
        return [each for each in self.service.serving() if not is_inspection(each.message)]

    @property
    def unsent(self) -> int:
        """Bytes that the other side does not take yet."""
        transport = self.peer.writer.transport
        waiting = 0 if transport is None else transport.get_write_buffer_size()
        return waiting + self.peer.writer.held_back

    def report(self, now: float, *, is_yours: bool) -> ConnectionReport:
        """Tells about the connection."""
        counts, info = self.peer.statistics(), self.peer.info
        is_used = counts["calls_running"] or counts["calls_waiting"]
        is_used = is_used or self.service.served != self.seen
        return {
            "id": self.number,
            "you": is_yours,
            "address": self.peer.address,
            "credentials": _credentials(self.peer),
            "dialect": "" if info is None else info.dialect,
            "software": "" if info is None else info.software,
            "age": now - self._since,
            "idle": 0.0 if is_used else now - self.used_at,
            "received": counts["bytes_received"],
            "sent": counts["bytes_sent"],
            "exports": counts["exports"],
            "imports": counts["imports"],
            "calls": self.served,
            "errors": counts["calls_failed"],
            "running": len(self.serving()),
            "waiting": counts["calls_waiting"],
            "unsent": self.unsent,
        }


def _credentials(peer: Peer[Any]) -> dict[str, str | int | list[str]]:
    known = peer.credentials
    told = {
        "host": known.host,
        "pid": known.pid,
        "uid": known.uid,
        "gid": known.gid,
        "subject": known.subject,
        "names": list(known.names) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


__all__ = ["Connection"]
