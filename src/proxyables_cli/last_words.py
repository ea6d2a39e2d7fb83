"""The last line of a command that fails: for people, or in the form that its log has."""

from __future__ import annotations

import os
from collections.abc import Sequence

from proxyables_cli import exits
from proxyables_cli.exits import Code
from proxyables_cli.options import LOG_FORMS, Common

_FLAG = "--log-format"
_VARIABLE = "PROXYABLES_LOG_FORMAT"


def report(error: BaseException, words: Sequence[str], options: Common | None) -> Code:
    """Says what ended a command, and returns its exit code.

    Args:
        error: What did.
        words: The command line.
        options: What it was understood as; None if it did not come to that.
    """
    debug = "--debug" in words if options is None else options.debug
    name = _unread_form(words) if options is None else _form(options)
    if name == "text" or (name == "auto" and "JOURNAL_STREAM" not in os.environ):
        return exits.report(error, debug=debug)
    import logging  # for the few who want it

    from proxyables_cli.log_forms import make_form

    code, line = exits.explain(error)
    if line:
        info = (type(error), error, error.__traceback__)
        record = logging.LogRecord(
            "proxyables", logging.ERROR, __file__, 0, line, (), info if debug else None
        )
        record.proxyables_fields = {"exit": int(code)}
        for text in make_form(name, shows_traceback=debug).fatal_lines(record):
            exits.talk(text, name="")
    return code


def _form(options: Common) -> str:
    # The log is in the file then, and standard error is for people.
    return "text" if getattr(options, "log_file", None) is not None else options.log_format


def _unread_form(words: Sequence[str]) -> str:
    """Looks for the form in a command line that could not be understood, or its environment."""
    found = os.environ.get(_VARIABLE, "")
    for place, word in enumerate(words):
        if word == _FLAG:
            found = words[place + 1] if place + 1 < len(words) else ""
        elif word.startswith(f"{_FLAG}="):
            found = word.removeprefix(f"{_FLAG}=")
    return found if found in LOG_FORMS else "auto"


__all__ = ["report"]
