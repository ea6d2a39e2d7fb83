"""Calls that wait until one of those in flight has ended, in the order in which they came.

Only towards classic peers: some of them lose what comes on more streams than they have room for.
"""

from __future__ import annotations

import asyncio
from collections import deque

from proxyables.errors import ConnectionClosed, LimitExceeded

from .deadlines import seconds_left, until


class Turns:
    """One connection's queue.

    A call stays in it until it is really sent, so that none that comes later can overtake it.

    Args:
        most: Calls that may wait.

    Attributes:
        waiting: One future each.
    """

    __slots__ = ("_most", "waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self, *, first: bool) -> None:
        """Waits for a turn; if cancelled, nothing was sent, and the next has its turn.

        Args:
            first: Whether the call has had its turn already, in vain.

        Raises:
            LimitExceeded: Too many wait.
            TimeoutError: The caller's deadline is over.
            ConnectionClosed: The connection ended.
        """
        if len(self.waiting) >= self._most:
            told = "calls waiting for a stream"
            raise LimitExceeded("max_calls", self._most, len(self.waiting) + 1, told)
        end = until.get()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if first:
            self.waiting.appendleft(turn)
        else:
            self.waiting.append(turn)
        try:
            async with asyncio.timeout(None if end is None else seconds_left(end)):
                await turn
        except BaseException as error:
            self._leave(turn)
            self.wake()
            if isinstance(error, TimeoutError):
                raise TimeoutError("the deadline is over; the call was not sent") from None
            raise
        self._leave(turn)

    def _leave(self, turn: asyncio.Future[None]) -> None:
        if turn in self.waiting:
            self.waiting.remove(turn)

    def wake(self) -> None:
        """Gives the first its turn; it has the next woken if there is room for two."""
        if self.waiting and not self.waiting[0].done():
            self.waiting[0].set_result(None)

    def close(self, error: ConnectionClosed) -> None:
        """Fails all that wait: nothing of them was sent."""
        turns = [turn for turn in self.waiting if not turn.done()]
        self.waiting.clear()
        for turn in turns:
            turn.set_exception(type(error)(error.message, local=error.local, cause=error.__cause__))
