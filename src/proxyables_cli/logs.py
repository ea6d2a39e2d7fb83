"""Where the library's log goes: standard error, or a file that can be opened again."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.log_forms import ACCESS, CHILDREN, NOTICES, Form, make_form
from proxyables_cli.options import Common

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _StandardError(logging.Handler):
    """Prints each record, silently nowhere if standard error is closed."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = list(self._form.lines(record))
        except (TypeError, ValueError):  # its text and its arguments do not fit each other
            self.handleError(record)
            return
        for line in lines:
            talk(line, name="")


class _File(logging.FileHandler):
    """Appends each record to a file."""

    def __init__(self, path: str, form: Form) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._form = form
        self._is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # of opening it again
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(self._form.lines(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of the base class
        """Tells once that the file cannot be written, and not in a traceback for each record."""
        if not self._is_broken:
            self._is_broken = True
            talk(printable(f"cannot write the log {self.baseFilename}: {sys.exc_info()[1]}"))

    def reopen(self) -> None:
        """Closes the file; the next record opens what is at its path then."""
        self._is_broken = False
        if self.stream is not None:
            self.stream.close()
            self.stream = None  # which the base class then opens


def configure(
    options: Common, level: int = logging.WARNING, file: str | None = None
) -> Callable[[], None] | None:
    """Sends the log of the library to standard error or to a file, as the options want it.

    The root logger is left alone: it belongs to the exported program, which may set it up while
    it is imported.

    Args:
        options: Those of the command.
        level: What is logged if they ask for nothing else. A command that dials gives ERROR: what
            goes wrong there becomes its own line.
        file: The path of the file, if it is to be one. Standard error then gets the notices only,
            for people.

    Returns:
        What opens the file again; None without one.

    Raises:
        Failure: The file cannot be written.
    """
    level = _level(options, level)
    shows_traceback = level <= logging.DEBUG
    opened = None if file is None else _open(file, options.log_format, shows_traceback)
    name = options.log_format if opened is None else "text"
    spoken = _StandardError(make_form(name, shows_traceback=shows_traceback))
    written = spoken if opened is None else opened
    _set("proxyables", level, written)
    # What children say is their users' business, whatever is logged of the connection.
    usual = logging.ERROR if options.quiet else logging.WARNING
    _set(CHILDREN, _LEVELS.get(options.log_level or "", usual), written)
    _set(NOTICES, logging.ERROR if options.quiet else logging.INFO, *{spoken, written})
    _set(ACCESS, logging.INFO, written)  # who asks for it wants it, however quiet the rest is
    return None if opened is None else opened.reopen


def _level(options: Common, level: int) -> int:
    if options.log_level is not None:
        return _LEVELS[options.log_level]
    if options.debug:
        return logging.DEBUG
    if options.verbose:
        return logging.INFO
    return logging.ERROR if options.quiet else level


def _open(path: str, form: str, shows_traceback: bool) -> _File:
    try:
        return _File(path, make_form(form, shows_traceback=shows_traceback, is_for_file=True))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(Code.CANNOT_LISTEN, f"cannot write the log {path}: {reason}") from None


def _set(name: str, level: int, *handlers: logging.Handler) -> None:
    logger = logging.getLogger(name)
    logger.setLevel(level)
    logger.propagate = False
    logger.handlers[:] = handlers


__all__ = ["configure"]
