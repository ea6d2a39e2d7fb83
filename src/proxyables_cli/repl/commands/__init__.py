"""The ``%`` commands: one table, one row per command, in files by what they are about."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.commands import links, running, sessions, values
from proxyables_cli.repl.commands.command import Command
from proxyables_cli.repl.compiling import is_open

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session


async def run(session: Session, line: str) -> None:
    """Runs one line, without its ``%``.

    Raises:
        Failure: There is no such command, or it cannot do what was asked.
    """
    name, _, rest = line.strip().partition(" ")
    await _find(name).run(session, rest.strip())


def goes_on(line: str) -> bool:
    """Whether the line after a command belongs to it: code does, and what brackets hold."""
    name, _, rest = line[1:].strip().partition(" ")
    usage = COMMANDS[name].usage if name in COMMANDS else ""
    return "CODE" in usage or ("EXPRESSION" in usage and is_open(rest))


async def _help(session: Session, rest: str) -> None:
    if rest:
        name = rest.removeprefix("%")
        command = _find(name)
        session.write(f"%{name} {command.usage}".rstrip())
        session.write(f"    {command.help}")
        return
    wide = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    for name, command in COMMANDS.items():
        usage = f"{name} {command.usage}"
        session.write(f"  %{usage:<{wide}}  {command.help}")
    session.write("Remote calls are awaited for you: obj.method(1).name is one message.")
    session.write("name? describes what a name holds. Ctrl-C cancels a call, Ctrl-D leaves.")


def _find(name: str) -> Command:
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean %{near[0]}?" if near else "%help lists the commands"
        raise Failure(Code.USAGE, f"there is no command %{name}", hint)
    return command


COMMANDS: dict[str, Command] = {
    "help": Command("[COMMAND]", "what there is", _help),
    **values.COMMANDS,
    **links.COMMANDS,
    **running.COMMANDS,
    **sessions.COMMANDS,
}

__all__ = ["COMMANDS", "Command", "goes_on", "run"]
