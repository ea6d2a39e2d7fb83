"""Lines and indentation of a program's text, where strings may go over several lines."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable

INDENT = "    "

_STRINGS = frozenset(
    getattr(tokenize, name) for name in ("STRING", "FSTRING_START") if hasattr(tokenize, name)
)
_STRING_ENDS = frozenset(
    getattr(tokenize, name) for name in ("STRING", "FSTRING_END") if hasattr(tokenize, name)
)


class Unlike(Exception):
    """What was typed cannot be made what is meant."""


def physical(text: str) -> list[str]:
    """The lines of a text that can be indented; what a string goes on with stays behind its own."""
    inside = _inside_strings(text)
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number in inside:
            lines[-1] += f"\n{line}"
        else:
            lines.append(line)
    return lines


def moved(text: str, old: str, new: str) -> str:
    """A statement's text with another indentation of all lines but the first."""
    first, *others = physical(text) if not old else _physical_below(text, old)
    moved = [
        new + line.removeprefix(old) if line.strip() else line.removeprefix(old) for line in others
    ]
    return "\n".join([first, *moved])


def _physical_below(text: str, margin: str) -> list[str]:
    _, first, *others = physical(f"if 1:\n{margin}{text}")
    return [first.removeprefix(margin), *others]


def _inside_strings(text: str) -> set[int]:
    """The numbers of the lines that begin inside of a string."""
    inside: set[int] = set()
    begun: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _STRINGS:
                begun.append(token.start[0])
            if token.type in _STRING_ENDS:
                inside.update(range(begun.pop() + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError) as error:
        raise Unlike from error
    return inside


def with_tail(texts: list[str], tail: str) -> list[str]:
    """The lines of texts, a comment behind the last of them."""
    lines = [line for text in texts for line in physical(text)]
    if tail:
        lines[-1] += f"  {tail}"
    return lines


def indented(lines: Iterable[str]) -> list[str]:
    """Each line indented, but not what a string in it goes on with."""
    return [INDENT + line if line else line for line in lines]


def spaced(lines: list[str]) -> list[str]:
    """The lines without two blank ones in a row, or at an end; at least one."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept or ["pass"]


__all__ = ["INDENT", "Unlike", "indented", "moved", "physical", "spaced", "with_tail"]
