"""What the library logs, as lines on standard error."""

from __future__ import annotations

import logging
import traceback

from proxyables_cli.exits import printable, talk
from proxyables_cli.options import Common


class _TalkingHandler(logging.Handler):
    """Prints each record as one line that no remote text can break out of."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            told = f"{record.levelname.lower()}: {record.getMessage()}"
        except (TypeError, ValueError):  # its text and its arguments do not fit each other
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[1] is not None:
            if self.level <= logging.DEBUG:
                for text in "".join(traceback.format_exception(record.exc_info[1])).splitlines():
                    talk(printable(text), name="")
            else:
                told = f"{told}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        talk(printable(told))


class _ChildHandler(logging.Handler):
    """Passes on what a child process says on its standard error, under its own name."""

    def emit(self, record: logging.LogRecord) -> None:
        talk(printable(record.getMessage()), name="")


def configure(options: Common, level: int = logging.WARNING) -> None:
    """Sends the log of the library to standard error, from the level that the options ask for.

    The root logger is left alone: it belongs to the exported program, which may set it up while
    it is imported.

    Args:
        options: Those of the command.
        level: What is logged if they ask for nothing else. A command that dials gives ERROR: what
            goes wrong there becomes its own line.
    """
    if options.debug:
        level = logging.DEBUG
    elif options.verbose:
        level = logging.INFO
    elif options.quiet:
        level = logging.ERROR
    logger = logging.getLogger("proxyables")
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(_TalkingHandler(level))
    children = logging.getLogger("proxyables.child")
    children.setLevel(logging.ERROR if options.quiet else logging.WARNING)
    children.propagate = False
    children.addHandler(_ChildHandler())


__all__ = ["configure"]
