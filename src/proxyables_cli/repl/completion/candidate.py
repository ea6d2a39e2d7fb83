"""One thing that could stand at the cursor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate.

    Attributes:
        text: What is written in place of what was typed.
        replaces: How many characters before the cursor it replaces.
        kind: ``method``, ``attribute``, ``name``, ``keyword`` and so on; empty if unknown.
        meta: The signature, the type, or the first line of the documentation.
        shown: What the menu shows; `text` if empty.
    """

    text: str
    replaces: int = 0
    kind: str = ""
    meta: str = ""
    shown: str = ""


__all__ = ["Candidate"]
