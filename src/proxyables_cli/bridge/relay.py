"""A relay of bytes between two sides, such as this process's stdio and a socket.

It knows nothing of the protocol, and so needs no event loop: one thread for each direction waits
for bytes, and for room. Each direction ends by itself, so what is still to be said after one side
has said its last arrives. The threads are daemons: whatever they wait for cannot hold the end up.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import stat
import threading
import time
from dataclasses import dataclass

from proxyables.net.addresses import Address, StdioAddress, TcpAddress, UnixAddress
from proxyables.net.stdio import claim_stdio
from proxyables_cli.exits import Code, Failure, OutputClosed

READ_BYTES = 64 * 1024
BACKLOG_PAUSE = 0.01  # seconds between attempts to reach a Unix socket whose backlog is full


@dataclass(frozen=True, slots=True)
class End:
    """One side of the relay: two descriptors, which may be the same socket.

    Attributes:
        name: What errors call it.
        reading: Where its bytes come from.
        writing: Where bytes for it go.
    """

    name: str
    reading: int
    writing: int

    def read(self) -> bytes:
        """Waits for some bytes; none at the end.

        Raises:
            Failure: It broke.
        """
        while True:
            try:
                return os.read(self.reading, READ_BYTES)
            except BlockingIOError:
                # Whoever shares the open file with us may have made it so, at any time.
                _wait(self.reading, select.POLLIN)
            except OSError as error:
                raise self._lost(error) from error

    def write(self, data: bytes) -> None:
        """Waits until all is written.

        Raises:
            OutputClosed: It is our standard output, and nobody reads it.
            Failure: It broke.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.writing, rest) :]
            except BlockingIOError:
                _wait(self.writing, select.POLLOUT)
            except OSError as error:
                if self.name == "stdio:" and isinstance(error, ConnectionError):
                    raise OutputClosed from error
                raise self._lost(error) from error

    def end_writing(self) -> None:
        """Says that nothing more comes; its own bytes may still do."""
        if not _is_socket(self.writing):
            os.close(self.writing)
            return
        with socket.socket(fileno=os.dup(self.writing)) as sock:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is gone altogether, and reading from it says so

    def wait_gone(self) -> bool:
        """Waits until nobody reads or writes at its other side; at once False if it is no socket.

        The system tells so for Unix sockets when they are closed, for TCP only once both
        directions have ended.
        """
        if not _is_socket(self.reading):
            return False
        _wait(self.reading, 0)
        return True

    def _lost(self, error: OSError) -> Failure:
        reason = error.strerror or str(error)
        return Failure(Code.LOST, f"{self.name}: {reason[:1].lower()}{reason[1:]}")


def relay(one: End, other: End) -> None:
    """Copies both ways until both have ended, or one side is gone.

    Raises:
        Failure: A side broke.
        OutputClosed: Nobody reads our standard output.
    """
    outcomes: queue.SimpleQueue[Exception | bool] = queue.SimpleQueue()
    for source, sink in ((one, other), (other, one)):
        threading.Thread(target=_copy, args=(source, sink, outcomes), daemon=True).start()
    ended = 0
    while ended < 2:
        outcome = outcomes.get()  # which Ctrl-C can interrupt
        if isinstance(outcome, Exception):
            raise outcome
        ended += 1 if outcome else 2


def _copy(source: End, sink: End, outcomes: queue.SimpleQueue[Exception | bool]) -> None:
    """Relays one direction; puts True for its end, False for that of the whole source."""
    try:
        while data := source.read():
            sink.write(data)
        sink.end_writing()
    except (Failure, OutputClosed) as error:
        outcomes.put(error)
        return
    outcomes.put(True)
    if source.wait_gone():
        outcomes.put(False)


def _wait(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


def open_end(address: Address, timeout: float) -> End:
    """Takes standard input and output, or dials a socket.

    Raises:
        Failure: It cannot be had; the code says why.
    """
    if isinstance(address, StdioAddress):
        try:
            return End("stdio:", *claim_stdio())
        except ValueError as error:
            raise Failure(Code.USAGE, str(error)) from None
    try:
        sock = _dial(address, timeout)
    except TimeoutError as error:
        told = f"cannot connect to {address}: no answer within {timeout:g} s"
        raise Failure(Code.TIMED_OUT, told, "give it more with --timeout") from error
    except OSError as error:
        reason = error.strerror or str(error)
        told = f"cannot connect to {address}: {reason[:1].lower()}{reason[1:]}"
        raise Failure(Code.NO_CONNECTION, told) from error
    sock.settimeout(None)
    descriptor = sock.detach()
    return End(str(address), descriptor, descriptor)


def _dial(address: Address, timeout: float) -> socket.socket:
    if isinstance(address, TcpAddress):
        sock = socket.create_connection((address.host, address.port), timeout or 0.001)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    assert isinstance(address, UnixAddress)  # there is no other kind of bridge
    deadline = time.monotonic() + timeout
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(address.target)
                return sock
            except BlockingIOError:
                # The backlog is full, and nothing announces room in it.
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                time.sleep(BACKLOG_PAUSE)
    except BaseException:
        sock.close()
        raise


__all__ = ["End", "open_end", "relay"]
