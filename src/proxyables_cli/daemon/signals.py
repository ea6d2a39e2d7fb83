"""The signals that end a server."""

from __future__ import annotations

import asyncio
import os
import signal
from types import FrameType


class StopSignals:
    """SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once.

    The handlers are Python's and not the loop's, because the exported object may be the very
    thing that keeps the loop from turning: a handler of the loop would then never run, and the
    second signal could not end anything. They stay until the process ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked = asyncio.Event()
        self._count = 0
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._on_signal)

    async def wait(self) -> None:
        """Waits for the first signal."""
        await self._asked.wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1 or self._loop.is_closed():
            os._exit(128 + number)
        self._loop.call_soon_threadsafe(self._asked.set)


__all__ = ["StopSignals"]
