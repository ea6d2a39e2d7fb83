"""What ends a server from outside."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal has come while there was nothing yet that could end in order."""


class StopSignals:
    """SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once.

    The handlers are Python's and not the loop's, because the exported object may be the very
    thing that keeps the loop from turning: a handler of the loop would then never run, and the
    second signal could not end anything. They stay until the process ends.

    Args:
        loop: The server's loop.
        on_end: Called before the second signal ends the process.
        heeds_interrupt: Whether SIGINT counts. A terminal sends it to a supervisor and to its
            children alike, and there the supervisor alone decides.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_end: Callable[[], None] | None = None,
        heeds_interrupt: bool = True,
    ) -> None:
        self._loop = loop
        self._on_end = on_end
        self._asked = asyncio.Event()
        self._count = 0
        self._ends_at_once = False
        self._on_hang_up: Callable[[], None] | None = None
        signal.signal(signal.SIGTERM, self._on_signal)
        # Not SIG_IGN, which the children of the exported program would inherit.
        signal.signal(signal.SIGINT, self._on_signal if heeds_interrupt else _disregard)

    def heed_hang_up(self, reopen: Callable[[], None] | None) -> None:
        """Has SIGHUP call `reopen`, in the loop's thread.

        Without a log to open again, the signal means what it says where there is a terminal: that
        it has gone, so a clean stop is asked for. A daemon has none, and goes on.
        """
        if reopen is None and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            return  # as nohup wants it, for the children of the exported program too
        has_terminal = any(map(os.isatty, range(3)))
        self._on_hang_up = self.ask if reopen is None and has_terminal else reopen
        signal.signal(signal.SIGHUP, self._on_hang_up_signal)

    def end_at_hang_up(self) -> None:
        """Has SIGHUP ask for a clean stop, however often it comes, unless it is ignored (nohup)."""
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._on_hang_up = self.ask
            signal.signal(signal.SIGHUP, self._on_hang_up_signal)

    def _on_hang_up_signal(self, number: int, frame: FrameType | None) -> None:
        if self._on_hang_up is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_hang_up)

    @contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Has the first signal raise `Stopped` in the block, whatever is done in there."""
        self._ends_at_once = True
        try:
            yield
        finally:
            self._ends_at_once = False

    async def wait(self) -> None:
        """Waits until a clean stop is asked for."""
        await self._asked.wait()

    def ask(self) -> None:
        """Asks for a clean stop, as the first signal does; in the loop's thread."""
        self._asked.set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1 or self._loop.is_closed():
            if self._on_end is not None:
                self._on_end()
            os._exit(128 + number)
        if self._ends_at_once:
            raise Stopped
        self._loop.call_soon_threadsafe(self._asked.set)


def _disregard(number: int, frame: FrameType | None) -> None:
    pass


async def first(*work: Coroutine[Any, Any, Any]) -> Any:
    """Waits until one of the coroutines ends, cancels the others, and returns what it gave."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task.result() for task in tasks if task in done)


__all__ = ["StopSignals", "Stopped", "first"]
