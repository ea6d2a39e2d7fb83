"""A thread that notices when the event loop stands still, and says where.

How it works. The thread asks the loop for a sign of life and looks from time to time whether it
came. If none has come for as long as was set, it logs the stack of the loop's thread, once; when
the sign comes after all, it logs how long that took. If the thread itself was not woken in time,
then the whole process stood still, which is another matter: it was stopped, or C code kept the
interpreter's lock, and there is nobody's stack to show.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from . import places

log = logging.getLogger("proxyables")
_LOOKS = 4
"""How often it looks in the time that was set: what it finds is up to a quarter late."""
_MOST_FRAMES = 12


def check_seconds(seconds: float) -> None:
    """Raises ValueError for what is no time to wait."""
    if not 0 <= seconds < threading.TIMEOUT_MAX:
        raise ValueError(f"watchdog takes seconds, 0 for never, got {seconds!r:.80}")


class Watchdog:
    """Watches the loop that it is made in, from `start` to `stop`.

    Args:
        seconds: How long the loop may stand still.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._ended = threading.Event()
        self._answered_at: float | None = 0.0  # None while it is waited for
        self._thread = threading.Thread(target=self._run, name="proxyables-watchdog", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and waits for it."""
        self._ended.set()
        self._thread.join()

    def _answer(self) -> None:
        self._answered_at = time.monotonic()

    def _run(self) -> None:
        interval = self._seconds / _LOOKS
        asked_at = looked_at = time.monotonic()
        is_told = False
        while not self._ended.wait(interval):
            now = time.monotonic()
            pause, looked_at = now - looked_at, now
            if pause > self._seconds:
                log.warning("the whole process stood still for %.1f s", pause)
                if not is_told:
                    asked_at = max(asked_at, now - interval)
            if self._answered_at is not None:
                if is_told:
                    self._tell_end(asked_at)
                is_told, asked_at = False, now
                if not self._ask():
                    return
            elif not is_told and now - asked_at >= self._seconds:
                is_told = True
                log.warning(
                    "the event loop has been blocked for %.1f s: %s", now - asked_at, self._stack()
                )
        if is_told:
            self._tell_end(asked_at)

    def _tell_end(self, asked_at: float) -> None:
        if self._answered_at is not None:
            log.warning("the event loop goes on after %.1f s", self._answered_at - asked_at)

    def _ask(self) -> bool:
        self._answered_at = None
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            return False  # the loop is closed
        return True

    def _stack(self) -> str:
        """Returns where the loop's thread stands, in one line: the user's frames first."""
        frames = places.by_interest(places.thread_frames(self._loop_thread))
        told = [places.text_of(places.place_of(frame)) for frame in frames[:_MOST_FRAMES]]
        return " < ".join(told) or "in no Python code"


__all__ = ["Watchdog", "check_seconds"]
