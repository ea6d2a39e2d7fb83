"""The secret of ``--token-file``: read from a file that nobody else may read."""

from __future__ import annotations

import os
import stat

from proxyables_cli.exits import Code, Failure

MOST_BYTES = 4096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_token(*paths: str | None) -> bytes | None:
    """Reads a token; without a file there is none.

    One line end at the end is not part of it, since editors and ``echo`` add one.

    Args:
        paths: Where it may be said to be; the first that is said counts. An empty path is said,
            as by a shell's variable that is not set: it must not mean that nobody is asked.

    Raises:
        Failure: The file cannot be read, is empty or too long to be a token, or others may reach
            it; the code is for a wrong configuration.
    """
    path = next((each for each in paths if each is not None), None)
    if path is None:
        return None
    if not path:
        raise Failure(Code.CONFIGURATION, "the file of the token has no name", "see --token-file")
    try:
        with open(os.path.expanduser(path), "rb") as file:
            status = os.fstat(file.fileno())  # of what is read, whatever the path leads to by now
            if stat.S_IMODE(status.st_mode) & _OTHERS:
                raise Failure(
                    Code.CONFIGURATION,
                    f"others may reach the token in {path} (mode {status.st_mode & 0o777:04o})",
                    f"chmod 600 {path}, and change the token",
                )
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot read the token in {path}: {reason}"
        raise Failure(Code.CONFIGURATION, message) from error
    token = content.removesuffix(b"\n").removesuffix(b"\r")
    if not token:
        raise Failure(Code.CONFIGURATION, f"the token in {path} is empty, which is no secret")
    if len(content) > MOST_BYTES:
        raise Failure(
            Code.CONFIGURATION, f"{path} is no token: it has more than {MOST_BYTES} bytes"
        )
    return token


__all__ = ["read_token"]
