"""``--workers``: several processes that share the listeners, each with an object of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from proxyables_cli.daemon.children import Children, ServingProcess
from proxyables_cli.daemon.signals import first
from proxyables_cli.exits import Code

log = logging.getLogger("proxyables")

FIRST_PAUSE = 0.1
MOST_PAUSE = 30.0
STEADY = 10.0
"""Seconds after which a process that ends has not failed at its start."""


class Workers:
    """The supervisor of as many processes as were asked for.

    Args:
        children: Starts and stops them.
        count: How many.
        on_ready: Called once, when all accept.
    """

    def __init__(self, children: Children, count: int, on_ready: Callable[[], None]) -> None:
        self._children = children
        self._count = count
        self._on_ready = on_ready

    async def run(self) -> int:
        """Keeps them running, for ever; returns an exit code if one cannot even be started.

        The first is waited for alone: what is wrong with the target is told once.
        """
        begun = [await self._children.start(1)]
        if await begun[0].until_ready():
            rest = range(2, self._count + 1)
            begun += await asyncio.gather(*map(self._children.start, rest))
            await asyncio.gather(*(child.until_ready() for child in begun[1:]))
        for child in begun:
            if not child.is_ready:
                return await self._children.wait(child) or Code.NO_TARGET
        self._on_ready()
        async with asyncio.TaskGroup() as group:
            for number, child in enumerate(begun, 1):
                group.create_task(self._keep(number, child))
        return Code.OK

    async def _keep(self, number: int, child: ServingProcess) -> None:
        """Starts one again whenever it ends, later each time if it does not live for long."""
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = await self._end_of(number, child)
            if time.monotonic() - started > STEADY:
                pause = FIRST_PAUSE
            told = "worker %d (process %d) ended with status %d; starting it again in %g s"
            log.warning(told, number, child.pid, code, pause)
            again = None
            while again is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_PAUSE)
                again = await self._start(number)
            child = again
            await child.until_ready()

    async def _end_of(self, number: int, child: ServingProcess) -> int:
        """Waits for the end of one, which is brought about if its loop is stuck."""
        patience = self._children.patience
        code: int | None = await first(self._children.wait(child), child.until_silent(patience))
        if code is not None:
            return code
        told = "worker %d (process %d) has been stuck for %g s, and is killed"
        log.warning(told, number, child.pid, patience)
        child.kill()
        return await self._children.wait(child)

    async def _start(self, number: int) -> ServingProcess | None:
        """Starts one, unless the system has no room for it now."""
        try:
            return await self._children.start(number)
        except OSError as error:
            log.warning("cannot start worker %d: %s", number, error.strerror or error)
            return None


__all__ = ["Workers"]
