"""What a bridge ends at: the address becomes a side of the relay."""

from __future__ import annotations

import socket
import time

from proxyables.net.addresses import (
    Address,
    ExecAddress,
    FdAddress,
    SshAddress,
    StdioAddress,
    TcpAddress,
    UnixAddress,
)
from proxyables.net.stdio import claim_stdio
from proxyables_cli.bridge.relay import End
from proxyables_cli.exits import Code, Failure

BACKLOG_PAUSE = 0.01  # seconds between attempts to reach a Unix socket whose backlog is full


def starts_child(address: Address) -> bool:
    """Whether a program is started for it."""
    return isinstance(address, (ExecAddress, SshAddress))


def open_end(address: Address, timeout: float) -> End:
    """Takes standard input and output or a descriptor, dials, or starts a program.

    Args:
        address: What to open.
        timeout: Seconds for dialling.

    Raises:
        Failure, HandshakeFailed: It cannot be had; the code, or the reason, says why.
    """
    if starts_child(address):
        # These two import more than a bridge of sockets and pipes has a need of.
        from proxyables_cli.bridge.children import open_child

        return open_child(address)
    if isinstance(address, StdioAddress):
        try:
            return End("stdio:", *claim_stdio())
        except ValueError as error:
            raise Failure(Code.USAGE, str(error)) from None
    if not isinstance(address, (TcpAddress, UnixAddress, FdAddress)):
        from proxyables_cli.bridge.tunnels import open_tunnel

        return open_tunnel(address, timeout)
    sock = _take(address) if isinstance(address, FdAddress) else _connect(address, timeout)
    sock.settimeout(None)
    descriptor = sock.detach()
    return End(str(address), descriptor, descriptor)


def late(address: Address, timeout: float) -> Failure:
    """The failure of who was dialled and has not answered."""
    told = f"cannot connect to {address}: no answer within {timeout:g} s"
    return Failure(Code.TIMED_OUT, told, "give it more with --timeout")


def _take(address: FdAddress) -> socket.socket:
    from proxyables.errors import HandshakeFailed
    from proxyables.net.descriptors import inherited_socket
    from proxyables.net.transports import check_socket

    try:
        sock = inherited_socket(address)
        check_socket(sock)
    except (ValueError, HandshakeFailed) as error:
        raise Failure(Code.NO_CONNECTION, f"{address}: {error}") from None
    except OSError as error:
        raise Failure(Code.NO_CONNECTION, str(error)) from None
    return sock


def _connect(address: TcpAddress | UnixAddress, timeout: float) -> socket.socket:
    try:
        return _dial(address, timeout)
    except TimeoutError as error:
        raise late(address, timeout) from error
    except OSError as error:
        reason = error.strerror or str(error)
        told = f"cannot connect to {address}: {reason[:1].lower()}{reason[1:]}"
        raise Failure(Code.NO_CONNECTION, told) from error


def _dial(address: TcpAddress | UnixAddress, timeout: float) -> socket.socket:
    if isinstance(address, TcpAddress):
        sock = socket.create_connection((address.host, address.port), timeout or 0.001)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
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


__all__ = ["late", "open_end", "starts_child"]
