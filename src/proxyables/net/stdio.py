"""The process's own stdin and stdout as a wire that nothing else in the process can reach.

`claim_stdio` is for the moment before any foreign code is imported. It imports no asyncio.
"""

from __future__ import annotations

import fcntl
import os
import sys


def open_standard_descriptors() -> None:
    """Opens those of the descriptors 0, 1 and 2 that are closed on the null device.

    Else the next files that the process opens would get these numbers, and with them what is
    meant for stdout or stderr. uvloop aborts the process if it comes to that.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given out first, and every lower one is open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


class StandardStreams:
    """Who has this process's stdin and stdout: they exist once, and so does the one instance."""

    def __init__(self) -> None:
        self._claimed: tuple[int, int] | None = None
        self._is_taken = False

    def claim(self) -> tuple[int, int]:
        if self._claimed is None:
            _refuse_strangers()
            open_standard_descriptors()
            _refuse_terminals()
            private = tuple(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (0, 1))
            _replace_standard_streams()
            self._claimed = private[0], private[1]
        return self._claimed

    def take(self) -> tuple[int, int]:
        """Claims both, and gives them to the one connection that may use and close them."""
        if self._is_taken:
            raise ValueError("stdio: is one connection, and this process has made it already")
        claimed = self.claim()
        self._is_taken = True
        return claimed


def _refuse_strangers() -> None:
    """Stops before a descriptor is taken that somebody else in this process has opened.

    Python knows which of the three were closed when it started. If one of them is open by now,
    it is some file, or the very event loop.
    """
    null = os.stat(os.devnull)
    for descriptor, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue
        if stream is None and not os.path.samestat(status, null):
            raise ValueError(
                f"descriptor {descriptor} was closed when this process started, and has been "
                "opened for something else since; call claim_stdio() before anything else, "
                "and before an event loop is made"
            )


def _refuse_terminals() -> None:
    for descriptor, name in ((0, "stdin"), (1, "stdout")):
        if os.isatty(descriptor):
            raise ValueError(
                f"{name} is a terminal, and stdio: speaks a binary protocol; let a program start "
                "this one (exec:COMMAND), or use a socket such as unix:/tmp/name.sock"
            )


def _replace_standard_streams() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    if sys.stdout is not None:
        sys.stdout.flush()  # text from before the claim: not for the wire either
    # Python's own objects know descriptor 1 as the pipe that it was (no line buffering), or are
    # None if it was closed. Whoever keeps the old ones writes to the same descriptors.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(
        1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )


# Not a mutable that functions share by accident: the process has one stdin and one stdout, and
# this object is the record of them, as sys.stdin is.
STANDARD_STREAMS = StandardStreams()


def claim_stdio() -> tuple[int, int]:
    """Moves the real stdin and stdout away, for ``stdio:`` alone to use.

    Afterwards descriptor 0 reads nothing and descriptor 1 is stderr, so that ``print``, C code and
    child processes cannot corrupt the wire. Call it before importing what may print. Calling it
    again changes nothing.

    Returns:
        The descriptors of the real stdin and stdout: private, and not inherited by children.

    Raises:
        ValueError: One of them is a terminal; or it was closed at the start of the process, and
            it is too late.
    """
    return STANDARD_STREAMS.claim()


__all__ = ["STANDARD_STREAMS", "StandardStreams", "claim_stdio", "open_standard_descriptors"]
