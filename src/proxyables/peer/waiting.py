"""The way into a connection for threads: they hand their wish to the loop, and wait.

A call costs the loop no future and no task: the `Waiter` that a thread sleeps on is itself the
owner of the call's stream. The thread sleeps on a lock that is released when the answer is there.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from proxyables.errors import ConnectionClosed, ConnectionLost
from proxyables.objects.imports import Reference
from proxyables.proxies.blocking import BlockingProxy, blocking
from proxyables.proxies.containers import with_proxies
from proxyables.proxies.cursor import ProxyCursor, RemoteValue
from proxyables.wire.instructions import Step
from proxyables.yamux import Stream

from .calls import NoStream
from .forks import forked
from .items import Items
from .jobs import Job, current_job

if TYPE_CHECKING:
    from .calls import Calls
    from .peer import Peer
    from .tables import Tables

_get_ident = threading.get_ident
_LOOK_SECONDS = 2.0
"""How often a waiting thread looks whether there still is a loop that could wake it."""
_SIMPLE = frozenset({type(None), bool, int, float, str, bytes})
_NO_METHODS: frozenset[str] = frozenset()


class Waiter:
    """A thread that waits; to the connection it looks like a future. Changed on the loop only.

    Attributes:
        target: What is waited for, once that has begun: the stream of a call, or a task.
        handed: How many cursors the connection had handed out when it began.
    """

    __slots__ = ("_desk", "_error", "_is_done", "_lock", "_value", "handed", "target")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._lock.acquire()
        self._value: Any = None
        self._error: BaseException | None = None
        self._is_done = False
        self.target: Stream | asyncio.Task[Any] | None = None
        self.handed = -1

    def done(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._is_done

    def set_result(self, value: Any) -> None:
        """Wakes the thread with a value."""
        if not self._is_done:
            self._value = value
            self._is_done = True
            self._lock.release()

    def set_exception(self, error: BaseException) -> None:
        """Wakes the thread with an error."""
        self._error = error
        self.set_result(None)

    def take(self, task: asyncio.Task[Any]) -> None:
        """Wakes the thread with the outcome of a task."""
        if task.cancelled():
            self.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())

    def interrupt(self) -> None:
        """Has the wait end with `CancelledError`. Safe in any thread."""
        self._desk.give_up(self)

    def sleep(self, seconds: float) -> bool:
        """Waits in the thread; False if nothing has come within `seconds`."""
        return self._lock.acquire(timeout=seconds)

    def outcome(self) -> Any:
        """Returns the value, or raises the error, in the thread."""
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame


class Desk:
    """Where threads ask for what the connection does; see `proxies.blocking.Desk`.

    Args:
        peer: The connection.
        calls: Its asking half.
        tables: Its references.

    Attributes:
        is_strict: Whether calls on the loop's own thread are errors like everything else there.
        is_deserted: Whether the process is ending: the threads that still wait are daemons.
    """

    def __init__(self, peer: Peer, calls: Calls, tables: Tables) -> None:
        self.peer = peer
        self._calls = calls
        self._tables = tables
        self._loop = peer.loop
        self._post = peer.loop.call_soon_threadsafe
        self._thread = peer.thread
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._proxies: weakref.WeakValueDictionary[Reference, BlockingProxy] = (
            weakref.WeakValueDictionary()
        )
        self._methods: dict[int, tuple[object, frozenset[str]]] = {}
        self.root = BlockingProxy(self, None, [])
        self.is_strict = False
        self.is_deserted = False

    # -- for blocking proxies ---------------------------------------------------------------------

    @property
    def is_classic(self) -> bool:
        """Whether the other side has no references to containers, and no descriptions."""
        return self.peer.is_classic

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self.peer.closed

    def request(self, reference: Reference | None, steps: list[Step]) -> RemoteValue:
        """Runs a chain over there and returns its value; the calling thread waits.

        If the wait is interrupted (Ctrl-C), the remote call is cancelled; it may or may not have
        run. Raises as `Calls.request` does, and RuntimeError on the loop's own thread.
        """
        waiter = Waiter(self)
        value = self._wait(waiter, self._begin, reference, steps)
        if type(value) in _SIMPLE:
            return value
        if type(value) is ProxyCursor:
            return blocking(value)
        if waiter.handed != self._tables.handed:  # else there is no cursor in it
            return with_proxies(value, self._tables.registry.holds)
        return value

    def call(self, reference: Reference | None, steps: list[Step]) -> RemoteValue:
        """As `request`, for a chain that ends with a call; on the loop's own thread, its cursor.

        An object whose synchronous method was given a callback often calls it from an
        asynchronous one, where callbacks are awaited.
        """
        if _get_ident() == self._thread and not self.is_strict:
            return ProxyCursor(self.peer, reference, steps)
        return self.request(reference, steps)

    def iterate(
        self, reference: Reference | None, steps: list[Step], keep: object
    ) -> Iterator[RemoteValue]:
        """Yields what a chain that ends with STREAM gives; dropping the iterator stops it."""
        items = Items(self._calls, reference, steps, keep)
        try:
            while chunk := self.run(items.take):
                yield from with_proxies(chunk, self._tables.registry.holds)
        finally:
            items.leave()  # a traceback may keep it

    def run(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Awaits ``function(*args)`` on the loop; the calling thread waits."""
        return self._wait(Waiter(self), self._spawn, function, *args)

    def proxy(self, reference: Reference | None, steps: list[Step]) -> BlockingProxy:
        """Returns the blocking proxy on an object, always the same one while it lives."""
        if steps:
            return BlockingProxy(self, reference, steps)
        if reference is None:
            return self.root
        with self._lock:
            known = self._proxies.get(reference)
            if known is None:
                known = self._proxies[reference] = BlockingProxy(self, reference, [])
            return known

    def know_root(self, reference: Reference) -> None:
        """Has `root` stand for the object that it turned out to be, wherever that comes from."""
        with self._lock:
            self._proxies[reference] = self.root

    def methods_of(self, described: object) -> frozenset[str]:
        """Returns the names that are certainly methods, from the description of a type."""
        if not isinstance(described, dict):
            return _NO_METHODS
        known = self._methods.get(id(described))
        if known is None:
            told = described.get("methods")
            names = told if isinstance(told, list) else []
            methods = frozenset(name for name in names if isinstance(name, str))
            known = self._methods[id(described)] = (described, methods)
        return known[1]

    # -- waiting ----------------------------------------------------------------------------------

    def _wait(self, waiter: Waiter, begin: Callable[..., None], *args: Any) -> Any:
        # First of all: in a forked child no loop runs that could answer, and no lock is to be had.
        if os.getpid() != self._process:
            raise forked()
        if _get_ident() == self._thread:
            raise RuntimeError(
                "a blocking proxy would wait for ever on the thread of its own event loop: "
                "await a cursor there, or use another thread"
            )
        job = current_job()
        if job is not None:
            return self._wait_as_worker(job, waiter, begin, *args)
        try:
            self._sleep(waiter, begin, *args)
            return waiter.outcome()
        except ConnectionClosed:
            if self.is_deserted and threading.current_thread().daemon:
                threading.Event().wait()  # it ends with the process, and in silence
            raise

    def _wait_as_worker(
        self, job: Job, waiter: Waiter, begin: Callable[..., None], *args: Any
    ) -> Any:
        """Lets others run while a worker waits; and ends the wait when its call is cancelled."""
        job.waiter = waiter
        try:
            if job.is_cancelled:
                raise asyncio.CancelledError
            job.workers.leave()
            try:
                self._sleep(waiter, begin, *args)
            finally:
                job.workers.come_back()
            return waiter.outcome()
        except asyncio.CancelledError:
            job.is_cancelled = False  # said once
            raise
        finally:
            job.waiter = None

    def _sleep(self, waiter: Waiter, begin: Callable[..., None], *args: Any) -> None:
        """Hands the wish over, and sleeps until its outcome is there."""
        try:
            try:
                self._post(begin, waiter, *args)
            except RuntimeError as error:
                told = "the connection's event loop is closed"
                raise ConnectionClosed(told, cause=error) from error
            while not waiter.sleep(_LOOK_SECONDS):
                if self._loop.is_closed():
                    raise ConnectionLost("the connection's event loop ended", maybe_executed=True)
        except BaseException:  # Ctrl-C, too
            self.give_up(waiter)
            raise

    def give_up(self, waiter: Waiter) -> None:
        """Has what is waited for cancelled. Safe in any thread."""
        try:
            self._post(self._give_up, waiter)
        except RuntimeError:
            pass  # the loop is closed: nothing is going on any more

    # -- on the loop ------------------------------------------------------------------------------

    def _begin(self, waiter: Waiter, reference: Reference | None, steps: list[Step]) -> None:
        waiter.handed = self._tables.handed
        if waiter.done():  # given up before it began
            return
        if not self._calls.is_ready or self._calls.queue:
            self._spawn(waiter, self._request_later, reference, steps)
            return
        try:
            waiter.target = self._calls.start(waiter, reference, steps)
        except NoStream:
            self._spawn(waiter, self._request_later, reference, steps)
        except BaseException as error:  # the thread must not wait for ever
            waiter.set_exception(error)

    async def _request_later(self, reference: Reference | None, steps: list[Step]) -> Any:
        await self._calls.until_ready()
        return await ProxyCursor(self.peer, reference, steps)

    def _spawn(self, waiter: Waiter, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        if waiter.done():
            return
        waiter.target = task = self._loop.create_task(_awaited(function, *args))
        task.add_done_callback(waiter.take)

    def _give_up(self, waiter: Waiter) -> None:
        if waiter.done():
            return
        target = waiter.target
        if isinstance(target, Stream):
            if target.owner is waiter:
                self._calls.cancel(target)
        elif target is not None:
            target.cancel()
        waiter.set_exception(asyncio.CancelledError())

    def clear(self) -> None:
        """Forgets everything: the connection has ended."""
        self._methods.clear()


async def _awaited(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    return await function(*args)


__all__ = ["Desk", "Waiter"]
