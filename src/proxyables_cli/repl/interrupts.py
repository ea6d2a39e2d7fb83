"""Ctrl-C while a cell runs.

The signal's handler runs in the main thread, between two bytecodes of whatever runs there:

* the cell's own synchronous code: it gets a KeyboardInterrupt, as in any Python program;
* anything else, mostly the loop that waits: the cell's task is cancelled, and with it the call
  over there. Should the loop not come to that, because other synchronous code holds it, the next
  Ctrl-C interrupts that code.

Only code of the user's is interrupted like that. In the middle of drawing, or of a message from the
other side, an exception would leave behind what nobody can use any more; they end by themselves.

A cell that survives being cancelled twice is left running in the background.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PATIENCE = 3
"""The Ctrl-C at which a cell that does not end is abandoned."""
_RUNNER = "proxyables_cli.repl.start"
"""Drives the loop; whatever called it has nothing to do with what runs there."""
_OURS = frozenset({"proxyables", "proxyables_cli", "msgpack", "uvloop"})

_Handler = Callable[[int, FrameType | None], None]
_handlers: list[_Handler] = []
"""What takes Ctrl-C, the innermost block's last; the signal is the process's, and so is this."""


@contextmanager
def interruptible(task: asyncio.Task[Any], abandoned: asyncio.Future[None]) -> Iterator[None]:
    """Has Ctrl-C act on `task` inside the block; elsewhere than in the main thread, nothing.

    Args:
        task: The cell's task.
        abandoned: Gets its result when the user has lost patience.
    """
    target = _Target(task, abandoned)
    with _handling(target.on_signal):
        yield


@contextmanager
def listening(on_interrupt: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Has Ctrl-C call a function, on the loop, inside the block, where no cell runs.

    Should the loop not come to it, because a callback or a job holds it with synchronous code, the
    next Ctrl-C interrupts that code.

    Yields:
        What has a Ctrl-C that was pressed take effect at once, for whoever is about to read what
        was typed behind it.
    """
    loop = asyncio.get_running_loop()
    waiting = False

    def deliver() -> None:
        nonlocal waiting
        if waiting:
            waiting = False
            on_interrupt()

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number
        nonlocal waiting
        if not waiting:
            waiting = True
            loop.call_soon_threadsafe(deliver)
        elif _is_in_users_code(frame):
            waiting = False
            raise KeyboardInterrupt

    with _handling(on_signal):
        yield deliver


class _Target:
    """What a cell's Ctrl-C acts on, and how often it was pressed."""

    def __init__(self, task: asyncio.Task[Any], abandoned: asyncio.Future[None]) -> None:
        self._task = task
        self._loop = task.get_loop()
        self._abandoned = abandoned
        self._pressed = 0
        self._delivered = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        del number
        stuck = self._delivered < self._pressed and _is_in_users_code(frame)
        runs = asyncio.current_task(self._loop) is self._task
        # A cell that was cancelled unwinds by itself, but for what it does about that.
        unwinds = self._pressed > 0 and is_ours(frame)
        self._pressed += 1
        if stuck or (runs and not unwinds):
            self._delivered = self._pressed
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self._delivered = self._pressed
        self._task.cancel()
        if self._pressed >= PATIENCE and not self._abandoned.done():
            self._abandoned.set_result(None)


def _is_in_users_code(frame: FrameType | None) -> bool:
    """Whether what runs in the loop is the user's: what others come to through that is as well."""
    outermost = ""
    for package in _packages(frame):
        if package not in _OURS:
            outermost = package
    return outermost not in ("", "prompt_toolkit")


def is_ours(frame: FrameType | None) -> bool:
    """Whether what runs was called by this program, not by the user's code."""
    return next(_packages(frame), "") in ("", *_OURS)


def _packages(frame: FrameType | None) -> Iterator[str]:
    """The packages of what runs in the loop, innermost first, without those of Python."""
    while frame is not None and frame.f_globals.get("__name__") != _RUNNER:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in sys.stdlib_module_names:
            yield package
        frame = frame.f_back


@contextmanager
def _handling(handler: _Handler) -> Iterator[None]:
    """Has a handler act inside the block, and what acted before act again behind it.

    The outermost block takes the signal for all: with each change of what the process does with it,
    Python's default, which ends a session, would be back for a moment.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.nullcontext() if _handlers else _given_back():
        _take()
        _handlers.append(handler)
        try:
            yield
        finally:
            _handlers.remove(handler)


def _take() -> None:
    if signal.getsignal(signal.SIGINT) is _on_signal:  # no cell has changed that
        return
    # For its side effect: the signal wakes the loop. Without, one that comes just before the loop
    # begins to wait is only seen when something else ends the wait.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _discard, None)
    signal.signal(signal.SIGINT, _on_signal)


@contextmanager
def _given_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _handlers:
        _handlers[-1](number, frame)
    else:  # the outermost block begins or ends
        signal.default_int_handler(number, frame)


def _discard(_: object) -> None:
    """Makes a statement's value None."""


__all__ = ["PATIENCE", "interruptible", "is_ours", "listening"]
