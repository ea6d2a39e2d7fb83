"""One end of a connection, and the only stateful object that knows all of its parts.

An `asyncio.Protocol`: the loop calls `data_received`, the Yamux session makes events of the bytes,
whole messages go to `Calls` (answers to what we asked) or `Service` (what they ask), and what they
queue leaves in one write per turn of the loop.

A peer is *introduced* once the handshake is over, *closing* from `close` on, and *closed* when the
transport is gone; then every waiting call has failed and every table is empty.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final, Generic, Self, cast

from proxyables.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    LimitExceeded,
    PeerProtocolError,
    ProxyError,
    ReferenceNotFound,
)
from proxyables.limits import Limits
from proxyables.muid import make_muid
from proxyables.objects.executor import Executor, no_root
from proxyables.objects.imports import Reference
from proxyables.objects.policy import Policy
from proxyables.objects.registry import ObjectRegistry
from proxyables.proxies.cursor import ProxyCursor
from proxyables.proxies.typed import ApiClass, Root, T, check_class
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.exceptions import safe_text
from proxyables.wire.hello import PING, Hello
from proxyables.wire.instructions import Message, Step
from proxyables.yamux import (
    INITIAL_WINDOW,
    NORMAL,
    PONGED,
    PROTOCOL_ERROR,
    WENT_AWAY,
    Config,
    Session,
    Stream,
    YamuxError,
)

from .accommodations import Accommodations
from .attempts import Attempts
from .calls import Calls
from .cancelling import cancel_begun
from .credentials import Credentials, read_credentials
from .handshake import Handshake, Stage
from .introduction import Introduction
from .reader import Reader
from .service import Service
from .tables import Tables
from .vigil import Vigil
from .waiting import Desk
from .workers import Job, Workers, make_workers
from .writer import Writer

log = logging.getLogger("proxyables")
log.addHandler(logging.NullHandler())  # without it, refusals would go to stderr unasked
NOTHING: Final = object()
"""Stands for "no root object" where None would be an object to export."""
_REFUSALS = (AccessDenied, ReferenceNotFound, LimitExceeded, PeerProtocolError)
_LOGGED = 400
_SHORTEST_TICK = 0.01


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
        on_closed: Called once, when the connection has ended.

    Attributes:
        root: A cursor on the other side's root object; to type checkers, the class that `connect`
            was given, if any.
        desk: Where threads other than the loop's ask for what the connection does.
        thread: Which thread's loop the peer belongs to, as `threading.get_ident` tells it.
        info: What is known of the other side; None until the handshake is done.
        closed: True when the connection has ended.
        credentials: Who is at the other end, as the kernel and TLS tell it.
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
        on_closed: Callable[[Peer], None] | None = None,
    ) -> None:
        self.limits = limits = Limits() if limits is None else limits
        self.address = address
        self.loop = asyncio.get_running_loop()
        self.is_classic = False
        self.most_streams = limits.max_streams
        self.closed = False
        self.credentials = Credentials()
        self.drains_at_eof = False
        self._export = export
        self._on_closed = on_closed
        self.thread = threading.get_ident()
        self._owns_workers = workers is None
        self._workers = make_workers(threads, limits) if workers is None else workers
        self._session = Session(client=client, config=_config(limits), clock=time.monotonic)
        self.writer = Writer(
            self._session, limits, self.loop, self._close_if_drained, self._on_stalled
        )
        self._session.lenient = True  # until it has shown that it is not a classic peer
        policy = (Policy() if policy is None else policy).for_root(
            None if export is NOTHING else export
        )
        find_root = no_root if export is NOTHING else self._get_export
        registry = ObjectRegistry(itertools.count(1).__next__, limit=limits.max_references)
        self._tables = Tables(self, registry, policy, limits, self.wake, find_root)
        self._executor = Executor(
            find_root,
            policy,
            self._tables.own,
            self._tables,
            limits,
            self._perform,
            on_workers=threads > 0,
        )
        if export is not NOTHING:
            self._executor.consider(type(export))
        self._tables.on_lent = self._executor.consider
        self.unknown_dialect = Compact(self._tables, limits)
        self._calls = Calls(self, self._session, self._tables)
        self._service = Service(
            self, self._session, self._tables, self._executor, self._workers, by_reference
        )
        hello = Hello(
            instance=instance or secrets.token_hex(8),
            root=name,
            max_message=limits.max_message,
            max_streams=limits.max_streams,
            demands="" if token is None else "token",
        )
        secret = token.encode() if isinstance(token, str) else token
        self._handshake = Handshake(hello, client=client, token=secret, attempts=attempts)
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
        self._vigil = Vigil(limits, self._session, self._reader, self._calls, self._service)
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self._error: ConnectionClosed | ProxyError | None = None
        self._closing = False
        self._pings: dict[int, tuple[float, asyncio.Future[float]]] = {}
        self._last_ping = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._received = 0
        self.root = cast(Root, ProxyCursor(self, None, []))
        self.desk = Desk(self, self._calls, self._tables)

    def _perform(self, *call: Any) -> Job:
        """Has a worker run exported code; see `placement.Perform`."""
        return Job(self._workers, self._tables.call_blocking, *call)

    def _get_export(self) -> object:
        return self._export

    def __repr__(self) -> str:
        state = "closed" if self.closed else "closing" if self._closing else "open"
        return f"<proxyables.Peer {self.address or 'unnamed'} {state}>"

    # -- the public face ------------------------------------------------------------------------

    @property
    def info(self) -> Hello | None:
        """What is known of the other side."""
        return self._handshake.info

    def request(self, reference: Reference | None, steps: list[Step]) -> Generator[Any, None, Any]:
        """Runs a chain over there and returns its value; cursors call it.

        If cancelled, the stream is reset: the remote call is cancelled; it may or may not have run.

        Raises:
            RemoteError: The other side's code raised.
            EncodingError, NotSupported, LimitExceeded: Nothing was sent.
            ConnectionClosed: The connection ended before the answer came.
        """
        return self._calls.request(reference, steps)

    def iterate(
        self, reference: Reference | None, steps: list[Step], owner: object
    ) -> AsyncIterator[Any]:
        """Returns the iterator over what a chain that ends with STREAM gives; cursors call it."""
        return self._calls.iterate(reference, steps, owner)

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
        self._last_ping = opaque = self._last_ping % 0x3FFF_FFFF + 1
        answer: asyncio.Future[float] = self.loop.create_future()
        self._pings[opaque] = (time.perf_counter(), answer)  # uvloop's clock counts milliseconds
        self._session.ping(opaque)
        self.writer.flush_soon()
        try:
            return await answer
        finally:
            self._pings.pop(opaque, None)

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
            "bytes_received": self._received,
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
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError(
                "this cursor belongs to a connection of another event loop; "
                "use proxyables.sync to share a connection between threads"
            )
        if not self._ready.done():
            await asyncio.shield(self._ready)
        if self._error is not None:
            raise _again(self._error)
        if self._closing:
            raise ConnectionClosed("the connection is closing", local=True)
        if self._session.remote_go_away is not None:
            raise ConnectionClosed("the peer is closing the connection")

    def close(self) -> None:
        """Begins the end: no new calls, those in flight get `limits.grace` seconds.

        Safe to call twice. `wait_closed` tells when it is over.
        """
        if self._closing or self.closed:
            return
        self._closing = self.writer.is_closing = True
        self._calls.is_ready = False
        if self.writer.transport is None or self._handshake.stage is not Stage.DONE:
            self.abort(ConnectionClosed(local=True))
            return
        if not self.is_classic:  # classic peers drop everything when they see one
            self._session.go_away(NORMAL)
        self._begin_grace()
        self.writer.flush_soon()

    async def wait_closed(self) -> None:
        """Waits until the transport is gone and every table is empty."""
        await asyncio.shield(self._ended)

    def abort(self, error: BaseException | None = None) -> None:
        """Ends the connection at once; calls in flight fail."""
        if self._error is None and error is not None:
            self._error = _as_proxy_error(error)
        if self.writer.transport is None:
            self._end(None)
        else:
            self._closing = self.writer.is_closing = True
            self.writer.transport.abort()

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
        if self.closed or self._error is not None:
            self.writer.transport.abort()  # type: ignore[union-attr]
            return
        # Now: when a call asks, the connection may be gone, and the process too.
        self.credentials = read_credentials(transport)
        self._handshake.source = self.credentials.source
        self._session.ping(PING)
        self.writer.flush()
        self._timers["handshake"] = self.loop.call_later(
            self.limits.handshake_timeout, self._on_handshake_timeout
        )
        self._tick()

    def data_received(self, data: bytes) -> None:
        """The only way in."""
        self._received += len(data)
        self.writer.is_pending = True  # what this read causes leaves together at its end
        answered = 0
        try:
            events = self._session.receive_data(data)
            offence = None
        except YamuxError as error:
            events, offence = error.events, error
        try:
            answered = self._reader.dispatch(
                events if self._calls.is_ready else self._introduction.take(events)
            )
            if offence is not None:
                self._on_offence(offence, data)
        except (PeerProtocolError, HandshakeFailed, AuthenticationFailed) as error:
            self._fail(error)
        except Exception as error:  # a seam: what their bytes make go wrong here ends only this
            log.exception("%s: failed over what the peer sent", self)
            self._fail(PeerProtocolError("what the peer sent could not be dealt with", error))
        finally:
            self.writer.end_read(answered)

    def eof_received(self) -> bool:
        """The other side sends no more.

        Over two pipes it may still read, so calls in flight get their grace. A socket says the
        same when its process was killed: then nobody waits for an answer, and the link closes.
        """
        if self.drains_at_eof:
            self.close()
        return self.drains_at_eof

    def connection_lost(self, exc: BaseException | None) -> None:
        """The transport is gone."""
        self._end(exc)

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        self.writer.pause()

    def resume_writing(self) -> None:
        """The transport takes more again."""
        self.writer.resume()

    # -- what happens -------------------------------------------------------------------------

    def _on_session_event(self, kind: int, stream: Stream | None, payload: Any) -> None:
        if self.is_classic:
            self._accommodations.note(kind, payload)
        if kind == PONGED:
            self._on_pong(payload)
        elif kind == WENT_AWAY:
            self._calls.is_ready = False
            self._close_if_drained()

    def _on_pong(self, opaque: int) -> None:
        if opaque == 0 and self.is_classic and self._pings:
            opaque = next(iter(self._pings))  # Python peers answer with 0
        started, answer = self._pings.pop(opaque, (0.0, None))
        if answer is not None and not answer.done():
            answer.set_result(time.perf_counter() - started)

    def _on_offence(self, offence: YamuxError, data: bytes) -> None:
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
        refusal = self._handshake.refusal
        if refusal is None:
            self._calls.is_ready = True
        else:
            self._error = refusal
            self._executor.refuse(refusal)
        self._ready.set_result(None)
        log.debug("%s: introduced: %r", self, info)

    def _become_classic(self) -> None:
        self.is_classic = True
        self._accommodations = Accommodations(self, self._session, self._calls)
        dialect = Classic(self._tables, self.limits)
        self._calls.dialect = self._service.dialect = dialect
        self._executor.speak_classic()
        self._tables.registry.make_id = make_muid

    def _on_handshake_timeout(self) -> None:
        if self._handshake.refusal is not None:
            self._fail(self._handshake.refusal)
        elif self._handshake.stage is not Stage.DONE:
            seconds = self.limits.handshake_timeout
            told = f"no answer to the hello within {seconds:g} s"
            self._fail(HandshakeFailed(told, reason="timeout"))
            self.writer.flush()

    def _on_stalled(self, error: ConnectionLost) -> None:
        """The other side does not read what it asks for."""
        if not self._closing:
            log.warning("%s: cut off: %s", self, error)
        self._executor.refuse(error)  # the same read may hold thousands of further requests
        self.abort(error)

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
        self._calls.stop_iterations()
        self._calls.send_releases()
        self.writer.flush_soon()

    def _tick(self) -> None:
        """Keeps the connection alive, and notices when it is dead."""
        limits = self.limits
        often = (limits.keepalive, limits.stall_timeout, limits.idle_timeout)
        interval = min(limits.keepalive_timeout, *(each or 3600.0 for each in often)) / 4
        interval = max(interval, _SHORTEST_TICK)
        for _dead in () if self.is_classic else self._session.tick(self.loop.time()):
            silence = self.limits.keepalive + self.limits.keepalive_timeout
            self.abort(ConnectionLost(f"the peer has been silent for {silence:g} s"))
            return
        if self._handshake.stage is Stage.DONE and not self._closing:
            self._watch()
        self.writer.flush_soon()
        # On a grid of time, so that one waking of the loop serves thousands of idle connections.
        grid = interval / 16
        due = (self.loop.time() + interval) // grid * grid
        self._timers["tick"] = self.loop.call_at(due, self._tick)

    def _watch(self) -> None:
        """Ends what is alive, but of no use."""
        error = self._vigil.look(self.loop.time(), self._received)
        if isinstance(error, ConnectionLost):
            log.warning("%s: cut off: %s", self, error)
            self.abort(error)
        elif error is not None:
            log.info("%s: %s", self, error)
            self._error = error
            self.close()

    # -- the end --------------------------------------------------------------------------------

    def log_failure(self, error: BaseException) -> None:
        """Notes a request that failed; what was refused is worth a warning."""
        if isinstance(error, _REFUSALS) or type(error) is ProxyError:
            told = str(error)
            if "reason" in error.extra:
                told += f": {error.extra['reason']}"  # which is for us only
            log.warning("%s: refused: %s", self, ascii(told[:_LOGGED]))
        elif log.isEnabledFor(logging.DEBUG):
            text = safe_text(error, _LOGGED)
            log.debug("%s: raised %s: %s", self, type(error).__name__, ascii(text))

    def resolve_answer(self, future: Any, message: Message) -> None:
        """Completes a call whose answer names paths on our own objects."""
        chains, self._calls.dialect.chains = self._calls.dialect.chains, []
        task = self.loop.create_task(self._resolve_answer(future, message, chains))
        self._tasks.add(task)
        task.add_done_callback(self._on_resolved)

    async def _resolve_answer(self, future: Any, message: Message, chains: list[Any]) -> None:
        try:
            value = await self._service.resolve_answer(message, chains)
        except BaseException as error:  # the seam to exported code
            if not future.done():
                future.set_exception(
                    _again(self._error) if self._error is not None else _as_proxy_error(error)
                )
        else:
            if not future.done():
                future.set_result(value)

    def _on_resolved(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self._closing or self.writer.transport is None:
            return
        if not (
            self._calls.waiting or self._service.running or self._tasks or self.writer.held_back
        ):
            self.writer.transport.close()

    def _begin_grace(self) -> None:
        """Bounds the end, counted from where it began."""
        if "grace" not in self._timers:
            self._timers["grace"] = self.loop.call_later(self.limits.grace, self.abort)

    def _fail(self, error: ProxyError) -> None:
        """Ends the connection over an error of the peer; what is queued still leaves."""
        if self._error is None:
            self._error = error
            log.warning("%s: %s", self, ascii(str(error)[:_LOGGED]))
            if self._handshake.stage is Stage.DONE and not self.is_classic:
                self._session.go_away(PROTOCOL_ERROR)
        self._closing = self.writer.is_closing = True
        self.writer.flush()
        if self.writer.transport is not None:
            self.writer.transport.close()
            # It waits for what is queued to be read, which may never happen.
            self._begin_grace()

    def _end(self, cause: BaseException | None) -> None:
        """Everything at once: first the mark, then the tables, then whoever waits."""
        if self.closed:
            return
        self.closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._error = error = self._why(cause)
        if isinstance(error, ConnectionClosed):
            lost = error
        else:
            lost = ConnectionLost(str(error), cause=error)
        self._calls.close(lost)
        self._service.close()
        for task in self._tasks:
            cancel_begun(task)
        for _, answer in self._pings.values():
            if not answer.done():
                answer.set_exception(_again(lost))
        self._tables.clear()
        self._reader.clear()
        self.desk.clear()
        if self._owns_workers:
            self._workers.close()
        self.writer.resume()
        if not self._ready.done():
            self._ready.set_result(None)
        if not self._ended.done():
            self._ended.set_result(None)
        if self._on_closed is not None:
            self._on_closed(self)

    def _why(self, cause: BaseException | None) -> ProxyError:
        if self._error is not None:
            return self._error
        if isinstance(cause, ProxyError):
            return cause  # a transport that has rules of its own, and saw them broken
        if self._handshake.stage is not Stage.DONE and not self._closing:
            told = "the peer closed the connection during the handshake"
            return HandshakeFailed(told, cause, reason="closed")
        if self._closing:
            return ConnectionClosed(local=True)
        if self._session.remote_go_away is not None or (self.is_classic and cause is None):
            return ConnectionClosed("the peer closed the connection")
        told = f": {cause}" if cause is not None else ""
        return ConnectionLost(f"the connection was lost{told}", cause=cause)


def _config(limits: Limits) -> Config:
    return Config(
        max_streams=limits.max_streams,
        max_window=limits.max_window,
        window_budget=limits.window_budget,
        max_frame_payload_received=max(limits.max_message, INITIAL_WINDOW),
        keepalive=limits.keepalive,
        keepalive_timeout=limits.keepalive_timeout,
    )


def _as_proxy_error(error: BaseException) -> ProxyError:
    if isinstance(error, ProxyError):
        return error
    return ConnectionLost(str(error) or type(error).__name__, cause=error)


def _again(error: ProxyError) -> ProxyError:
    """Returns an equal error: one exception raised in two tasks mixes their tracebacks."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied


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
