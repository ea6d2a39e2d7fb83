"""Descriptors that this process was started with: a pair as a wire, sockets to use."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
from typing import TYPE_CHECKING

from proxyables.net.transports import drive_socket

if TYPE_CHECKING:
    from proxyables.net.address_kinds import FdAddress

FIRST_PASSED_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


async def attach_descriptors(
    read_fd: int, write_fd: int, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """Gives the protocol a pair of descriptors, which it owns from then on, whatever happens.

    Pipes, sockets, terminals, files and devices will all do. If both are the same socket, it is
    driven as a socket, at full speed.
    """
    if _is_same_socket(read_fd, write_fd):
        os.close(write_fd)
        return await drive_socket(socket.socket(fileno=read_fd), protocol)
    from proxyables.net.pipes import attach_pipes  # children get a socket from this package

    return await attach_pipes(read_fd, write_fd, protocol)


def passed_sockets() -> list[tuple[str, int]]:
    """Names and numbers of the sockets that a service manager has passed to this very process.

    They are described by the environment (LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES), which a
    child inherits without the sockets; hence the process id.
    """
    count = os.environ.get("LISTEN_FDS", "")
    # No process has more descriptors than this, and a list is about to be made of them.
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not re.fullmatch("[0-9]{1,6}", count):
        return []
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    names += ["unknown"] * (int(count) - len(names))
    return [
        (name or "unknown", FIRST_PASSED_FD + index)
        for index, name in enumerate(names[: int(count)])
    ]


def inherited_socket(address: FdAddress) -> socket.socket:
    """Takes over the stream socket that ``fd:N`` or ``fd:NAME`` stands for.

    Raises:
        OSError: There is none; the message says what there is instead.
    """
    number = address.descriptor
    if isinstance(number, str):
        passed = passed_sockets()
        for name, descriptor in passed:
            if name == number:
                number = descriptor
                break
        else:
            known = ", ".join(sorted({name for name, _ in passed})) or "none at all"
            raise OSError(f"{address}: no such socket was passed to this process ({known})")
    try:
        mode = os.fstat(number).st_mode
    except OSError as error:
        raise OSError(f"{address}: no such descriptor is open") from error
    if not stat.S_ISSOCK(mode):
        raise OSError(f"{address}: is not a socket")
    sock = socket.socket(fileno=number)
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise OSError(f"{address}: is not a stream socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _is_same_socket(read_fd: int, write_fd: int) -> bool:
    one, other = os.fstat(read_fd), os.fstat(write_fd)
    return stat.S_ISSOCK(one.st_mode) and os.path.samestat(one, other)


__all__ = ["attach_descriptors", "inherited_socket", "passed_sockets"]
