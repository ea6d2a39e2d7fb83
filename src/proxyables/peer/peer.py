"""One end of a connection, and the only stateful object that knows all of its parts.

An `asyncio.Protocol`: the loop calls `data_received`, the Yamux session makes events of the bytes,
whole messages go to `Calls` (answers to what we asked) or `Service` (what they ask), and what they
queue leaves in one write per turn of the loop.

A peer is *introduced* once the handshake is over, *closing* from `close` on, and *closed* when the
transport is gone; then every waiting call has failed and every table is empty.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Self, TypeAlias, cast

from proxyables.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HandshakeFailed,
    PeerProtocolError,
    ProxyError,
)
from proxyables.limits import Limits
from proxyables.objects.executor import Executor, no_root
from proxyables.objects.imports import Reference
from proxyables.objects.policy import Policy
from proxyables.objects.registry import ObjectRegistry
from proxyables.proxies.api import ApiClass, Root, T, check_class
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.compact import Compact
from proxyables.wire.hello import INSPECTS, PING, Hello
from proxyables.wire.instructions import Message, Step
from proxyables.yamux import (
    BARE,
    INITIAL_WINDOW,
    PONGED,
    WENT_AWAY,
    Config,
    Event,
    Session,
    Stream,
    YamuxError,
)

from .attempts import Attempts
from .brake import Brake
from .calls import Calls
from .credentials import Credentials, read_credentials
from .ending import Ending, tell_offence
from .forks import FORKS, cover, descriptors_of, forked
from .handshake import Handshake, Stage
from .heartbeat import Heartbeat
from .inspection import Overseer, Trace, status
from .introduction import Introduction
from .items import Items
from .jobs import Job
from .pings import Pings
from .reader import Reader
from .resolver import Resolver
from .service import Service
from .tables import Tables
from .vigil import Vigil
from .waiting import Desk
from .workers import Workers, make_workers
from .writer import Writer

if TYPE_CHECKING:
    from .managers import Managers
    from .reports import Status
    from .tracing import OnCall

log = logging.getLogger("proxyables")
log.addHandler(logging.NullHandler())  # without it, refusals would go to stderr unasked
Request: TypeAlias = Callable[[Reference | None, list[Step]], Generator[Any, None, Any]]
NOTHING: Final = object()
"""Stands for "no root object" where None would be an object to export."""


class Peer(asyncio.Protocol, Generic[Root]):
    """One connection to another process, symmetric but for who dialled.

    Made by `connect`, `serve` and `Proxyable`; belongs to the event loop that it was made in.

    Args:
        client: Whether this side dialled.
        export: Our root object; without it the other side can only use what it is lent.
        policy: What the other side may touch.
        limits: Our bounds.
        token: The secret that both sides must know, if any.
        attempts: Where failures to know it are counted, for all connections of one server.
        by_reference: Types whose instances always stay here when a method returns one.
        name: What the root is called in HELLO.
        instance: Random, the same for all connections of one server.
        address: What is shown for this connection.
        threads: How many workers run synchronous methods; 0 runs them on the loop, but for those
            that are marked with ``expose(run="thread")``.
        workers: Whose these are; without it, the peer has its own.
        overseer: Who tells the other side about the server that the connection belongs to.
        refusal: Why the other side, which dialled, is told to go away.
        on_introduced: Called once, when both sides know each other and calls may come.
        on_closed: Called once, when the connection has ended.

    Attributes:
        root: A cursor on the other side's root object; to type checkers, the class that `connect`
            was given, if any.
        desk: Where threads other than the loop's ask for what the connection does.
        thread: Which thread's loop the peer belongs to, as `threading.get_ident` tells it.
        info: What is known of the other side; None until the handshake is done.
        closed: True when the connection has ended.
        received: Bytes that have arrived so far.
        credentials: Who is at the other end, as the kernel and TLS tell it.
        request: Runs a chain over there; see `Calls.request`. Cursors call it.
        traces: Those that this side reads.
        drains_at_eof: Whether calls in flight may end after the other side's end of file.
    """

    def __init__(
        self,
        *,
        client: bool,
        export: object = NOTHING,
        policy: Policy | None = None,
        limits: Limits | None = None,
        token: str | bytes | None = None,
        attempts: Attempts | None = None,
        by_reference: tuple[type, ...] = (),
        name: str = "",
        instance: str = "",
        address: str = "",
        threads: int = 0,
        workers: Workers | None = None,
        overseer: Overseer | None = None,
        refusal: ProxyError | None = None,
        on_introduced: Callable[[Peer], None] | None = None,
        on_closed: Callable[[Peer], None] | None = None,
        on_offence: Callable[[Peer, ProxyError], None] = tell_offence,
    ) -> None:
        self.limits = limits = Limits() if limits is None else limits
        self.address = address
        self.loop = asyncio.get_running_loop()
        self.is_classic = False
        self.most_streams = limits.max_streams
        self.closed = False
        self.received = 0
        self.credentials = Credentials()
        self.drains_at_eof = False
        self._is_at_eof = False
        self._export = export
        self._on_ready = on_introduced
        self._on_closed = on_closed
        self._on_call: OnCall | None = None
        self.thread = threading.get_ident()
        self._owns_workers = workers is None
        self._workers = make_workers(threads, limits) if workers is None else workers
        self._session = Session(client=client, config=_config(limits), clock=time.monotonic)
        self.writer = Writer(self._session, limits, self.loop, self._on_flushed, self._on_stalled)
        self._session.lenient = True  # until it has shown that it is not a classic peer
        self._make_tables(Policy() if policy is None else policy, on_workers=threads > 0)
        self.unknown_dialect = Compact(self._tables, limits)
        self.unknown_dialect.shows_frames = policy is None or policy.introspection == "full"
        self._calls = Calls(self, self._session, self._tables)
        # No method that passes it on: that would be a call more for every call.
        self.request: Request = self._calls.request
        self._service = Service(
            self, self._session, self._tables, self._executor, self._workers, by_reference
        )
        secret = token.encode() if isinstance(token, str) else token
        features: tuple[str, ...] = ()
        if overseer is not None and refusal is None:
            features = (INSPECTS,)
            self._tables.inspect = overseer.join(self, self._service)
        hello = self._make_hello(instance, name, features, demands="" if token is None else "token")
        self._handshake = Handshake(
            hello, client=client, token=secret, attempts=attempts, refusal=refusal
        )
        self._introduction = Introduction(
            self._handshake,
            self._session,
            self._calls.pool,
            self.unknown_dialect,
            limits,
            on_done=self._on_introduced,
        )
        self._reader = Reader(
            self._session,
            self._calls,
            self._service,
            self._tables,
            self.writer,
            limits,
            on_session_event=self._on_session_event,
        )
        self._pings = Pings(self._session, self.writer, self.loop)
        self._ending = Ending(
            self, self._session, self._handshake, self._is_idle, self._confirmation, on_offence
        )
        self._resolver = Resolver(self, self._service.substitution, self._ending)
        self._brake = Brake(self, self._calls, self._service)
        vigil = Vigil(limits, self._session, self._reader, self._calls, self._service)
        self._heartbeat = Heartbeat(self, self._session, vigil, self._ending)
        self._dispatch: Callable[[list[Event]], int] = self._introduce
        self._patience: asyncio.TimerHandle | None = None
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self.root = cast(Root, ProxyCursor(self, None, []))
        self.desk = Desk(self, self._calls, self._tables)
        self.traces: weakref.WeakSet[Trace] | None = None  # nearly no connection has any
        FORKS.owned.add(self)

    def _make_tables(self, policy: Policy, *, on_workers: bool) -> None:
        """Makes what holds, and what runs, the objects of the two sides."""
        export, limits = self._export, self.limits
        policy = policy.for_root(None if export is NOTHING else export, limits.max_name)
        # Gives it each time, and runs no code of Python's.
        find_root = no_root if export is NOTHING else itertools.repeat(export).__next__
        registry = ObjectRegistry(itertools.count(1).__next__, limit=limits.max_references)
        self._tables = tables = Tables(self, registry, policy, limits, self.wake, find_root)
        self._managers: Managers | None = None
        self._executor = Executor(
            find_root,
            policy,
            tables.own,
            tables,
            limits,
            self._perform,
            on_workers=on_workers,
            noted=self._noted,
        )
        if export is not NOTHING:
            self._executor.consider(type(export))
        tables.on_lent = self._executor.consider

    def _noted(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """See `Managers.noted`."""
        if self._managers is None:
            from .managers import Managers  # hardly any connection has blocks

            workers = self._workers if self._executor.on_workers else None
            self._managers = Managers(self._tables.registry, self._export, self.loop, workers)
        return self._managers.noted(name, operation)

    def _make_hello(
        self, instance: str, name: str, features: tuple[str, ...], demands: str
    ) -> Hello:
        return Hello(
            instance=instance or os.urandom(8).hex(),
            root=name,
            max_message=self.limits.max_message,
            max_streams=self.limits.max_streams,
            features=features,
            demands=demands,
        )

    def _perform(self, *call: Any) -> Job:
        """Has a worker run exported code; see `placement.Perform`."""
        return Job(self._workers, self._tables.call_blocking, *call)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "closing" if self._ending.is_begun else "open"
        return f"<proxyables.Peer {self.address or 'unnamed'} {state}>"

    # -- the public face ------------------------------------------------------------------------

    @property
    def info(self) -> Hello | None:
        """What is known of the other side."""
        return self._handshake.info

    @property
    def on_call(self) -> OnCall | None:
        """Told of each call that this side makes when it ends, of each iteration when it begins.

        Gets a `tracing.Call`, on the loop, and must not raise. Nobody costs nothing.
        """
        return self._on_call

    @on_call.setter
    def on_call(self, listener: OnCall | None) -> None:
        self._on_call = listener
        self.request = self._calls.request
        if listener is not None:
            from .tracing import traced  # hardly anybody listens

            self.request = functools.partial(traced, self, self._calls, listener)

    def iterate(self, reference: Reference | None, steps: list[Step], owner: object) -> Items:
        """Returns the iterator over what a chain that ends with STREAM gives; cursors call it."""
        if self.on_call is not None:
            from .tracing import Call, path_text

            self.on_call(Call(path_text(self, reference, steps)))
        return self._calls.iterate(reference, steps, owner)

    def running_task(self) -> object:
        """Returns the task that is running, which cursors tell blocks apart by."""
        return asyncio.current_task(self.loop)  # a process that was forked has none that runs

    def root_as(self, api: ApiClass[T]) -> T:
        """Returns `root`, which is an `api` to type checkers; nothing is checked over there.

        Raises:
            TypeError: `api` is no class.
        """
        check_class(api)
        return cast(T, self.root)

    async def ping(self) -> float:
        """Returns the seconds that a round trip takes, without any user code on the way.

        Raises:
            ConnectionClosed: The connection ended before the answer came.
        """
        await self.until_ready()
        return await self._pings.ping()

    async def status(self) -> Status:
        """Returns what the server on the other side tells of itself.

        Who is connected, which calls run, since when and where, how many there are in a second and
        how long they take. It runs none of the server's user's code, and is answered while all of
        the server's worker threads are busy. Where several processes serve the same
        (``serve --workers``), it is all of them.

        Raises:
            NotSupported: The other side is no server, or one of another implementation, or older.
            AccessDenied: Its policy does not let this side look (see `Policy`).
            ConnectionClosed: The connection ended before the answer came.
        """
        return await status(self)

    def trace(
        self, pattern: str = "*", *, errors_only: bool = False, arguments: bool = False
    ) -> Trace:
        """Returns an asynchronous iterator over the calls that the server serves, as they happen.

        Of all its connections. The first event is a ``start``. A reader that is too slow misses
        events, and is told how many in one called ``lost``; the server waits for nobody. Ends with
        the connection, or when it is closed or dropped.

        Args:
            pattern: An `fnmatch` pattern for paths such as ``shop.add``, with or without the
                object's name before the first dot.
            errors_only: Only the ends of calls that raised.
            arguments: Tell the arguments too; the server's policy must allow it.

        Raises:
            NotSupported, AccessDenied, ConnectionClosed: From the first iteration; as `status`.
            LimitExceeded: As many traces are running as the server takes.
        """
        return Trace(self, pattern, errors_only=errors_only, arguments=arguments)

    def snapshot(self) -> dict[str, int]:
        """Returns ``{"entries": objects exported, "retains": occurrences that are out}``."""
        return self._tables.registry.snapshot()

    def statistics(self) -> dict[str, int]:
        """Returns the counts of this connection: calls, bytes, streams, references."""
        imports, exports = self._tables.imports.snapshot(), self.snapshot()
        return {
            "calls_made": self._calls.made,
            "calls_waiting": self._calls.waiting,
            "calls_served": self._service.served,
            "calls_failed": self._service.failed,
            "calls_running": self._service.running,
            "bytes_received": self.received,
            "bytes_sent": self.writer.sent,
            "streams": len(self._session.streams),
            "exports": exports["entries"],
            "export_retains": exports["retains"],
            "imports": imports["entries"],
            "import_retains": imports["retains"],
        }

    async def handshake(self) -> None:
        """Waits until both sides know each other.

        Raises:
            HandshakeFailed: It is not a proxyables peer, or did not say so in time.
            AuthenticationFailed: One side does not know the other's secret.
            ConnectionClosed: The connection was closed meanwhile.
        """
        await self.until_ready()

    async def until_ready(self) -> None:
        """As `handshake`; also refuses a caller from another event loop, which would hang."""
        if self.closed:
            self._ending.check()
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError(
                "this cursor belongs to a connection of another event loop; "
                "use proxyables.sync to share a connection between threads"
            )
        if not self._ready.done():
            await asyncio.shield(self._ready)
        self._ending.check()

    def close(self) -> None:
        """Begins the end: no new calls, those in flight get `limits.grace` seconds.

        Safe to call twice. `wait_closed` tells when it is over.
        """
        self._calls.is_ready = False
        for trace in list(self.traces or ()):
            trace.stop()  # they would go on for ever, and are no calls to wait for
        self._ending.begin()

    async def wait_closed(self) -> None:
        """Waits until the transport is gone and every table is empty."""
        await asyncio.shield(self._ended)

    def abort(self, error: BaseException | None = None) -> None:
        """Ends the connection at once; calls in flight fail."""
        self._ending.abort(error)

    def disown(self) -> None:
        """Leaves the connection to the process that this one was forked from; see `forks`.

        What it holds is kept: code that runs when the last of it goes is the parent's too.
        """
        if self.closed:
            return
        self.closed = True
        self._ending.error = error = forked()
        self._heartbeat.stop()
        self._brake.close()
        if self._patience is not None:
            self._patience.cancel()
        self._calls.close(error)
        self._pings.close(error)
        self._end_waiting()
        transport = self.writer.transport
        if transport is not None:
            cover(descriptors_of(transport))
            transport.abort()

    async def __aenter__(self) -> Self:
        await self.handshake()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
        await self.wait_closed()

    # -- what the loop calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says hello."""
        self.writer.transport = transport  # type: ignore[assignment]
        if self.closed or self._ending.error is not None:
            self.writer.transport.abort()  # type: ignore[union-attr]
            return
        # Now: when a call asks, the connection may be gone, and the process too.
        self.credentials = read_credentials(transport)
        self._handshake.source = self.credentials.source
        self._session.ping(PING)
        self.writer.flush()
        self._patience = self.loop.call_later(
            self.limits.handshake_timeout, self._on_handshake_timeout
        )
        self._heartbeat.beat()

    def data_received(self, data: bytes) -> None:
        """The only way in."""
        self.received += len(data)
        self.writer.is_pending = True  # what this read causes leaves together at its end
        answered = 0
        try:
            try:
                events = self._session.receive_data(data)
            except YamuxError as offence:
                self._dispatch(offence.events)
                self._on_offence(offence, data)
            else:
                answered = self._dispatch(events)
        except (PeerProtocolError, HandshakeFailed, AuthenticationFailed) as error:
            self._ending.fail(error)
        except Exception as error:  # a seam: what their bytes make go wrong here ends only this
            log.exception("%s: failed over what the peer sent", self)
            told = "what the peer sent could not be dealt with"
            self._ending.fail(PeerProtocolError(told, error))
        finally:
            self.writer.end_read(answered)

    def eof_received(self) -> bool:
        """The other side sends no more.

        Over two pipes it may still read, so calls in flight get their grace. A socket says the
        same when its process was killed: then nobody waits for an answer, and the link closes.
        """
        self._is_at_eof = True  # nothing that is asked from here on is answered
        if self.drains_at_eof:
            self.close()
        return self.drains_at_eof

    def connection_lost(self, exc: BaseException | None) -> None:
        """The transport is gone. First the mark, then the tables, then whoever waits."""
        if self.closed:
            return
        self.closed = True
        self._heartbeat.stop()
        self._brake.close()
        if self._patience is not None:
            self._patience.cancel()
        lost = self._ending.conclude(exc)
        self._calls.close(lost)
        self._service.close()
        self._resolver.close()
        self._pings.close(lost)
        if self._managers is not None:
            self._managers.close()
        self._tables.clear()
        self._reader.clear()
        self.desk.clear()
        if self._owns_workers:
            self._workers.close()
        self.writer.resume()
        self._end_waiting()
        if self._on_closed is not None:
            self._on_closed(self)

    def _end_waiting(self) -> None:
        for future in (self._ready, self._ended):
            if not future.done():
                future.set_result(None)

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        self.writer.pause()

    def resume_writing(self) -> None:
        """The transport takes more again."""
        self.writer.resume()

    # -- what happens -------------------------------------------------------------------------

    def _introduce(self, events: list[Event]) -> int:
        """Takes events until both sides know each other."""
        for kind, _, payload in events:
            if kind == BARE:
                self._brake.on_bare(payload)
        rest = self._introduction.take([each for each in events if each[0] != BARE])
        return self._reader.dispatch(rest)

    def _on_session_event(self, kind: int, stream: Stream | None, payload: Any) -> None:
        if self.is_classic:
            self._accommodations.note(kind, payload)
        if kind == PONGED:
            self._pings.on_answer(payload, is_classic=self.is_classic)
        elif kind == BARE:
            self._brake.on_bare(payload)
        elif kind == WENT_AWAY:
            self._calls.is_ready = False
            self._ending.close_if_drained()

    def _on_offence(self, offence: YamuxError, data: bytes) -> NoReturn:
        if self._handshake.stage is not Stage.DONE and not self._session.streams:
            clipped = bytes(data[:24])
            told = f"not a proxyables peer: it sent {clipped!r}"
            raise HandshakeFailed(told, reason="not-a-peer") from offence
        raise PeerProtocolError(str(offence)) from offence

    def _on_introduced(self) -> None:
        """Both sides know each other: calls may be made and served from here on."""
        info = self._handshake.info
        assert info is not None
        if info.dialect == "classic":
            self._become_classic()
        else:
            self.most_streams = min(info.max_streams, self.limits.max_streams)
            self.unknown_dialect.largest = info.max_message
        self._dispatch = self._reader.dispatch
        refusal = self._handshake.refusal
        if refusal is None:
            self._calls.is_ready = True
        else:
            self._ending.error = refusal
            self._executor.refuse(refusal)
        self._ready.set_result(None)
        log.debug("%s: introduced: %r", self, info)
        if refusal is None and self._on_ready is not None:
            self._on_ready(self)

    def _become_classic(self) -> None:
        # Most connections are of the px dialect, and none waits for a call here yet.
        from proxyables.muid import make_muid
        from proxyables.wire.classic import Classic

        from .accommodations import Accommodations

        self.is_classic = True
        self._accommodations = Accommodations(self, self._session, self._calls)
        dialect = Classic(self._tables, self.limits)
        self._calls.dialect = self._service.dialect = dialect
        self._executor.speak_classic()
        self._tables.registry.make_id = make_muid

    def _on_handshake_timeout(self) -> None:
        if self._handshake.refusal is not None:
            self._ending.fail(self._handshake.refusal)
        elif self._handshake.stage is not Stage.DONE:
            seconds = self.limits.handshake_timeout
            told = f"no answer to the hello within {seconds:g} s"
            self._ending.fail(HandshakeFailed(told, reason="timeout"))
            self.writer.flush()

    def _on_flushed(self) -> None:
        self._ending.close_if_drained()

    def _is_idle(self) -> bool:
        """Whether no call is in flight, either way."""
        return not (self._calls.waiting or self._service.running or self._resolver.running)

    def _confirmation(self) -> Callable[[Callable[[], None]], None] | None:
        """Returns what tells when the other side has read all answers; see `Ending`."""
        is_asked = self._service.served and not self.is_classic and not self._is_at_eof
        return self._pings.notify if is_asked else None

    def resolve_answer(self, future: Any, message: Message) -> None:
        """Completes a call whose answer names paths on our own objects."""
        chains, self._calls.dialect.chains = self._calls.dialect.chains, []
        self._resolver.start(future, message, chains)

    def _on_stalled(self, error: ConnectionLost) -> None:
        """The other side does not read what it asks for."""
        self._executor.refuse(error)  # the same read may hold thousands of further requests
        self._ending.cut_off(error)

    def wake(self) -> None:
        """Has the loop look at what finalisers have queued.

        Called by finalisers, in any thread: neither of the two calls blocks or takes a lock.
        """
        try:
            if threading.get_ident() == self.thread:
                self.loop.call_soon(self._keep_house)
            else:
                self.loop.call_soon_threadsafe(self._keep_house)
        except RuntimeError:
            pass  # the loop is closed, and with it the connection: nothing is left to give back

    def _keep_house(self) -> None:
        if self.closed or self.writer.transport is None:
            return
        self._tables.imports.is_woken = False
        self._calls.stop_iterations()
        self._calls.releases.send()
        if self._session.outgoing or self.writer.is_closing:
            self.writer.flush_soon()

    def give_back(self) -> None:
        """Queues what finalisers have dropped, to leave with the answer that is sent next."""
        if not self.is_classic:  # those get the answer first, as from their own kind
            self._calls.releases.send()


def _config(limits: Limits) -> Config:
    return Config(
        max_streams=limits.max_streams,
        max_window=limits.max_window,
        window_budget=limits.window_budget,
        max_frame_payload_received=max(limits.max_message, INITIAL_WINDOW),
        keepalive=limits.keepalive,
        keepalive_timeout=limits.keepalive_timeout,
    )


def current_peer() -> Peer[ProxyCursor]:
    """Returns the peer whose call is being served; for exported code.

    Raises:
        LookupError: No call is being served in this context.
    """
    from .service import current

    try:
        return current.get()
    except LookupError:
        raise LookupError("current_peer() is for methods that a peer has called") from None
