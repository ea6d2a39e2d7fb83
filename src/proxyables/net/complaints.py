"""What the log tells of who connects and gets nowhere: a port scanner, somebody with a wrong token.

Each of their connections would be a line, as fast as they can connect. So each source has only so
many lines of a kind in an interval, and then one that tells how many more there were; and there
are only so many sources.
"""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger("proxyables")

MOST = 5
"""Lines of one kind, from one source, in an interval."""
INTERVAL = 10.0
"""Seconds from the first line of an interval to its end."""
MOST_SOURCES = 256
"""Kinds of lines from sources that are told apart; what all others do is one number."""


class _Record:
    __slots__ = ("count", "level", "text")

    def __init__(self, level: int, text: str) -> None:
        self.level = level
        self.text = text
        self.count = 0


class Complaints:
    """The table of one server. It is empty, and no timer runs, where there is nothing to say."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}
        self._others = 0
        self._interval: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._records)

    def note(self, source: str, kind: str, who: object, text: str, level: int) -> None:
        """Notes why a connection is refused, or has failed.

        Args:
            source: Where it came from, or where it was to lead.
            kind: What kind of reason it is.
            who: What its own line calls it.
            text: The reason, as it may stand in the log.
            level: Of the log.
        """
        if not log.isEnabledFor(level):
            return
        if self._interval is None:
            loop = asyncio.get_running_loop()
            self._interval = loop.call_later(INTERVAL, self._end_interval)
        record = self._records.get((source, kind))
        if record is None:
            if len(self._records) >= MOST_SOURCES:
                self._others += 1
                return
            record = self._records[source, kind] = _Record(level, text)
        record.count += 1
        record.text = text
        if record.count <= MOST:
            log.log(level, "%s: %s", who, text)

    def _end_interval(self) -> None:
        told = "%d more like it in the last %g s from %s: %s"
        for (source, _), record in self._records.items():
            if record.count > MOST:
                more = record.count - MOST
                log.log(record.level, told, more, INTERVAL, source, record.text)
        if self._others:
            told = "%d connections more were refused in the last %g s, from other addresses"
            log.warning(told, self._others, INTERVAL)
        self._records.clear()
        self._others = 0
        self._interval = None

    def close(self) -> None:
        """Tells the rest: the server ends."""
        if self._interval is not None:
            self._interval.cancel()
            self._end_interval()


__all__ = ["INTERVAL", "MOST", "MOST_SOURCES", "Complaints"]
