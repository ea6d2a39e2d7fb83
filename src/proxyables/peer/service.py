"""What the other side asks of us: chains run, answers sent, items streamed, releases taken.

Each request runs in a context of its own, so that what exported code puts into a context variable
is gone with it. A chain that never waits is answered in the same turn, without a task. One that
does runs as a task, which is its stream's `owner` until the answer has been sent; a reset of the
stream cancels it.

The exports of an answer are remembered in `_unconfirmed` until it is known to be read: the next
request on that stream, or its FIN, says so. A reset before that takes them back.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from proxyables.errors import LimitExceeded, PeerProtocolError, ProxyError, RemoteError
from proxyables.frozen import frozen
from proxyables.limits import KIB
from proxyables.objects.executor import Executor
from proxyables.objects.outcomes import Iteration, Suspended
from proxyables.wire.dialect import ByReference, Chain, Dialect
from proxyables.wire.exceptions import safe_text
from proxyables.wire.instructions import COPY, EXECUTE, RELEASE, STREAM, Message, Step
from proxyables.wire.pending import lengthen_calls
from proxyables.yamux import Session, Stream

from .cancelling import cancel_begun
from .deadlines import load_deadline, until
from .inspection import is_inspection
from .jobs import Stopped
from .pump import Pump
from .refusals import Refusals
from .substitution import Substitution
from .tables import Tables, shown
from .workers import Workers

if TYPE_CHECKING:
    from .peer import Peer

_LARGE = 256 * KIB
"""Bytes of an answer that leaves at once."""
_UNFINISHED = frozenset({Suspended, Iteration})


@frozen
class Serving:
    """A request that is being served.

    Attributes:
        message: What was asked.
        begun: When, on `time.monotonic`'s clock.
        coroutine: What serves it.
    """

    message: Message
    begun: float
    coroutine: Any


class Tap(Protocol):
    """Sees what is asked of a connection; see `Service.watch`."""

    def on_request(self, stream: Stream, message: Message) -> None:
        """Takes a message before `Service.on_request`, which it calls."""

    def on_failure(self, stream: Stream, error: BaseException) -> None:
        """Learns what the request on a stream is answered with."""


current: contextvars.ContextVar[Peer] = contextvars.ContextVar("proxyables.current_peer")


class Service:
    """The serving half of a connection.

    Args:
        peer: The connection.
        session: Its streams.
        tables: Its references.
        executor: Runs the chains.
        workers: Advance synchronous iterables where the executor says so.
        by_reference: Types of results that always stay here.
    """

    def __init__(
        self,
        peer: Peer,
        session: Session,
        tables: Tables,
        executor: Executor,
        workers: Workers,
        by_reference: tuple[type, ...],
    ) -> None:
        self._peer = peer
        self._writer = peer.writer
        self._session = session
        self._tables = tables
        self._registry = tables.registry
        self._executor = executor
        self._limits = peer.limits
        self._most_calls = peer.limits.max_calls
        """How many calls may be running; 0 while those that are hold too many bytes."""
        self._by_reference = frozenset(by_reference)
        self._context = contextvars.copy_context()
        """What each request's context is a copy of."""
        self._context.run(current.set, peer)
        self._context.run(until.set, None)  # not that of whoever made the connection
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._refusals = Refusals(peer)
        self._held: dict[Stream, int] = {}
        self._held_bytes = 0
        self._unconfirmed: dict[Stream, list[Any]] = {}
        self._parked: dict[Stream, list[Any]] = {}
        self.substitution = Substitution(executor, self._outcome, peer.unknown_dialect)
        self._pump = Pump(self, tables, workers, peer.writer, peer.loop)
        self.dialect: Dialect = peer.unknown_dialect
        self.served = 0
        """Requests answered so far."""
        self.failed = 0
        """Those of them that were answered with an exception."""
        self.take = self.on_request
        """Takes a whole message that arrived; whoever watches stands before `on_request` here."""
        self._tap: Tap | None = None

    @property
    def running(self) -> int:
        """Requests that are being served."""
        return len(self._tasks)

    def serving(self) -> list[Serving]:
        """Returns what is being served, the oldest first."""
        found = [serving_of(task) for task in self._tasks.values()]
        return [each for each in found if each is not None]

    def find(self, reference: object) -> object | None:
        """Returns what a request with this target starts from; None if there is no such thing."""
        try:
            return self._tables.own(0 if reference is None else reference)  # type: ignore[arg-type]
        except ProxyError:
            return None

    def watch(self, tap: Tap | None) -> None:
        """Has every request pass through `tap`, or, with None, goes on without."""
        self._tap = tap
        self.take = self.on_request if tap is None else tap.on_request

    # -- requests -------------------------------------------------------------------------------

    def on_request(self, stream: Stream, message: Message) -> None:
        """Takes a whole message that arrived on a stream of theirs."""
        if self._unconfirmed:
            self._unconfirmed.pop(stream, None)  # its last answer was read
        if message[0] != EXECUTE or (size := len(message)) < 3:
            self._on_other(stream, message)
            return
        if stream.owner is not None:
            raise PeerProtocolError(f"a second request on stream {stream.id} before the answer")
        if stream.dead:  # reset in the same read: decoding it has counted what it lent us
            self.dialect.chains = []
            return
        context = self._context.copy()
        target, steps = message[1], message[2]
        executor = self._executor
        try:
            if len(self._tasks) >= self._most_calls:
                self._refuse_more()
            seconds = self._inherit(context, message[3]) if size > 3 else None
            if self.dialect.chains:
                chains, self.dialect.chains = self.dialect.chains, []
                work = self._serve_chains(stream, message, chains)
                self._start_task(stream, message, work, context, seconds)
                return
            if self.dialect.holds_own:
                self.dialect.holds_own = False
                lengthen_calls(message)
            source = executor.root() if target is None else executor.find(target)
            result = context.run(executor.run, source, steps)
            if type(result) in _UNFINISHED:
                work = self._outcome(stream, steps, result)
                self._start_task(stream, message, work, context, seconds)
                return
        except BaseException as error:  # the seam to exported code: SystemExit must not end us
            self._fail(stream, error)
        else:
            self._answer(stream, result, steps)

    def _on_other(self, stream: Stream, message: Message) -> None:
        self.dialect.chains = []  # it has none that would be run
        if message[0] == EXECUTE and stream.owner is None:
            self.refuse(stream, PeerProtocolError("malformed message: an EXECUTE without steps"))
            return
        if message[0] != RELEASE:
            raise PeerProtocolError(f"message {message[0]} where a request was due")
        self._release(message[1])
        if self._peer.is_classic and not stream.dead:
            self._answer(stream, None)

    def _release(self, counts: object) -> None:
        if type(counts) is not list or len(counts) % 2:
            raise PeerProtocolError("malformed RELEASE")
        for reference, count in zip(counts[::2], counts[1::2], strict=True):
            known = type(reference) in (int, str) and type(count) is int
            if (not known or not self._registry.delete(reference, count)) and (
                not self._peer.is_classic  # those may release what an error already gave back
            ):
                raise PeerProtocolError(
                    f"release of {shown(count)} of reference {shown(reference)}, "
                    "more than were lent"
                )

    def _refuse_more(self) -> NoReturn:
        """Refuses a call before anything of it runs."""
        self.dialect.chains = []
        limit = self._limits.max_calls
        if len(self._tasks) >= limit:
            raise LimitExceeded("max_calls", limit, limit + 1, "calls being served")
        limit = self._limits.max_read_buffer
        raise LimitExceeded("max_read_buffer", limit, self._held_bytes, "calls being served")

    def hold(self, stream: Stream, size: int) -> None:
        """Counts the bytes of a request, whose arguments live as long as the call runs."""
        self._held[stream] = size
        self._held_bytes += size
        if self._held_bytes > self._limits.max_read_buffer:
            self._most_calls = 0

    def _let_go(self, stream: Stream) -> None:
        self._held_bytes -= self._held.pop(stream, 0)
        if self._held_bytes <= self._limits.max_read_buffer:
            self._most_calls = self._limits.max_calls

    @staticmethod
    def _inherit(context: contextvars.Context, metadata: object) -> float | None:
        """Has what is called from here end when the caller wants it; returns the seconds left."""
        seconds = load_deadline(metadata)
        if seconds is not None:
            context.run(until.set, time.monotonic() + seconds)
        return seconds

    def _start_task(
        self,
        stream: Stream,
        message: Message,
        work: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        seconds: float | None,
    ) -> None:
        allowed = self._limits.call_timeout
        if allowed and (seconds is None or allowed < seconds) and not is_inspection(message):
            context.run(until.set, time.monotonic() + allowed)  # what it calls ends with it
            work = _within(allowed, work, f"the call took longer than {allowed:g} s (call_timeout)")
        elif seconds is not None:
            work = _within(seconds, work, "the caller's deadline is over")
        serving = self._finish(stream, message, work, time.monotonic())
        if sys.version_info >= (3, 12):
            # What does not wait after all is answered in this turn.
            task = asyncio.Task(serving, loop=self._peer.loop, eager_start=True, context=context)
        else:
            task = self._peer.loop.create_task(serving, context=context)
        if not task.done():
            self._tasks[stream] = stream.owner = task

    async def _finish(
        self, stream: Stream, message: Message, work: Coroutine[Any, Any, Any], begun: float
    ) -> None:
        """Awaits the outcome of a chain, and answers. `serving_of` reads its arguments, by name."""
        try:
            result = await work
        except BaseException as error:  # the seam to exported code
            if type(error) is asyncio.CancelledError and _is_left(stream, message):
                self._end_task(stream, None)
                self._answer(stream, None)
            else:
                self._end_task(stream, error)
            return
        steps = message[2][-1:] if self._by_reference else ()
        del message, work  # and with them the arguments, unless the exported code keeps them
        self._end_task(stream, None)
        if stream.dead:
            return
        if self._tables.imports.dropped:  # in the same write
            self._peer.give_back()
        if not self._tasks:  # nothing else will be answered in this turn
            self._writer.hurry()
        self._answer(stream, result, steps)

    async def _serve_chains(self, stream: Stream, message: Message, chains: list[Chain]) -> Any:
        """Serves a request whose arguments are to be fetched over here first."""
        await self.substitution.fill(message, chains)
        result = self._executor.start(message[1], message[2])
        return await self._outcome(stream, message[2], result)

    async def _outcome(self, stream: Stream | None, steps: list[Step], result: Any) -> Any:
        """Awaits what a chain waits for; sends the items of one that streams."""
        while type(result) is Suspended:
            value = await result.awaitable
            result = self._executor.proceed(value, steps, result.index)
        if type(result) is Iteration:
            if stream is None:
                raise ProxyError("malformed chain: STREAM in an argument")
            await self._pump.run(stream, result)
            return None
        return result

    def _end_task(self, stream: Stream, error: BaseException | None) -> None:
        self._tasks.pop(stream, None)
        self._let_go(stream)
        self._pump.streams.discard(stream)
        stream.owner = None
        if error is None:
            return
        if not stream.dead:
            self._fail(stream, error.error if type(error) is Stopped else error)
        elif self._tap is not None:
            self._tap.on_failure(stream, error)

    # -- answers --------------------------------------------------------------------------------

    def _answer(self, stream: Stream, value: Any, steps: Sequence[Step] = ()) -> None:
        if self._by_reference and type(value) in self._by_reference and not _is_last(COPY, steps):
            value = ByReference(value)
        try:
            data = self.dialect.encode_return(value)
        except Exception as error:  # what was returned cannot cross: told to the caller
            self._fail(stream, error)
            return
        self.served += 1
        whole = self._session.send(stream, data)
        # As `send` does, but that most answers need no more.
        if not whole or self._registry.journal or stream.spent or len(data) > _LARGE:
            self._follow(stream, data, value, whole=whole)
        if not self._writer.is_pending:
            self._writer.flush_soon()

    def _fail(self, stream: Stream, error: BaseException) -> None:
        self._tables.take_back()
        self.served += 1
        self.failed += 1
        self._refusals.note(error)
        if self._tap is not None:
            self._tap.on_failure(stream, error)
        data: bytes | None
        try:
            data = self.dialect.encode_throw(error)
        except Exception as obstacle:  # it is larger than they take, or its own code raises
            data = self._encode_briefly(error, obstacle)
        if data is None:
            self._session.reset(stream)
        else:
            self.send(stream, data, None)

    def _encode_briefly(self, error: BaseException, obstacle: Exception) -> bytes | None:
        """Returns a THROW of an error that cannot be told whole; None if even that is too large."""
        message = f"{safe_text(error, 100)} (not told whole: {safe_text(obstacle, 100)})"
        kind = type(error)
        name, module = (ascii(text)[1:-1][:80] for text in (kind.__qualname__, kind.__module__))
        brief = RemoteError(ascii(message)[1:-1], type_name=name, module=module)
        brief.args = ()
        try:
            return self.dialect.encode_throw(brief)
        except ProxyError:
            return None

    def refuse(self, stream: Stream, error: ProxyError) -> None:
        """Answers a request that could not even be decoded."""
        if not stream.dead:
            self._fail(stream, error)

    def send(self, stream: Stream, data: bytes, content: Any) -> None:
        """Sends an answer, or a part of it.

        `content` is kept until all has left: dropping a cursor that it names earlier would give
        the object back before they read of it.
        """
        whole = self._session.send(stream, data)
        self._follow(stream, data, content, whole=whole)
        if not self._writer.is_pending:
            self._writer.flush_soon()

    def _follow(self, stream: Stream, data: bytes, content: Any, *, whole: bool) -> None:
        """Sees to what an answer brings with it."""
        if self._registry.journal:
            journal = self._registry.take_journal()
            self._tables.confirm_types(sent=whole)
            # Whoever takes items reads on to their end, and a FIN has said all that it will say.
            if stream not in self._pump.streams and not stream.remote_closed:
                self._unconfirmed[stream] = journal
        if stream.remote_closed and not stream.dead and stream not in self._pump.streams:
            self._session.finish(stream)
        if not whole:
            self._parked.setdefault(stream, []).append(content)
            self._writer.check_unsent()
        elif len(data) > _LARGE:
            # Not at the end of the read: it may hold thousands of requests with such answers, and
            # only what the transport has is counted.
            pending = self._writer.is_pending
            self._writer.flush()
            self._writer.is_pending = pending

    def cancel(self, stream: Stream) -> None:
        """Cancels what is being served on a stream."""
        cancel_begun(self._tasks[stream])

    # -- what happens to their streams ----------------------------------------------------------

    def on_writable(self, stream: Stream) -> None:
        """Everything parked on a stream of theirs has left."""
        self._parked.pop(stream, None)
        self._pump.on_writable(stream)

    def on_finished(self, stream: Stream) -> None:
        """They half-closed a stream of theirs: they have read every answer so far."""
        self._unconfirmed.pop(stream, None)
        if stream in self._pump.streams or self._comes_to_stream(stream):
            self.cancel(stream)
        elif stream.owner is None and not stream.dead:
            self._session.finish(stream)

    def _comes_to_stream(self, stream: Stream) -> bool:
        """Whether what is served there is on its way to items, of which they want none any more."""
        task = self._tasks.get(stream)
        serving = None if task is None else serving_of(task)
        return serving is not None and _is_last(STREAM, serving.message[2])

    def on_reset(self, stream: Stream) -> None:
        """They gave the call up, or retired the stream."""
        task = self._tasks.get(stream)
        if task is not None:
            cancel_begun(task)
        self._parked.pop(stream, None)
        journal = self._unconfirmed.pop(stream, None)
        if journal:
            self._registry.roll_back(journal)

    def close(self) -> None:
        """Cancels everything that is being served: the connection has ended."""
        tasks, self._tasks = self._tasks, {}
        for stream, task in tasks.items():
            self._session.abandon(stream)  # what the task still gives must not be exported
            cancel_begun(task)
        self._refusals.close()
        self._held.clear()
        self._unconfirmed.clear()
        self._parked.clear()


def serving_of(task: asyncio.Task[Any]) -> Serving | None:
    """Returns what a task serves, if it serves anything.

    Read from what the task's coroutine was called with, so that a call keeps nothing for it.
    """
    coroutine: Any = task.get_coro()
    if getattr(coroutine, "cr_code", None) is not Service._finish.__code__:
        return None
    given = inspect.getcoroutinelocals(coroutine)
    return Serving(given["message"], given["begun"], coroutine) if "message" in given else None


def _is_left(stream: Stream, message: Message) -> bool:
    """Whether somebody has enough of the items that he asked for, and waits for the end only."""
    return stream.remote_closed and not stream.dead and _is_last(STREAM, message[2])


def _is_last(op: int, steps: Sequence[Step]) -> bool:
    """Whether a chain ends with this: COPY asks for the value itself, STREAM for items."""
    last = steps[-1] if steps else None
    return type(last) is list and last[0] == op


async def _within(seconds: float, work: Coroutine[Any, Any, Any], told: str) -> Any:
    """Awaits `work`, which is cancelled when the time is over; TimeoutError then says `told`."""
    try:
        async with asyncio.timeout(seconds) as scope:
            return await work
    except TimeoutError:
        if scope.expired():
            raise TimeoutError(told) from None
        raise
