"""Cancelling a task without losing what it has to do at its end."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any


def cancel_begun(task: asyncio.Task[Any]) -> None:
    """Cancels a task, but not before its first step: it would then never run any of its code.

    Python 3.12 and later begin our tasks at once. Before that, the first step is taken in the
    loop's next turn, and what asks for the end may come before that turn.
    """
    work = task.get_coro()
    assert work is not None
    if inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
        task.get_loop().call_soon(task.cancel)  # behind the first step, which waits there already
    else:
        task.cancel()
