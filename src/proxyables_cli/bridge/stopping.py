"""The signals that end a bridge, and the programs with it."""

from __future__ import annotations

import os
import signal
from types import FrameType

from proxyables_cli.bridge.relay import End, Outcomes
from proxyables_cli.exits import Code


class Stop(BaseException):
    """A signal has asked for the end."""


class StopRequests:
    """SIGINT, SIGTERM and SIGHUP: the first terminates the programs and ends the relay.

    The second kills them. SIGHUP is what ssh sends to a ProxyCommand that it needs no more.

    Args:
        outcomes: Those of the relay.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._ends: list[End] = []
        self._number: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, self._on_signal)

    def watch(self, end: End) -> None:
        """Says that a program may have been started."""
        self._ends.append(end)
        if self._number is not None:
            self._end(signal.SIGTERM)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_first = self._number is None
        self._number = self._number or number
        self._end(signal.SIGTERM if is_first else signal.SIGKILL)
        self._outcomes.put(Stop())

    def _end(self, number: signal.Signals) -> None:
        for end in self._ends:
            end.signal(number)

    def obey(self) -> int | None:
        """Ends this process as the signal that came would have; 130 for SIGINT, None if none came.

        All has been cleared away.
        """
        if self._number is None or self._number == signal.SIGINT:
            return None if self._number is None else Code.INTERRUPTED
        signal.signal(self._number, signal.SIG_DFL)
        os.kill(os.getpid(), self._number)
        return 128 + self._number  # not that it comes to this


__all__ = ["Stop", "StopRequests"]
