"""Standard output: where data goes, and what its failures mean."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from proxyables_cli.exits import Code, Failure, OutputClosed, printable


class _Whole(io.RawIOBase):
    """A raw stream that writes all it is given, or fails."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.name = raw.name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        _write_whole(self._raw, rest)
        return len(rest)


def make_whole() -> None:
    """Has `print` write all there is to write.

    Without a buffer (``PYTHONUNBUFFERED``) Python takes no notice of how much of a text the system
    has taken, and what does not block loses what it has no room for.
    """
    buffer: Any = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        return
    raw = buffer if isinstance(buffer, io.RawIOBase) else getattr(buffer, "raw", None)
    if not isinstance(raw, io.FileIO) or (raw is not buffer and os.get_blocking(raw.fileno())):
        return
    sys.stdout = io.TextIOWrapper(
        _Whole(raw),
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
        write_through=True,
    )


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
        _write_whole(sys.stdout.buffer, memoryview(data))
        _flush_whole(sys.stdout.buffer)


def flush() -> None:
    """Sends off what was printed, here where it can be explained if that fails.

    Raises:
        OutputClosed: Nobody reads any more.
        Failure: It cannot be written for another reason, such as a full disk.
    """
    if sys.stdout is not None:
        with explained():
            _flush_whole(sys.stdout)


def _write_whole(stream: Any, rest: memoryview) -> None:
    """Writes until all is taken: a raw stream may take a part, and one that does not block none."""
    while rest:
        try:
            taken = stream.write(rest)
        except BlockingIOError as error:
            rest = rest[error.characters_written :]
            taken = None
        if taken is None:
            _wait_for_room(stream)
        else:
            rest = rest[taken:]


def _flush_whole(stream: IO[Any]) -> None:
    while True:
        try:
            return stream.flush()
        except BlockingIOError:
            _wait_for_room(stream)


def _wait_for_room(stream: IO[Any]) -> None:
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    poll.poll()


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


__all__ = ["discard", "explained", "flush", "is_terminal", "line", "make_whole", "write"]
