"""The terminal as the prompt reads it: key by key, but Ctrl-C is a signal as it is elsewhere.

prompt_toolkit would read Ctrl-C as one more key. Then a callback or a background job that holds the
loop with synchronous code could not be stopped: nobody reads keys meanwhile.

While a cell runs, the terminal is as the shell left it, so that what the cell itself reads and
starts finds what it expects. Keys that nobody reads meanwhile wait for the next prompt.
"""

from __future__ import annotations

import os
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fcntl import ioctl
from typing import TextIO

from prompt_toolkit.application import Application
from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

_LOCAL_MODES, _CHARACTERS = 3, 6
"""Where `termios.tcgetattr` keeps them."""
_KEYS = tuple(
    getattr(termios, name) for name in ("VQUIT", "VSUSP", "VDSUSP") if hasattr(termios, name)
)


class _Reader(PosixStdinReader):
    """Reads the keys; `ahead` bytes of them were typed when the terminal kept lines.

    Linux keeps a Ctrl-D of those as a zero, because it stands for the end of what was typed and not
    for itself (`__DISABLED_CHAR` in its drivers/tty/n_tty.c). BSD keeps it as it is.
    """

    ahead = 0

    def read(self, count: int = 1024) -> str:
        if not self.ahead:
            return super().read(count)
        wanted = min(count, self.ahead)
        text = super().read(wanted)
        size = len(text.encode(errors="surrogateescape"))
        # A Ctrl-C throws away what waits, so there may be less than there was.
        self.ahead = self.ahead - size if size == wanted else 0
        return text.replace("\0", "\4")


class Keyboard(Vt100Input):
    """Standard input."""

    def __init__(self, stdin: TextIO) -> None:
        super().__init__(stdin)
        self.stdin_reader = self._reader = _Reader(stdin.fileno(), encoding=stdin.encoding)
        self.before_reading: Callable[[], None] | None = None
        """Called before each read."""

    def read_keys(self) -> list[KeyPress]:
        """As in the class above."""
        if self.before_reading is not None:
            self.before_reading()
        return super().read_keys()

    @contextmanager
    def raw_mode(self) -> Iterator[None]:
        with _with_interrupt(super().raw_mode(), self.fileno()):
            self._reader.ahead = _waiting(self.fileno())
            yield

    def break_off(self) -> None:
        """Forgets a paste, or the sequence of a key, of which only the beginning has come: a Ctrl-C
        has the terminal throw the rest away."""
        self.vt100_parser.reset()

    def cooked_mode(self) -> AbstractContextManager[None]:
        return _blocking(super().cooked_mode(), self.fileno())


def _waiting(descriptor: int) -> int:
    """How many bytes can be read at once."""
    return int(struct.unpack("i", ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])


@contextmanager
def _with_interrupt(raw: AbstractContextManager[None], descriptor: int) -> Iterator[None]:
    try:
        with raw:  # puts the modes back at its end
            modes = termios.tcgetattr(descriptor)
            modes[_LOCAL_MODES] |= termios.ISIG
            off = os.fpathconf(descriptor, "PC_VDISABLE").to_bytes(1, "little")
            for key in _KEYS:
                modes[_CHARACTERS][key] = off
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
            yield
    finally:
        os.set_blocking(descriptor, True)


@contextmanager
def _blocking(cooked: AbstractContextManager[None], descriptor: int) -> Iterator[None]:
    """Undoes what uvloop does to what it reads from: `input`, an editor, and the shell that started
    us, whose terminal it is too, expect reads that wait."""
    with cooked:
        os.set_blocking(descriptor, True)
        yield


def press_interrupt(app: Application[str]) -> None:
    """Does what Ctrl-C does where it is a key."""
    if isinstance(app.input, Keyboard):
        app.input.break_off()
    if app.is_running:
        app.key_processor.feed(KeyPress(Keys.ControlC))
        app.key_processor.process_keys()


__all__ = ["Keyboard", "press_interrupt"]
