"""Numbers as people read them, in few characters."""

from __future__ import annotations

import math
from typing import Any

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value: Any) -> float:
    """Returns what the other side gave as a number; 0 for what is none."""
    fits = type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
    return float(value) if fits else 0.0


def count(value: Any) -> str:
    """Writes a whole number."""
    return f"{number(value):.0f}"


def rate(value: Any) -> str:
    """Writes how often something happens in a second."""
    per_second = number(value)
    return f"{per_second:.0f}/s" if per_second >= 100 else f"{per_second:.1f}/s"


def age(value: Any) -> str:
    """Writes how long ago something was: ``3s``, ``2m05s``, ``1h07m``, ``3d04h``."""
    seconds = int(max(number(value), 0))
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h"


def duration(value: Any) -> str:
    """Writes how long something took, in three digits or four; ``-`` for None."""
    if value is None:
        return "-"
    seconds = max(number(value), 0.0)
    if seconds >= 100:
        return age(seconds)
    if seconds >= 1:
        return f"{seconds:.2f}s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.3g}ms" if milliseconds < 999.5 else "1.00s"


def size(value: Any) -> str:
    """Writes a number of bytes."""
    amount = max(number(value), 0.0)
    for unit in _UNITS[:-1]:
        if amount < 1023.5:
            return f"{amount:.0f}{unit}" if unit == "B" or amount >= 100 else f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}{_UNITS[-1]}"


__all__ = ["age", "count", "duration", "number", "rate", "size"]
