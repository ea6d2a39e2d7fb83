"""What one reader of a trace is still to be told: a queue that never holds anybody up."""

from __future__ import annotations

import asyncio
import fnmatch
import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from .siblings import Siblings
from .tap import Measured

if TYPE_CHECKING:
    from proxyables.peer.reports import TraceEvent

MOST_WAITING = 2048
"""Events that wait for a reader; a few hundred bytes each."""
_LONGEST_PATTERN = 256


class Trace:
    """The events for one reader.

    Args:
        pattern: For the paths of the calls that are told, as `fnmatch` takes it.
        errors_only: Whether only the ends of calls that raised are told.
        arguments: Whether arguments are told.
        siblings: The other processes that serve the same, whose calls are not told.

    Raises:
        TypeError, ValueError: They are nothing of the kind.
    """

    def __init__(
        self,
        pattern: object,
        errors_only: object,
        arguments: object,
        siblings: Siblings | None = None,
    ) -> None:
        if type(pattern) is not str or type(errors_only) is not bool or type(arguments) is not bool:
            raise TypeError("a trace takes a pattern as text, and two booleans")
        if len(pattern) > _LONGEST_PATTERN:
            raise ValueError(f"a pattern has at most {_LONGEST_PATTERN} characters")
        self._matches = re.compile(fnmatch.translate(pattern)).match
        self._errors_only = errors_only
        self.arguments = arguments
        self._lost = 0
        self._is_closed = False
        self._waiter: asyncio.Future[None] | None = None
        start: dict[str, Any] = {"event": "start", "time": time.time()}
        if siblings is not None:
            start |= {"worker": siblings.number, "workers": siblings.count}
        self._events = deque([start])

    def on_begin(self, call: Measured) -> None:
        """Tells that a call begins, if it is one for this reader."""
        if not self._errors_only and self._is_wanted(call):
            self._put(self._told("begin", call))

    def on_end(self, call: Measured) -> None:
        """Tells how a call ended."""
        if (self._errors_only and call.outcome != "error") or not self._is_wanted(call):
            return
        event = self._told("end", call)
        event["duration"] = call.duration
        event["outcome"] = call.outcome
        if call.outcome == "error":
            event["error"] = call.error
        self._put(event)

    def _is_wanted(self, call: Measured) -> bool:
        path: str = call.told["path"]
        # `add` means `shop.add` as well: who serves knows the object's name, others need not.
        return bool(self._matches(path) or self._matches(path.partition(".")[2]))

    def _told(self, event: str, call: Measured) -> dict[str, Any]:
        told = {"event": event, "time": time.time(), "call": call.number} | call.told
        if not self.arguments:
            told.pop("arguments", None)
        return told

    def _put(self, event: dict[str, Any]) -> None:
        if len(self._events) >= MOST_WAITING:
            self._lost += 1
            return
        if self._lost:
            self._events.append({"event": "lost", "time": time.time(), "count": self._lost})
            self._lost = 0
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Has the reader told the end, behind what waits for it."""
        self._is_closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> TraceEvent | None:
        """Waits for the next event; None is the end."""
        while not self._events:
            if self._lost:  # nothing has come since
                lost, self._lost = self._lost, 0
                return {"event": "lost", "time": time.time(), "count": lost}
            if self._is_closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return cast("TraceEvent", self._events.popleft())


__all__ = ["MOST_WAITING", "Trace"]
