"""Names of the cases of a test."""

from __future__ import annotations

import re


def stable(value: object) -> str:
    """Shows a value the same way in every process: without the address of what has no other name."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", ascii(value))
