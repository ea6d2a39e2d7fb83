"""The end of a session, which nothing that was left running can put off for ever.

Jobs and tasks are cancelled, and have some seconds for what they do about that. One that goes on
ends with the process. Should it not even let go of the loop, as code does that asks a connection
again and again that is closed by now, a thread sees to that.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from typing import Any

from proxyables_cli.exits import Code, talk
from proxyables_cli.stdout import flush

NOTICE = 1.0
"""Seconds after which it is said what is waited for."""
PATIENCE = 3.0
"""Seconds that jobs may take to end, and that code may hold the loop."""


class Leaving:
    """Ends the process when a session does not end by itself.

    Attributes:
        code: What the process ends with then: that of a failure until it is known how the session
            has ended.
    """

    def __init__(self) -> None:
        self.code: int = Code.RAISED
        self._ended = threading.Event()

    def begin(self) -> None:
        """The session ends from now on, on the loop that runs."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._expect_turns, args=[loop], daemon=True).start()

    def end(self) -> None:
        """It has ended."""
        self._ended.set()

    async def tasks_ended(self) -> bool:
        """Cancels what still runs in the loop; tells whether that has ended it."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        return not await cancelled(left, NOTICE)

    def give_up(self) -> None:
        """Ends the process at once."""
        talk("what was cancelled goes on: it ends with the session", name="")
        try:
            flush()
        finally:
            os._exit(self.code)

    def _expect_turns(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives up when the loop makes no turn for too long."""
        while not self._ended.is_set():
            turned = threading.Event()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # it is closed
                return
            if not turned.wait(PATIENCE) and not self._ended.is_set():
                self.give_up()
            self._ended.wait(NOTICE)


async def cancelled(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> set[asyncio.Task[Any]]:
    """Cancels tasks; gives those that have not ended some seconds later."""
    waiting = set(tasks)
    for task in waiting:
        task.cancel()
    if not waiting:
        return waiting
    _, going_on = await asyncio.wait(waiting, timeout=seconds)
    return going_on


__all__ = ["NOTICE", "PATIENCE", "Leaving", "cancelled"]
