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
import itertools
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from proxyables.errors import LimitExceeded, PeerProtocolError, ProxyError, RemoteError
from proxyables.objects.executor import Executor, Iteration, Suspended
from proxyables.wire.dialect import ByReference, Chain, Dialect
from proxyables.wire.exceptions import dump_exception, load_exception, safe_text
from proxyables.wire.instructions import COPY, EXECUTE, RELEASE, Message, Step
from proxyables.yamux import Session, Stream

from .deadlines import load_deadline, until
from .feed import Feed
from .pace import Pace
from .tables import Tables, shown
from .workers import Stopped, Workers

if TYPE_CHECKING:
    from .peer import Peer

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
        self._workers = workers
        self._limits = peer.limits
        self._by_reference = frozenset(by_reference)
        self._context = contextvars.copy_context()
        """What each request's context is a copy of."""
        self._context.run(current.set, peer)
        self._context.run(until.set, None)  # not that of whoever made the connection
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._pumping: set[Stream] = set()
        self._unconfirmed: dict[Stream, list[Any]] = {}
        self._blocked: dict[Stream, asyncio.Future[None]] = {}
        self._parked: dict[Stream, list[Any]] = {}
        self.dialect: Dialect = peer.unknown_dialect
        self.served = 0
        """Requests answered so far."""
        self.failed = 0
        """Those of them that were answered with an exception."""

    @property
    def running(self) -> int:
        """Requests that are being served."""
        return len(self._tasks)

    # -- requests -------------------------------------------------------------------------------

    def on_request(self, stream: Stream, message: Message) -> None:
        """Takes a whole message that arrived on a stream of theirs."""
        if self._unconfirmed:
            self._unconfirmed.pop(stream, None)  # its last answer was read
        if message[0] == RELEASE:
            self._release(message[1])
            if self._peer.is_classic and not stream.dead:
                self._answer(stream, None)
            return
        if message[0] != EXECUTE or len(message) < 3:
            raise PeerProtocolError(f"message {message[0]} where a request was due")
        if stream.owner is not None:
            raise PeerProtocolError(f"a second request on stream {stream.id} before the answer")
        if stream.dead:  # reset in the same read: decoding it has counted what it lent us
            self.dialect.chains = []
            return
        context = self._context.copy()
        steps = message[2]
        try:
            if len(self._tasks) >= self._limits.max_calls:
                self._refuse_more()
            seconds = self._inherit(context, message[3]) if len(message) > 3 else None
            if self.dialect.chains:
                chains, self.dialect.chains = self.dialect.chains, []
                work = self._serve_chains(stream, message, chains)
                self._start_task(stream, steps, work, context, seconds)
                return
            result = context.run(self._executor.start, message[1], steps)
            if type(result) is Suspended or type(result) is Iteration:
                work = self._outcome(stream, steps, result)
                self._start_task(stream, steps, work, context, seconds)
                return
        except BaseException as error:  # the seam to exported code: SystemExit must not end us
            self._fail(stream, error)
        else:
            self._answer(stream, result, steps)

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
        raise LimitExceeded("max_calls", limit, limit + 1, "calls being served")

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
        steps: list[Step],
        work: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        seconds: float | None,
    ) -> None:
        if seconds is not None:
            work = _within(seconds, work)
        serving = self._finish(stream, steps, work)
        if sys.version_info >= (3, 12):
            # What does not wait after all is answered in this turn.
            task = asyncio.Task(serving, loop=self._peer.loop, eager_start=True, context=context)
        else:
            task = self._peer.loop.create_task(serving, context=context)
        if not task.done():
            self._tasks[stream] = stream.owner = task

    async def _finish(
        self, stream: Stream, steps: list[Step], work: Coroutine[Any, Any, Any]
    ) -> None:
        """Awaits the outcome of a chain, and answers."""
        try:
            result = await work
        except BaseException as error:  # the seam to exported code
            self._end_task(stream, error)
            return
        self._end_task(stream, None)
        if not stream.dead:
            self._answer(stream, result, steps)

    async def _serve_chains(self, stream: Stream, message: Message, chains: list[Chain]) -> Any:
        """Serves a request whose arguments are to be fetched over here first."""
        await self._substitute(message, chains)
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
            await self._pump(stream, result)
            return None
        return result

    def _end_task(self, stream: Stream, error: BaseException | None) -> None:
        self._tasks.pop(stream, None)
        self._pumping.discard(stream)
        stream.owner = None
        if error is not None and not stream.dead:
            self._fail(stream, error.error if type(error) is Stopped else error)

    # -- chains that run here first -------------------------------------------------------------

    async def _substitute(self, message: Message, chains: list[Chain]) -> None:
        """Runs `chains`, innermost first, and puts their values in their places in `message`."""
        values: dict[int, Any] = {}
        for chain in chains:
            chain.steps = _replace(chain.steps, values)
            result = self._executor.start_at(chain.source, chain.steps)
            result = await self._outcome(None, chain.steps, result)
            values[id(chain)] = result.value if type(result) is ByReference else result
        message[:] = _replace(message, values)

    async def resolve_answer(self, message: Message, chains: list[Chain]) -> Any:
        """Returns the value of an answer that names paths on our own objects.

        Raises:
            RemoteError: One of them failed: it is the answer's failure, though the code is ours.
        """
        try:
            await self._substitute(message, chains)
        except (ProxyError, asyncio.CancelledError):
            raise
        except BaseException as error:  # the seam to exported code
            told = dump_exception(error, self._limits)
            raise load_exception(told, self._limits) from None
        return message[1]

    # -- answers --------------------------------------------------------------------------------

    def _answer(self, stream: Stream, value: Any, steps: Sequence[Step] = ()) -> None:
        if self._by_reference and type(value) in self._by_reference and not _is_copy(steps):
            value = ByReference(value)
        try:
            data = self.dialect.encode_return(value)
        except Exception as error:  # what was returned cannot cross: told to the caller
            self._fail(stream, error)
            return
        self.served += 1
        self._send(stream, data, value)

    def _fail(self, stream: Stream, error: BaseException) -> None:
        self._tables.confirm_types(sent=False)
        self._registry.roll_back(self._registry.take_journal())
        self.served += 1
        self.failed += 1
        self._peer.log_failure(error)
        data: bytes | None
        try:
            data = self.dialect.encode_throw(error)
        except Exception as obstacle:  # it is larger than they take, or its own code raises
            data = self._encode_briefly(error, obstacle)
        if data is None:
            self._session.reset(stream)
        else:
            self._send(stream, data, None)

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

    def _send(self, stream: Stream, data: bytes, content: Any) -> None:
        """Sends an answer, or a part of it.

        `content` is kept until all has left: dropping a cursor that it names earlier would give
        the object back before they read of it.
        """
        whole = self._session.send(stream, data)
        if self._registry.journal:
            journal = self._registry.take_journal()
            self._tables.confirm_types(sent=whole)
            if stream not in self._pumping:  # whoever takes items reads on to their end
                self._unconfirmed[stream] = journal
        if stream.remote_closed and not stream.dead and stream not in self._pumping:
            self._session.finish(stream)
        if not whole:
            self._parked.setdefault(stream, []).append(content)
            self._writer.check_unsent()
        if not self._writer.is_pending:
            self._writer.flush_soon()

    # -- streams of items -----------------------------------------------------------------------

    async def _pump(self, stream: Stream, iteration: Iteration) -> None:
        """Sends the items of an iterable until it ends, or nobody listens any more."""
        self._pumping.add(stream)
        if stream.remote_closed:  # they have enough before the first item: no FIN will come again
            if iteration.owned:
                await _close(iteration.source)
            return
        if iteration.on_worker and not hasattr(type(iteration.source), "__aiter__"):
            await self._pump_feed(stream, iteration)
            return
        source = iteration.source
        try:
            if hasattr(type(source), "__aiter__"):
                iterator = type(source).__aiter__(source)
                await self._pump_async(stream, iterator, iteration.size)
            else:
                iterator = iter(source)
                await self._pump_sync(stream, iterator, iteration.size)
        except asyncio.CancelledError:
            if stream.dead or not stream.remote_closed:
                raise
            # They half-closed the stream: they have enough, and wait for the end only.
        finally:
            if iteration.owned:
                await _close(source)

    async def _pump_sync(self, stream: Stream, iterator: Iterator[Any], size: int) -> None:
        pace = Pace(size)
        while True:
            wanted = pace.size
            chunk: list[Any] = []
            try:
                for item in itertools.islice(iterator, wanted):
                    chunk.append(item)  # noqa: PERF402  # what came before an exception counts
            finally:
                pace.note(len(chunk), self._send_items(stream, chunk))
            if len(chunk) < wanted:
                return
            await self._drained(stream)

    async def _pump_feed(self, stream: Stream, iteration: Iteration) -> None:
        """As `_pump`, with the iterable advanced on workers."""
        feed = Feed(self._workers, iteration.source, iteration.size, owned=iteration.owned)
        try:
            while not feed.is_over:
                self._send_items(stream, await feed.take())
                if feed.error is not None:
                    raise feed.error
                await self._drained(stream)
        except asyncio.CancelledError:
            if stream.dead or not stream.remote_closed:
                raise
        finally:
            feed.leave()

    async def _pump_async(self, stream: Stream, iterator: Any, size: int) -> None:
        """Sends what comes without waiting as chunks, and the rest as it comes."""
        pace = Pace(size)
        chunk: list[Any] = []
        failures: list[ProxyError] = []

        def send() -> None:
            items, chunk[:] = chunk[:], []
            pace.note(len(items), self._send_items(stream, items))

        def send_or_stop() -> None:
            try:
                send()
            except ProxyError as error:  # nobody is there to raise it to but the iteration
                failures.append(error)
                self._tasks[stream].cancel()

        try:
            async for item in iterator:
                chunk.append(item)
                if len(chunk) >= pace.size:
                    send()
                    await self._drained(stream)
                elif len(chunk) == 1:
                    self._peer.loop.call_soon(send_or_stop)
        except asyncio.CancelledError:
            if failures:
                raise failures[0] from None
            raise
        finally:
            send()

    def _send_items(self, stream: Stream, items: list[Any]) -> int:
        """Sends items as one message, or as several if it cannot be one; returns its bytes."""
        if not items or stream.dead:
            return 0
        try:
            data = self.dialect.encode_items(items)
        except BaseException as error:
            self._tables.confirm_types(sent=False)
            self._registry.roll_back(self._registry.take_journal())
            if len(items) == 1 or not isinstance(error, ProxyError):
                raise
            # Too much for one message; or one cannot cross, and those before it are to arrive.
            half = len(items) // 2
            return self._send_items(stream, items[:half]) + self._send_items(stream, items[half:])
        self._send(stream, data, items)
        return len(data)

    async def _drained(self, stream: Stream) -> None:
        """Lets the loop turn, and waits until what was sent has left."""
        if stream.parked and not stream.dead:
            self._blocked[stream] = blocked = self._peer.loop.create_future()
            try:
                await blocked
            finally:
                del self._blocked[stream]
        else:
            await asyncio.sleep(0)
        await self._writer.writable()

    # -- what happens to their streams ----------------------------------------------------------

    def on_writable(self, stream: Stream) -> None:
        """Everything parked on a stream of theirs has left."""
        self._parked.pop(stream, None)
        blocked = self._blocked.get(stream)
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    def on_finished(self, stream: Stream) -> None:
        """They half-closed a stream of theirs: they have read every answer so far."""
        self._unconfirmed.pop(stream, None)
        if stream in self._pumping:
            self._tasks[stream].cancel()
        elif stream.owner is None and not stream.dead:
            self._session.finish(stream)

    def on_reset(self, stream: Stream) -> None:
        """They gave the call up, or retired the stream."""
        task = self._tasks.get(stream)
        if task is not None:
            task.cancel()
        self._parked.pop(stream, None)
        journal = self._unconfirmed.pop(stream, None)
        if journal:
            self._registry.roll_back(journal)

    def close(self) -> None:
        """Cancels everything that is being served: the connection has ended."""
        tasks, self._tasks = self._tasks, {}
        for stream, task in tasks.items():
            self._session.abandon(stream)  # what the task still gives must not be exported
            task.cancel()
        self._unconfirmed.clear()
        self._parked.clear()


def _replace(value: Any, values: dict[int, Any]) -> Any:
    """Returns `value` with each `Chain` inside replaced by its outcome; containers are rebuilt."""
    kind = type(value)
    if kind is Chain:
        return values[id(value)]
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return kind(_replace(item, values) for item in value)
    if kind is slice:
        return slice(*(_replace(each, values) for each in (value.start, value.stop, value.step)))
    if kind is dict:
        return {_replace(key, values): _replace(item, values) for key, item in value.items()}
    return value


def _is_copy(steps: Sequence[Step]) -> bool:
    """Whether a chain asks for the value itself."""
    return bool(steps) and steps[-1][0] == COPY


async def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> Any:
    """Awaits `work`, which is cancelled when the caller's deadline is over."""
    try:
        async with asyncio.timeout(seconds) as scope:
            return await work
    except TimeoutError:
        if scope.expired():
            raise TimeoutError("the caller's deadline is over") from None
        raise


async def _close(source: Any) -> None:
    """Closes a generator that the chain itself made."""
    aclose = getattr(type(source), "aclose", None)
    if aclose is not None:
        await aclose(source)
        return
    close = getattr(type(source), "close", None)
    if close is not None and hasattr(type(source), "send"):
        close(source)
