"""The asynchronous iterator over a remote iterable: chunks in, items out, credit back.

The producer sends ahead as far as the stream's window allows. Credit is given when everything
that arrived has been used, so that a slow consumer holds the producer back.

`Items` is what the user's loop holds. The connection holds its `Inbox` only, so that leaving the
loop drops the `Items`, whose finaliser then has the producer stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from proxyables.objects.imports import Reference
from proxyables.wire.instructions import Step
from proxyables.yamux import Stream

if TYPE_CHECKING:
    from .calls import Calls


class Inbox:
    """Takes, as a stream's owner, what is answered; to the connection it looks like a future."""

    __slots__ = ("buffer", "calls", "error", "is_over", "stream", "unused", "waiter")

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.buffer: deque[Any] = deque()
        self.stream: Stream | None = None
        self.unused = 0  # bytes that arrived and have got no credit yet
        self.waiter: asyncio.Future[None] | None = None
        self.error: BaseException | None = None
        self.is_over = False

    def on_bytes(self, size: int) -> None:
        """Counts what arrived; a waiting consumer has used it at once."""
        self.unused += size
        if self.waiter is not None:
            self.give_credit()

    def give_credit(self) -> None:
        """Lets the producer go on."""
        unused, self.unused = self.unused, 0
        if unused and self.stream is not None and not self.stream.dead:
            self.calls.credit(self.stream, unused)

    def receive(self, items: list[Any]) -> None:
        """Takes one chunk."""
        if not self.is_over:
            self.buffer.extend(items)
            self._wake()

    def done(self) -> bool:
        """Whether nothing is waited for any more."""
        return self.stream is None

    def set_result(self, value: object) -> None:
        """The iterable has come to its end, and the stream is one like any other again."""
        if self.stream is not None:
            self.stream.auto_credit = True
            self.stream = None
        self.is_over = True
        self._wake()

    def set_exception(self, error: BaseException) -> None:
        """The producer raised, or the connection ended."""
        if not self.is_over:
            self.error = error
        self.set_result(None)

    def stop(self) -> None:
        """Has the producer stopped; what it has sent already will be dropped."""
        self.buffer.clear()
        if not self.is_over:
            self.is_over = True
            if self.stream is not None:
                unused, self.unused = self.unused, 0
                self.calls.stop_iteration(self.stream, unused)
        self._wake()

    async def wait(self) -> None:
        """Waits for a chunk, or for the end; raises RuntimeError if another task does."""
        if self.waiter is not None:
            raise RuntimeError("two tasks iterate one remote iterator")
        self.waiter = asyncio.get_running_loop().create_future()
        self.give_credit()
        try:
            await self.waiter
        finally:
            self.waiter = None

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Items:
    """Made by `async for`; not to be shared between tasks.

    Leaving the loop early stops the producer: when this iterator is dropped, as leaving a loop
    does, or at once by `aclose`.
    """

    __slots__ = ("_inbox", "_keep", "_reference", "_steps")

    def __init__(
        self, calls: Calls, reference: Reference | None, steps: list[Step], keep: object
    ) -> None:
        self._inbox = Inbox(calls)
        self._reference = reference
        self._steps = steps
        self._keep = keep  # a remote object must live as long as it is iterated

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        """Returns the next item.

        Raises:
            StopAsyncIteration: There is none.
            RemoteError: The producer raised; every item before it was given out.
            ConnectionClosed: The connection ended.
        """
        inbox = self._inbox
        try:
            while not inbox.buffer:
                if inbox.is_over:
                    error, inbox.error = inbox.error, None
                    if error is not None:
                        raise error
                    raise StopAsyncIteration
                if inbox.stream is None:
                    await inbox.calls.until_ready()
                    if inbox.is_over:  # stopped meanwhile
                        continue
                if inbox.stream is None:  # still: another task is about to be told off
                    inbox.stream = inbox.calls.start_iteration(inbox, self._reference, self._steps)
                await inbox.wait()
        except BaseException:
            del self  # else the traceback keeps the iterator, and with it the producer going
            raise
        return inbox.buffer.popleft()

    async def take(self) -> list[Any]:
        """Returns everything that has arrived, at least one item; nothing at the end.

        Raises as `__anext__`, when every item has been given out.
        """
        try:
            chunk = [await self.__anext__()]
        except StopAsyncIteration:
            return []
        except BaseException:
            del self  # as above
            raise
        chunk.extend(self._inbox.buffer)
        self._inbox.buffer.clear()
        return chunk

    def stop(self) -> None:
        """Has the producer stopped; what it has sent already is dropped. Safe to call twice."""
        self._inbox.stop()

    async def aclose(self) -> None:
        """As `stop`; generators have it."""
        self.stop()

    def leave(self) -> None:
        """Has the loop stop it, soon. Safe in any thread, and in the middle of anything."""
        inbox = self._inbox
        if not inbox.is_over and inbox.stream is not None:
            inbox.calls.stopped.append(inbox)
            inbox.calls.wake()

    def __del__(self) -> None:
        self.leave()
