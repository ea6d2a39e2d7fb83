"""Where a thread stops until a test lets it go on."""

from __future__ import annotations

import asyncio
import threading


class Gate:
    """Where a method stops in its thread, and what tells the loop that it does."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self.opened = threading.Event()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.reached.set)
        assert self.opened.wait(20)
