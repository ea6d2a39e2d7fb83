"""What one ``%`` command is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxyables_cli.exits import Code, Failure

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table.

    Attributes:
        usage: What follows the name, as the help shows it.
        help: One line.
        run: Gets the session and what was typed after the name.
    """

    usage: str
    help: str
    run: Callable[[Session, str], Awaitable[None]]


def needed(rest: str, name: str, what: str) -> str:
    """What was typed after a name that does nothing without it.

    Raises:
        Failure: Nothing was.
    """
    if not rest:
        raise Failure(Code.USAGE, f"%{name} needs something", f"as in %{name} {what}")
    return rest


def count_of(rest: str, name: str, default: int) -> int:
    """A number of things, typed after a name.

    Raises:
        Failure: It is none.
    """
    if not rest:
        return default
    if not (rest.isascii() and rest.isdecimal() and len(rest) < 7):
        raise Failure(Code.USAGE, f"%{name} takes a number, got {rest!r}", f"as in %{name} 3")
    return int(rest)


def seconds_of(text: str, name: str) -> float | None:
    """``500ms``, ``3s``, ``2m`` or a number of seconds, as seconds; None for ``off``.

    Raises:
        Failure: It is none of these, or not more than nothing.
    """
    from proxyables_cli.options import duration

    if text == "off":
        return None
    try:
        seconds = duration(text)
    except ValueError:
        seconds = 0.0
    if not seconds:
        told = f"%{name} takes seconds or off, got {text!r}"
        raise Failure(Code.USAGE, told, "as in 500ms, 3s")
    return seconds


def on_or_off(text: str, name: str) -> bool:
    """Whether a word is ``on``.

    Raises:
        Failure: It is not ``off`` either.
    """
    if text not in ("on", "off"):
        raise Failure(Code.USAGE, f"%{name} takes on or off, got {text!r}")
    return text == "on"


__all__ = ["Command", "count_of", "needed", "on_or_off", "seconds_of"]
