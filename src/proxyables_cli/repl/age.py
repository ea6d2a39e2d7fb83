"""How long the cell that runs has been running, in a line below what it has printed.

The line is drawn by the loop, so synchronous code that holds the loop has none. It goes before
anything is written through `sys.stdout` or `sys.stderr`, and comes back in the next free line: it
stays away while a line is half written. Whatever else asks a stream for something, its descriptor
say, finds the line gone too. Nothing here changes how the terminal is set.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

PATIENCE = 1.0
"""Seconds after which a cell's age is shown: quick ones do not flicker."""
TICK = 0.2
"""Seconds between two drawings."""
_ERASE = "\r\x1b[K"


class Age:
    """Shows how long something runs.

    Args:
        columns: How wide the terminal is, asked anew each time.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows how long the block has been running, until it ends."""
        if not _is_terminal(sys.stdout):  # any more: a cell may put there what it likes
            yield
            return
        line = _Line(sys.stdout, self._columns)
        before = sys.stdout, sys.stderr
        stand_ins = [_Above(each, line) if _is_terminal(each) else each for each in before]
        sys.stdout, sys.stderr = stand_ins
        line.start()
        try:
            yield
        finally:
            line.end()
            # What the cell itself has put in their places stays there.
            if sys.stdout is stand_ins[0]:
                sys.stdout = before[0]
            if sys.stderr is stand_ins[1]:
                sys.stderr = before[1]


def aside() -> AbstractContextManager[None]:
    """Keeps the line away while something else uses the terminal."""
    return sys.stdout.away() if isinstance(sys.stdout, _Above) else nullcontext()


class _Line:
    """The line, and what is known about where the cursor is."""

    def __init__(self, stream: Any, columns: Callable[[], int]) -> None:
        self._stream = stream
        self._columns = columns
        self._started = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._is_drawn = False
        self._is_free = True  # an input has just been entered
        self.is_away = False

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._tick)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.erase()

    def erase(self) -> None:
        if self._is_drawn:
            self._stream.write(self.before(""))
            self._stream.flush()

    def before(self, text: str) -> str:
        """What is to be written for a text that comes now."""
        erasing = _ERASE if self._is_drawn else ""
        self._is_drawn = False
        if text:
            self._is_free = text.endswith("\n")
        return erasing + text

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        # Late, because something held the loop: perhaps all of the cell, which then is over.
        is_late = self._timer is not None and loop.time() - self._timer.when() > TICK
        self._timer = loop.call_later(TICK, self._tick)
        if is_late or self.is_away or not self._is_free or not _is_in_foreground(self._stream):
            return
        told = f"running {_seconds_text(time.monotonic() - self._started)}, Ctrl-C cancels "
        try:
            self._stream.write(f"{_ERASE}{told[: self._columns() - 1]}")
            self._stream.flush()
        except (OSError, ValueError):
            return  # the terminal is gone, which whoever writes next will say
        self._is_drawn = True


class _Above:
    """Stands for a stream to the terminal: what is written takes the place of the line."""

    def __init__(self, stream: Any, line: _Line) -> None:
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        self._stream.write(self._line.before(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @contextmanager
    def away(self) -> Iterator[None]:
        before, self._line.is_away = self._line.is_away, True
        self._line.erase()
        try:
            yield
        finally:
            self._line.is_away = before

    def __getattr__(self, name: str) -> Any:
        self._line.erase()
        return getattr(self._stream, name)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False  # none, something of the user's own, or closed


def _is_in_foreground(stream: Any) -> bool:
    """Whether the terminal is ours: a job that a shell let go on in its background is not seen."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:
        return True  # no terminal of the system's


def _seconds_text(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


__all__ = ["Age", "aside"]
