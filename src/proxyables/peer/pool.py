"""Streams between two calls: reused last in, first out.

Only *idle* streams are bounded. A bound on open ones would let nested callbacks deadlock: each
level of recursion needs a stream of its own.
"""

from __future__ import annotations

from proxyables.yamux import Session, Stream

MAX_IDLE = 64


class StreamPool:
    """The idle streams that one side opened.

    Args:
        session: Where streams are opened.
        max_streams: Idle streams that are kept; one more is retired when it comes back.
        reuse: False retires every stream after one exchange.
    """

    __slots__ = ("idle", "max_streams", "reuse", "session")

    def __init__(self, session: Session, max_streams: int = MAX_IDLE, reuse: bool = True) -> None:
        self.session = session
        self.max_streams = max_streams
        self.reuse = reuse
        self.idle: list[Stream] = []

    def take(self) -> Stream:
        """Returns an idle stream, the last used first, or a new one."""
        return self.idle.pop() if self.idle else self.session.open_stream()

    def give(self, stream: Stream) -> None:
        """Takes a stream back whose exchange is over; it is ended if it is of no more use."""
        if self.reuse and not stream.spent and len(self.idle) < self.max_streams:
            self.idle.append(stream)
        else:
            self.session.retire(stream)

    def forget(self, stream: Stream) -> None:
        """Drops a stream that the other side ended, if it is idle."""
        if stream in self.idle:
            self.idle.remove(stream)

    async def acquire(self) -> Stream:
        """`take`, under the name that the first Python implementation gave it."""
        return self.take()

    def release(self, stream: Stream) -> None:
        """`give`, under the name that the first Python implementation gave it."""
        self.give(stream)
