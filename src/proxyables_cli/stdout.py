"""Standard output: where data goes, and what its failures mean."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from proxyables_cli.exits import Code, Failure, OutputClosed, printable


def write(data: bytes) -> None:
    """Writes to standard output at once.

    Raises:
        OutputClosed: Nobody reads any more, or standard output was closed from the start.
        Failure: It cannot be written for another reason, such as a full disk.
    """
    if sys.stdout is None:
        raise OutputClosed
    flush()  # what was printed before stands before it
    with explained():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def flush() -> None:
    """Sends off what was printed, here where it can be explained if that fails.

    Raises:
        OutputClosed: Nobody reads any more.
        Failure: It cannot be written for another reason, such as a full disk.
    """
    if sys.stdout is not None:
        with explained():
            sys.stdout.flush()


@contextmanager
def explained() -> Iterator[None]:
    """Says what it means that standard output cannot be written to in the block.

    Raises:
        OutputClosed: Nobody reads any more.
        Failure: It cannot be written for another reason, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.EBADF):
            raise OutputClosed from None
        why = (error.strerror or str(error)).lower()
        raise Failure(Code.LOST, f"cannot write to standard output: {why}") from None


def discard() -> None:
    """Sends whatever is still buffered to nowhere, if it cannot be sent to standard output.

    Else the interpreter would fail with it once more at its exit, in its own words.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)


def line(text: str) -> None:
    """Writes one line of text, made fit for a terminal."""
    write(printable(text, clip=100_000).encode("utf-8", "replace") + b"\n")


def is_terminal() -> bool:
    """Tells whether a person looks at standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


__all__ = ["discard", "explained", "flush", "is_terminal", "line", "write"]
