"""A transport over anything that can be read and written by awaiting.

Only sockets and pipes can be given to an event loop as they are. Everything else (a stream object
of the user's, an anyio stream, a file) is pumped: one task reads and feeds the protocol, another
writes what the protocol has queued and, being the last to work, ends the transport. Neither task
outlives ``connection_lost``, which is called exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from proxyables.frozen import frozen

READ_BYTES = 256 * 1024
HIGH_WATER_BYTES = 64 * 1024
LOW_WATER_BYTES = 16 * 1024
# Seconds that a stream gets to close, since a foreign close() may wait for a peer that never reads.
CLOSE_TIMEOUT = 5.0


@frozen
class Pipe:
    """What a pump needs to know of a stream.

    Attributes:
        receive: Gives some bytes, and nothing (``b""``) at the end.
        send: Returns when the stream has taken all of the bytes.
        close: Closes both directions; called once, with neither of the others running.
        extra: What ``get_extra_info`` answers.
    """

    receive: Callable[[], Awaitable[bytes]]
    send: Callable[[bytes | bytearray | memoryview], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    extra: Callable[[str], Any] = lambda _name: None


class PumpedTransport(asyncio.Transport):
    """The transport that a `Pipe` becomes.

    It behaves as asyncio's own do: writing never waits, the protocol is told to pause above
    the high-water mark, ``close`` sends what is queued first, ``abort`` does not.
    """

    def __init__(self, pipe: Pipe, protocol: asyncio.Protocol) -> None:
        """Calls ``protocol.connection_made``, and starts pumping. Needs a running loop.

        If that call raises, so does this one, and the stream is closed.
        """
        super().__init__()
        self._pipe = pipe
        self._protocol = protocol
        self._queue: list[bytes | bytearray | memoryview] = []
        self._queued_bytes = 0
        self._high_water = HIGH_WATER_BYTES
        self._low_water = LOW_WATER_BYTES
        self._is_write_paused = False
        self._is_running = False  # the writer task has come to its first step
        self._is_closing = False
        self._is_aborted = False
        self._error: BaseException | None = None
        self._work = asyncio.Event()  # set: there is something to write, or to end
        self._resumed = asyncio.Event()  # set: the protocol wants to be fed
        self._resumed.set()
        try:
            protocol.connection_made(self)
        except BaseException:
            self.abort()
            raise
        finally:
            # Afterwards: with eager tasks (Python 3.12) the first bytes may arrive in here.
            loop = asyncio.get_running_loop()
            self._reader = loop.create_task(self._read())
            self._reader.add_done_callback(self._on_reader_done)
            self._writer = loop.create_task(self._run())
            self._writer.add_done_callback(self._on_writer_done)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        self._queue.append(data)
        self._queued_bytes += memoryview(data).nbytes
        self._work.set()
        if self._queued_bytes > self._high_water and not self._is_write_paused:
            self._is_write_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self._is_closing = True
        self._work.set()

    def abort(self) -> None:
        if self._is_aborted:
            return
        self._is_closing = self._is_aborted = True
        self._queue.clear()
        # It may be waiting for a stream that takes nothing. Before its first step, though, a
        # cancelled task would not even come to its "finally", and the stream would stay open.
        if self._is_running:
            self._writer.cancel()

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._resumed.clear()

    def resume_reading(self) -> None:
        self._resumed.set()

    def is_reading(self) -> bool:
        return self._resumed.is_set() and not self._is_closing

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._queued_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high_water, self._low_water = high, low

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = self._pipe.extra(name)
        return default if found is None else found

    async def _read(self) -> None:
        while True:
            data = await self._pipe.receive()
            await self._resumed.wait()
            if self._is_closing:
                return
            if not data:
                break
            self._protocol.data_received(data)
        if not self._protocol.eof_received():
            self.close()

    def _on_reader_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            error = None
        else:
            error = task.exception()
            if error is None:
                return
        # After the end has begun an error tells nothing: the stream was being closed. Before it,
        # even a cancellation, which was not ours then, means that nothing will come any more.
        if not self._is_closing:
            self._error = error
            self.abort()

    async def _run(self) -> None:
        self._is_running = True
        try:
            if not self._is_aborted:
                await self._write()
        except BaseException as error:
            if not self._is_aborted and not isinstance(error, asyncio.CancelledError):
                self._error = error
            raise
        finally:
            self._is_closing = True
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=CLOSE_TIMEOUT)
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pipe.close()

    async def _write(self) -> None:
        while True:
            while self._queue:
                taken, self._queue = self._queue, []
                data = taken[0] if len(taken) == 1 else b"".join(taken)
                size = memoryview(data).nbytes
                await self._pipe.send(data)
                self._queued_bytes -= size
                if self._is_write_paused and self._queued_bytes <= self._low_water:
                    self._is_write_paused = False
                    self._protocol.resume_writing()
            if self._is_closing:
                return
            self._work.clear()
            await self._work.wait()

    def _on_writer_done(self, task: asyncio.Task[None]) -> None:
        # Repeated here for a loop that ends, and cancels the task, before its first step.
        self._is_closing = True
        self._reader.cancel()
        self._queue.clear()
        self._queued_bytes = 0
        if not task.cancelled():
            task.exception()  # noted by the task itself, or an error of close(), which is no news
        self._protocol.connection_lost(self._error)  # type: ignore[arg-type]


__all__ = ["CLOSE_TIMEOUT", "HIGH_WATER_BYTES", "LOW_WATER_BYTES", "Pipe", "PumpedTransport"]
