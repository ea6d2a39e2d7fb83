"""The directory of the sockets that nobody named."""

from __future__ import annotations

import os
import stat

from proxyables_cli.exits import Code, Failure


def socket_path(label: str) -> str:
    """Tells where the socket of a server with this name goes, and makes its directory.

    Raises:
        Failure: The directory cannot be made, or belongs to somebody else.
    """
    return os.path.join(directory(), f"{label}.sock")


def directory() -> str:
    """Makes the user's own directory for sockets, or checks the one that is there.

    It lies in ``$XDG_RUNTIME_DIR``, else in the directory for temporary files, which all users
    share: there a stranger may have made it first, or a link with its name. So it is looked at
    without following links, and used only if it is a directory, ours, and closed to others.

    Raises:
        Failure: It cannot be made or must not be used.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        path = os.path.join(runtime, "proxyables")
    else:
        import tempfile  # dear, and seldom needed

        path = os.path.join(tempfile.gettempdir(), f"proxyables-{os.geteuid()}")
    hint = "name a listener, such as --unix PATH or --tcp :9000"
    try:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass  # ours from before, or a stranger's: the look at it below decides
        found = os.lstat(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Failure(
            Code.CANNOT_LISTEN, f"cannot make the directory {path}: {why}", hint
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise Failure(Code.REFUSED, f"{path} is not a directory", hint)
    if found.st_uid != os.geteuid():
        raise Failure(Code.REFUSED, f"the directory {path} belongs to another user", hint)
    if found.st_mode & 0o077:
        raise Failure(
            Code.REFUSED, f"other users may enter the directory {path}", f"chmod 700 {path}"
        )
    return path


__all__ = ["directory", "socket_path"]
