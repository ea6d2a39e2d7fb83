"""The context managers that the other side has entered, left for it when it no longer can.

Whoever is cut off inside of a block, or gives it up in the moment of entering it, never asks for
the exit: a lock would be held for ever. So what was entered is kept here until it is left: by the
other side, or by this one, when the other side's last reference to it is gone or the connection
has ended. `__exit__` then gets a `CancelledError` or a `ConnectionLost`.

A lock is entered by a worker, which gives its place away while it waits, and left without one: else
those who wait for it could have all places, and who holds it none to go on, or to leave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from proxyables.errors import ConnectionLost
from proxyables.objects.placement import LOCKS
from proxyables.objects.registry import ObjectRegistry
from proxyables.wire.instructions import OPERATIONS

from .jobs import current_job
from .workers import Workers

log = logging.getLogger("proxyables")
_LEAVE = OPERATIONS["aexit"]  # which takes managers of both kinds
_leaving: set[asyncio.Task[None]] = set()
"""The loop itself does not keep them."""


class Managers:
    """Those of one connection.

    Args:
        registry: What the other side has references to.
        root: Our root object, which needs none.
        loop: Runs the asynchronous ones.
        workers: Leave the synchronous ones; None if the loop does.
    """

    __slots__ = ("_entered", "_is_closed", "_lock", "_loop", "_registry", "_root", "_workers")

    def __init__(
        self,
        registry: ObjectRegistry,
        root: object,
        loop: asyncio.AbstractEventLoop,
        workers: Workers | None,
    ) -> None:
        self._registry = registry
        self._root = root
        self._loop = loop
        self._workers = workers
        self._entered: dict[int, list[Any]] = {}  # id(manager) -> [manager, how many times]
        self._lock = threading.Lock()
        self._is_closed = False

    def noted(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Returns an operation that notes what it enters or leaves."""

        def enter(manager: object) -> Any:
            job = current_job()
            if job is not None and type(manager) in LOCKS:
                with job.workers.waiting():
                    result = operation(manager)
            else:
                result = operation(manager)
            if hasattr(type(result), "__await__"):
                return self._enter_later(manager, result)
            self._note(manager)
            return result

        def leave(manager: object, error: BaseException | None) -> Any:
            self._forget(manager)
            return operation(manager, error)

        return enter if name in ("enter", "aenter") else leave

    async def _enter_later(self, manager: object, entering: Awaitable[Any]) -> Any:
        result = await entering
        self._note(manager)
        return result

    def _note(self, manager: object) -> None:
        """In a worker too, where nobody may wait for the outcome any more."""
        with self._lock:
            self._entered.setdefault(id(manager), [manager, 0])[1] += 1
            self._registry.on_gone = self._on_gone
        job = current_job()
        is_given_up = self._is_closed or (job is not None and job.is_cancelled)
        is_reachable = manager is self._root or self._registry.holds(manager)
        if (is_given_up or not is_reachable) and self._forget(manager):
            self._leave_soon(manager, asyncio.CancelledError())

    def _forget(self, manager: object) -> bool:
        """Whether it was entered, and not left as often."""
        with self._lock:
            entry = self._entered.get(id(manager))
            if entry is None:
                return False
            entry[1] -= 1
            if entry[1] == 0:
                del self._entered[id(manager)]
            if not self._entered:
                self._registry.on_gone = None
            return True

    def _on_gone(self, obj: object) -> None:
        """The other side has given its last reference to an object back."""
        while self._forget(obj):
            self._leave_soon(obj, asyncio.CancelledError())

    def close(self) -> None:
        """The connection has ended: leaves all, the last one that was entered first."""
        self._is_closed = True
        for manager, _ in reversed(list(self._entered.values())):
            while self._forget(manager):
                self._leave_soon(
                    manager, ConnectionLost("the connection ended inside of the block")
                )

    # -- leaving --------------------------------------------------------------------------------

    def _leave_soon(self, manager: object, error: BaseException) -> None:
        """Safe in any thread; never in the middle of what the caller does."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._leave, manager, error)

    def _leave(self, manager: object, error: BaseException) -> None:
        if hasattr(type(manager), "__aexit__"):
            task = self._loop.create_task(_left(manager, error))
            _leaving.add(task)
            task.add_done_callback(_leaving.discard)
        elif self._workers is not None and type(manager) not in LOCKS:
            self._workers.start(_leave_here, manager, error)
        else:
            _leave_here(manager, error)


async def _left(manager: object, error: BaseException) -> None:
    try:
        await _LEAVE(manager, error)
    except BaseException as raised:  # the seam to exported code
        _tell(manager, raised, error)


def _leave_here(manager: object, error: BaseException) -> None:
    try:
        _LEAVE(manager, error)
    except BaseException as raised:  # the seam to exported code
        _tell(manager, raised, error)


def _tell(manager: object, raised: BaseException, error: BaseException) -> None:
    if raised is not error and not isinstance(raised, asyncio.CancelledError):
        told = "a %s that its peer left behind failed to exit"
        log.error(told, type(manager).__qualname__, exc_info=raised)


__all__ = ["Managers"]
