"""What running something costs: time, messages, bytes.

How long the other side worked is not measured over there. It is what is left of the time here
without the trip between: known for a run of one message, and for that only.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import proxyables

if TYPE_CHECKING:
    from proxyables_cli.repl.connections import Connections

LEAST_SECONDS = 0.5
LEAST_RUNS = 3
MOST_RUNS = 10_000
_PINGS = 3
_LEAST_SHARE = 0.1
"""Of the time here; what is left over there below that is lost in the differences between trips."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Attributes:
        seconds: How long, here.
        messages: Calls that were made over there.
        sent: Bytes, of all connections.
        received: Bytes, of all connections.
    """

    seconds: float
    messages: int
    sent: int
    received: int

    def text(self, trip: float | None) -> str:
        """One line.

        Args:
            trip: Seconds that a round trip takes; None if unknown.
        """
        parts = [duration_text(self.seconds)]
        there = 0.0 if trip is None or self.messages != 1 else self.seconds - trip
        if there > _LEAST_SHARE * self.seconds:
            parts[0] += f", about {duration_text(there)} of it over there"
        return "; ".join([*parts, self.traffic_text()])

    def traffic_text(self) -> str:
        """The messages and bytes, in words."""
        if not self.messages and not self.sent:
            return "nothing was sent"
        what = "1 message" if self.messages == 1 else f"{self.messages} messages"
        return f"{what}, {self.sent} bytes out, {self.received} in"


async def measured(connections: Connections, work: Callable[[], Awaitable[None]]) -> Cost:
    """Does something once; raises what it raises."""
    before = _traffic(connections)
    started = time.perf_counter()
    await work()
    seconds = time.perf_counter() - started
    calls, sent, received = (
        now - then for now, then in zip(_traffic(connections), before, strict=True)
    )
    return Cost(seconds, calls, sent, received)


async def repeated(connections: Connections, work: Callable[[], Awaitable[None]]) -> list[Cost]:
    """Does something until half a second is over, three times at least; raises what it raises."""
    costs: list[Cost] = []
    end = time.perf_counter() + LEAST_SECONDS
    while len(costs) < LEAST_RUNS or (time.perf_counter() < end and len(costs) < MOST_RUNS):
        costs.append(await measured(connections, work))
    return costs


def summary(costs: list[Cost], trip: float | None) -> str:
    """Many runs in one line: the run in the middle, and the fastest."""
    seconds = sorted(cost.seconds for cost in costs)
    middle = seconds[(len(seconds) - 1) // 2]
    typical = next(cost for cost in costs if cost.seconds == middle)
    best = duration_text(seconds[0])
    return f"{len(costs)} runs, the fastest {best}, half of them within {typical.text(trip)}"


async def round_trip(connections: Connections) -> float | None:
    """The seconds of the fastest of some pings over the current connection; None without one."""
    if connections.current is None:
        return None
    try:
        return min([await connections.current.peer.ping() for _ in range(_PINGS)])
    except proxyables.ProxyError:
        return None


def duration_text(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _traffic(connections: Connections) -> tuple[int, int, int]:
    counts = [each.peer.statistics() for each in connections.by_name.values()]
    names = ("calls_made", "bytes_sent", "bytes_received")
    calls, sent, received = (sum(each[name] for each in counts) for name in names)
    return calls, sent, received


__all__ = ["Cost", "duration_text", "measured", "repeated", "round_trip", "summary"]
