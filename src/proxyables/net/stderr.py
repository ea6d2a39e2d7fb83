"""What a child process says on its stderr, as lines of this process's log.

A pipe and a thread for each child. The thread takes the lines as they come, whatever the event
loop is doing, so that a talkative child never waits for a loop that is busy. The pipe is not read
to its end: a daemon that the child has left behind may hold it for ever. Once the child is gone,
what it had said until then is taken, and that is all.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import threading
from collections import deque

log = logging.getLogger("proxyables.child")

READ_BYTES = 64 * 1024
MAX_LINE_BYTES = 4096  # what a line has beyond them is dropped
MAX_REST_BYTES = 1024 * 1024  # taken after the child's end: more than any pipe holds
LAST_LINES = 8  # kept for the error
LAST_CHARACTERS = 400
PATIENCE = 1.0  # seconds, for whoever takes the log's lines to take the last ones

_CUT = " …"
# What would move the cursor (but for a tab), end the line or turn its direction, whoever wrote it.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Stderr:
    """The reading end of one child's stderr.

    Each line becomes a warning of the logger ``proxyables.child``, with the child's name before
    it; where nobody has set up logging, a line on this process's own stderr. Characters that a
    terminal would obey are escaped.

    Attributes:
        writing: The descriptor for the child, until `start`; the caller's to close otherwise.
    """

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        try:
            self._at_end, self._end = os.pipe()
        except OSError:
            os.close(self._reading)
            os.close(self.writing)
            raise
        self._name = ""
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._line = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, name: str) -> None:
        """Begins to read; to be called once the child has its end.

        Args:
            name: What stands before each line, such as ``sh[1234]``.
        """
        os.close(self.writing)
        self._name = escape(name)
        self._thread.start()

    def discard(self) -> None:
        """Closes everything; for a child that has not come to be."""
        for descriptor in (self._reading, self.writing, self._at_end, self._end):
            os.close(descriptor)

    def finish(self) -> None:
        """Takes what is left and closes the pipe. Blocks, for `PATIENCE` seconds at most."""
        os.close(self._end)
        if self._thread.ident is None:  # the system had none for us
            os.close(self._reading)
            os.close(self._at_end)
            return
        # A handler of the log that waits for somebody must not keep the child's end from the loop.
        self._thread.join(PATIENCE)

    def last_words(self) -> str:
        """The end of what was said, as one line that is safe to show; empty if there was none."""
        said = " | ".join(line.strip() for line in list(self._last))  # the thread may add
        return said if len(said) <= LAST_CHARACTERS else "… " + said[-LAST_CHARACTERS:]

    def _run(self) -> None:
        os.set_blocking(self._reading, False)
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        poll.register(self._at_end, select.POLLIN)
        try:
            is_open = True
            while is_open:
                ready = {descriptor for descriptor, _ in poll.poll()}
                is_open = self._at_end not in ready and self._read() != 0
            self._read_rest()
            if self._line:
                self._tell()
        finally:
            os.close(self._reading)
            os.close(self._at_end)

    def _read(self) -> int | None:
        """Takes some; returns how many bytes, 0 at the end, None if there is nothing now."""
        try:
            data = os.read(self._reading, READ_BYTES)
        except BlockingIOError:
            return None
        self._take(data)
        return len(data)

    def _read_rest(self) -> None:
        left = MAX_REST_BYTES
        while left > 0 and (count := self._read()):
            left -= count

    def _take(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._append(line)
            self._tell()
        self._append(rest)

    def _append(self, data: bytes) -> None:
        # One byte more than is shown, by which a line that was cut is known.
        self._line += data[: MAX_LINE_BYTES + 1 - len(self._line)]

    def _tell(self) -> None:
        text = self._line[:MAX_LINE_BYTES].decode(errors="backslashreplace").rstrip("\r")
        line = escape(text) + (_CUT if len(self._line) > MAX_LINE_BYTES else "")
        self._line.clear()
        if line.strip():
            self._last.append(line)
        if _is_heard():
            log.warning("%s: %s", self._name, line)
        elif sys.stderr is not None:
            try:
                sys.stderr.write(f"{self._name}: {line}\n")
            except (OSError, ValueError):
                pass  # it is closed: nobody is to hear anything


def escape(text: str) -> str:
    """Makes a text safe for one line of a terminal."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)


def _is_heard() -> bool:
    """Whether a handler takes what is logged; the library's own, which does nothing, is none."""
    logger: logging.Logger | None = log
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


__all__ = ["Stderr", "escape"]
