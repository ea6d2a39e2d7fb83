"""The blocking face: remote objects for code that has no event loop.

::

    import proxyables.sync

    with proxyables.sync.connect("unix:/tmp/shop.sock") as peer:
        shop = peer.root
        shop.add(2, 3)
        shop.count += 1
        for row in shop.rows():
            print(row)

Everything may be used from any thread. All connections of a process share one background thread
with one event loop, which starts with the first of them; callbacks run on worker threads. What is
opened belongs to the process that opened it: after a fork, the child opens its own.
"""

from __future__ import annotations

import os
import ssl as tls
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, cast

from proxyables.background import Background
from proxyables.limits import Limits
from proxyables.net.addresses import Address
from proxyables.net.endpoints import connect as connect_async
from proxyables.net.endpoints import serve as serve_async
from proxyables.net.server import Server as AsyncServer
from proxyables.objects.policy import Policy
from proxyables.peer.peer import NOTHING
from proxyables.peer.peer import Peer as AsyncPeer
from proxyables.peer.reports import Status, TraceEvent
from proxyables.proxies.api import ApiClass, BlockingApi, Root, T, check_class
from proxyables.proxies.blocking import BlockingProxy
from proxyables.proxies.blocking_functions import copy, describe, perform, ref, release
from proxyables.proxies.typed import compare
from proxyables.watch.access import AccessLog
from proxyables.wire.hello import Hello


def connect(
    address: str | Address,
    api: ApiClass[BlockingApi] | None = None,
    *,
    export: object = NOTHING,
    policy: Policy | None = None,
    limits: Limits | None = None,
    timeout: float | None = 5.0,
    token: str | bytes | None = None,
    ssl: tls.SSLContext | None = None,
    name: str = "",
    by_reference: tuple[type, ...] = (),
    threads: int = 1,
) -> Peer[BlockingApi]:
    """Dials an address and returns the peer; also ``with connect(…) as peer:``.

    Args:
        threads: How many worker threads run what the other side calls here, callbacks included;
            0 runs it on the background loop, where it gets cursors and must not block.
        address, api, export, policy, limits, timeout, token, ssl, name, by_reference: See
            `proxyables.connect`, which also says what is raised.
    """
    connecting = connect_async(
        address,
        api,
        export=export,
        policy=policy,
        limits=limits,
        timeout=timeout,
        token=token,
        ssl=ssl,
        name=name,
        by_reference=by_reference,
        threads=threads,
    )

    async def dial() -> AsyncPeer[Any]:
        return await connecting

    return Peer(_background.run(dial))


def serve(
    obj: Any,
    *where: str | Address,
    instance: Literal["shared", "connection"] = "shared",
    factory: bool = False,
    policy: Policy | None = None,
    limits: Limits | None = None,
    threads: int = 1,
    token: str | bytes | None = None,
    ssl: tls.SSLContext | None = None,
    name: str = "",
    by_reference: tuple[type, ...] = (),
    insecure: bool = False,
    origins: Sequence[str] = (),
    access_log: AccessLog = "off",
    watchdog: float = 0.0,
    max_connections: int | None = None,
    unix_mode: int | None = None,
    unix_group: str | int | None = None,
) -> Server:
    """Serves an object from the background thread; returns when every address is listened on.

    Args:
        threads: How many worker threads run synchronous methods; 0 runs them on the background
            loop, where they get cursors and must not block.

    All other arguments are those of `proxyables.serve`, which also says what is raised.
    """
    server = serve_async(
        obj,
        *where,
        instance=instance,
        factory=factory,
        policy=policy,
        limits=limits,
        threads=threads,
        token=token,
        ssl=ssl,
        name=name,
        by_reference=by_reference,
        insecure=insecure,
        origins=origins,
        access_log=access_log,
        watchdog=watchdog,
        max_connections=max_connections,
        unix_mode=unix_mode,
        unix_group=unix_group,
    )

    async def start() -> AsyncServer:
        return await server

    return Server(_background.run(start))


class Peer(Generic[Root]):
    """A connection to another process; made by `connect`.

    Attributes:
        root: The blocking proxy on the other side's root object; to type checkers, the class that
            `connect` was given, if any.
    """

    def __init__(self, peer: AsyncPeer[Any]) -> None:
        self._peer = peer
        peer.desk.is_strict = True
        self.root = cast(Root, peer.desk.root)
        _background.ends.add(peer)

    def __repr__(self) -> str:
        return repr(self._peer)

    @property
    def address(self) -> str:
        """What is shown for this connection."""
        return self._peer.address

    @property
    def info(self) -> Hello | None:
        """What is known of the other side."""
        return self._peer.info

    @property
    def closed(self) -> bool:
        """True when the connection has ended."""
        return self._peer.closed

    def root_as(self, api: ApiClass[T]) -> T:
        """Returns `root`, which is an `api` to type checkers; nothing is checked over there.

        Raises:
            TypeError: `api` is no class.
        """
        check_class(api)
        return cast(T, self.root)

    def ping(self) -> float:
        """Returns the seconds that a round trip takes; raises `ConnectionClosed`."""
        seconds: float = self._peer.desk.run(self._peer.ping)
        return seconds

    def status(self) -> Status:
        """Returns what the server on the other side tells of itself; see `proxyables.Peer.status`.

        Raises:
            NotSupported, AccessDenied, ConnectionClosed: As there.
        """
        told: Status = self._peer.desk.run(self._peer.status)
        return told

    def trace(
        self, pattern: str = "*", *, errors_only: bool = False, arguments: bool = False
    ) -> Iterator[TraceEvent]:
        """Yields the calls that the server serves, as they happen; see `proxyables.Peer.trace`.

        Dropping the iterator ends the trace.

        Raises:
            NotSupported, AccessDenied, LimitExceeded, ConnectionClosed: From the first iteration.
        """
        events = self._peer.trace(pattern, errors_only=errors_only, arguments=arguments)
        while chunk := self._peer.desk.run(events.take):
            yield from chunk

    def statistics(self) -> dict[str, int]:
        """Returns the counts of this connection: calls, bytes, streams, references."""
        return self._peer.statistics()

    def close(self) -> None:
        """Closes the connection and waits for its end; calls in flight get ``limits.grace``.

        An interrupt (Ctrl-C) ends it at once. Safe to call twice, and from any thread.
        """
        _background.close(self._peer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Server:
    """An object on any number of addresses; made by `serve`."""

    def __init__(self, server: AsyncServer) -> None:
        self._server = server
        _background.ends.add(server)

    def __repr__(self) -> str:
        return repr(self._server)

    @property
    def addresses(self) -> list[str]:
        """Where the server listens: canonical, with the real ports, ready to be dialled."""
        return self._server.addresses

    def serve_forever(self) -> None:
        """Waits until the server is closed, by another thread or an interrupt, which closes it."""
        try:
            _background.run(self._server.serve_forever)
        finally:
            self.close()

    def close(self) -> None:
        """Stops listening, ends every connection, and waits for that; as `Peer.close`."""
        _background.close(self._server)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_api(target: object, api: ApiClass[T]) -> T:
    """Compares a class with what a remote object offers, in one round trip.

    As `proxyables.check_api`, of a blocking proxy. ``async def`` in the class is a difference as
    well: a blocking proxy gives values, and nothing to await.
    """
    check_class(api)
    compare(api, describe(target), is_awaited=False)
    return cast(T, target)


# One for the process: a thread of its own for each connection would cost memory and switches.
_background = Background()
os.register_at_fork(after_in_child=_background.forget)

__all__ = [
    "BlockingProxy",
    "Peer",
    "Server",
    "check_api",
    "connect",
    "copy",
    "describe",
    "perform",
    "ref",
    "release",
    "serve",
]
