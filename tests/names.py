"""Names of the cases of a test, which every process that collects it must give alike."""

from __future__ import annotations

import re


def stable(value: object) -> str:
    """Shows a value without the address of what has no other name, and sets in one order."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__} of {', '.join(sorted(map(ascii, value)))}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", ascii(value))
