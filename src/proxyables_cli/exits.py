"""Exit codes, and the one table that turns an exception into a code and a line.

The codes follow sysexits(3) where it has one. Every failure that a user can cause has its own,
so that a script can tell "nobody is there" from "it said no" without reading texts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import IntEnum

CLIPPED = 600
_MOST_NAMED = 5
"""Servers that are running, where one was not found."""


class Code(IntEnum):
    """What the process tells its parent."""

    OK = 0
    RAISED = 1
    """The other side's code raised, or the user's own script did."""
    USAGE = 2
    BAD_DATA = 65
    NO_TARGET = 66
    NO_CONNECTION = 69
    BUG = 70
    CANNOT_LISTEN = 73
    LOST = 74
    """The connection broke after it stood, or the output could not be written."""
    TIMED_OUT = 75
    PROTOCOL = 76
    REFUSED = 77
    """Not authenticated, or a bind that would be unsafe."""
    CONFIGURATION = 78
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    """The program of an ``exec:`` address does not exist."""
    INTERRUPTED = 130
    CLOSED_OUTPUT = 141
    """The reader of our output went away (``| head -1``): as if SIGPIPE had ended us."""


class Failure(Exception):
    """A failure that the command explains itself: a code, what happened, and what to try."""

    def __init__(self, code: Code, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class OutputClosed(Exception):
    """Nobody reads our standard output any more."""


# Names instead of classes: an error can be explained without importing the library, which the
# paths that fail early (usage, a target that does not load) never need. A class is looked up
# through its bases, so the first row of the table that names one of them decides.
_BY_TYPE: tuple[tuple[str, Code], ...] = (
    ("proxyables.errors.RemoteError", Code.RAISED),
    ("proxyables.errors.AuthenticationFailed", Code.REFUSED),
    ("proxyables.errors.HandshakeFailed", Code.NO_CONNECTION),
    ("proxyables.errors.ConnectionClosed", Code.LOST),
    ("proxyables.errors.PeerProtocolError", Code.PROTOCOL),
    ("proxyables.errors.NotSupported", Code.PROTOCOL),
    ("proxyables.errors.LimitExceeded", Code.BAD_DATA),
    ("proxyables.errors.EncodingError", Code.BAD_DATA),
    ("proxyables.errors.ProxyError", Code.BUG),
    ("builtins.TimeoutError", Code.TIMED_OUT),
    ("builtins.KeyboardInterrupt", Code.INTERRUPTED),
    ("proxyables_cli.exits.OutputClosed", Code.CLOSED_OUTPUT),
)

# `HandshakeFailed` is one type for every way not to meet; its reason tells them apart.
_BY_REASON: dict[str, Code] = {
    "unreachable": Code.NO_CONNECTION,
    "closed": Code.NO_CONNECTION,
    "timeout": Code.TIMED_OUT,
    "not-found": Code.NOT_FOUND,
    "not-executable": Code.NOT_EXECUTABLE,
    "not-a-peer": Code.PROTOCOL,
    "version": Code.PROTOCOL,
    "malformed": Code.PROTOCOL,
    "refused": Code.PROTOCOL,
    "busy": Code.NO_CONNECTION,
}

# Failures that say nothing: the user caused them, and knows.
_SILENT = frozenset({Code.INTERRUPTED, Code.CLOSED_OUTPUT})

_UNSAFE = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_UNSAFE_IN_LINES = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"


def explain(error: BaseException) -> tuple[Code, str]:
    """Tells the exit code of an exception, and its one line without the program's name.

    The line is empty where there is nothing to tell (an interrupt, a closed output).
    """
    if isinstance(error, Failure):
        line = f"{error.message}; {error.hint}" if error.hint else error.message
        return error.code, printable(line)
    code = _code_of(error)
    if code in _SILENT:
        return code, ""
    if code is Code.BUG:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return code, printable(f"unexpected {what}; --debug shows where")
    return code, printable(_message_of(error) + _advice(error))


def report(error: BaseException, *, debug: bool) -> Code:
    """Prints the one line of an exception on standard error and returns its exit code.

    Args:
        error: What ended the command.
        debug: Print the traceback before the line.
    """
    code, line = explain(error)
    if debug and code not in _SILENT:
        for text in _traceback(error):
            talk(printable(text, clip=10 * CLIPPED), name="")
    if line:
        talk(line)
    return code


def talk(line: str, *, name: str = "proxyables: ") -> None:
    """Writes one line to standard error; silently nothing if nobody can hear it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{name}{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # standard error is closed: there is nowhere left to say so


def printable(text: str, *, clip: int = CLIPPED) -> str:
    """Makes a text fit for one line of a terminal, whoever sent it.

    Line ends become spaces, other control characters and overriding directions are escaped, and
    what is too long is cut in the middle.
    """
    text = re.sub(r"\s*[\r\n]+\s*", " ", text.strip("\r\n"))
    text = re.sub(_UNSAFE, _escape, text)
    if len(text) > clip:
        half = clip // 2
        text = f"{text[:half]} … {text[-half:]}"
    return text


def escaped(text: str, *, characters: int | None = None) -> str:
    """A text from elsewhere, fit for a terminal: lines kept, other control characters escaped."""
    if characters is not None and len(text) > characters:
        text = f"{text[:characters]} … ({len(text)} characters)"
    return re.sub(_UNSAFE_IN_LINES, _escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _traceback(error: BaseException) -> Iterator[str]:
    import traceback  # rarely needed, and as dear as the rest of a short command

    yield from "".join(traceback.format_exception(error)).splitlines()
    frames = getattr(error, "frames", ())
    if frames:
        yield "Raised over there:"
    for frame in frames:
        yield f'  File "{frame.file}", line {frame.line}, in {frame.function}'
        if frame.text:
            yield f"    {frame.text.strip()}"


def _code_of(error: BaseException) -> Code:
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    code = next((code for name, code in _BY_TYPE if name in names), Code.BUG)
    if code is Code.NO_CONNECTION:
        return _BY_REASON[error.reason]  # type: ignore[attr-defined]  # a HandshakeFailed
    return code


def _advice(error: BaseException) -> str:
    nobody = (ConnectionRefusedError, FileNotFoundError)
    if not isinstance(error.__cause__, nobody) or getattr(error, "reason", "") != "unreachable":
        return ""
    from proxyables_cli import runtime  # which needs this module

    there = [f"unix:{path}" for path in runtime.sockets() if runtime.is_served(path)]
    if not there:
        return "; start a server with 'proxyables serve'"
    return f"; running here: {', '.join(there[:_MOST_NAMED])}{' …' * (len(there) > _MOST_NAMED)}"


def _message_of(error: BaseException) -> str:
    type_name = getattr(error, "type_name", "")
    text = str(error)
    if not type_name or text == type_name or text.startswith(f"{type_name}:"):
        return text or type(error).__name__
    return f"{type_name}: {text}" if text else str(type_name)


__all__ = ["Code", "Failure", "OutputClosed", "escaped", "explain", "printable", "report", "talk"]
