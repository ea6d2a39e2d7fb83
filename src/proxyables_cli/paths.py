"""The PATH of a command: ``accounts["ada"].balance``, ``items[0]``, ``.`` for the root.

A key in brackets is a whole number or a text; the quotes of a text may be left out, because a
shell takes them away anyway.
"""

from __future__ import annotations

import re
from typing import Any

from proxyables_cli.exits import Code, Failure

_NAME = re.compile(r"[^\W\d]\w*")
_KEY = re.compile(
    r"""\[\s*(?:(?P<number>-?[0-9]+)
             |"(?P<double>(?:[^"\\]|\\.)*)"
             |'(?P<single>(?:[^'\\]|\\.)*)'
             |(?P<bare>[^\]\["'\s][^\]\["']*?)
          )\s*\]""",
    re.VERBOSE | re.DOTALL,
)

Step = tuple[str, Any]
"""``("name", attribute)`` or ``("key", item key)``."""


def parse(text: str) -> list[Step]:
    """Takes a path apart; the root is an empty list.

    Raises:
        Failure: It is not a path; the code is for bad usage.
    """
    steps: list[Step] = []
    if text in ("", "."):
        return steps
    at = 0
    while at < len(text):
        if text[at] == "[":
            match = _KEY.match(text, at)
            if match is None:
                raise _wrong(text, at, 'write an item as [0] or ["key"]')
            steps.append(("key", _key(match)))
        else:
            start = at + 1 if steps and text[at] == "." else at
            match = _NAME.match(text, start)
            if match is None or (steps and start == at):
                raise _wrong(text, at, 'write names with dots between, as in a.b[0].c["key"]')
            if match[0].startswith("_"):
                hint = "names that begin with an underscore are private"
                raise Failure(Code.USAGE, f"{match[0]!r} in the path {text!r} is refused", hint)
            steps.append(("name", match[0]))
        at = match.end()
    return steps


def walk(root: Any, steps: list[Step]) -> Any:
    """Applies the steps of a path to a cursor. Nothing is sent."""
    found = root
    for kind, step in steps:
        found = getattr(found, step) if kind == "name" else found[step]
    return found


def _key(match: re.Match[str]) -> int | str:
    if match["number"] is not None:
        if len(match["number"]) > 19:
            raise Failure(Code.USAGE, f"{match[0]!r} is too large for an item number")
        return int(match["number"])
    if match["bare"] is not None:
        return match["bare"]
    quoted = match["double"] if match["double"] is not None else match["single"]
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _wrong(text: str, at: int, hint: str) -> Failure:
    return Failure(Code.USAGE, f"{text!r} is not a path: cannot read {text[at:]!r}", hint)


__all__ = ["Step", "parse", "walk"]
