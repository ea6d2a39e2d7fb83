"""Starting a command without typer, which costs more than the rest of a stdio child's life.

Three quarters of the start-up of ``serve TARGET --stdio`` would go into importing typer, and such
a process is started for every ``exec:`` address. So these command lines are read by argparse, from
the same table (``options.py``). Help is left to typer: whoever reads it does not wait for
milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, build, rows

_HELP = frozenset({"-h", "--help"})
_STDIO = frozenset({"--stdio", "-", "stdio:", "--listen=-", "--listen=stdio:", "-l-"})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        name = self.prog.removeprefix("proxyables ")
        raise Failure(Code.USAGE, f"{name}: {message}", f"see '{self.prog} --help'")


def is_fast(argv: Sequence[str]) -> bool:
    """Tells whether a command line is one of a stdio child, which need not wait for typer."""
    return argv[:1] == ["serve"] and not _STDIO.isdisjoint(argv) and _HELP.isdisjoint(argv)


def parse(command: Command, argv: Sequence[str]) -> Any:
    """Reads the words after the command's name.

    Raises:
        Failure: They do not fit; the code is for bad usage.
    """
    parser = _Parser(prog=f"proxyables {command.name}", add_help=False, allow_abbrev=False)
    for name, row in rows(command.options):
        if row.is_switch:
            parser.add_argument(*row.names, dest=name, action="store_true")
        elif row.names:
            action = "append" if row.many else "store"
            parser.add_argument(*row.names, dest=name, metavar=row.metavar, action=action)
        else:
            count = "*" if row.many else None if row.required else "?"
            parser.add_argument(name, metavar=row.metavar, nargs=count)
    return build(command.options, vars(parser.parse_args(list(argv))))


__all__ = ["is_fast", "parse"]
