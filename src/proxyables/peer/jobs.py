"""A call that a worker thread makes for a task: awaited there, and given up there."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .workers import Workers

log = logging.getLogger("proxyables")


class Interruptible(Protocol):
    """What a worker waits for."""

    def interrupt(self) -> None:
        """Has the wait end with `CancelledError`. Safe in any thread."""


class Stopped(Exception):
    """Carries the StopIteration of a job: a coroutine that raises one would be a bug to Python."""

    def __init__(self, error: StopIteration) -> None:
        super().__init__()
        self.error = error


class Job:
    """One call that a worker makes. Awaiting it, which happens once, puts it in the queue.

    If the awaiting task is cancelled, a job that has not begun never will. One that runs is not
    stopped, as no thread can be; if it waits for the other side, then or later, that wait ends
    with `CancelledError`, once; and whatever it gives is dropped.

    Args:
        workers: Who makes it.
        function: What is called; in the context of the task that awaits.

    Attributes:
        must_run: Whether closing the workers leaves it in the queue.
        thread: Which thread makes the call, as `threading.get_ident` tells it; 0 before.
        is_cancelled: Whether the next wait of the job is to raise `CancelledError`.
        waiter: What the job waits for, while it does.
    """

    __slots__ = (
        "_args",
        "_context",
        "_error",
        "_function",
        "_future",
        "_value",
        "is_cancelled",
        "must_run",
        "thread",
        "waiter",
        "workers",
    )

    def __init__(self, workers: Workers, function: Callable[..., Any], *args: Any) -> None:
        self.workers = workers
        self._function: Callable[..., Any] | None = function
        self._args = args
        self._context: contextvars.Context | None = None
        self._future: asyncio.Future[None] | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self.must_run = False
        self.thread = 0
        self.is_cancelled = False
        self.waiter: Interruptible | None = None

    def __await__(self) -> Generator[Any, None, Any]:
        self._context = contextvars.copy_context()
        self._future = asyncio.get_running_loop().create_future()
        self.workers.submit(self)
        try:
            yield from self._future
        except BaseException:
            self.cancel()
            raise
        value, error = self._value, self._error
        self._value = self._error = None
        if error is None:
            return value
        try:
            if isinstance(error, StopIteration):
                raise Stopped(error)
            raise error
        finally:
            del error  # its traceback holds this frame

    def cancel(self) -> None:
        """Takes the job out of the queue, or ends what it waits for."""
        if not self.workers.withdraw(self):
            self.workers.abandon(self)
            # In this order: whoever begins to wait sets `waiter` first and then looks at the flag.
            self.is_cancelled = True
            waiter = self.waiter
            if waiter is not None:
                waiter.interrupt()

    @property
    def is_over(self) -> bool:
        """Whether the call has been made, and its thread does something else."""
        return self._function is None

    def run(self) -> None:
        """Makes the call; for workers only."""
        assert self._function is not None
        _here.job = self
        self.thread = threading.get_ident()
        context = contextvars.Context() if self._context is None else self._context
        try:
            self._value = context.run(self._function, *self._args)
        except BaseException as error:  # the seam to exported code
            self._error = error
        finally:
            _here.job = None
            self._function = self._context = None
            self._args = ()

    def refuse(self, error: Exception) -> None:
        """Ends a job that no worker can be found for."""
        self._function = self._context = None
        self._args = ()
        self._error = error
        self.deliver()

    def deliver(self) -> None:
        """Tells the task that awaits. Safe in any thread."""
        if self._future is None:
            if self._error is not None:
                log.error("a job that nobody waits for failed", exc_info=self._error)
            self._error = None
            return
        try:
            self._future.get_loop().call_soon_threadsafe(self._resolve)
        except RuntimeError:
            self._value = self._error = None  # the loop is closed: nobody waits any more

    def _resolve(self) -> None:
        assert self._future is not None
        if self._future.done():  # cancelled
            self._value = self._error = None
        else:
            self._future.set_result(None)


class _Here(threading.local):
    """What the current thread is doing."""

    job: Job | None = None


_here = _Here()


def current_job() -> Job | None:
    """Returns the job that this thread runs; None in threads that are no workers."""
    return _here.job


__all__ = ["Interruptible", "Job", "Stopped", "current_job"]
