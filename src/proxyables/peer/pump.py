"""Sends the items of an iterable of exported code, as far as the other side takes them.

The stream's window and the transport hold it back: the next chunk is taken from the iterable when
what was sent has left. Half-closing the stream is how the other side says that it has enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from proxyables.errors import ProxyError
from proxyables.objects.outcomes import Iteration
from proxyables.yamux import Stream

from .pace import LONGEST_SECONDS, Pace
from .tables import Tables
from .workers import Workers
from .writer import Writer

if TYPE_CHECKING:
    from .feed import Feed
    from .service import Service


class Pump:
    """The iterations of one connection; each is run by the task that serves its request.

    Args:
        service: Sends the messages.
        tables: What encoding a message counts.
        workers: Advance synchronous iterables where the executor says so.
        writer: Tells when the transport takes more.
        loop: Whose turns are given away between chunks.

    Attributes:
        streams: Where items are being sent.
    """

    def __init__(
        self,
        service: Service,
        tables: Tables,
        workers: Workers,
        writer: Writer,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._service = service
        self._tables = tables
        self._workers = workers
        self._writer = writer
        self._loop = loop
        self._blocked: dict[Stream, asyncio.Future[None]] = {}
        self.streams: set[Stream] = set()

    async def run(self, stream: Stream, iteration: Iteration) -> None:
        """Sends the items of an iterable until it ends, or nobody listens any more."""
        self.streams.add(stream)
        if stream.remote_closed:  # they have enough before the first item: no FIN will come again
            if iteration.owned:
                await _close(iteration.source)
            return
        if iteration.on_worker and not hasattr(type(iteration.source), "__aiter__"):
            await self._run_feed(stream, iteration)
            return
        source = iteration.source
        try:
            if hasattr(type(source), "__aiter__"):
                iterator = type(source).__aiter__(source)
                await self._run_async(stream, iterator, iteration.size)
            else:
                iterator = iter(source)
                await self._run_sync(stream, iterator, iteration.size)
        except asyncio.CancelledError:
            if stream.dead or not stream.remote_closed:
                raise
            # They half-closed the stream: they have enough, and wait for the end only.
        finally:
            if iteration.owned:
                await _close(source)

    async def _run_sync(self, stream: Stream, iterator: Iterator[Any], size: int) -> None:
        pace = Pace(size)
        is_over = False
        while True:
            wanted = pace.size
            chunk: list[Any] = []
            end = time.monotonic() + LONGEST_SECONDS
            try:
                for item in iterator:
                    chunk.append(item)
                    if len(chunk) == wanted or time.monotonic() > end:
                        break
                else:
                    is_over = True
            finally:  # what came before an exception counts
                pace.note(len(chunk), self.send(stream, chunk))
            if is_over:
                return
            await self.drained(stream)

    async def _run_feed(self, stream: Stream, iteration: Iteration) -> None:
        """As `run`, with the iterable advanced on workers."""
        from .feed import Feed  # most iterables are advanced here

        feed = Feed(self._workers, iteration.source, owned=iteration.owned)
        outlet = _Outlet(self, stream, feed.take, iteration.size)
        try:
            while not feed.is_over:
                await self._advance(feed, outlet)
                outlet.send()
                if feed.error is not None:
                    raise feed.error
                await self.drained(stream)
        except asyncio.CancelledError:
            if outlet.error is not None:
                raise outlet.error from None
            if stream.dead or not stream.remote_closed:
                raise
        finally:
            feed.leave()

    async def _advance(self, feed: Feed, outlet: _Outlet) -> None:
        """Waits for a chunk; should it take long, what there is of it leaves meanwhile."""

        def on_item() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(outlet.send_or_stop)

        def on_late() -> None:
            feed.on_item = on_item  # which matters if no worker has begun yet
            outlet.send_or_stop()

        timer = self._loop.call_later(LONGEST_SECONDS, on_late)
        try:
            await feed.advance(outlet.pace.size)
        finally:
            timer.cancel()
            feed.on_item = None

    async def _run_async(self, stream: Stream, iterator: Any, size: int) -> None:
        """Sends what comes without waiting as chunks, and the rest as it comes."""
        chunk: list[Any] = []

        def take() -> list[Any]:
            items, chunk[:] = chunk[:], []
            return items

        outlet = _Outlet(self, stream, take, size)
        try:
            async for item in iterator:
                if stream.dead or stream.remote_closed:
                    return  # it has swallowed its cancellation
                chunk.append(item)
                # Items that come one at a time are sent by the loop; it cannot wait for the stream.
                if len(chunk) >= outlet.pace.size or stream.parked or self._writer.is_paused:
                    outlet.send()
                    await self.drained(stream)
                elif len(chunk) == 1:
                    self._loop.call_soon(outlet.send_or_stop)
        except asyncio.CancelledError:
            if outlet.error is not None:
                raise outlet.error from None
            raise
        finally:
            outlet.send()

    def cancel(self, stream: Stream) -> None:
        """Ends the iteration on a stream with `CancelledError`."""
        self._service.cancel(stream)

    def send(self, stream: Stream, items: list[Any]) -> int:
        """Sends items as one message, or as several if it cannot be one; returns its bytes."""
        if not items or stream.dead:
            return 0
        try:
            data = self._service.dialect.encode_items(items)
        except BaseException as error:
            self._tables.take_back()
            if len(items) == 1 or not isinstance(error, ProxyError):
                raise
            # Too much for one message; or one cannot cross, and those before it are to arrive.
            half = len(items) // 2
            return self.send(stream, items[:half]) + self.send(stream, items[half:])
        self._service.send(stream, data, items)
        return len(data)

    async def drained(self, stream: Stream) -> None:
        """Lets the loop turn, and waits until what was sent has left."""
        if stream.parked and not stream.dead:
            self._blocked[stream] = blocked = self._loop.create_future()
            try:
                await blocked
            finally:
                del self._blocked[stream]
        else:
            await asyncio.sleep(0)
        await self._writer.writable()

    def on_writable(self, stream: Stream) -> None:
        """Everything parked on a stream has left."""
        blocked = self._blocked.get(stream)
        if blocked is not None and not blocked.done():
            blocked.set_result(None)


class _Outlet:
    """What one iteration sends through, and the loop in its place while it waits for an item.

    Args:
        pump: Sends the messages.
        stream: Where they go.
        take: Gives the items that there are.
        size: How many items the other side takes at a time.

    Attributes:
        pace: How many items are to be in a message.
        error: Why items could not be sent by the loop, which has ended the iteration then.
    """

    def __init__(
        self, pump: Pump, stream: Stream, take: Callable[[], list[Any]], size: int
    ) -> None:
        self._pump = pump
        self._stream = stream
        self._take = take
        self.pace = Pace(size)
        self.error: ProxyError | None = None

    def send(self) -> None:
        """Sends what there is."""
        items = self._take()
        self.pace.note(len(items), self._pump.send(self._stream, items))

    def send_or_stop(self) -> None:
        """As `send`, for the loop: there is nobody to raise an error to but the iteration."""
        try:
            self.send()
        except ProxyError as error:
            self.error = error
            self._pump.cancel(self._stream)


async def _close(source: Any) -> None:
    """Closes a generator that the chain itself made."""
    aclose = getattr(type(source), "aclose", None)
    if aclose is not None:
        await aclose(source)
        return
    close = getattr(type(source), "close", None)
    if close is not None and hasattr(type(source), "send"):
        close(source)
