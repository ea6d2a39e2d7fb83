"""Worker threads for synchronous methods: only so many run at once, in the order of their jobs.

How it works: whoever runs holds a *place*. A worker that waits for the other side gives its place
away and asks for one again when the answer is there, so nested callbacks never deadlock, however
few places there are: only threads grow with the depth of the recursion. A place that gets free
goes first to workers that come back, then to the oldest job.

A thread that has no job waits for one on a lock of its own, and ends after a few seconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits

from .jobs import Job

_IDLE_SECONDS = 5.0
_JOIN_SECONDS = 1.0


class _Seat:
    """A thread, as those see it that have work for it."""

    __slots__ = ("job", "thread", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.thread: threading.Thread | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Workers:
    """The worker threads of one server, or of one peer.

    Making one costs next to nothing: the first job starts the first thread. The threads are
    daemons, so a method that never returns does not keep the process alive.

    Args:
        limit: Workers that may run at once.
        most: Threads there may be, those included that wait for the other side.
        idle: Seconds after which a thread without a job ends.

    Attributes:
        on_abandoned: Called in the task that gives up a job that runs; returns what is known of
            it, or None. See `abandoned`.
    """

    def __init__(self, limit: int, *, most: int = 16_384, idle: float = _IDLE_SECONDS) -> None:
        self._limit = min(limit, most)
        self._most = most
        self._idle_seconds = idle
        self._lock = threading.Lock()
        self._running = 0  # places that are taken
        self._threads = 0
        self._queue: OrderedDict[Job, None] = OrderedDict()
        self._returning: deque[threading.Lock] = deque()
        self._idle: list[_Seat] = []
        self._abandoned: dict[Job, Any] = {}
        self.on_abandoned: Callable[[], Any] | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        counts = f"{self._running} of {self._limit} running, {len(self._queue)} queued"
        return f"<proxyables.Workers {counts}, {self._threads} threads>"

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return self._threads

    def counts(self) -> dict[str, int]:
        """Returns how many places there are and are taken, and how many jobs and threads."""
        return {
            "limit": self._limit,
            "running": self._running,
            "queued": len(self._queue),
            "alive": self._threads,
        }

    def submit(self, job: Job) -> None:
        """Puts a job at the end of the queue; raises RuntimeError if the workers are closed."""
        with self._lock:
            if self._is_closed and not job.must_run:
                raise RuntimeError("the workers are closed")
            self._queue[job] = None
            refused = self._hand_out()
        _refuse(refused)

    def start(self, function: Callable[..., Any], *args: Any) -> None:
        """Has a function run that nobody waits for, even if the workers are closed meanwhile."""
        job = Job(self, function, *args)
        job.must_run = True
        self.submit(job)

    def withdraw(self, job: Job) -> bool:
        """Takes a job out of the queue; False if it is not there: it runs, or has run."""
        with self._lock:
            if job not in self._queue:
                return False
            del self._queue[job]
            return True

    def abandon(self, job: Job) -> None:
        """Notes that a job which may run is awaited by nobody any more."""
        told = None if self.on_abandoned is None else self.on_abandoned()
        if told is None:
            return
        with self._lock:
            if not job.is_over:
                self._abandoned[job] = told

    def abandoned(self) -> list[tuple[Job, Any]]:
        """Returns the jobs that run though nobody awaits them, with what `on_abandoned` told."""
        with self._lock:
            return list(self._abandoned.items())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Gives the calling worker's place away while the block runs; see `leave`."""
        self.leave()
        try:
            yield
        finally:
            self.come_back()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """As `away`, for what ends the block by itself, and has next to nothing to do after it.

        It goes on without waiting for a place: those that have one may wait for what it has got.
        """
        self.leave()
        try:
            yield
        finally:
            with self._lock:
                self._running += 1

    def leave(self) -> None:
        """Gives the calling worker's place to others; `come_back` must follow."""
        with self._lock:
            self._running -= 1
            refused = self._hand_out()
        _refuse(refused)

    def come_back(self) -> None:
        """Waits for a place."""
        with self._lock:
            if self._running < self._limit and not self._returning:
                self._running += 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._returning.append(gate)
        gate.acquire()

    def close(self) -> None:
        """Drops what is queued and ends every thread that has nothing to do.

        The others, which run exported code, end when that returns. Safe to call twice.
        """
        with self._lock:
            self._is_closed = True
            for job in [job for job in self._queue if not job.must_run]:
                del self._queue[job]
            seats, self._idle = self._idle, []
            self._threads -= len(seats)
        for seat in seats:
            seat.wake.release()
        for seat in seats:
            if seat.thread is not None and seat.thread is not threading.current_thread():
                seat.thread.join(_JOIN_SECONDS)

    def disown(self) -> None:
        """Forgets everything, in a forked child: the threads are the parent's, and so is the lock,
        which one of them may have held."""
        self._lock = threading.Lock()
        self._is_closed = True
        self._queue = OrderedDict()
        self._returning = deque()
        self._idle = []
        self._abandoned = {}
        self._running = self._threads = 0

    # -- with the lock held -----------------------------------------------------------------------

    def _hand_out(self) -> list[tuple[Job, LimitExceeded]]:
        """Gives the free places away; returns the jobs that no thread can be had for."""
        refused: list[tuple[Job, LimitExceeded]] = []
        while self._running < self._limit:
            if self._returning:
                self._running += 1
                self._returning.popleft().release()
            elif self._queue:
                job, _ = self._queue.popitem(last=False)
                try:
                    seat = self._idle.pop() if self._idle else self._new_seat()
                except LimitExceeded as error:
                    refused.append((job, error))
                    continue
                seat.job = job
                self._running += 1
                seat.wake.release()
            else:
                break
        return refused

    def _new_seat(self) -> _Seat:
        """Starts a thread. With a place free and nobody idle, all others wait for answers."""
        told = "worker threads that wait for the other side"
        if self._threads >= self._most:
            raise LimitExceeded("max_calls", self._most, self._threads + 1, told)
        seat = _Seat()
        seat.thread = threading.Thread(
            target=self._work, args=(seat,), name="proxyables-worker", daemon=True
        )
        try:
            seat.thread.start()
        except RuntimeError as error:  # the system has no more
            raise LimitExceeded("threads", self._threads, self._threads + 1, told) from error
        self._threads += 1
        return seat

    # -- in the threads ---------------------------------------------------------------------------

    def _work(self, seat: _Seat) -> None:
        while (job := self._next_job(seat)) is not None:
            job.run()
            with self._lock:
                # Before the outcome is told: whoever learns of it and closes finds us idle.
                self._running -= 1
                self._abandoned.pop(job, None)
                self._idle.append(seat)
                refused = self._hand_out()
                if self._is_closed and seat in self._idle:
                    self._idle.remove(seat)
                    self._threads -= 1
                    seat.wake.release()
            job.deliver()
            del job  # an idle thread must not keep its last arguments alive
            _refuse(refused)

    def _next_job(self, seat: _Seat) -> Job | None:
        """Waits for a job; None says that the thread is to end."""
        if not seat.wake.acquire(timeout=self._idle_seconds):
            with self._lock:
                if seat in self._idle:
                    self._idle.remove(seat)
                    self._threads -= 1
                    return None
            seat.wake.acquire()  # a job, or the end, came at the last moment
        job, seat.job = seat.job, None
        return job


def check_threads(threads: int) -> None:
    """Raises TypeError or ValueError for what is no number of threads."""
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise TypeError(f"threads takes a whole number, got {threads!r:.80}")
    if threads < 0:
        raise ValueError(f"threads takes 0 or a positive number, got {threads!r:.80}")


def make_workers(threads: int, limits: Limits) -> Workers:
    """Returns the workers for a ``threads=`` option, checked.

    With 0 threads, those for what is marked with ``expose(run="thread")``: one at a time.
    """
    check_threads(threads)
    return Workers(threads or 1, most=limits.max_calls)


def _refuse(jobs: list[tuple[Job, LimitExceeded]]) -> None:
    for job, error in jobs:
        job.refuse(error)


__all__ = ["Workers", "check_threads", "make_workers"]
