"""Listening sockets: how they are bound, and how connections are accepted from them.

The accepting is done here and not by the loop's own servers. Out of descriptors, asyncio's logs a
hundred errors a second, and uvloop's accepts the waiting connections only to drop them; this one
pauses, and they wait.

A Unix socket is never open to others, not even for a moment, and what is found at its path is
only removed if it is a socket of ours that nobody listens on any more.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from proxyables.errors import AuthenticationFailed
from proxyables.net.addresses import (
    MAX_SOCKET_PATH,
    FdAddress,
    HostAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    is_loopback_host,
)
from proxyables.net.hosts import Place, look_up
from proxyables.net.transports import drive_socket

Attach: TypeAlias = Callable[[socket.socket, asyncio.Protocol], Awaitable[object]]

log = logging.getLogger("proxyables")

BACKLOG = 512
SOCKET_MODE = 0o600
ACCEPT_BURST = 64  # connections taken in one turn of the loop
ACCEPT_PAUSE = 0.5  # seconds, when the system has no more to give
LOCK_PATIENCE = 1.0  # seconds
PORT_ATTEMPTS = 10  # to find one port that is free for several sockets

_ACCEPT_AGAIN = (BlockingIOError, InterruptedError)
# What the other side did to a connection that still waited: accept(2), "Error handling".
_ACCEPT_NEXT = (errno.ECONNABORTED, errno.EPROTO)
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a Unix socket, remembered so well that no other file is taken for it."""

    path: str
    device: int
    inode: int

    @classmethod
    def of(cls, path: str) -> SocketFile:
        status = os.lstat(path)
        return cls(os.path.abspath(path), status.st_dev, status.st_ino)

    def remove(self) -> None:
        """Removes the file, unless it is gone or somebody else's by now."""
        try:
            if SocketFile.of(self.path) == self:
                os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("cannot remove %s: %s", self.path, error)


class Listener:
    """One listening socket.

    Attributes:
        address: Where it can be dialled, canonical.
        attach: Gives a protocol the connection behind an accepted socket, which it then owns.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        file: SocketFile | None = None,
        *,
        attach: Attach = drive_socket,
    ) -> None:
        self.address = address
        self.attach = attach
        self._socket = sock
        self._file = file
        self._on_accept: Callable[[socket.socket, Listener], None] = _reject
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None

    def start(self, on_accept: Callable[[socket.socket, Listener], None]) -> None:
        """Calls back for each connection, with a socket that the callee owns from then on."""
        self._on_accept = on_accept
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Stops accepting, and removes the socket's file. Safe to call twice."""
        if self._socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket.fileno())
        # Removed first: who comes now finds nothing, rather than a socket that refuses.
        if self._file is not None:
            self._file.remove()
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(ACCEPT_BURST):
            try:
                sock, _ = self._socket.accept()
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
        self._loop.remove_reader(self._socket.fileno())
        self._pause = self._loop.call_later(ACCEPT_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._accept)


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
    listeners = []
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        shown = replace(address, host=host if address.host == "*" else address.host, port=port)
        if isinstance(shown, TlsAddress):
            shown = replace(shown, parameters=())  # they are this side's; others dial without
        listeners.append(Listener(sock, str(shown), attach=attach))
    return listeners


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


async def listen_unix(address: UnixAddress) -> Listener:
    """Listens on a Unix socket that only this user can reach.

    Raises:
        FileExistsError: There is a file, or another user's socket, at the path.
        OSError: Somebody listens on it, or the socket cannot be had; the message says why.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if address.is_abstract:
            sock.bind(address.target)
            sock.listen(BACKLOG)
            return Listener(sock, str(address))
        # Two servers that find the same stale socket must not remove each other's new one, and
        # one that has been bound but does not listen yet looks stale.
        lock = await _lock_directory(os.path.dirname(address.path) or ".")
        try:
            _bind_file(sock, address)
            sock.listen(BACKLOG)
            file = SocketFile.of(address.path)
        finally:
            if lock is not None:
                os.close(lock)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise _cannot_listen(address, error) from error
        raise
    is_short = len(os.fsencode(file.path)) <= MAX_SOCKET_PATH
    return Listener(sock, f"unix:{file.path if is_short else address.path}", file)


async def _lock_directory(path: str) -> int | None:
    """Takes the directory's lock; without it (None) all works but for two starts at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return None  # it may be writable without being readable
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_PATIENCE
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                # Anybody may hold the lock of a shared directory: that must not keep us out.
                if loop.time() > deadline:
                    break
            except OSError:
                break  # a file system without locks
            await asyncio.sleep(0.01)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _bind_file(sock: socket.socket, address: UnixAddress) -> None:
    try:
        _bind_private(sock, address.path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        _remove_stale(address.path)
        _bind_private(sock, address.path)


def _bind_private(sock: socket.socket, path: str) -> None:
    try:
        # Linux makes the file with the mode of the socket itself: it is never any wider, and no
        # other thread's files are touched, as they would be by a changed umask.
        os.fchmod(sock.fileno(), SOCKET_MODE)
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)


def _remove_stale(path: str) -> None:
    """Removes a socket that nobody listens on.

    Raises:
        FileExistsError: It is no socket, or not this user's.
        OSError: Somebody listens on it.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is not a socket; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(path)
    if answer != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "a server listens there already")
    if status.st_uid != os.geteuid():
        raise FileExistsError(errno.EEXIST, "there is a stale socket of another user; remove it")
    os.unlink(path)


# --- inherited sockets ---------------------------------------------------------------------------


def is_listening(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def listen_inherited(
    address: FdAddress, sock: socket.socket, *, is_safe: bool, attach: Attach = drive_socket
) -> Listener:
    """Accepts from a socket that listens already. Its file, if any, is not ours to remove.

    Raises:
        AuthenticationFailed: It is not safe, and other machines can reach it.
    """
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = os.fsdecode(name)
        shown = f"unix:@{path[1:]}" if path.startswith("\0") else f"unix:{path}"
    elif sock.family in (socket.AF_INET, socket.AF_INET6):
        if not is_safe:
            try:
                _refuse_public(str(address), name)
            except AuthenticationFailed:
                sock.close()
                raise
        shown = str(TcpAddress(name[0], name[1]))
    else:
        shown = str(address)
    return Listener(sock, shown, attach=attach)


def _cannot_listen(address: object, error: OSError) -> OSError:
    """The same error, of the same type, with a message that says where and why."""
    known = error.errno is not None and error.errno > 0
    # The system's own words are better than those that asyncio makes of them; ours stay.
    reason = error.strerror or str(error)
    return type(error)(error.errno if known else errno.EADDRNOTAVAIL, _worded(address, reason))


def _worded(address: object, reason: str) -> str:
    return f"cannot listen on {address}: {reason[:1].lower()}{reason[1:]}"


__all__ = [
    "Listener",
    "SocketFile",
    "is_listening",
    "listen_inherited",
    "listen_tcp",
    "listen_unix",
]
