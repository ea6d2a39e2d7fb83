"""What auto-await did at places in the code: `%save` reads it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple

AWAITED = "awaited"
"""The value of a chain was fetched."""
COPIED = "copied"
"""What was fetched is a container: changing it here changes nothing over there."""
KEPT = "kept"
"""A chain stayed one, as an argument."""
LOOP = "loop"
"""What an explicit ``await`` waited for was neither a chain nor a coroutine of the session's."""
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


class Local(NamedTuple):
    """What one function of the resolver does with what is local: nothing.

    Several functions may be called at one place of the source, so each has words of its own.

    Attributes:
        given: It was given something local.
        found: What it was given was fetched, and that is local.
    """

    given: str
    found: str


def local_to(function: str) -> Local:
    """The words of a function of the resolver."""
    return Local(f"{function}: given", f"{function}: found")


def is_local(word: str) -> bool:
    """Whether a word is one of `local_to`."""
    return ": " in word


CELLS = "<repl:"
"""Begins what the cells of a session are called in place of a file's name."""
_ONLY_HERE = "_px_only_here"


class Site(NamedTuple):
    """Where a frame stood in its code at some time, under a frame's own names."""

    f_code: CodeType
    f_lasti: int


Note = Callable[[FrameType | Site, str], None]


def only_here(error: TypeError) -> TypeError:
    """Marks an error that the same code does not raise in a program: it says what the REPL cannot
    wait for."""
    vars(error)[_ONLY_HERE] = True
    return error


def is_only_here(error: BaseException | None) -> bool:
    return error is not None and _ONLY_HERE in vars(error)


def note_nothing(site: FrameType | Site, done: str) -> None:
    """Forgets what was done."""


__all__ = [
    "AWAITED",
    "CELLS",
    "COPIED",
    "KEPT",
    "LOOP",
    "NESTED",
    "REFLECTED",
    "REMOTE",
    "REPLACED",
    "UNPACKED",
    "Local",
    "Note",
    "Site",
    "is_local",
    "is_only_here",
    "local_to",
    "note_nothing",
    "only_here",
]
