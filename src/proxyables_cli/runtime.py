"""The directory of the sockets that nobody named."""

from __future__ import annotations

import os
import stat

from proxyables_cli.exits import Code, Failure

_HINT = "name a listener, such as --unix PATH or --tcp :9000"


def socket_path(label: str) -> str:
    """Tells where the socket of a server with this name goes, and makes its directory.

    Raises:
        Failure: The name is that of no file, the directory cannot be made, or it belongs to
            somebody else.
    """
    if "/" in label or "\0" in label or label in (".", ".."):
        raise Failure(Code.USAGE, f"{label!r} is no name for a socket", _HINT)
    return os.path.join(directory(), f"{label}.sock")


def sockets() -> list[str]:
    """Lists the sockets in the directory; none if there is none that may be used.

    A socket in a directory that others can write to may be a trap: whoever connects to it tells
    who he is, and may be sent anything.
    """
    path = _path()
    try:
        found = os.lstat(path)
        if not _is_private(found):
            return []
        with os.scandir(path) as entries:
            return sorted(each.path for each in entries if _is_socket(each))
    except OSError:
        return []


def is_served(path: str) -> bool:
    """Whether anybody listens at a socket, as far as can be told at once."""
    import socket  # seldom needed

    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == 0


def _is_private(found: os.stat_result) -> bool:
    mode = found.st_mode
    return stat.S_ISDIR(mode) and found.st_uid == os.geteuid() and not mode & 0o077


def _is_socket(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)


def _path() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return os.path.join(runtime, "proxyables")
    import tempfile  # dear, and seldom needed

    return os.path.join(tempfile.gettempdir(), f"proxyables-{os.geteuid()}")


def directory() -> str:
    """Makes the user's own directory for sockets, or checks the one that is there.

    It lies in ``$XDG_RUNTIME_DIR``, else in the directory for temporary files, which all users
    share: there a stranger may have made it first, or a link with its name. So it is looked at
    without following links, and used only if it is a directory, ours, and closed to others.

    Raises:
        Failure: It cannot be made or must not be used.
    """
    path = _path()
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass  # ours from before, or a stranger's: the look at it decides
    except OSError as error:
        raise _unusable(path, error) from None
    checked()
    return path


def checked() -> str | None:
    """Looks at the directory without making it; returns it, or None if it is not there.

    Raises:
        Failure: It must not be used; the line says what to do.
    """
    path = _path()
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None
    if not stat.S_ISDIR(found.st_mode):
        raise Failure(Code.REFUSED, f"{path} is not a directory", _HINT)
    if found.st_uid != os.geteuid():
        raise Failure(Code.REFUSED, f"the directory {path} belongs to another user", _HINT)
    if found.st_mode & 0o077:
        raise Failure(
            Code.REFUSED, f"other users may enter the directory {path}", f"chmod 700 {path}"
        )
    return path


def _unusable(path: str, error: OSError) -> Failure:
    why = (error.strerror or str(error)).lower()
    return Failure(Code.CANNOT_LISTEN, f"cannot make the directory {path}: {why}", _HINT)


__all__ = ["checked", "directory", "is_served", "socket_path", "sockets"]
