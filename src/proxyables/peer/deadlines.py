"""Deadlines: until when calls are to be answered, on this side and wherever they lead.

One context variable holds the moment. A call that is made while it is set carries the time that
is left; the other side serves it with the same variable set, so the calls that it makes in turn
carry what is left then. Clocks are never compared: only durations travel.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import time
from collections.abc import Iterator
from typing import Any, Final

from proxyables.errors import ProxyError

until: Final[contextvars.ContextVar[float | None]] = contextvars.ContextVar(
    "proxyables.deadline", default=None
)
"""The moment, on the clock of `time.monotonic`; None without a deadline."""
_LONGEST = 30 * 24 * 3600.0
"""Seconds: event loops take no time without end."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Has every call that is made inside answered within `seconds` from now, all of them together.

    A call that is not raises TimeoutError, and is cancelled over there; it may or may not have
    run. So are the calls that it made in turn: the time that is left travels along. A call that
    is made when the time is over is not sent. Nothing but calls is stopped: for all else there is
    `asyncio.timeout`. Inside of another deadline, the earlier one counts. Tasks that are begun
    inside keep the deadline.

    Works in asynchronous code and in threads alike::

        with proxyables.deadline(2.5):
            total = await shop.total()

    Raises:
        TypeError, ValueError: `seconds` is no number, or negative.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"deadline takes a number of seconds, got {seconds!r}")
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"deadline takes a positive number of seconds, got {seconds!r}")
    end, outer = time.monotonic() + min(seconds, _LONGEST), until.get()
    token = until.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        until.reset(token)


def seconds_left(end: float) -> float:
    """Returns the time until `end`.

    Raises:
        TimeoutError: There is none.
    """
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline is over; the call was not sent")
    return left


def dump_deadline(seconds: float) -> dict[str, Any]:
    """Returns the metadata of an EXECUTE that has so much time."""
    return {"deadline_ms": math.ceil(seconds * 1000)}


def load_deadline(metadata: Any) -> float | None:
    """Returns the seconds that an EXECUTE's metadata allow; None if they do not say.

    Raises:
        ProxyError: They are malformed.
    """
    if type(metadata) is not dict:
        raise ProxyError("malformed EXECUTE: its metadata are not a map")
    told = metadata.get("deadline_ms")
    if told is None:
        return None
    if type(told) is not int or told < 0:
        raise ProxyError("malformed EXECUTE: deadline_ms is not a whole number of milliseconds")
    return min(told / 1000, _LONGEST) if told < 1 << 63 else _LONGEST
