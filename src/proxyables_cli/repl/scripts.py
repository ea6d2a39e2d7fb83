"""Sessions that nobody sits at: ``-c``, a FILE, piped input.

All of the source is parsed before anything runs, or is even connected to. ``-c`` shows the value
of its last expression; piped input those of all expressions at its top level, as a prompt would,
but without echo or prompt; a FILE shows only what it prints, as any Python script. The first error
ends the run.
"""

from __future__ import annotations

import io
import os
import sys
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

from proxyables_cli.exits import Code, Failure, OutputClosed, explain, talk
from proxyables_cli.repl import failures
from proxyables_cli.repl.compiling import Shows, with_commands
from proxyables_cli.repl.evaluation import Ending, Outcome
from proxyables_cli.repl.resolution import UserValue

_LINK_CODES = frozenset({Code.LOST, Code.PROTOCOL})


@dataclass(frozen=True, slots=True)
class Script:
    """What a session without a prompt runs.

    Attributes:
        source: Python, ``%`` lines included.
        filename: What tracebacks call it.
        shows: Which values it displays.
        argv: What it finds in ``sys.argv``.
    """

    source: str
    filename: str
    shows: Shows
    argv: tuple[str, ...]


def from_code(code: str, arguments: Sequence[str]) -> Script:
    return Script(with_commands(code), "<string>", Shows.LAST, ("-c", *arguments))


def from_file(path: str, arguments: Sequence[str]) -> Script:
    return Script(with_commands(read_file(path)), path, Shows.NOTHING, (path, *arguments))


def from_input() -> Script:
    """Reads standard input to its end."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.read()
    return Script(with_commands(_decoded(data, "standard input")), "<stdin>", Shows.ALL, ("-",))


def read_file(path: str) -> str:
    """The text of a script; ``~`` is the home directory.

    Raises:
        Failure: It cannot be read.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Failure(Code.USAGE, f"cannot read the script {path!r}: {why}") from None
    return _decoded(data, path)


def exit_code(outcome: Outcome) -> int:
    """Tells how a script's run ended, on standard error where it failed, and its exit code."""
    match outcome.ending:
        case Ending.DONE:
            return Code.OK
        case Ending.CANCELLED | Ending.ABANDONED:
            raise KeyboardInterrupt
        case Ending.TIMED_OUT:
            talk(f"timed out after {outcome.seconds:.1f} s")
            return Code.TIMED_OUT
        case Ending.EXITED:
            return code_of_exit(outcome.error)
    error = outcome.error
    assert error is not None
    if isinstance(error, BrokenPipeError):
        raise OutputClosed from None  # print() to a reader that went away
    if isinstance(error, (Failure, OutputClosed, KeyboardInterrupt)):
        raise error
    talk(failures.text_of(error).rstrip("\n"), name="")
    code, _ = explain(error)
    return code if code in _LINK_CODES else Code.RAISED


def code_of_exit(error: BaseException | None) -> int:
    """The exit code that a SystemExit asks for; a text in it is printed, as Python does."""
    asked: UserValue = error.code if isinstance(error, SystemExit) else None
    if asked is None:
        return 0
    if isinstance(asked, int):
        return asked & 0xFF
    talk(str(asked), name="")
    return 1


def _decoded(data: bytes, where: str) -> str:
    """Decodes Python source: UTF-8, or what its first lines declare."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Failure(Code.BAD_DATA, f"{where} is not text: {error}") from None


__all__ = [
    "Script",
    "code_of_exit",
    "exit_code",
    "from_code",
    "from_file",
    "from_input",
    "read_file",
]
