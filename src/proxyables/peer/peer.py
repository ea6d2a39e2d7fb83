"""One end of a connection, and the only stateful object that knows all of its parts.

An `asyncio.Protocol`: the loop calls `data_received`, the Yamux session makes events of the bytes,
whole messages go to `Calls` (answers to what we asked) or `Service` (what they ask), and what they
queue leaves in one write per turn of the loop.

A peer is *introduced* once the handshake is over, *closing* from `close` on, and *closed* when the
transport is gone; then every waiting call has failed and every table is empty.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

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
from proxyables.limits import KIB, Limits
from proxyables.muid import make_muid
from proxyables.objects.executor import Executor, no_root
from proxyables.objects.imports import Reference
from proxyables.objects.policy import Policy
from proxyables.objects.registry import ObjectRegistry
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.assembly import Assembler
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.hello import PING, Hello
from proxyables.wire.instructions import THROW, Message, Step
from proxyables.yamux import (
    DATA_RECEIVED,
    FINISHED,
    INITIAL_WINDOW,
    NORMAL,
    OPENED,
    PINGED,
    PONGED,
    PROTOCOL_ERROR,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Config,
    Event,
    Session,
    Stream,
    YamuxError,
)

from .accommodations import accommodate
from .calls import Calls
from .handshake import Handshake, Stage
from .service import Service
from .tables import Tables

log = logging.getLogger("proxyables")
NOTHING: Final = object()
"""Stands for "no root object" where None would be an object to export."""
_FLUSH_EVERY = 64
_JOIN_LIMIT = 64 * KIB
_MAX_INTRODUCTION = 16 * KIB
_CLASSIC_STREAMS = 200  # TypeScript takes 256 per session
_READ_ERRORS = (ValueError, ReferenceNotFound)


class Peer(asyncio.Protocol):
    """One connection to another process, symmetric but for who dialled.

    Made by `connect`, `serve` and `Proxyable`; belongs to the event loop that it was made in.

    Args:
        client: Whether this side dialled.
        export: Our root object; without it the other side can only use what it is lent.
        policy: What the other side may touch.
        limits: Our bounds.
        token: The secret that both sides must know, if any.
        by_reference: Types whose instances always stay here when a method returns one.
        name: What the root is called in HELLO.
        instance: Random, the same for all connections of one server.
        address: What is shown for this connection.
        on_closed: Called once, when the connection has ended.

    Attributes:
        root: A cursor on the other side's root object.
        info: What is known of the other side; None until the handshake is done.
        closed: True when the connection has ended.
    """

    def __init__(
        self,
        *,
        client: bool,
        export: object = NOTHING,
        policy: Policy | None = None,
        limits: Limits | None = None,
        token: str | bytes | None = None,
        by_reference: tuple[type, ...] = (),
        name: str = "",
        instance: str = "",
        address: str = "",
        on_closed: Callable[[Peer], None] | None = None,
    ) -> None:
        self.limits = limits = Limits() if limits is None else limits
        self.address = address
        self.loop = asyncio.get_running_loop()
        self.is_classic = False
        self.is_flushing = False
        self.most_streams = limits.max_streams
        self.closed = False
        self._export = export
        self._parity = 1 if client else 0
        self._on_closed = on_closed
        self._thread = threading.get_ident()
        self._transport: asyncio.Transport | None = None
        self._session = Session(client=client, config=_config(limits))
        self._session.lenient = True  # until it has shown that it is not a classic peer
        policy = (Policy() if policy is None else policy).for_root(
            None if export is NOTHING else export
        )
        find_root = no_root if export is NOTHING else self._get_export
        registry = ObjectRegistry(itertools.count(1).__next__, limit=limits.max_references)
        self._tables = Tables(self, registry, policy, limits, self.wake, find_root)
        self._executor = Executor(find_root, policy, self._tables.own, self._tables, limits)
        self.unknown_dialect = Compact(self._tables, limits)
        self._calls = Calls(self, self._session, self._tables)
        self._service = Service(self, self._session, self._tables, self._executor, by_reference)
        hello = Hello(
            instance=instance or secrets.token_hex(8),
            root=name,
            max_message=limits.max_message,
            max_streams=limits.max_streams,
            demands="" if token is None else "token",
        )
        secret = token.encode() if isinstance(token, str) else token
        self._handshake = Handshake(hello, client=client, token=secret)
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self._error: ConnectionClosed | ProxyError | None = None
        self._closing = False
        self._partial: dict[Stream, Assembler] = {}
        self._pings: dict[int, tuple[float, asyncio.Future[float]]] = {}
        self._last_ping = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writable: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._received = self._sent = 0
        self.root = ProxyCursor(self, None, [])

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

    def request(
        self, reference: Reference | None, steps: list[Step]
    ) -> Generator[Any, None, Any]:
        """Runs a chain over there and returns its value; cursors call it.

        If cancelled, the stream is reset: the remote call is cancelled, and may or may not have run.

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

    async def ping(self) -> float:
        """Returns the seconds that a round trip takes, without any user code on the way.

        Raises:
            ConnectionClosed: The connection ended before the answer came.
        """
        await self.until_ready()
        self._last_ping = opaque = self._last_ping % 0x3FFF_FFFF + 1
        answer: asyncio.Future[float] = self.loop.create_future()
        self._pings[opaque] = (self.loop.time(), answer)
        self._session.ping(opaque)
        self.flush_soon()
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
            "bytes_sent": self._sent,
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
        self._closing = True
        self._calls.is_ready = False
        if self._transport is None or self._handshake.stage is not Stage.DONE:
            self.abort(ConnectionClosed(local=True))
            return
        if not self.is_classic:  # classic peers drop everything when they see one
            self._session.go_away(NORMAL)
        self._timers.append(self.loop.call_later(self.limits.grace, self.abort))
        self.flush_soon()

    async def wait_closed(self) -> None:
        """Waits until the transport is gone and every table is empty."""
        await asyncio.shield(self._ended)

    def abort(self, error: BaseException | None = None) -> None:
        """Ends the connection at once; calls in flight fail."""
        if self._error is None and error is not None:
            self._error = _as_proxy_error(error)
        if self._transport is None:
            self._end(None)
        else:
            self._closing = True
            self._transport.abort()

    async def __aenter__(self) -> Peer:
        await self.handshake()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
        await self.wait_closed()

    # -- what the loop calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says hello."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        if self.closed or self._error is not None:
            self._transport.abort()  # type: ignore[union-attr]
            return
        self._session.ping(PING)
        self.flush()
        self._timers.append(
            self.loop.call_later(self.limits.handshake_timeout, self._on_handshake_timeout)
        )
        self._tick()

    def data_received(self, data: bytes) -> None:
        """The only way in."""
        self._received += len(data)
        self.is_flushing = True  # what this read causes leaves together at its end
        try:
            events = self._session.receive_data(data)
            offence = None
        except YamuxError as error:
            events, offence = error.events, error
        try:
            self._dispatch(events if self._calls.is_ready else self._introduce(events))
            if offence is not None:
                self._on_offence(offence, data)
        except PeerProtocolError as error:
            self._fail(error)
        except (HandshakeFailed, AuthenticationFailed) as error:
            self._fail(error)
        finally:
            self.flush()

    def eof_received(self) -> None:
        """The other side sends no more: the transport closes."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The transport is gone."""
        self._end(exc)

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        if self._writable is None:
            self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        """The transport takes more again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    async def writable(self) -> None:
        """Waits until the transport takes more."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    # -- in -------------------------------------------------------------------------------------

    def _dispatch(self, events: list[Event]) -> None:
        calls, service, parity = self._calls, self._service, self._parity
        read_answer, read_request = calls.dialect.decode_answer, service.dialect.decode_request
        borrowed, partial = self._tables.borrowed, self._partial
        handled = 0
        for kind, stream, payload in events:
            if kind != DATA_RECEIVED:
                self._on_event(kind, stream, payload)
                continue
            ours = stream.id & 1 == parity
            if not stream.auto_credit and stream.owner is not None:
                stream.owner.on_bytes(len(payload))
            if partial and stream in partial:
                self._assemble(stream, payload)
                continue
            try:
                message = read_answer(payload) if ours else read_request(payload)
            except _READ_ERRORS:
                self._assemble(stream, payload)
                continue
            if borrowed:
                borrowed.clear()
            if ours:
                calls.on_answer(stream, message)
            else:
                service.on_request(stream, message)
                handled += 1
                if handled % _FLUSH_EVERY == 0:
                    self.flush()
                    self.is_flushing = True

    def _assemble(self, stream: Stream, payload: bytes) -> None:
        """Takes a piece that is not exactly one whole message, or is malformed."""
        self._tables.undo_borrowing()
        assembler = self._partial.pop(stream, None) or Assembler(self.limits.max_message)
        try:
            wholes = assembler.feed(payload)
        except ValueError as error:
            self._refuse(stream, error)
            self._session.reset(stream)
            return
        if assembler.size and not stream.dead:
            self._partial[stream] = assembler
        for whole in wholes:
            self._on_whole(stream, whole)

    def _on_whole(self, stream: Stream, data: bytes) -> None:
        ours = self.is_ours(stream)
        dialect = self._calls.dialect
        try:
            message = dialect.decode_answer(data) if ours else dialect.decode_request(data)
        except _READ_ERRORS as error:
            # Not undone: the sender counts what it lent in this message, so it is given back.
            self._refuse(stream, error)
            return
        finally:
            self._tables.borrowed.clear()
        if ours:
            self._calls.on_answer(stream, message)
        else:
            self._service.on_request(stream, message)

    def _refuse(self, stream: Stream, error: Exception) -> None:
        """Answers, or ends, an exchange whose message cannot be understood."""
        if not isinstance(error, ProxyError):
            error = PeerProtocolError(f"malformed message: {error}")
        self._calls.dialect.chains = []
        if not self.is_ours(stream):
            self._service.refuse(stream, error)
            return
        self._calls.fail(stream, error)
        if not stream.dead:
            self._session.retire(stream)

    def _on_event(self, kind: int, stream: Stream | None, payload: Any) -> None:
        """Deals with any event but data."""
        if self.is_classic:
            accommodate(kind, payload, self._session, self._calls.pool)
        if stream is not None:
            self._on_stream_event(kind, stream)
        elif kind == PONGED:
            self._on_pong(payload)
        elif kind == WENT_AWAY:
            self._calls.is_ready = False
            self._close_if_drained()

    def _on_stream_event(self, kind: int, stream: Stream) -> None:
        half = self._calls if self.is_ours(stream) else self._service
        if kind == RESET:
            self._partial.pop(stream, None)
            half.on_reset(stream)
        elif kind == FINISHED:
            if self._partial.pop(stream, None) is not None:
                self._refuse(stream, PeerProtocolError("truncated message"))
            half.on_finished(stream)
        elif kind == WRITABLE and half is self._service:
            self._service.on_writable(stream)

    def _on_pong(self, opaque: int) -> None:
        if opaque not in self._pings and self.is_classic and self._pings:
            opaque = next(iter(self._pings))  # Python peers answer with 0
        started, answer = self._pings.pop(opaque, (0.0, None))
        if answer is not None and not answer.done():
            answer.set_result(self.loop.time() - started)

    def _on_offence(self, offence: YamuxError, data: bytes) -> None:
        if self._handshake.stage is not Stage.DONE and not self._session.streams:
            clipped = bytes(data[:24])
            raise HandshakeFailed(f"not a proxyables peer: it sent {clipped!r}") from offence
        raise PeerProtocolError(str(offence)) from offence

    # -- the handshake --------------------------------------------------------------------------

    def _introduce(self, events: list[Event]) -> list[Event]:
        """Takes events as far as the handshake needs them; returns the rest."""
        for place, (kind, stream, payload) in enumerate(events):
            stage = self._handshake.stage
            if stage is Stage.DONE:
                return events[place:]
            if stage is Stage.WAITING:
                if kind == PINGED:
                    self._on_first_ping(payload)
                else:
                    software = accommodate(kind, payload, self._session, self._calls.pool)
                    self._handshake.on_classic(software)
                if self._handshake.stage is Stage.DONE:
                    self._become_classic()
                    return events[place:]
            elif kind == DATA_RECEIVED:
                self._on_introduction(stream, payload)
            elif kind not in (PINGED, PONGED, OPENED) and stream is not None and kind != WRITABLE:
                if kind in (RESET, FINISHED):
                    raise HandshakeFailed("the peer gave the handshake up")
        return []

    def _on_first_ping(self, opaque: int) -> None:
        first = self._handshake.on_first_ping(opaque)
        if self._handshake.stage is Stage.HELLO:
            self._session.lenient = False
        if first is not None:
            self._session.send(self._calls.pool.take(), self.unknown_dialect.encode_plain(first))

    def _on_introduction(self, stream: Stream, payload: bytes) -> None:
        assembler = self._partial.pop(stream, None) or Assembler(_MAX_INTRODUCTION)
        try:
            wholes = assembler.feed(payload)
            messages: list[Message] = [self.unknown_dialect.decode(whole) for whole in wholes]
        except _READ_ERRORS as error:
            raise HandshakeFailed(f"the peer's HELLO is malformed: {error}") from error
        if assembler.size:
            self._partial[stream] = assembler
        for message in messages:
            if self._handshake.stage is Stage.DONE:
                raise PeerProtocolError("a second message before the answer to the first")
            if self.is_ours(stream):
                self._on_introduction_answer(stream, message)
            else:
                self._on_introduction_request(stream, message)

    def _on_introduction_answer(self, stream: Stream, message: Message) -> None:
        following = self._handshake.on_answer(
            [THROW, self._calls.load_error(message[1])] if message[0] == THROW else message
        )
        if following is not None:
            self._session.send(stream, self.unknown_dialect.encode_plain(following))
        else:
            self._calls.pool.give(stream)
            self._become_ready()

    def _on_introduction_request(self, stream: Stream, message: Message) -> None:
        try:
            answer = self._handshake.on_request(message)
        except ProxyError as error:
            self._session.send(stream, self.unknown_dialect.encode_throw(error))
            raise
        self._session.send(stream, self.unknown_dialect.encode_plain(answer))
        if self._handshake.stage is Stage.DONE:
            self._become_ready()

    def _become_classic(self) -> None:
        self.is_classic = True
        self.most_streams = _CLASSIC_STREAMS
        dialect = Classic(self._tables, self.limits)
        self._calls.dialect = self._service.dialect = dialect
        self._tables.registry.make_id = make_muid
        self._become_ready()

    def _become_ready(self) -> None:
        info = self._handshake.info
        assert info is not None
        if not self.is_classic:
            self.most_streams = min(info.max_streams, self.limits.max_streams)
            self.unknown_dialect.largest = info.max_message
        self._calls.loop = self.loop
        self._calls.is_ready = True
        self._ready.set_result(None)
        log.debug("%s: introduced: %r", self, info)

    def _on_handshake_timeout(self) -> None:
        if self._handshake.stage is not Stage.DONE:
            seconds = self.limits.handshake_timeout
            self._fail(HandshakeFailed(f"no answer to the hello within {seconds:g} s"))
            self.flush()

    # -- out ------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Has what is queued sent at the end of this turn of the loop, in one write."""
        if not self.is_flushing:
            self.is_flushing = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Sends what is queued, in one write."""
        self.is_flushing = False
        outgoing = self._session.data_to_send()
        transport = self._transport
        if outgoing and transport is not None and not transport.is_closing():
            if len(outgoing) == 1:
                data = outgoing[0]
                self._sent += len(data)
                transport.write(data)
            else:
                size = sum(map(len, outgoing))
                self._sent += size
                if size <= _JOIN_LIMIT:
                    transport.write(b"".join(outgoing))
                else:
                    transport.writelines(outgoing)
            if self._writable is not None:
                self.check_unsent()
        if self._closing:
            self._close_if_drained()

    def check_unsent(self) -> None:
        """Cuts a peer off that does not read what it asks for."""
        transport = self._transport
        waiting = sum(stream.parked for stream in self._session.streams.values())
        waiting += transport.get_write_buffer_size() if transport is not None else 0
        limit = self.limits.max_write_buffer
        if waiting > limit:
            error = LimitExceeded("max_write_buffer", limit, waiting, "the peer does not read")
            self.abort(ConnectionLost(str(error), cause=error))

    def wake(self) -> None:
        """Has the loop look at what finalisers have queued.

        Called by finalisers, in any thread: neither of the two calls blocks or takes a lock.
        """
        try:
            if threading.get_ident() == self._thread:
                self.loop.call_soon(self._keep_house)
            else:
                self.loop.call_soon_threadsafe(self._keep_house)
        except RuntimeError:
            pass  # the loop is closed, and with it the connection: nothing is left to give back

    def _keep_house(self) -> None:
        if self.closed or self._transport is None:
            return
        self._calls.stop_iterations()
        self._calls.send_releases()
        self.flush_soon()

    def _tick(self) -> None:
        """Keeps the connection alive, and notices when it is dead."""
        interval = min(self.limits.keepalive or 3600.0, self.limits.keepalive_timeout) / 4
        for _dead in () if self.is_classic else self._session.tick(self.loop.time()):
            silence = self.limits.keepalive + self.limits.keepalive_timeout
            self.abort(ConnectionLost(f"the peer has been silent for {silence:g} s"))
            return
        self.flush_soon()
        self._timers[1:] = [self.loop.call_later(interval, self._tick)]

    # -- the end --------------------------------------------------------------------------------

    def is_ours(self, stream: Stream) -> bool:
        """Whether this side opened `stream`."""
        return stream.id & 1 == self._parity

    def log_failure(self, error: BaseException) -> None:
        """Notes a request that failed; what was refused is worth a warning."""
        if isinstance(error, AccessDenied):
            log.warning("%s: refused: %s", self, ascii(str(error)))
        elif log.isEnabledFor(logging.DEBUG):
            log.debug("%s: raised %s: %s", self, type(error).__name__, ascii(str(error))[:200])

    def resolve_answer(self, future: Any, message: Message) -> None:
        """Completes a call whose answer names paths on our own objects."""
        chains, self._calls.dialect.chains = self._calls.dialect.chains, []
        task = self.loop.create_task(self._resolve_answer(future, message, chains))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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

    def _close_if_drained(self) -> None:
        if self._calls.waiting or self._service.running or self._tasks or self._transport is None:
            return
        if self._closing:
            self._transport.close()

    def _fail(self, error: ProxyError) -> None:
        """Ends the connection over an error of the peer; what is queued still leaves."""
        if self._error is None:
            self._error = error
            log.warning("%s: %s", self, ascii(str(error)))
            if self._handshake.stage is Stage.DONE and not self.is_classic:
                self._session.go_away(PROTOCOL_ERROR)
        self._closing = True
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def _end(self, cause: BaseException | None) -> None:
        """Everything at once: first the mark, then the tables, then whoever waits."""
        if self.closed:
            return
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        self._error = error = self._why(cause)
        lost = error if isinstance(error, ConnectionClosed) else ConnectionLost(str(error))
        self._calls.close(lost)
        self._service.close()
        for task in self._tasks:
            task.cancel()
        for _, answer in self._pings.values():
            if not answer.done():
                answer.set_exception(_again(lost))
        self._tables.clear()
        self._partial.clear()
        self.resume_writing()
        if not self._ready.done():
            self._ready.set_result(None)
        if not self._ended.done():
            self._ended.set_result(None)
        if self._on_closed is not None:
            self._on_closed(self)

    def _why(self, cause: BaseException | None) -> ProxyError:
        if self._error is not None:
            return self._error
        if self._handshake.stage is not Stage.DONE and not self._closing:
            return HandshakeFailed("the peer closed the connection during the handshake", cause)
        if self._closing:
            return ConnectionClosed(local=True)
        if self._session.remote_go_away is not None or (self.is_classic and cause is None):
            return ConnectionClosed("the peer closed the connection")
        told = f": {cause}" if cause is not None else ""
        return ConnectionLost(f"the connection was lost{told}", cause=cause)


def _config(limits: Limits) -> Config:
    return Config(
        max_streams=limits.max_streams,
        max_frame_payload_received=max(limits.max_message, INITIAL_WINDOW),
        keepalive=limits.keepalive,
        keepalive_timeout=limits.keepalive_timeout,
    )


def _as_proxy_error(error: BaseException) -> ProxyError:
    if isinstance(error, ProxyError):
        return error
    return ConnectionLost(str(error) or type(error).__name__, cause=error)


def _again(error: ProxyError) -> ProxyError:
    """Returns an error equal to `error`: one exception raised in two tasks mixes their tracebacks."""
    copied: ProxyError
    if isinstance(error, ConnectionClosed):
        copied = type(error)(error.message, local=error.local, cause=error.__cause__)
    else:
        copied = type(error)(error.message, error.__cause__)
    return copied


def current_peer() -> Peer:
    """Returns the peer whose call is being served; for exported code.

    Raises:
        LookupError: No call is being served in this context.
    """
    from .service import current

    try:
        return current.get()
    except LookupError:
        raise LookupError("current_peer() is for methods that a peer has called") from None


