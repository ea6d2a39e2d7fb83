"""A server's status, laid out for a reader: lines at the top, and rows of two tables.

It comes from the other side, so nothing in it is taken for what it should be: what is missing or of
another kind shows as nothing, and every text is made fit for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxyables_cli.exits import printable
from proxyables_cli.figures import age, count, duration, number, rate, size

CONNECTION_TITLES = (
    *("ID", "ADDRESS", "CALLER", "AGE", "IDLE", "CALLS", "ERRORS", "RUNNING"),
    *("IN", "OUT", "LENT", "UNSENT"),
)
CALL_TITLES = ("CALL", "STATE", "AGE", "ID", "WHERE")

WORKER_TITLES = ("WORKER", "PID", "STATE", "UP", "CALLS", "ERRORS", "RUNNING", "PEERS")

_MOST_ROWS = 500

# By what connections can be sorted: the word, and the key of the report. The first is the default.
ORDERS = {
    "age": "age",
    "calls": "calls",
    "running": "running",
    "errors": "errors",
    "in": "received",
    "out": "sent",
    "lent": "exports",
    "idle": "idle",
}


def part(told: object, *keys: str) -> Any:
    """Returns what stands in a nested map; None where there is none."""
    for key in keys:
        told = told.get(key) if isinstance(told, Mapping) else None
    return told


def rows(told: object, key: str) -> list[Mapping[str, Any]]:
    """Returns the maps of a list in a report; no more than any server of ours tells."""
    found = part(told, key)
    kept = found[:_MOST_ROWS] if isinstance(found, list) else []
    return [row for row in kept if isinstance(row, Mapping)]


def headlines(told: object, rates: Mapping[str, float] | None = None) -> Iterator[str]:
    """Lays out who the server is and how busy.

    Args:
        told: The status.
        rates: What goes before the server's own, which are those of the last ten seconds.
    """
    server, totals = part(told, "server"), part(told, "totals")
    addresses = part(server, "addresses")
    where = ", ".join(map(str, addresses)) if isinstance(addresses, list) else ""
    name = _text(part(server, "name")) or "a server"
    yield printable(f"{name}{' on ' if where else ''}{where}")
    software = [f"{what} {_text(part(server, what))}" for what in ("pid", "python", "loop")]
    version = _text(part(server, "version"))
    yield printable(
        f"up {age(part(server, 'uptime'))}, proxyables {version}, {', '.join(software)}"
    )
    known = dict(part(told, "rates") or {}) if isinstance(part(told, "rates"), Mapping) else {}
    known |= rates or {}
    yield (
        f"calls    {count(known.get('calls'))}, {rate(known.get('calls_per_second'))};"
        f" errors {count(known.get('errors'))}, {rate(known.get('errors_per_second'))};"
        f" p50 {duration(known.get('p50'))}, p99 {duration(known.get('p99'))}"
    )
    if found := rows(told, "workers"):
        yield f"workers  {_workers(found)}"
    yield f"threads  {_threads(part(server, 'threads'))}"
    yield (
        f"peers    {count(part(totals, 'connections'))}; in {size(part(totals, 'received'))},"
        f" out {size(part(totals, 'sent'))}, unsent {size(part(totals, 'unsent'))};"
        f" {count(part(totals, 'exports'))} objects lent, {count(part(totals, 'imports'))} borrowed"
    )


def _workers(found: Sequence[Mapping[str, Any]]) -> str:
    silent = [
        f"{count(row.get('worker'))} (pid {count(row.get('pid'))})"
        for row in found
        if row.get("answers") is not True
    ]
    return f"{len(found)}" + (f", no answer from {', '.join(silent)}" if silent else "")


def worker_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the cells of a process that serves, under `WORKER_TITLES`."""
    return (
        count(row.get("worker")),
        count(row.get("pid")),
        "answers" if row.get("answers") is True else "blocked",
        age(row.get("uptime")),
        *(count(row.get(key)) for key in ("calls", "errors", "running", "connections")),
    )


def _threads(threads: object) -> str:
    if not number(part(threads, "limit")):
        return "none: synchronous methods run on the event loop"
    running, limit = count(part(threads, "running")), count(part(threads, "limit"))
    return f"{running} of {limit} running, {count(part(threads, 'queued'))} calls queued"


def connection_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the cells of a connection, under `CONNECTION_TITLES`."""
    return (
        f"{_number(row, 'id')}{' (you)' if row.get('you') is True else ''}",
        printable(_text(row.get("address")), clip=100),
        printable(_caller(row.get("credentials")), clip=100),
        age(row.get("age")),
        age(row.get("idle")),
        count(row.get("calls")),
        count(row.get("errors")),
        count(row.get("running")),
        size(row.get("received")),
        size(row.get("sent")),
        count(row.get("exports")),
        size(row.get("unsent")),
    )


def call_cells(row: Mapping[str, Any], parts: int = 0) -> tuple[str, ...]:
    """Returns the cells of a call, under `CALL_TITLES`; `parts` is for `place`."""
    return (
        printable(_text(row.get("path")), clip=200),
        printable(_text(row.get("state")), clip=20),
        age(row.get("age")),
        _number(row, "connection"),
        printable(place(row.get("where"), parts), clip=400),
    )


def _number(row: Mapping[str, Any], key: str) -> str:
    """Writes which connection it is; behind which worker, where they are several: ``2/7``."""
    own = count(row.get(key))
    return f"{count(row['worker'])}/{own}" if "worker" in row else own


def place(where: object, parts: int = 0) -> str:
    """Writes where a call stands: ``/srv/shop.py:12 Shop.add``.

    Args:
        where: What the server told.
        parts: How much of the file's path is shown, from its end; 0 is all of it.
    """
    if not isinstance(where, Mapping):
        return ""
    file = "/".join(_text(where.get("file")).split("/")[-parts:])
    return f"{file}:{count(where.get('line'))} {_text(where.get('function'))}".rstrip()


def _caller(credentials: object) -> str:
    """Writes what is known of the process at the other end; its host stands in its address."""
    if not isinstance(credentials, Mapping):
        return ""
    if credentials.get("subject"):
        return _text(credentials["subject"])
    known = [f"{name} {_text(credentials[name])}" for name in ("pid", "uid") if name in credentials]
    return ", ".join(known)


def _text(value: object) -> str:
    return str(value) if type(value) in (str, int, float) else ""


def lines(told: object) -> Iterator[str]:
    """Lays a whole status out as lines of any width."""
    yield from headlines(told)
    for key, titles, cells in TABLES:
        found = rows(told, key)
        if found:
            yield ""
            yield from aligned([titles, *map(cells, found)])
            hidden = number(part(told, "totals", TOTALS.get(key, ""))) - len(found)
            if hidden > 0:
                yield f"… and {hidden:.0f} more"


TABLES = (
    ("calls", CALL_TITLES, call_cells),
    ("connections", CONNECTION_TITLES, connection_cells),
    ("workers", WORKER_TITLES, worker_cells),
)
TOTALS = {"calls": "running", "connections": "connections"}
"""Which total says how many rows there are all in all, where not all are told."""


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lays rows out in columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


__all__ = [
    "CALL_TITLES",
    "CONNECTION_TITLES",
    "ORDERS",
    "TABLES",
    "TOTALS",
    "aligned",
    "call_cells",
    "connection_cells",
    "headlines",
    "lines",
    "part",
    "place",
    "rows",
]
