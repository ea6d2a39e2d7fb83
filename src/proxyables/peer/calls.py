"""What we ask of the other side: requests, and their answers.

One future per call, kept as its stream's `owner` until the answer is there; no task, no lock, no
queue. The stream *is* the exchange: an answer needs no id to find its call.

A request's exports (`Tables.registry.journal`) are forgotten as soon as the request has left
whole, because then the other side counts them; they are taken back if it never does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from proxyables.errors import (
    AccessDenied,
    ConnectionClosed,
    EncodingError,
    LimitExceeded,
    PeerProtocolError,
    ReferenceNotFound,
    RemoteError,
)
from proxyables.objects.imports import Reference
from proxyables.wire.dialect import Dialect
from proxyables.wire.exceptions import load_exception
from proxyables.wire.instructions import ITEMS, RETURN, THROW, Message, Step
from proxyables.yamux import Session, SessionClosed, Stream

from .deadlines import dump_deadline, seconds_left, until
from .items import Inbox, Items
from .pool import StreamPool
from .releases import Releases
from .tables import Tables
from .turns import Turns

if TYPE_CHECKING:
    from .peer import Peer

_get_running_loop = asyncio._get_running_loop


class NoStream(LimitExceeded):
    """As many calls are in flight as a classic peer bears: the call can wait for its turn."""


class Calls:
    """The asking half of a connection.

    Args:
        peer: The connection.
        session: Its streams.
        tables: Its references.

    Attributes:
        releases: Gives back what we drop.
    """

    def __init__(self, peer: Peer, session: Session, tables: Tables) -> None:
        self._peer = peer
        self.loop = peer.loop
        self.writer = peer.writer
        self._session = session
        self._tables = tables
        self._limits = peer.limits
        self._registry = tables.registry
        self.pool = StreamPool(session)
        self._idle = self.pool.idle
        self._unsent_exports: dict[Stream, list[Any]] = {}
        self._deadlines: dict[Stream, asyncio.TimerHandle] = {}
        self.releases = Releases(self, session, tables)
        self.stopped: deque[Inbox] = deque()
        """Iterations that nobody listens to any more; appended to by finalisers."""
        self._turns = Turns(peer.limits.max_calls)
        self.queue = self._turns.waiting
        """Calls that wait for a stream, towards a classic peer."""
        self.patience: float | None = None
        """Seconds that a call without a deadline waits for its answer; None if it waits on."""
        self.made = 0
        """Calls made so far."""
        self._ended = 0
        self.dialect: Dialect = peer.unknown_dialect
        self.is_ready = False

    @property
    def waiting(self) -> int:
        """Calls that wait for an answer."""
        return self.made - self._ended

    @property
    def is_classic(self) -> bool:
        """Whether the other side is of another make."""
        return self._peer.is_classic

    # -- asking ---------------------------------------------------------------------------------

    def request(self, reference: Reference | None, steps: list[Step]) -> Generator[Any, None, Any]:
        """Runs a chain over there and returns its value.

        If cancelled, the stream is reset: the remote call is cancelled; it may or may not have run.

        Raises:
            RemoteError: The other side's code raised.
            EncodingError, NotSupported, LimitExceeded: Nothing was sent.
            ConnectionClosed: The connection ended before the answer came.
        """
        if not self.is_ready or _get_running_loop() is not self.loop:
            yield from self.until_ready().__await__()
        if self.queue:
            stream = yield from self._send_in_turn(reference, steps).__await__()
        else:
            try:
                stream = self._send(reference, steps)
            except NoStream:
                stream = yield from self._send_in_turn(reference, steps).__await__()
        future = stream.owner = self.loop.create_future()
        try:
            return (yield from future)
        except BaseException:
            if stream.owner is future:  # no answer yet: it is this task that was cancelled
                self.cancel(stream)
            del future, reference  # else the traceback keeps what it led to
            raise

    async def _send_in_turn(self, reference: Reference | None, steps: list[Step]) -> Stream:
        """Sends one chain as soon as all that were asked before are sent, and there is room."""
        had_turn = False
        while True:
            await self._turns.wait(first=had_turn)
            had_turn = True
            try:
                await self.until_ready()
                stream = self._send(reference, steps)
            except NoStream:
                continue
            except BaseException:
                self._turns.wake()
                raise
            if self.waiting < self._peer.most_streams:
                self._turns.wake()
            return stream

    async def until_ready(self) -> None:
        """Waits for the handshake; raises what ended the connection, if it has ended."""
        await self._peer.until_ready()

    def wake(self) -> None:
        """Has the loop look at what finalisers have queued. Safe in a finaliser."""
        self._peer.wake()

    def _send(self, reference: Reference | None, steps: list[Step]) -> Stream:
        """Sends one chain on a stream of its own, whose owner the caller sets at once."""
        if reference is None:
            target = None
        elif reference.released:
            raise ReferenceNotFound(f"reference {reference.id} was released")
        else:
            target = reference.id
        registry = self._registry
        end = until.get()
        seconds = self.patience if end is None else seconds_left(end)
        try:
            if seconds is None:
                data = self.dialect.encode_request(target, steps)
            else:
                data = self.dialect.encode_request(target, steps, dump_deadline(seconds))
        except BaseException as error:
            self._tables.take_back()
            if isinstance(error, AccessDenied):
                reason = error.extra.get("reason", error.message)  # of our policy, for us to know
                raise EncodingError(f"cannot pass this: {reason}", error) from error
            raise
        stream = self._idle.pop() if self._idle else self._open()
        whole = self._session.send(stream, data)
        if registry.journal:
            self._after_exports(stream, whole=whole)
        if not whole:
            self.writer.check_unsent()
        self.made += 1
        if seconds is not None:
            timer = self.loop.call_later(seconds, self._expire, stream)
            self._deadlines[stream] = timer
        if not self.writer.is_pending:
            self.writer.flush_soon()
        return stream

    def _expire(self, stream: Stream) -> None:
        """Ends a call whose deadline is over, whatever the other side does about it."""
        del self._deadlines[stream]
        owner = stream.owner
        told = "the deadline was over before the answer came"
        if self.patience is not None:
            told += "; peers of this kind may answer no calls at all"
        error = TimeoutError(told)
        if type(owner) is Inbox:
            self.stop_iteration(stream, owner.unused)
            owner.set_exception(error)
            return
        if not owner.done():
            owner.set_exception(error)
        self.cancel(stream)

    def _end_deadline(self, stream: Stream) -> None:
        timer = self._deadlines.pop(stream, None)
        if timer is not None:
            timer.cancel()

    def _open(self) -> Stream:
        limit = self._peer.most_streams
        if self.waiting >= limit:
            self._tables.take_back()
            kind = NoStream if self._peer.is_classic else LimitExceeded
            raise kind("max_streams", limit, self.waiting + 1, "calls in flight")
        try:
            return self._session.open_stream()
        except SessionClosed as error:
            self._tables.take_back()
            raise ConnectionClosed(str(error), cause=error) from error

    def _after_exports(self, stream: Stream, *, whole: bool) -> None:
        journal = self._registry.take_journal()
        self._tables.confirm_types(sent=whole)
        if not whole:
            self._unsent_exports[stream] = journal

    def cancel(self, stream: Stream) -> None:
        """Ends a call that nobody waits for any more."""
        if self._peer.is_classic:
            # A reset in mid-call ends some of these peers' processes. The answer is awaited by
            # the cancelled future: what it carries is decoded, dropped, and so given back.
            if self.patience is not None:  # there will be none
                self._session.abandon(stream)
                self.fail(stream, _ended("the call was given up"))
            return
        stream.owner = None
        self._ended += 1
        self._end_deadline(stream)
        whole = self._session.reset(stream)
        exports = self._unsent_exports.pop(stream, None)
        if exports and not whole:
            self._registry.roll_back(exports)
        self.writer.flush_soon()

    def iterate(self, reference: Reference | None, steps: list[Step], keep: object) -> Items:
        """Returns the asynchronous iterator over the items of a chain that ends with STREAM."""
        return Items(self, reference, steps, keep)

    def start_iteration(
        self, inbox: Inbox, reference: Reference | None, steps: list[Step]
    ) -> Stream:
        """Sends the chain whose items `inbox` takes."""
        stream = self.start(inbox, reference, steps)
        stream.auto_credit = False
        return stream

    def start(self, owner: Any, reference: Reference | None, steps: list[Step]) -> Stream:
        """Sends a chain whose answer `owner` takes, which looks like a future."""
        stream = self._send(reference, steps)
        stream.owner = owner
        return stream

    def credit(self, stream: Stream, size: int) -> None:
        """Tells the producer that `size` bytes of its items have been used."""
        self._session.credit(stream, size)
        if self._session.outgoing:
            self.writer.flush_soon()

    def stop_iteration(self, stream: Stream, unused: int) -> None:
        """Asks the producer to stop, and lets what it has sent already arrive.

        FIN and not RST: items that are under way may hold references, and only what is decoded
        here is given back.
        """
        if stream.dead:
            return
        if unused:
            self._session.credit(stream, unused)
        stream.auto_credit = True
        self._session.finish(stream)
        self.writer.flush_soon()

    def stop_iterations(self) -> None:
        """Stops what finalisers have asked to stop."""
        while self.stopped:
            self.stopped.popleft().stop()

    # -- answers --------------------------------------------------------------------------------

    def on_answer(self, stream: Stream, message: Message) -> None:
        """Takes a whole message that arrived on a stream of ours."""
        owner = stream.owner
        if owner is None:
            if stream in self.releases.waiting:
                self.releases.end(stream)
                return
            raise PeerProtocolError(f"an answer on stream {stream.id}, where nothing was asked")
        op = message[0]
        if op == RETURN and not self.dialect.chains:
            if not owner.done():
                owner.set_result(message[1])
        elif not self._on_other(owner, message):
            return
        stream.owner = None
        self._ended += 1
        if self._deadlines:
            self._end_deadline(stream)
        if self._unsent_exports:
            self._unsent_exports.pop(stream, None)
        if self.queue:
            self._turns.wake()
        if op == THROW and self._peer.is_classic:
            self._session.retire(stream)
        else:
            self.pool.give(stream)

    def _on_other(self, owner: Any, message: Message) -> bool:
        """Takes what is no plain result; returns whether the exchange is over."""
        op = message[0]
        if op == RETURN:
            self._peer.resolve_answer(owner, message)
            return True
        if self.dialect.chains:
            self.dialect.chains = []
            raise PeerProtocolError(f"a path to be run here in message {op}")
        if op == THROW:
            if not owner.done():
                owner.set_exception(self.load_error(message[1]))
            return True
        if op != ITEMS or type(owner) is not Inbox or type(message[1]) is not list:
            raise PeerProtocolError(f"message {op} where an answer was due")
        owner.receive(message[1])
        return False

    def load_error(self, told: object) -> RemoteError:
        """Returns the exception that a THROW tells of."""
        error = load_exception(told, self._limits)
        if self._peer.is_classic and isinstance(told, dict):
            code = told.get("code")
            error.code = code if isinstance(code, str) else None
        return error

    def fail(self, stream: Stream, error: BaseException) -> None:
        """Ends the exchange on a stream of ours with a local error."""
        owner, stream.owner = stream.owner, None
        self._end_deadline(stream)
        self.pool.forget(stream)
        exports = self._unsent_exports.pop(stream, None)
        if exports and stream.parked:
            self._registry.roll_back(exports)
        self.releases.fail(stream)
        if owner is not None:
            self._ended += 1
            self._turns.wake()
            if not owner.done():
                owner.set_exception(error)

    def on_finished(self, stream: Stream) -> None:
        """The other side half-closed a stream of ours: no answer will come on it any more."""
        if not stream.dead:
            self._session.retire(stream)
        self.fail(stream, _ended("the peer closed the stream without an answer"))

    def on_reset(self, stream: Stream) -> None:
        """The other side reset a stream of ours: it refused the call, or gave it up."""
        self.fail(stream, _ended("the peer reset the call's stream"))

    def on_writable(self, stream: Stream) -> None:
        """Everything parked on a stream of ours has left: the exports in it are theirs to count."""
        self._unsent_exports.pop(stream, None)

    # -- the end --------------------------------------------------------------------------------

    def close(self, error: ConnectionClosed) -> None:
        """Fails every waiting call; each gets an exception of its own."""
        self.is_ready = False
        self.releases.close()
        self._turns.close(error)
        streams = [stream for stream in self._session.streams.values() if stream.owner is not None]
        for stream in streams:
            if stream.is_ours:
                own = type(error)(
                    error.message, local=error.local, cause=error.__cause__, maybe_executed=True
                )
                self.fail(stream, own)
        self._idle.clear()
        self._unsent_exports.clear()


def _ended(message: str) -> ConnectionClosed:
    return ConnectionClosed(f"{message}; it may or may not have run", maybe_executed=True)
