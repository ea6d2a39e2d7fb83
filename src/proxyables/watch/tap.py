"""Measures the calls of one connection, while somebody wants to know.

A `Tap` is put before `Service.on_request`, and taken away again; where there is none, a call costs
nothing for it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any, Literal, Protocol

from proxyables.peer.inspection import is_inspection
from proxyables.peer.service import Service
from proxyables.wire.instructions import EXECUTE, Message
from proxyables.yamux import Stream

_LONGEST = 80

Outcome = Literal["ok", "error", "cancelled"]


class Measured:
    """One call.

    Attributes:
        connection: The number of the connection that it came on.
        peer: The address of who is at its other end.
        message: The request; to be read before the call ends, as its code may change what is in it.
        target: What it starts from, None if that does not exist.
        begun: When, on `time.monotonic`'s clock.
        number: Counts the calls that are traced; 0 while it has none.
        duration: Seconds, once it has ended.
        outcome: How it ended.
        error: The type of the exception that it ended with.
        told: What listeners keep of it between its two ends.
    """

    __slots__ = (
        "begun",
        "connection",
        "duration",
        "error",
        "message",
        "number",
        "outcome",
        "peer",
        "target",
        "told",
    )

    def __init__(self, connection: int, peer: str, message: Message, target: object) -> None:
        self.connection = connection
        self.peer = peer
        self.message = message
        self.target = target
        self.number = 0
        self.duration = 0.0
        self.outcome: Outcome = "ok"
        self.error = ""
        self.told: dict[str, Any] = {}
        self.begun = time.monotonic()


class Listener(Protocol):
    """Whoever the calls are measured for."""

    def on_begin(self, call: Measured) -> None:
        """A call is about to run."""

    def on_end(self, call: Measured) -> None:
        """A call has ended, and its answer is on its way."""


class Tap:
    """Between the reader and one service.

    Args:
        service: What serves the calls.
        connection: The number of its connection.
        peer: The address of who is at its other end.
        listener: Learns of each call.
    """

    __slots__ = (
        "_calls",
        "_connection",
        "_is_left",
        "_left",
        "_listener",
        "_now",
        "_peer",
        "_service",
    )

    def __init__(self, service: Service, connection: int, peer: str, listener: Listener) -> None:
        self._service = service
        self._connection = connection
        self._peer = peer
        self._listener = listener
        self._left: int | None = None
        self._is_left = False
        self._now: Measured | None = None
        self._calls: dict[Stream, tuple[Measured, asyncio.Task[None]]] = {}
        """Those that run, and for a turn of the loop those that have just been answered."""

    def open(self, most: int | None = None) -> None:
        """Measures the next `most` calls, or all from here on."""
        self._left = most
        self._service.watch(self)

    def close(self) -> None:
        """Measures no new calls; those that run are measured to their end."""
        self._service.watch(None)

    def leave(self) -> None:
        """As `close`, once the last call has ended: their connection has, so they will soon."""
        self._is_left = True
        if not self._calls:
            self.close()

    def on_request(self, stream: Stream, message: Message) -> None:
        """Takes a message before the service's own method does."""
        serve = self._service.on_request
        if message[0] != EXECUTE or len(message) < 3 or is_inspection(message):
            serve(stream, message)
            return
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.close()
        target = self._service.find(message[1])
        call = Measured(self._connection, self._peer, message, target)
        self._listener.on_begin(call)
        if stream.dead:  # reset in the same read: it is not run
            call.outcome = "cancelled"
        self._now = call
        try:
            serve(stream, message)
        finally:
            self._now = None
        task: asyncio.Task[None] | None = stream.owner
        if task is None:
            self._end(call)
        else:
            self._calls[stream] = call, task
            task.add_done_callback(functools.partial(self._on_done, stream, call))

    def on_failure(self, stream: Stream, error: BaseException) -> None:
        """Notes with what a call ends."""
        call = self._now
        if call is None:
            call, task = self._calls.get(stream, (None, None))
            if task is not None and task.done():
                return  # that one was answered: this is of a message behind it that is none
        if call is not None:
            call.outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
            call.error = type(error).__name__[:_LONGEST]

    def _on_done(self, stream: Stream, call: Measured, task: asyncio.Task[None]) -> None:
        if self._calls.get(stream) == (call, task):  # else the next one is there already
            del self._calls[stream]
        self._end(call)
        if self._is_left and not self._calls:
            self.close()

    def _end(self, call: Measured) -> None:
        call.duration = time.monotonic() - call.begun
        self._listener.on_end(call)


__all__ = ["Listener", "Measured", "Outcome", "Tap"]
