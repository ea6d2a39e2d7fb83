"""A relay of bytes between two sides, such as this process's stdio and a socket.

It knows nothing of the protocol, and so needs no event loop: one thread for each direction waits
for bytes, and for room. Each direction ends by itself, so what is still to be said after one side
has said its last arrives. The threads are daemons: whatever they wait for cannot hold the end up.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import socket
import stat
import threading
from types import TracebackType
from typing import Self, TypeAlias

from proxyables_cli.exits import Code, Failure, OutputClosed

READ_BYTES = 64 * 1024
LOOK_AGAIN = 0.5
"""Seconds: a signal interrupts a wait, but for one that comes in the moment before it; so no wait
is for ever."""
PATIENCE = 5.0
"""Seconds that what stands behind an end gets to end by itself when the relay has ended."""

Outcomes: TypeAlias = "queue.SimpleQueue[BaseException | bool]"
"""What has become of a relay: True for one direction's end, False for that of a whole side, or
what is to be raised."""


class End:
    """One side of the relay: two descriptors, which may be the same socket.

    Args:
        name: What errors call it.
        reading: Where its bytes come from.
        writing: Where bytes for it go.
    """

    def __init__(self, name: str, reading: int, writing: int) -> None:
        self.name = name
        self._reading = reading
        self._writing = writing

    @property
    def status(self) -> int | None:
        """What the program at this end has ended with, as shells tell it; None if it is none."""
        return None

    def read(self) -> bytes:
        """Waits for some bytes; none at the end.

        Raises:
            Failure: It broke.
        """
        while True:
            try:
                return os.read(self._reading, READ_BYTES)
            except BlockingIOError:
                # Whoever shares the open file with us may have made it so, at any time.
                _wait(self._reading, select.POLLIN)
            except OSError as error:
                raise self._lost(error) from error

    def write(self, data: bytes) -> bool:
        """Waits until all is written; False if nobody takes it any more.

        Raises:
            OutputClosed: It is our standard output, and nobody reads it.
            Failure: It broke.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:
                _wait(self._writing, select.POLLOUT)
            except OSError as error:
                if self.name == "stdio:" and isinstance(error, ConnectionError):
                    raise OutputClosed from error
                if isinstance(error, BrokenPipeError):
                    return False  # what it has said before is still to be read
                raise self._lost(error) from error
        return True

    def end_writing(self) -> None:
        """Says that nothing more comes; its own bytes may still do."""
        if not _is_socket(self._writing):
            os.close(self._writing)
            return
        _shut(self._writing, socket.SHUT_WR)

    def hang_up(self) -> None:
        """Takes the socket that it is away from whoever has the other end of it."""
        _shut(self._reading, socket.SHUT_RDWR)

    def is_gone(self) -> bool:
        """Whether nobody reads or writes at the other side of the socket that it is."""
        return _poll(self._reading, 0, timeout=0)

    def wait_gone(self) -> bool:
        """Waits until nobody reads or writes at its other side; at once False if it is no socket.

        The system tells so for Unix sockets when they are closed, for TCP only once both
        directions have ended.
        """
        if not _is_socket(self._reading):
            return False
        _wait(self._reading, 0)
        return True

    def finish(self, patience: float) -> None:
        """Ends what stands behind it, and waits for that.

        Args:
            patience: Seconds that it gets to end in peace.
        """

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program at this end, if it is one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_hurried = kind is not None and not issubclass(kind, Exception)  # a signal came
        self.finish(0.0 if is_hurried else PATIENCE)

    def _lost(self, error: OSError) -> Failure:
        reason = error.strerror or str(error)
        return Failure(Code.LOST, f"{self.name}: {reason[:1].lower()}{reason[1:]}")


def relay(one: End, other: End, outcomes: Outcomes | None = None) -> None:
    """Copies both ways until both have ended, or one side is gone.

    Args:
        one: The one side.
        other: The other side.
        outcomes: Where somebody else may put what ends the relay.

    Raises:
        Failure: A side broke.
        OutputClosed: Nobody reads our standard output.
        BaseException: What was put into `outcomes`.
    """
    if outcomes is None:
        outcomes = queue.SimpleQueue()
    for source, sink in ((one, other), (other, one)):
        threading.Thread(target=_copy, args=(source, sink, outcomes), daemon=True).start()
    ended = 0
    while ended < 2:
        try:
            outcome = outcomes.get(timeout=LOOK_AGAIN)
        except queue.Empty:
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        ended += 1 if outcome else 2


def _copy(source: End, sink: End, outcomes: Outcomes) -> None:
    """Relays one direction; puts True for its end, False for that of the whole source."""
    try:
        while (data := source.read()) and sink.write(data):
            pass
        if not data:
            sink.end_writing()
    except (Failure, OutputClosed) as error:
        outcomes.put(error)
        return
    outcomes.put(True)
    if source.wait_gone():
        outcomes.put(False)


def _wait(descriptor: int, event: int) -> None:
    _poll(descriptor, event, timeout=None)


def _poll(descriptor: int, event: int, *, timeout: int | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(timeout))


def _shut(descriptor: int, how: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        try:
            sock.shutdown(how)
        except OSError:
            pass  # it is gone altogether, and reading from it says so


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


__all__ = ["End", "Outcomes", "relay"]
