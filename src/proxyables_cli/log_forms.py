"""How a record of the log is written: for people, for programs, for the journal.

Whatever a peer sent may stand in a message, so each form sees to it that no text breaks out of its
line.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator

from proxyables_cli.exits import printable

NOTICES = "proxyables.notice"
"""The logger of what is told to whoever started the server, whatever the level is."""
CHILDREN = "proxyables.child"
"""The logger of what child processes say on their standard error."""
ACCESS = "proxyables.access"
"""The logger of the calls that were served; see ``access_log`` of `proxyables.serve`."""

# The priorities of sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_NOTICE, _CRITICAL = 5, 2


class Form(ABC):
    """How records are written.

    Args:
        shows_traceback: Whether the tracebacks of exceptions are part of it.
    """

    def __init__(self, *, shows_traceback: bool) -> None:
        self._shows_traceback = shows_traceback

    @abstractmethod
    def lines(self, record: logging.LogRecord) -> Iterator[str]:
        """Writes a record."""

    def fatal_lines(self, record: logging.LogRecord) -> Iterator[str]:
        """Writes what has ended the program."""
        return self.lines(record)


class Text(Form):
    """Lines for people: the program's name, the level, the message.

    Args:
        shows_traceback: As of `Form`.
        is_for_file: Whether the time stands in the place of the program's name.
    """

    def __init__(self, *, shows_traceback: bool, is_for_file: bool = False) -> None:
        super().__init__(shows_traceback=shows_traceback)
        self._is_for_file = is_for_file

    def lines(self, record: logging.LogRecord) -> Iterator[str]:
        is_timed = self._is_for_file or record.name == ACCESS
        name = f"{_time_of(record)} " if is_timed else "proxyables: "
        if record.name == CHILDREN:
            name = name if self._is_for_file else ""
        if self._shows_traceback:
            yield from map(printable, _traceback_of(record))
        yield name + printable(self._told(record))

    def fatal_lines(self, record: logging.LogRecord) -> Iterator[str]:
        # As `exits.report` writes it: nobody has to be told that it is an error.
        if self._shows_traceback:
            yield from map(printable, _traceback_of(record))
        yield f"proxyables: {printable(record.getMessage())}"

    def _told(self, record: logging.LogRecord) -> str:
        told = record.getMessage()
        if record.name not in (CHILDREN, NOTICES, ACCESS):
            told = f"{record.levelname.lower()}: {told}"
        error = _error_of(record)
        return f"{told}: {error}" if error and not self._shows_traceback else told


class Journald(Form):
    """Lines for the journal, which adds time and program: each begins with its priority."""

    def lines(self, record: logging.LogRecord) -> Iterator[str]:
        priority = _PRIORITIES.get(record.levelno, _CRITICAL)
        if record.name == NOTICES:
            priority = _NOTICE
        told, error = record.getMessage(), _error_of(record)
        if self._shows_traceback:
            for line in _traceback_of(record):
                yield f"<{priority}>{printable(line)}"
        elif error:
            told = f"{told}: {error}"
        yield f"<{priority}>{printable(told)}"


class Json(Form):
    """One JSON object for each record, in ASCII."""

    def lines(self, record: logging.LogRecord) -> Iterator[str]:
        import json  # for those who asked for it

        yield json.dumps(_fields(record, shows_traceback=self._shows_traceback))


class Logfmt(Form):
    """``name=value`` for each field of a record; what is not one plain word stands in quotes."""

    def lines(self, record: logging.LogRecord) -> Iterator[str]:
        fields = _fields(record, shows_traceback=self._shows_traceback)
        yield " ".join(f"{name}={_quoted(str(text))}" for name, text in fields.items())


def make_form(name: str, *, shows_traceback: bool, is_for_file: bool = False) -> Form:
    """Makes the form that ``--log-format`` names.

    Args:
        name: Its name; ``auto`` is the journal's where standard error leads there.
        shows_traceback: Whether the tracebacks of exceptions are part of it.
        is_for_file: Whether the log goes to a file.
    """
    if name == "auto":
        name = "journald" if not is_for_file and _is_journal() else "text"
    if name == "text":
        return Text(shows_traceback=shows_traceback, is_for_file=is_for_file)
    kinds: dict[str, type[Form]] = {"journald": Journald, "json": Json, "logfmt": Logfmt}
    return kinds[name](shows_traceback=shows_traceback)


def _is_journal() -> bool:
    """Whether standard error is the journal's, as systemd.exec(5) tells it."""
    told = os.environ.get("JOURNAL_STREAM", "")
    if not told or sys.stderr is None:
        return False
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


def _fields(record: logging.LogRecord, *, shows_traceback: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "time": _time_of(record),
        "level": record.levelname.lower(),
        "logger": record.name,
        "pid": os.getpid(),
        "message": record.getMessage(),
    }
    # What a message is made of is there for programs as well.
    fields |= getattr(record, "proxyables_fields", {})
    if error := _error_of(record):
        fields["error"] = error
    if shows_traceback and (lines := _traceback_of(record)):
        fields["traceback"] = "\n".join(lines)
    return fields


def _quoted(text: str) -> str:
    import json

    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' "=\\')
    return text if text and is_plain else json.dumps(text)


def _time_of(record: logging.LogRecord) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{second}.{int(record.msecs):03d}Z"


def _error_of(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"


def _traceback_of(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    return "".join(traceback.format_exception(record.exc_info[1])).splitlines()


__all__ = ["ACCESS", "CHILDREN", "NOTICES", "Form", "make_form"]
