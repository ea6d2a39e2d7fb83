"""A terminal that is taken whole for a while: its screen, its keys, its size.

It is given back as it was, however the program ends that took it, and for as long as the program is
stopped by Ctrl-Z.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.live import Live


class FullScreen:
    """The terminal; a context manager.

    Keys are read one by one from standard input; if that is no terminal there are none.

    Args:
        console: What draws.
        on_keys: Gets what was typed.
        on_change: Called when everything is to be drawn anew.
        on_end: Called with the number of a signal that ends the program.
    """

    def __init__(
        self,
        console: Console,
        *,
        on_keys: Callable[[bytes], None],
        on_change: Callable[[], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._console = console
        self._on_keys = on_keys
        self._on_change = on_change
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._held = ExitStack()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._handle(signal.SIGWINCH, self._on_change)
        self._handle(signal.SIGTSTP, self._step_aside)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handle(number, self._on_end, number)
        self._take()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()
        for number in (signal.SIGWINCH, signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP):
            self._loop.remove_signal_handler(number)

    def draw(self, page: RenderableType) -> None:
        """Shows a page in the place of the one before."""
        if self._live is None:
            return
        try:
            self._live.update(page, refresh=True)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._on_end(signal.SIGHUP)  # the terminal has gone

    def _handle(self, number: int, act: Callable[..., None], *given: Any) -> None:
        self._loop.add_signal_handler(number, act, *given)

    def _take(self) -> None:
        with ExitStack() as taken:
            if sys.stdin is not None and sys.stdin.isatty():
                taken.callback(_give_back, termios.tcgetattr(0))
                tty.setcbreak(0, termios.TCSANOW)
                taken.callback(self._loop.remove_reader, 0)
                self._loop.add_reader(0, self._read)
            self._live = Live(console=self._console, screen=True, auto_refresh=False)
            taken.callback(_stop, self._live)
            self._live.start()
            self._held = taken.pop_all()

    def _read(self) -> None:
        try:
            keys = os.read(0, 64)
        except OSError:
            keys = b""
        if keys:
            self._on_keys(keys)
        else:  # the terminal has gone
            self._loop.remove_reader(0)
            self._on_end(signal.SIGHUP)

    def _step_aside(self) -> None:
        self._held.close()
        os.kill(os.getpid(), signal.SIGSTOP)  # it goes on here when somebody continues it
        self._take()
        self._on_change()


def _give_back(modes: list[Any]) -> None:
    with suppress(termios.error):  # it has gone
        termios.tcsetattr(0, termios.TCSADRAIN, modes)


def _stop(live: Live) -> None:
    with suppress(OSError):  # it has gone
        live.stop()


__all__ = ["FullScreen"]
