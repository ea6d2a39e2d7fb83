"""Lines and indentation of a program's text, where strings may go over several lines."""

from __future__ import annotations

import io
import tokenize

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


__all__ = ["Unlike", "moved", "physical"]
