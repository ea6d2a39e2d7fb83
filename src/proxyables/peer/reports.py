"""What a server tells of itself, as its peers get it.

Plain dictionaries, because they come from the other side: to a type checker they have these keys,
and whoever does not trust the server looks before using them. All times are seconds.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Place(TypedDict):
    """Where code stands."""

    file: str
    line: int
    function: str


class Threads(TypedDict):
    """The worker threads of a server."""

    limit: int
    """How many run at once; 0 if synchronous methods run on the loop."""
    running: int
    queued: int
    """Calls that wait for one of them."""
    alive: int
    """Threads that there are, those included that wait for a peer's answer or for work."""


class ServerReport(TypedDict):
    """Who the server is."""

    name: str
    pid: int
    uptime: float
    version: str
    """Of proxyables."""
    python: str
    loop: str
    """The event loop's package, such as ``"uvloop"``."""
    addresses: list[str]
    threads: Threads


class ConnectionReport(TypedDict):
    """One connection."""

    id: int
    """Counts the connections of this server from 1; of its worker, if it has several."""
    worker: NotRequired[int]
    """The `WorkerReport.worker` that has it."""
    you: bool
    """Whether it is the one that asks."""
    address: str
    credentials: dict[str, str | int | list[str]]
    """As `Credentials`, without what is not known."""
    dialect: str
    software: str
    """As the peer told it."""
    age: float
    idle: float
    """Since the peer's last call, to the second; 0 while a call runs, in either direction."""
    received: int
    """Bytes."""
    sent: int
    exports: int
    """Objects lent to the peer."""
    imports: int
    """Objects of the peer's."""
    calls: int
    """Calls served so far."""
    errors: int
    """Those of them that raised."""
    running: int
    """Calls being served."""
    waiting: int
    """Calls that wait for the peer's answer."""
    unsent: int
    """Bytes that the peer does not take yet."""


class CallReport(TypedDict):
    """One call that is being served."""

    connection: int
    """The `ConnectionReport.id` of its caller."""
    worker: NotRequired[int]
    """The `WorkerReport.worker` that serves it."""
    path: str
    """Such as ``shop.accounts[…].deposit``; never with arguments."""
    age: float
    state: Literal["queued", "running", "calling", "waiting", "sending", "abandoned"]
    """``queued``: for a worker thread; ``running`` on one; ``calling``: its worker waits for the
    peer; ``waiting``: a coroutine that awaits something; ``sending``: a stream whose reader is
    slower; ``abandoned``: its caller gave it up, or is gone, but the worker thread cannot be
    stopped and runs on. It is counted as a thread that runs, and as a call nowhere."""
    where: Place | None
    """The innermost line that is the user's own."""


class Rates(TypedDict):
    """How busy the server is and was."""

    calls: int
    """Since the start."""
    errors: int
    calls_per_second: float
    """Over the last ten seconds."""
    errors_per_second: float
    p50: float | None
    """Half of the recent calls took no longer; None if there were none. Of a sample."""
    p99: float | None
    samples: int
    """How many calls these two are made of."""


class Totals(TypedDict):
    """Sums over all connections; lists of a report may be cut, these are not."""

    connections: int
    running: int
    received: int
    sent: int
    exports: int
    imports: int
    unsent: int


class WorkerReport(TypedDict):
    """One of several processes that serve the same."""

    worker: int
    """Counts them from 1."""
    pid: int
    answers: bool
    """Whether it has told this just now. Else its event loop is blocked, the figures are those
    that it told last, and its connections and calls are not in the report."""
    uptime: float
    connections: int
    running: int
    calls: int
    errors: int


class Status(TypedDict):
    """A snapshot of a server; see `Peer.status`."""

    server: ServerReport
    rates: Rates
    totals: Totals
    connections: list[ConnectionReport]
    """The oldest first, 500 at the most."""
    calls: list[CallReport]
    """The oldest first, 500 at the most."""
    workers: NotRequired[list[WorkerReport]]
    """The processes that serve, where they are several; everything else is then of all of them."""


class TraceEvent(TypedDict):
    """What `Peer.trace` yields.

    A ``start`` says that everything from here on is told, a ``lost`` how many events were not, as
    nobody read fast enough. A call is a ``begin`` and an ``end`` with the same number.
    """

    event: Literal["start", "begin", "end", "lost"]
    time: float
    """Seconds since 1970, by the server's clock."""
    worker: NotRequired[int]
    """Of a ``start``: the process whose calls are told, where several serve the same."""
    workers: NotRequired[int]
    """Of a ``start``: how many they are."""
    call: NotRequired[int]
    connection: NotRequired[int]
    peer: NotRequired[str]
    """The caller's address."""
    path: NotRequired[str]
    arguments: NotRequired[str]
    """Only if they were asked for, and the server's policy shows them."""
    duration: NotRequired[float]
    """Of an ``end``."""
    outcome: NotRequired[Literal["ok", "error", "cancelled"]]
    error: NotRequired[str]
    """The type of the exception that the call raised."""
    count: NotRequired[int]
    """Of a ``lost``."""


__all__ = [
    "CallReport",
    "ConnectionReport",
    "Place",
    "Rates",
    "ServerReport",
    "Status",
    "Threads",
    "Totals",
    "TraceEvent",
    "WorkerReport",
]
