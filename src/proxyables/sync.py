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

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import ssl as tls
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, cast

from proxyables.errors import ConnectionClosed
from proxyables.limits import Limits
from proxyables.net.addresses import Address
from proxyables.net.endpoints import connect as connect_async
from proxyables.net.endpoints import serve as serve_async
from proxyables.net.server import Server as AsyncServer
from proxyables.objects.policy import Policy
from proxyables.peer.peer import NOTHING
from proxyables.peer.peer import Peer as AsyncPeer
from proxyables.peer.reports import Status, TraceEvent
from proxyables.peer.workers import current_job
from proxyables.proxies.api import ApiClass, BlockingApi, Root, T, check_class
from proxyables.proxies.blocking import BlockingProxy, copy, describe, ref, release
from proxyables.proxies.typed import compare
from proxyables.watch.access import AccessLog
from proxyables.wire.hello import Hello

_EXIT_SECONDS = 0.5


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


class _Background:
    """The thread whose event loop drives every connection of this process.

    A daemon: it does not keep the process alive. What is still open when the process ends is cut
    off, so that the loop is closed while there is an interpreter.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begins anew; in a forked child, where none of the parent's threads is."""
        self._start_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.ends: weakref.WeakSet[AsyncPeer | AsyncServer] = weakref.WeakSet()
        """What was opened and not closed; the loop keeps what still is connected."""
        self._is_stopping = False

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Awaits ``function()`` on the loop, which is started if need be; the thread waits.

        If the wait is interrupted, what it waits for is cancelled.
        """
        loop = self._running_loop()
        if threading.current_thread() is self._thread:
            raise RuntimeError("this would wait for ever on the background loop's own thread")
        self._stay_silent()
        future = asyncio.run_coroutine_threadsafe(function(), loop)
        job = current_job()
        try:
            with contextlib.nullcontext() if job is None else job.workers.away():
                return future.result()
        except BaseException:
            future.cancel()
            self._stay_silent()
            raise

    def _stay_silent(self) -> None:
        """Does not return while the process ends, in its daemon threads: they end with it."""
        if self._is_stopping and threading.current_thread() is not threading.main_thread():
            threading.Event().wait()

    def close(self, end: AsyncPeer | AsyncServer) -> None:
        """Closes one connection or server, and waits until it has ended."""
        if end not in self.ends:
            return  # it has ended, or it is a parent's: nothing of that lives here

        async def finish() -> None:
            end.close()
            try:
                await end.wait_closed()
            except asyncio.CancelledError:
                _abort(end)
                raise

        try:
            self.run(finish)
        finally:
            self.ends.discard(end)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._start_lock:
            if self._loop is None:
                self._loop = loop = _new_loop()
                self._thread = threading.Thread(
                    target=_drive, args=(loop,), name="proxyables-loop", daemon=True
                )
                self._thread.start()
                atexit.unregister(self._stop)  # a parent may have done it already
                atexit.register(self._stop)
            return self._loop

    def _stop(self) -> None:
        """Ends the thread, at the end of the process."""
        if self._loop is None or self._thread is None:
            return
        self._is_stopping = True
        cutting = asyncio.run_coroutine_threadsafe(self._cut_off(), self._loop)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            cutting.result(_EXIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_EXIT_SECONDS)

    async def _cut_off(self) -> None:
        ends = list(self.ends)
        for end in ends:
            for peer in _peers_of(end):
                peer.desk.is_deserted = True
            end.close()
            _abort(end)
        for end in ends:
            await end.wait_closed()


def _peers_of(end: AsyncPeer | AsyncServer) -> list[AsyncPeer]:
    return [end] if isinstance(end, AsyncPeer) else end.peers


def _abort(end: AsyncPeer | AsyncServer) -> None:
    for peer in _peers_of(end):
        peer.abort(ConnectionClosed(local=True))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _drive(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_end_tasks())
        loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def check_api(target: object, api: ApiClass[T]) -> T:
    """Compares a class with what a remote object offers, in one round trip.

    As `proxyables.check_api`, of a blocking proxy. ``async def`` in the class is a difference as
    well: a blocking proxy gives values, and nothing to await.
    """
    check_class(api)
    compare(api, describe(target), is_awaited=False)
    return cast(T, target)


# One for the process: a thread of its own for each connection would cost memory and switches.
_background = _Background()
os.register_at_fork(after_in_child=_background.forget)

__all__ = [
    "BlockingProxy",
    "Peer",
    "Server",
    "check_api",
    "connect",
    "copy",
    "describe",
    "ref",
    "release",
    "serve",
]
