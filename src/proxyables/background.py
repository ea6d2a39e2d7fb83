"""The event loop of code that has none: one thread for all connections of a process."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from proxyables.errors import ConnectionClosed
from proxyables.net.server import Server
from proxyables.peer.jobs import current_job
from proxyables.peer.peer import Peer

T = TypeVar("T")

_EXIT_SECONDS = 0.5


class Background:
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
        self.ends: weakref.WeakSet[Peer | Server] = weakref.WeakSet()
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
        if loop.is_closed():
            raise RuntimeError("the process is ending: its background loop has ended already")
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
        if self._is_stopping and threading.current_thread().daemon:
            threading.Event().wait()

    def close(self, end: Peer | Server) -> None:
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
                try:
                    self._thread.start()
                except RuntimeError:  # the system has no more; it may have some later
                    self._loop = self._thread = None
                    loop.close()
                    raise
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
        self.ends.clear()  # so that closing one of them, in what runs later at exit, is no error

    async def _cut_off(self) -> None:
        ends = list(self.ends)
        for end in ends:
            for peer in _peers_of(end):
                peer.desk.is_deserted = True
            end.close()
            _abort(end)
        for end in ends:
            await end.wait_closed()


def _peers_of(end: Peer | Server) -> list[Peer]:
    return [end] if isinstance(end, Peer) else end.peers


def _abort(end: Peer | Server) -> None:
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


__all__ = ["Background"]
