"""How long a cell may run, whatever it does with its time.

What waits is cancelled by the loop. Code that does not let go of the loop is ended by an alarm
between two bytecodes, as Ctrl-C ends it: in the cell's own task, and in code of the user's only.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from proxyables_cli.repl.interrupts import is_ours

_AGAIN = 0.02
"""Seconds until the alarm looks again, where the time was up in the midst of something of ours."""


class Deadline:
    """Limits the time of an `async with` block, the whole of what its task does.

    When the time is up, the block raises TimeoutError, or CancelledError where its own code was
    interrupted, and `has_struck` is true.

    Args:
        seconds: How long the block may take; None for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._clock = asyncio.timeout(None)
        self._task: asyncio.Task[object] | None = None
        self._is_up = False
        self._end: float | None = None

    async def __aenter__(self) -> Deadline:
        await self._clock.__aenter__()
        self._task = asyncio.current_task()
        self.allow(self._seconds)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end = None
        _set_alarm(self)
        await self._clock.__aexit__(kind, error, trace)

    def allow(self, seconds: float | None) -> None:
        """Has the rest of the block take so long at most."""
        if self.has_struck:
            return
        now = asyncio.get_running_loop().time()
        self._end = None if seconds is None else now + seconds
        self._clock.reschedule(self._end)
        _set_alarm(self)

    @property
    def has_struck(self) -> bool:
        return self._is_up or self._clock.expired()

    def seconds_left(self) -> float | None:
        """None if nothing is to be ended any more."""
        if self._end is None or self._task is None or self._is_up:
            return None
        return self._end - self._task.get_loop().time()

    def strike(self, frame: FrameType | None) -> None:
        """Raises CancelledError if it is this block's synchronous code that runs too long."""
        task, left = self._task, self.seconds_left()
        if task is None or left is None or left > 0:
            return
        if asyncio.current_task(task.get_loop()) is task and not is_ours(frame):
            self._is_up = True
            raise asyncio.CancelledError


_deadlines: set[Deadline] = set()
"""Those that an alarm is set for; it is the process's, and so are they."""
_before: list[Callable[[], object]] = []
"""Sets the alarm back that there was before the first."""


def _set_alarm(deadline: Deadline) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if deadline.seconds_left() is not None:
        _deadlines.add(deadline)
    elif deadline in _deadlines:
        _deadlines.remove(deadline)
    else:
        return
    if _deadlines:
        if not _before:
            _before.append(_putting_back())
        signal.signal(signal.SIGALRM, _on_alarm)
        ends = [left for each in _deadlines if (left := each.seconds_left()) is not None]
        signal.setitimer(signal.ITIMER_REAL, max(min(ends, default=0), _AGAIN), _AGAIN)
    else:
        _before.pop()()


def _putting_back() -> Callable[[], None]:
    handler, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    seconds, interval = signal.getitimer(signal.ITIMER_REAL)

    def put_back() -> None:
        if signal.getsignal(signal.SIGALRM) is not _on_alarm:
            return  # the cell has taken the alarm for its own
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if seconds:
            left = max(seconds - (time.monotonic() - started), _AGAIN)
            signal.setitimer(signal.ITIMER_REAL, left, interval)

    return put_back


def _on_alarm(number: int, frame: FrameType | None) -> None:
    del number
    for each in tuple(_deadlines):
        each.strike(frame)


__all__ = ["Deadline"]
