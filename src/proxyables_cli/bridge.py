"""``bridge``: a relay of bytes between two addresses, such as this process's stdio and a socket.

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

from proxyables.net.addresses import Address, StdioAddress, TcpAddress, UnixAddress, parse
from proxyables.net.stdio import claim_stdio
from proxyables_cli import aliases
from proxyables_cli.exits import Code, Failure, OutputClosed
from proxyables_cli.options import Command, Common, duration, value, words

READ_BYTES = 64 * 1024
BACKLOG_PAUSE = 0.01  # seconds between attempts to reach a Unix socket whose backlog is full


@dataclass(frozen=True, kw_only=True)
class BridgeOptions(Common):
    """The command line of ``bridge``."""

    addresses: tuple[str, ...] = words(
        "ADDRESS",
        text="One or two of stdio:, TCP and Unix sockets. One alone is bridged to standard input"
        " and output.",
    )
    timeout: float = value(
        "--timeout",
        metavar="DURATION",
        text="How long connecting may take, such as 500ms or 3s. Else 5s.",
        convert=duration,
        default=5.0,
    )


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


def run(options: BridgeOptions) -> int:
    """Connects both, and relays until both directions have ended."""
    if len(options.addresses) not in (1, 2):
        raise Failure(
            Code.USAGE,
            f"bridge takes one address or two, got {len(options.addresses)}",
            "try: proxyables bridge unix:/run/x.sock",
        )
    written = ("stdio:", *options.addresses)[-2:]
    addresses = [_understood(aliases.resolve(text, options.config).address) for text in written]
    if addresses[0] == addresses[1] == StdioAddress():
        raise Failure(Code.USAGE, "standard input and output can be one side of a bridge only")
    one, other = (_open(address, options.timeout) for address in addresses)
    relay(one, other)
    return Code.OK


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


def _understood(text: str) -> Address:
    try:
        address = parse(text)
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    if not isinstance(address, (StdioAddress, TcpAddress, UnixAddress)):
        raise Failure(
            Code.USAGE,
            f"{text!r:.200}: a bridge ends at stdio:, tcp: or unix:, not at {address.scheme}:",
        )
    return address


def _open(address: Address, timeout: float) -> End:
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


COMMANDS = (
    Command(
        "bridge",
        BridgeOptions,
        run,
        help="Relay bytes between two addresses, or between one and standard input and output."
        " What ssh addresses run on the other machine.",
        epilog="Example: ssh HOST proxyables bridge unix:/run/shop.sock",
    ),
)

__all__ = ["COMMANDS", "BridgeOptions", "End", "relay", "run"]
