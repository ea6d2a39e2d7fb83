"""Which texts may be names at all, and the patterns that an author gives for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from proxyables.limits import Limits

MAX_NAME = Limits().max_name


def name_reason(name: object, most: int = MAX_NAME) -> str | None:
    """Judges a name by its form alone: nothing is looked up before it is known to be public.

    Args:
        name: What the other side gave for one.
        most: Characters that it may have.

    Returns:
        A reason to refuse it, for this side's log, or None.
    """
    if type(name) is not str:
        return f"a name is text, not {type(name).__name__}"
    if len(name) > most:
        return f"the name has {len(name)} characters, {most} are allowed"
    if name.startswith("_"):
        return "the name is private"
    if not name.isidentifier():
        return "the name is not an identifier"
    if not name.isascii() and not _is_normal(name):
        return "the name only looks like one that Python could spell"
    return None


def _is_normal(name: str) -> bool:
    import unicodedata  # most programs spell all of their names in ASCII

    return unicodedata.is_normalized("NFKC", name)


class Patterns:
    """A list of `fnmatch` patterns, false if empty.

    Args:
        option: What the list is called in errors.
        given: The patterns.

    Raises:
        TypeError: `given` is one text, which would be taken for a list of letters, or holds
            something else than text.
    """

    __slots__ = ("_expression", "_given")

    def __init__(self, option: str, given: Iterable[str]) -> None:
        if isinstance(given, (str, bytes)):
            raise TypeError(f"{option} takes a list of patterns, got {given!r}")
        self._given = tuple(given)
        for pattern in self._given:
            if not isinstance(pattern, str):
                raise TypeError(f"{option} takes patterns as text, got {pattern!r}")
        self._expression = _compiled(self._given) if self._given else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __bool__(self) -> bool:
        return bool(self._given)

    def match(self, name: str) -> bool:
        """Whether one of the patterns matches the whole name, letter case included."""
        return self._expression is not None and self._expression.match(name) is not None


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    import fnmatch

    return re.compile("|".join(map(fnmatch.translate, patterns)))


__all__ = ["MAX_NAME", "Patterns", "name_reason"]
