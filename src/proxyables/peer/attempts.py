"""Failed attempts to authenticate, counted by where they come from, and who has to wait for it.

One table for each server that has a token. The first few failures cost nothing, since people
mistype; after them each costs a wait that doubles, within which nobody from that source is
listened to, whatever they know. An attempt that is refused for that reason is not a failure: who
knows the secret gets in as soon as the wait is over.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from proxyables.errors import AuthenticationFailed

FREE = 3  # failures that cost nothing
FIRST_WAIT = 1.0  # seconds
LONGEST_WAIT = 60.0
MEMORY = 600.0  # seconds without a failure until a source is a stranger again
MOST_SOURCES = 1024


class _Record:
    __slots__ = ("failures", "last", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.last = 0.0
        self.until = 0.0


class Attempts:
    """The table. It is bounded: where it is full, the source that failed longest ago leaves it.

    Args:
        clock: Seconds that only go on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()  # the latest to fail is last

    def __len__(self) -> int:
        return len(self._records)

    def check(self, source: str) -> None:
        """Lets a source try.

        Raises:
            AuthenticationFailed: It has to wait first; the text says for how long.
        """
        record = self._records.get(source)
        now = self._clock()
        if record is not None and record.until > now:
            raise AuthenticationFailed(
                f"too many failed attempts from here; try again in {record.until - now:.1f} s"
            )

    def fail(self, source: str) -> None:
        """Notes a failure."""
        now = self._clock()
        record = self._records.pop(source, None)
        if record is None or now - record.last > MEMORY:
            record = _Record()
        record.failures += 1
        record.last = now
        over = record.failures - FREE
        if over > 0:
            # Not 2 ** over at once: with many failures that is a number of many digits.
            record.until = now + min(FIRST_WAIT * 2.0 ** min(over - 1, 32), LONGEST_WAIT)
        while len(self._records) >= MOST_SOURCES:
            self._records.popitem(last=False)
        self._records[source] = record

    def succeed(self, source: str) -> None:
        """Forgets the failures of a source that has shown that it knows the secret."""
        self._records.pop(source, None)


__all__ = ["Attempts"]
