"""The settings of a session that `%config` shows and changes: one table, one row per setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.commands.command import on_or_off, seconds_of

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

LEAST_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """One row.

    Attributes:
        help: One line.
        read: Its value, as it can be typed.
        change: Takes what was typed.
    """

    help: str
    read: Callable[[Session], str]
    change: Callable[[Session, str], None]


def _on(value: object) -> str:
    return "on" if value else "off"


def _set_await(session: Session, text: str) -> None:
    session.evaluator.compiler.auto_await = on_or_off(text, "config await")


def _set_trace(session: Session, text: str) -> None:
    session.tracer.is_on = on_or_off(text, "config trace")


def _set_vi(session: Session, text: str) -> None:
    session.vi = on_or_off(text, "config vi")


def _set_timeout(session: Session, text: str) -> None:
    session.evaluator.set_limit(seconds_of(text, "config timeout"))


def _set_repr(session: Session, text: str) -> None:
    seconds = seconds_of(text, "config repr")
    if seconds is None:
        raise Failure(Code.USAGE, "%config repr takes seconds, and cannot be off")
    session.display.seconds = seconds


def _set_characters(session: Session, text: str) -> None:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if number < LEAST_CHARACTERS:
        told = f"%config characters takes a number from {LEAST_CHARACTERS} on, got {text!r}"
        raise Failure(Code.USAGE, told)
    session.display.characters = number


def _timeout(session: Session) -> str:
    limit = session.evaluator.limit
    return "off" if limit is None else f"{limit:g}s"


SETTINGS: dict[str, Setting] = {
    "await": Setting(
        "whether remote calls are awaited for you",
        lambda session: _on(session.evaluator.compiler.auto_await),
        _set_await,
    ),
    "characters": Setting(
        "how much of a value is shown at once",
        lambda session: str(session.display.characters or "all"),
        _set_characters,
    ),
    "repr": Setting(
        "how long remote objects may take to say how they look",
        lambda session: f"{session.display.seconds:g}s",
        _set_repr,
    ),
    "timeout": Setting("how long a cell may run", _timeout, _set_timeout),
    "trace": Setting(
        "whether remote calls are shown as they are made",
        lambda session: _on(session.tracer.is_on),
        _set_trace,
    ),
    "vi": Setting(
        "whether keys are those of vi, from the next prompt on",
        lambda session: _on(session.vi),
        _set_vi,
    ),
}

__all__ = ["SETTINGS", "Setting"]
