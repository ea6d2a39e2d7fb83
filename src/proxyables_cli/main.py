"""The entry point: the paths that need no typer, and the one place where errors become codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from proxyables_cli import exits


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code. Raises nothing.

    Args:
        argv: The words after the program's name; the process's own if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except (Exception, KeyboardInterrupt) as error:
        return exits.report(error, debug="--debug" in words)


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        from proxyables.version import __version__

        return _print_version(__version__)
    from proxyables_cli import loops

    loops.guard_descriptors()
    from proxyables_cli import fastpath

    if fastpath.is_fast(words):
        from proxyables_cli import serve

        (command,) = serve.COMMANDS
        return command.run(fastpath.parse(command, words[1:]))
    from proxyables_cli import app, arguments

    if words and words[0] in ("call", "set"):
        words = arguments.protect_negative(words)
    return app.run(words)


def _print_version(version: str) -> int:
    from proxyables_cli import output

    output.write(f"proxyables {version}\n".encode())
    return exits.Code.OK


__all__ = ["main"]
