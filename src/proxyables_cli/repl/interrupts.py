"""Ctrl-C while a cell runs.

The signal's handler runs in the main thread, between two bytecodes of whatever runs there:

* the cell's own synchronous code: it gets a KeyboardInterrupt, as in any Python program;
* anything else, mostly the loop that waits: the cell's task is cancelled, and with it the call
  over there. Should the loop not come to that, because other synchronous code holds it, the next
  Ctrl-C interrupts that code.

A cell that survives being cancelled twice is left running in the background.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PATIENCE = 3
"""The Ctrl-C at which a cell that does not end is abandoned."""


@contextmanager
def interruptible(
    task: asyncio.Task[Any], abandoned: asyncio.Future[None]
) -> Iterator[None]:
    """Has Ctrl-C act on `task` inside the block; elsewhere than in the main thread, nothing.

    Args:
        task: The cell's task.
        abandoned: Gets its result when the user has lost patience.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = task.get_loop()
    pressed, delivered = 0, 0

    def cancel(times: int) -> None:
        nonlocal delivered
        delivered = times
        task.cancel()
        if times >= PATIENCE and not abandoned.done():
            abandoned.set_result(None)

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if delivered < pressed - 1 or _current_task(loop) is task:
            delivered_now(pressed)
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(cancel, pressed)

    def delivered_now(times: int) -> None:
        nonlocal delivered
        delivered = times

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _current_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None  # no task runs: the loop is between callbacks


__all__ = ["PATIENCE", "interruptible"]
