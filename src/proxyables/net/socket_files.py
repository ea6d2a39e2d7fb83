"""The files of Unix sockets: who may open them, and what is done about those that are there.

A socket is never open to others than was asked for, not even for a moment, and what is found at its
path is only removed if it is a socket of ours that nobody listens on any more.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxyables.frozen import frozen
from proxyables.net.holders import who_has_socket

log = logging.getLogger("proxyables")

PRIVATE_MODE = 0o600
LOCK_PATIENCE = 1.0  # seconds


@frozen
class Access:
    """Who may connect to a Unix socket: whoever may write to its file.

    Attributes:
        mode: The file's permissions.
        group: The number of the group that gets the file; this process's own if None.
    """

    mode: int = PRIVATE_MODE
    group: int | None = None

    @property
    def is_for_everybody(self) -> bool:
        """Whether users who are neither this one nor in the group may connect."""
        return bool(self.mode & stat.S_IRWXO)


def understand_access(mode: int | None, group: str | int | None) -> Access:
    """Makes an `Access` from what was asked for.

    Args:
        mode: None for 0600, or for 0660 where there is a group.
        group: A name or a number.

    Raises:
        TypeError, ValueError: The mode is none, or there is no such group.
    """
    if mode is None:
        mode = PRIVATE_MODE if group is None else 0o660
    if isinstance(mode, bool) or not isinstance(mode, int):
        raise TypeError(f"unix_mode takes a whole number such as 0o660, got {mode!r:.80}")
    if not 0 <= mode <= 0o777:
        raise ValueError(f"unix_mode takes permissions up to 0o777, got {mode:#o}")
    if isinstance(group, str):
        import grp  # few servers have a group

        try:
            group = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise ValueError(f"there is no group {group!r:.80} on this machine") from None
    return Access(mode, group)


@frozen
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


def is_open_to_all(directory: str) -> bool:
    """Whether every user may remove what others have in a directory; False if there is none."""
    try:
        mode = os.stat(directory).st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


@asynccontextmanager
async def bound_file(sock: socket.socket, path: str, access: Access) -> AsyncIterator[SocketFile]:
    """Binds a socket to a path. It has to listen before the block ends.

    Two servers that find the same stale socket must not remove each other's new one, and one that
    has been bound but does not listen yet looks stale: so the directory is locked for the block.

    Raises:
        FileExistsError: There is a file, or another user's socket, at the path.
        OSError: Somebody listens on it, or the socket cannot be had.
    """
    lock = await _lock_directory(os.path.dirname(path) or ".")
    try:
        try:
            _bind(sock, path, access)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            _bind(sock, path, access)
        yield SocketFile.of(path)
    finally:
        if lock is not None:
            os.close(lock)


def _bind(sock: socket.socket, path: str, access: Access) -> None:
    if access.mode == PRIVATE_MODE:
        _bind_private(sock, path)
    else:
        _bind_by_mask(sock, path, access.mode)
    if access.group is not None:
        # Nobody can connect before the socket listens, so it is never open to another group.
        try:
            os.chown(path, -1, access.group, follow_symlinks=False)
        except OSError as error:
            os.unlink(path)
            reason = (error.strerror or str(error)).lower()
            told = f"cannot give it to the group {access.group}: {reason}"
            raise type(error)(error.errno, told) from error


def _bind_private(sock: socket.socket, path: str) -> None:
    try:
        # Linux makes the file with the mode of the socket itself: it is never any wider, and no
        # other thread's files are touched, as they would be by a changed umask.
        os.fchmod(sock.fileno(), PRIVATE_MODE)
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _bind_by_mask(sock, path, PRIVATE_MODE)


def _bind_by_mask(sock: socket.socket, path: str, mode: int) -> None:
    mask = os.umask(0o777 & ~mode)
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
        raise OSError(errno.EADDRINUSE, f"a server listens there already{who_has_socket(path)}")
    if status.st_uid != os.geteuid():
        raise FileExistsError(errno.EEXIST, "there is a stale socket of another user; remove it")
    os.unlink(path)


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


__all__ = [
    "Access",
    "SocketFile",
    "bound_file",
    "is_open_to_all",
    "understand_access",
]
