"""Several processes that serve the same thing, told of as one server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict, cast

from proxyables.peer.reports import Status, WorkerReport

from .histogram import Histogram

MOST_TOLD = 500
"""Connections, and calls, in one report: thousands would be larger than a message may be."""


class Snapshot(TypedDict):
    """What one process tells the others; it survives JSON."""

    worker: int
    pid: int
    answers: bool
    """Whether it is what the process tells now, and not what it told last."""
    status: Status | None
    """None if it has never told one."""
    durations: list[int]
    """The counts of its `Histogram`."""


class Siblings(Protocol):
    """The other processes, as one of them sees them.

    Attributes:
        number: Which one this is, from 1.
        count: How many they are, with this one.
        pid: Of the process that all of them belong to.
    """

    number: int
    count: int
    pid: int

    async def ask(self) -> Sequence[Snapshot]:
        """Returns what the others tell; soon, whatever they do."""


def merged(own: Snapshot, others: Sequence[Snapshot], pid: int) -> Status:
    """Makes one report of all.

    Args:
        own: Of the process that is asked.
        others: Those of the others.
        pid: What stands for all of them.
    """
    everyone = sorted([own, *others], key=lambda each: each["worker"])
    present: list[tuple[int, Any]] = [
        (each["worker"], each["status"]) for each in everyone if each["answers"]
    ]
    durations = [Histogram(each["durations"]) for each in everyone if each["answers"]]
    known = [each["status"] for each in everyone if each["status"] is not None]
    reports = [status for _, status in present]
    mine = cast(Any, own["status"])
    rates = {
        # Those counts only grow, so who does not answer now is in them all the same.
        **_sums(known, "rates", ("calls", "errors")),
        **_sums(reports, "rates", ("calls_per_second", "errors_per_second")),
        "p50": durations[0].quantile(0.5, *durations[1:]),
        "p99": durations[0].quantile(0.99, *durations[1:]),
        "samples": sum(each.total for each in durations),
    }
    threads = [status["server"]["threads"] for status in reports]
    server = mine["server"] | {
        "pid": pid,
        "uptime": max(status["server"]["uptime"] for status in reports),
        "threads": {key: sum(each[key] for each in threads) for key in threads[0]},
    }
    told = {
        "server": server,
        "rates": rates,
        "totals": _sums(reports, "totals", mine["totals"]),
        "connections": _rows(present, "connections"),
        "calls": _rows(present, "calls"),
        "workers": [_worker(each) for each in everyone],
    }
    return cast(Status, told)


def _sums(reports: Sequence[Any], part: str, keys: Any) -> dict[str, Any]:
    return {key: sum(status[part][key] for status in reports) for key in keys}


def _rows(present: Sequence[tuple[int, Any]], part: str) -> list[Any]:
    rows = [{**row, "worker": number} for number, status in present for row in status[part]]
    rows.sort(key=lambda row: -row["age"])
    return rows[:MOST_TOLD]


def _worker(snapshot: Snapshot) -> WorkerReport:
    status: Any = snapshot["status"]
    return {
        "worker": snapshot["worker"],
        "pid": snapshot["pid"],
        "answers": snapshot["answers"],
        "uptime": status["server"]["uptime"] if status else 0.0,
        "connections": status["totals"]["connections"] if status else 0,
        "running": status["totals"]["running"] if status else 0,
        "calls": status["rates"]["calls"] if status else 0,
        "errors": status["rates"]["errors"] if status else 0,
    }


__all__ = ["MOST_TOLD", "Siblings", "Snapshot", "merged"]
