"""Listening sockets: how they are bound, and how connections are accepted from them.

The accepting is done here and not by the loop's own servers. Out of descriptors, asyncio's logs a
hundred errors a second, and uvloop's accepts the waiting connections only to drop them; this one
pauses, and they wait.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from proxyables.errors import AuthenticationFailed
from proxyables.net.addresses import (
    MAX_SOCKET_PATH,
    Address,
    HostAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    is_loopback_host,
)
from proxyables.net.holders import who_has_port, who_has_socket
from proxyables.net.hosts import Place, look_up
from proxyables.net.socket_files import Access, SocketFile, bound_file, is_open_to_all
from proxyables.net.transports import drive_socket
from proxyables.peer.forks import cover

Attach: TypeAlias = Callable[[socket.socket, asyncio.Protocol], Awaitable[object]]

log = logging.getLogger("proxyables")

BACKLOG = 512
ACCEPT_BURST = 64  # connections taken in one turn of the loop
SHARED_BURST = 1  # the same, where other processes may accept from the socket: they get a share
ACCEPT_PAUSE = 0.5  # seconds, when the system has no more to give
PORT_ATTEMPTS = 10  # to find one port that is free for several sockets

_ACCEPT_AGAIN = (BlockingIOError, InterruptedError)
# What the other side did to a connection that still waited: accept(2), "Error handling".
_ACCEPT_NEXT = (errno.ECONNABORTED, errno.EPROTO)
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Listener:
    """One listening socket.

    Attributes:
        address: Where it can be dialled, canonical.
        attach: Gives a protocol the connection behind an accepted socket, which it then owns.
        socket: The socket, which belongs to the listener.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        file: SocketFile | None = None,
        *,
        attach: Attach = drive_socket,
        burst: int = ACCEPT_BURST,
    ) -> None:
        self.address = address
        self.attach = attach
        self.socket = sock
        self._file = file
        self._burst = burst
        self._on_accept: Callable[[socket.socket, Listener], None] = _reject
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None

    def start(self, on_accept: Callable[[socket.socket, Listener], None]) -> None:
        """Calls back for each connection, with a socket that the callee owns from then on."""
        self._on_accept = on_accept
        self._loop.add_reader(self.socket.fileno(), self._accept)

    def close(self) -> None:
        """Stops accepting, and removes the socket's file. Safe to call twice."""
        if self.socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self.socket.fileno())
        # Removed first: who comes now finds nothing, rather than a socket that refuses.
        if self._file is not None:
            self._file.remove()
        self.socket.close()

    def disown(self) -> None:
        """Leaves the socket and its file to the process that this one was forked from."""
        self._file = None
        if self.socket.fileno() >= 0:
            cover([self.socket.fileno()])
            self._loop.remove_reader(self.socket.fileno())

    def _accept(self) -> None:
        for _ in range(self._burst):
            try:
                sock, _ = self.socket.accept()
            except _ACCEPT_AGAIN:
                return
            except OSError as error:
                if error.errno in _ACCEPT_NEXT:
                    continue
                self._rest(error)
                return
            sock.setblocking(False)
            self._on_accept(sock, self)

    def _rest(self, error: OSError) -> None:
        """Stops listening to the socket for a while; its connections wait in the backlog."""
        log.warning("%s: cannot accept (%s); trying again soon", self.address, error.strerror)
        self._loop.remove_reader(self.socket.fileno())
        self._pause = self._loop.call_later(ACCEPT_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self.socket.fileno(), self._accept)


def _reject(sock: socket.socket, _listener: Listener) -> None:
    sock.close()


# --- TCP -----------------------------------------------------------------------------------------


async def listen_tcp(
    address: HostAddress, *, is_safe: bool, attach: Attach = drive_socket
) -> list[Listener]:
    """Listens on every interface that the host stands for, on the same port.

    Args:
        address: Its port may be 0, for one that is free. How its scheme greets is not known here.
        attach: See `Listener`.
        is_safe: Whether other machines may reach it: there is a secret, or it is wanted so.

    Raises:
        AuthenticationFailed: It is not safe, and others could.
        OSError: The socket cannot be had; the message says why.
    """
    try:
        places = await _find_places(address)
    except OSError as error:
        raise _cannot_listen(address, error) from error
    if not is_safe:
        for _, place in places:
            _refuse_public(str(address), place)
    sockets = _bind_same_port(address, places)
    return [Listener(sock, _shown(address, sock), attach=attach) for sock in sockets]


def _shown(address: HostAddress, sock: socket.socket) -> str:
    """Where a socket that listens for an address can be dialled."""
    host, port = sock.getsockname()[:2]
    shown = replace(address, host=host if address.host == "*" else address.host, port=port)
    if isinstance(shown, TlsAddress):
        shown = replace(shown, parameters=())  # they are this side's; others dial without
    return str(shown)


async def _find_places(address: HostAddress) -> list[Place]:
    if address.host != "*":
        return await look_up(address.host, address.port)
    return [
        (socket.AF_INET, ("0.0.0.0", address.port)),
        (socket.AF_INET6, ("::", address.port)),
    ]


def _bind_same_port(address: HostAddress, places: list[Place]) -> list[socket.socket]:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        sockets: list[socket.socket] = []
        try:
            for family, place in places:
                _bind_one(sockets, family, place)
            if sockets:
                return sockets
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        except OSError as error:
            for sock in sockets:
                sock.close()
            # A port that was free for the first may be in use for the second; try another.
            is_race = error.errno == errno.EADDRINUSE and address.port == 0 and sockets
            if not is_race or attempt == PORT_ATTEMPTS:
                raise _cannot_listen(address, error) from error
    raise AssertionError("unreachable")


def _bind_one(sockets: list[socket.socket], family: int, place: tuple[str, int]) -> None:
    """Appends a socket that listens, unless this machine has no such address."""
    port = place[1] or (sockets[0].getsockname()[1] if sockets else 0)
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((place[0], port, *place[2:]))
        sock.listen(BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        if error.errno not in _NOT_HERE:
            raise
    else:
        sockets.append(sock)


def _refuse_public(address: str, place: tuple[str, int]) -> None:
    if not is_loopback_host(place[0]):
        raise AuthenticationFailed(
            f"{address}: other machines can reach {place[0]}; set a token, or ask for "
            "client certificates, or say that this is meant (insecure)"
        )


# --- Unix sockets --------------------------------------------------------------------------------


async def listen_unix(
    address: UnixAddress, access: Access | None = None, *, is_safe: bool = False
) -> Listener:
    """Listens on a Unix socket.

    Args:
        address: Its path, or its abstract name, which has no permissions.
        access: Who may connect; only this user if None.
        is_safe: Whether every user of this machine may: there is a secret, or it is wanted so.

    Raises:
        AuthenticationFailed: It is not safe, and every user could, or could take its place.
        FileExistsError: There is a file, or another user's socket, at the path.
        OSError: Somebody listens on it, or the socket cannot be had; the message says why.
    """
    access = Access() if access is None else access
    if not is_safe and not address.is_abstract:
        _refuse_everybody(address, access)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if address.is_abstract:
            sock.bind(address.target)
            sock.listen(BACKLOG)
            return Listener(sock, str(address))
        async with bound_file(sock, address.path, access) as file:
            sock.listen(BACKLOG)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise _cannot_listen(address, error) from error
        raise
    is_short = len(os.fsencode(file.path)) <= MAX_SOCKET_PATH
    return Listener(sock, f"unix:{file.path if is_short else address.path}", file)


def _refuse_everybody(address: UnixAddress, access: Access) -> None:
    danger = ""
    if access.is_for_everybody:
        danger = f"with mode {access.mode:04o} every user of this machine can reach it"
    elif is_open_to_all(os.path.dirname(address.path) or "."):
        danger = "every user of this machine can put another socket in its place"
    if danger:
        raise AuthenticationFailed(
            f"{address}: {danger}; set a token, or say that this is meant (insecure)"
        )


# --- inherited sockets ---------------------------------------------------------------------------


def is_listening(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def listen_inherited(
    address: Address, sock: socket.socket, *, is_safe: bool, attach: Attach = drive_socket
) -> Listener:
    """Accepts from a socket that listens already. Its file, if any, is not ours to remove.

    Args:
        address: ``fd:`` as it was asked for, or what the socket was bound to.
        sock: The listener's from then on.
        is_safe: Whether other machines may reach it.
        attach: See `Listener`; a Unix socket needs none.

    Raises:
        AuthenticationFailed: It is not safe, and other machines can reach it.
    """
    sock.setblocking(False)
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = os.fsdecode(name)
        shown = f"unix:@{path[1:]}" if path.startswith("\0") else f"unix:{path}"
        attach = drive_socket
    elif sock.family in (socket.AF_INET, socket.AF_INET6):
        if not is_safe:
            try:
                _refuse_public(str(address), name)
            except AuthenticationFailed:
                sock.close()
                raise
        bound = address if isinstance(address, HostAddress) else TcpAddress(name[0], name[1])
        shown = _shown(bound, sock)
    else:
        shown = str(address)
    return Listener(sock, shown, attach=attach, burst=SHARED_BURST)


def _cannot_listen(address: object, error: OSError) -> OSError:
    """The same error, of the same type, with a message that says where and why."""
    known = error.errno is not None and error.errno > 0
    # The system's own words are better than those that asyncio makes of them; ours stay.
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE and reason == os.strerror(errno.EADDRINUSE):
        reason += _holder(address)
    return type(error)(error.errno if known else errno.EADDRNOTAVAIL, _worded(address, reason))


def _holder(address: object) -> str:
    if isinstance(address, HostAddress):
        return who_has_port(address.port)
    if isinstance(address, UnixAddress):
        return who_has_socket(address.path)
    return ""


def _worded(address: object, reason: str) -> str:
    return f"cannot listen on {address}: {reason[:1].lower()}{reason[1:]}"


__all__ = [
    "Listener",
    "is_listening",
    "listen_inherited",
    "listen_tcp",
    "listen_unix",
]
