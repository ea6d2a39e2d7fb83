"""The entry point, and the one place where errors become exit codes.

Each path imports what it needs and no more, so nearly every import stands where it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # that of `typing` costs `--version` a third of its time
if TYPE_CHECKING:
    from proxyables_cli.commands import Invocation


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code. Raises nothing.

    Args:
        argv: The words after the program's name; the process's own if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    asked: Invocation | int | None = None
    try:
        if words == ["--version"]:
            code = _print_version()
        else:
            from proxyables_cli import collector

            with collector.resting():
                asked = _understand(words)
                code = asked if isinstance(asked, int) else asked.run()
        _flush()
    except (Exception, KeyboardInterrupt) as error:
        from proxyables_cli import last_words, stdout

        options = None if asked is None or isinstance(asked, int) else asked.options
        code = last_words.report(error, words, options)
        stdout.discard()
    return code


def _understand(words: list[str]) -> Invocation | int:
    """Reads a command line; returns an exit code where it asked for help."""
    from proxyables.net.stdio import open_standard_descriptors

    open_standard_descriptors()  # before anything could open a file that takes their numbers
    if getattr(sys.stdout, "write_through", False) or not os.get_blocking(1):
        from proxyables_cli import stdout

        stdout.make_whole()
    from proxyables_cli import commands, fastpath

    command = commands.first(words)
    if command in ("call", "set"):
        from proxyables_cli import arguments

        words = arguments.protect_negative(words)
    if command == "bridge" and "--" in words:
        from proxyables_cli.bridge.options import with_child

        words = with_child(words)

    asked = fastpath.parse(words)
    if asked is not None:
        return asked
    from proxyables_cli import app

    return app.parse(words)


def _print_version() -> int:
    """Prints it, without importing what others print with."""
    from proxyables.version import __version__

    try:
        print(f"proxyables {__version__}")
    except OSError:
        from proxyables_cli import stdout

        with stdout.explained():
            raise
    return 0


def _flush() -> None:
    """Sends off what was printed, while its failure can still be explained."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        from proxyables_cli import stdout

        stdout.flush()  # fails in the same way, and says so in our words


__all__ = ["main"]
