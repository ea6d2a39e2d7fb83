"""What the methods of paths cost: patterns, and paths longer than any system's.

They are written in Python, and bound to the path like an author's own methods, which are called
without a look. So the method that somebody reads from a path is one that looks first.
"""

from __future__ import annotations

import functools
import math
import pathlib
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any

from proxyables.wire.paths import MOST_CHARACTERS, MOST_PARTS, is_too_long

from .rules import callable_module

LONGEST_PATTERN = 1024
"""A pattern becomes a regular expression, which the interpreter keeps for a while."""
MOST_STEPS = 10_000_000
"""Of matching; a step takes some 10 ns."""
_MATCHING = frozenset({"match", "full_match"})


def guarded(method: Any) -> Any:
    """Returns a method of a path's that looks first at what it is given; another as it is."""
    if not _is_of_pathlib(method):
        return method
    return MethodType(_guarded(method.__func__), method.__self__)


@functools.lru_cache(maxsize=64)
def _guarded(function: FunctionType) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(path: Any, /, *args: Any, **kwargs: Any) -> Any:
        _check(path, function.__name__, [*args, *kwargs.values()])
        return function(path, *args, **kwargs)

    return checked


def check_path_call(method: Any, args: Iterable[Any]) -> None:
    """Refuses a call of a path's method that would take long.

    Raises:
        ValueError: It is given, or would make, too long a path, or a pattern that is too long or
            could match in too many ways.
    """
    if _is_of_pathlib(method):
        _check(method.__self__, method.__func__.__name__, [*args])


def check_joining(path: Any, other: Any) -> None:
    """Refuses ``path / other`` if that is too long; raises as `check_path_call` does."""
    _check(path, "joinpath", [other])


def _is_of_pathlib(method: Any) -> bool:
    if type(method) is not MethodType or type(method.__func__) is not FunctionType:
        return False
    return callable_module(method.__func__).partition(".")[0] == "pathlib"


def _check(path: Any, name: str, args: list[Any]) -> None:
    texts = [str(path), *(text for each in args if (text := _text_of(each)) is not None)]
    if name in _MATCHING and len(texts) > 1:
        _check_pattern(path, texts[1])
    elif args and is_too_long(texts):
        raise ValueError(f"a path takes at most {MOST_CHARACTERS} characters, {MOST_PARTS} parts")


def _text_of(value: object) -> str | None:
    kind = type(value)
    if issubclass(kind, str):
        text: Any = value
        return str.__str__(text)
    return str(value) if issubclass(kind, pathlib.PurePath) else None


def _check_pattern(path: Any, pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern takes at most {LONGEST_PATTERN} characters here")
    if _steps(path, pattern) > MOST_STEPS:
        raise ValueError("the pattern could match in too many ways")


def _steps(path: Any, pattern: str) -> int:
    """Returns in how many ways a pattern could be laid over a path, at the most.

    A ``*`` that is alone in its part has one way, as the next part begins at a separator.
    """
    parts = path.parts
    longest = max(map(len, parts), default=0)
    if issubclass(type(path), pathlib.PureWindowsPath):
        pattern = pattern.replace("\\", "/")
    wanted = pattern.split("/")
    ways = math.comb(len(parts) + wanted.count("**"), wanted.count("**"))
    for part in wanted:
        more = part.count("*") - 1
        if part != "**" and more > 0:
            ways *= math.comb(longest + more, more)
        if ways > MOST_STEPS:
            break
    return ways * max(longest, 1)


__all__ = ["LONGEST_PATTERN", "MOST_STEPS", "check_joining", "check_path_call", "guarded"]
