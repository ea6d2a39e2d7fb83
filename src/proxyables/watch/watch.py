"""What one server knows of its connections and calls, for those who may look.

How it works. Counts are those that each connection keeps anyway. How long calls take is measured on
a sample: at first, and once in a second, the next few calls of each connection that is used pass
through its `Tap`, which is then taken away again. While there are traces or an access log, all
calls do.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import operator
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proxyables.errors import LimitExceeded
from proxyables.objects.policy import Policy
from proxyables.peer.peer import Peer
from proxyables.peer.service import Service, current, serving_of
from proxyables.peer.workers import Workers
from proxyables.version import __version__

from . import access
from .connections import Connection
from .histogram import Histogram
from .tap import Measured, Tap

if TYPE_CHECKING:
    from proxyables.peer.reports import CallReport, Rates, ServerReport, Status, Totals

    from .calls import Abandoned
    from .inspector import Inspector
    from .siblings import Siblings, Snapshot
    from .traces import Trace

MOST_TRACES = 16
"""Each call is told to each of them."""
_INTERVAL = 1.0
SAMPLE = 32
"""Calls of one connection that are measured in one interval."""
_WINDOW = 10.0
"""Seconds that the rates are made of."""
_RENEWED = 30
"""Intervals after which durations are counted anew; those before are kept for as long again."""


class Watch:
    """Sees what the connections of one server do.

    Args:
        name: What its root object is called.
        workers: Its worker threads.
        threads: How many of them run synchronous methods; 0 if the loop does.
        access_log: What is logged of each call.

    Attributes:
        addresses: Where it listens.
        siblings: The other processes that serve the same, if there are any.
    """

    def __init__(
        self,
        name: str,
        workers: Workers,
        *,
        threads: int,
        access_log: access.AccessLog = "off",
    ) -> None:
        self.name = name
        self._workers = workers
        workers.on_abandoned = self._abandoned_here
        self._threads = threads
        self.addresses: list[str] = []
        self.siblings: Siblings | None = None
        self._access_log = access_log
        self._started = time.monotonic()
        self._numbers = itertools.count(1)
        self._call_numbers = itertools.count(1)
        self._connections: dict[Peer[Any], Connection] = {}
        self._numbered: weakref.WeakKeyDictionary[Peer[Any], int] = weakref.WeakKeyDictionary()
        """The numbers of all connections that anything still runs for."""
        self._traces: set[Trace] = set()
        self._is_closed = False
        self._served = self._failed = 0  # on connections that have ended
        self._marks = deque([(self._started, 0, 0)])
        """How many calls there were, and errors, at some times; the first is the one that the rates
        begin at."""
        self._recent, self._before = Histogram(), Histogram()
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- connections ------------------------------------------------------------------------------

    def join(self, peer: Peer[Any], service: Service) -> Callable[[Policy], Inspector]:
        """Takes a new connection; returns what makes the object that its peer may ask."""
        number, now = next(self._numbers), time.monotonic()
        tap = Tap(service, number, peer.address, self)
        self._connections[peer] = Connection(number, peer, service, tap, now)
        self._numbered[peer] = number
        tap.open(None if self._is_watched else SAMPLE)
        if self._timer is None:
            self._mark(now, self._served, self._failed)
            self._timer = peer.loop.call_later(_INTERVAL, self._tick)
        return functools.partial(self._make_inspector, peer)

    def _make_inspector(self, peer: Peer[Any], policy: Policy) -> Inspector:
        from .inspector import Inspector  # hardly any peer asks

        return Inspector(self, peer, policy)

    def leave(self, peer: Peer[Any]) -> None:
        """Forgets a connection that has ended, but for its counts."""
        connection = self._connections.pop(peer, None)
        if connection is None:
            return
        connection.tap.leave()
        self._served += connection.served
        self._failed += connection.service.failed
        if not self._connections and self._timer is not None:
            self._mark(time.monotonic(), self._served, self._failed)
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = time.monotonic()
        self._ticks += 1
        if self._ticks % _RENEWED == 0:
            self._recent, self._before = Histogram(), self._recent
        is_watched = self._is_watched
        served, failed = self._served, self._failed
        for connection in self._connections.values():  # thousands: nothing is called for each
            service = connection.service
            answered = service.served
            served += answered - connection.asked
            failed += service.failed
            if answered != connection.seen:
                connection.seen, connection.used_at = answered, now
                if not is_watched:
                    connection.tap.open(SAMPLE)
        self._mark(now, served, failed)
        loop = next(iter(self._connections)).loop
        self._timer = loop.call_later(_INTERVAL, self._tick)

    # -- calls ------------------------------------------------------------------------------------

    @property
    def _is_watched(self) -> bool:
        return bool(self._traces) or self._access_log != "off"

    def on_begin(self, call: Measured) -> None:
        """A call is about to run."""
        if not self._is_watched:
            return
        from .arguments import arguments_of  # nobody watches most servers
        from .paths import path_of

        call.number = next(self._call_numbers)
        call.told = {
            "connection": call.connection,
            "peer": call.peer,
            "path": path_of(self.name, call.target, call.message),
        }
        if self._access_log == "args" or any(trace.arguments for trace in self._traces):
            call.told["arguments"] = arguments_of(call.target, call.message)
        for trace in self._traces:
            trace.on_begin(call)

    def _abandoned_here(self) -> Abandoned | None:
        """Returns what is known of the call that the current task serves and gives up."""
        from .calls import Abandoned
        from .paths import path_of

        task, peer = asyncio.current_task(), current.get(None)
        serving = None if task is None else serving_of(task)
        if serving is None or peer is None or peer not in self._numbered:
            return None
        connection = self._connections.get(peer)
        target = None if connection is None else connection.service.find(serving.message[1])
        path = path_of(self.name, target, serving.message)
        return Abandoned(self._numbered[peer], path, serving.begun)

    def on_end(self, call: Measured) -> None:
        """A call has ended."""
        self._recent.add(call.duration)
        if not call.number:
            return
        for trace in self._traces:
            trace.on_end(call)
        if self._access_log != "off":
            access.write(call)

    @contextmanager
    def tracing(self, trace: Trace, asking: Peer[Any]) -> Iterator[None]:
        """Tells every call to `trace` while the block runs.

        Raises:
            LimitExceeded: There are as many as there may be.
        """
        if self._is_closed:
            trace.close()
        if len(self._traces) >= MOST_TRACES:
            raise LimitExceeded("traces", MOST_TRACES, len(self._traces) + 1, "traces at once")
        self._traces.add(trace)
        self._set_taps()
        try:
            yield
        finally:
            self._traces.discard(trace)
            self._set_taps()
            self._note_asked(asking)

    def close(self) -> None:
        """Ends every trace: the server waits for the calls that run, and those would go on."""
        self._is_closed = True
        for trace in self._traces:
            trace.close()

    def _set_taps(self) -> None:
        for connection in self._connections.values():
            if self._is_watched:
                connection.tap.open()
            else:
                connection.tap.close()

    # -- reports ----------------------------------------------------------------------------------

    async def status(self, asking: Peer[Any]) -> Status:
        """Returns what is told to the peer that asks."""
        siblings = self.siblings
        if siblings is None:
            told = self._status(asking)
        else:
            from .siblings import merged

            others = await siblings.ask()
            told = merged(self.snapshot(asking), others, siblings.pid)
        self._note_asked(asking)  # at the end: this one will be counted with its answer
        return told

    def snapshot(self, asking: Peer[Any] | None = None) -> Snapshot:
        """Returns what this process adds to the report of all that serve the same."""
        return {
            "worker": 0 if self.siblings is None else self.siblings.number,
            "pid": os.getpid(),
            "answers": True,
            "status": self._status(asking),
            "durations": self._recent.counts(self._before),
        }

    def _status(self, asking: Peer[Any] | None) -> Status:
        from .siblings import MOST_TOLD

        now = time.monotonic()
        connections = list(self._connections.values())
        running = sum(len(each.serving()) for each in connections)
        return {
            "server": self._server(now),
            "rates": self._rates(now),
            "totals": _totals(connections, running=running),
            "connections": [
                each.report(now, is_yours=each.peer is asking) for each in connections[:MOST_TOLD]
            ],
            "calls": [report() for _, report in self._calls(connections, now)[:MOST_TOLD]],
        }

    def _calls(
        self, connections: list[Connection], now: float
    ) -> list[tuple[float, Callable[[], CallReport]]]:
        """Returns when each call began, and what tells of it; the oldest first."""
        from .calls import report_of, report_of_abandoned

        calls: list[tuple[float, Callable[[], CallReport]]] = []
        for each in connections:
            for serving in each.serving():
                report = functools.partial(report_of, each, serving, self.name, now)
                calls.append((serving.begun, report))
        for job, call in self._workers.abandoned():
            calls.append((call.begun, functools.partial(report_of_abandoned, call, job, now)))
        return sorted(calls, key=operator.itemgetter(0))

    def _note_asked(self, peer: Peer[Any]) -> None:
        if peer in self._connections:
            self._connections[peer].asked += 1

    def _server(self, now: float) -> ServerReport:
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        counts: Any = self._workers.counts()
        return {
            "name": self.name,
            "pid": os.getpid(),
            "uptime": now - self._started,
            "version": __version__,
            "python": sys.version.partition(" ")[0],
            "loop": loop,
            "addresses": self.addresses,
            "threads": counts | {"limit": self._threads},
        }

    def _mark(self, now: float, served: int, failed: int) -> None:
        """Notes the counts, but not for each of many short connections in a row."""
        if now - self._marks[-1][0] >= _INTERVAL / 2:
            self._marks.append((now, served, failed))
        self._forget_marks(now)

    def _forget_marks(self, now: float) -> None:
        while len(self._marks) > 1 and self._marks[1][0] <= now - _WINDOW:
            self._marks.popleft()

    def _rates(self, now: float) -> Rates:
        self._forget_marks(now)
        connections = self._connections.values()
        served = self._served + sum(each.served for each in connections)
        failed = self._failed + sum(each.service.failed for each in connections)
        since, served_then, failed_then = self._marks[0]
        # The first mark may be much older: then nothing was counted for long, and it holds still.
        seconds = min(max(now - since, _INTERVAL), _WINDOW)
        return {
            "calls": served,
            "errors": failed,
            "calls_per_second": (served - served_then) / seconds,
            "errors_per_second": (failed - failed_then) / seconds,
            "p50": self._recent.quantile(0.5, self._before),
            "p99": self._recent.quantile(0.99, self._before),
            "samples": self._recent.total + self._before.total,
        }


def _totals(connections: list[Connection], *, running: int) -> Totals:
    counts = [each.peer.statistics() for each in connections]
    return {
        "connections": len(connections),
        "running": running,
        "received": sum(each["bytes_received"] for each in counts),
        "sent": sum(each["bytes_sent"] for each in counts),
        "exports": sum(each["exports"] for each in counts),
        "imports": sum(each["imports"] for each in counts),
        "unsent": sum(each.unsent for each in connections),
    }


__all__ = ["MOST_TRACES", "Watch"]
