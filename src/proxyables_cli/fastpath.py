"""Reading a command line without typer.

Importing typer takes as long as everything else that a short command does, ``call`` for example,
or a stdio child, which is started anew for each ``exec:`` address. So a plain command line is
read by argparse, from the same table (``options.py``). What argparse cannot read, and whoever
asks for help, is left to typer, which then says what is wrong: nobody counts milliseconds there,
and there is one voice for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from proxyables_cli import commands
from proxyables_cli.commands import Invocation
from proxyables_cli.options import Command, rows

# The two parsers agree but for the words after "--", which argparse treats differently from one
# version of Python to the next.
_FOR_TYPER = frozenset({"-h", "--help", "--"})


class _Unclear(Exception):
    """argparse does not understand the command line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Unclear(message)


def parse(argv: Sequence[str]) -> Invocation | None:
    """Reads a command line that begins with a command; None if it is one for typer.

    Raises:
        Failure: An option's value is wrong; the code is for bad usage.
    """
    if not argv or not _FOR_TYPER.isdisjoint(argv):
        return None
    command = commands.find(argv[0])
    if command is None:
        return None
    try:
        typed = _parser(command).parse_args(list(argv[1:]))
    except _Unclear:
        return None
    return commands.understand(command, vars(typed))


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Makes what argparse asks how it would write each argument; nobody reads that here."""
    return argparse.HelpFormatter(prog, width=80)  # else it imports shutil, which is dear


def _parser(command: Command) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, formatter_class=_formatter)
    for name, row in rows(command.options):
        if row.is_switch:
            parser.add_argument(*row.names, dest=name, action="store_true")
        elif row.names:
            action = "append" if row.many else "store"
            parser.add_argument(*row.names, dest=name, metavar=row.metavar, action=action)
        else:
            count = "*" if row.many else None if row.required else "?"
            parser.add_argument(name, metavar=row.metavar, nargs=count)
    return parser


__all__ = ["parse"]
