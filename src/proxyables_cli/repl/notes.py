"""What auto-await did at places in the code: `%save` reads it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple

AWAITED = "awaited"
"""The value of a chain was fetched."""
KEPT = "kept"
"""A chain stayed one, as an argument."""
NESTED = "nested"
"""Something remote was among the items that a target takes apart."""
REFLECTED = "reflected"
"""The right side of a comparison was asked."""
REPLACED = "replaced"
"""A builtin had to wait for the other side."""
REMOTE = "remote"
"""What was iterated, entered, changed or asked was remote."""
UNPACKED = "unpacked"
"""The items of something remote were fetched."""


class Site(NamedTuple):
    """Where a frame stood in its code at some time, under a frame's own names."""

    f_code: CodeType
    f_lasti: int


Note = Callable[[FrameType | Site, str], None]


def note_nothing(site: FrameType | Site, done: str) -> None:
    """Forgets what was done."""


__all__ = [
    "AWAITED",
    "KEPT",
    "NESTED",
    "REFLECTED",
    "REMOTE",
    "REPLACED",
    "UNPACKED",
    "Note",
    "Site",
    "note_nothing",
]
