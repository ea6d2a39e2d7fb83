"""Commands on the session itself: its names, its inputs, its settings, its end."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from proxyables_cli.exits import Code, Failure, escaped
from proxyables_cli.repl import failures, hidden
from proxyables_cli.repl.commands.command import Command, count_of, needed
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.settings import SETTINGS

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

LINE_CHARACTERS = 70


async def _history(session: Session, rest: str) -> None:
    entries = list(session.record)
    for entry in entries[max(len(entries) - count_of(rest, "history", 20), 0) :]:
        session.write(entry.source)


async def _who(session: Session, rest: str) -> None:
    del rest
    for name in session.scope.mine():
        value = session.scope.names[name]
        if name in session.secrets:
            told = "secret"
        elif is_remote(value):
            told = escaped(repr(value), characters=LINE_CHARACTERS)
        else:
            told = type(value).__name__
        session.write(f"{name}  {told}")


async def _secret(session: Session, rest: str) -> None:
    name = needed(rest, "secret", "NAME")
    if not name.isidentifier() or name.startswith("__"):
        raise Failure(Code.USAGE, f"%secret takes a Python name, got {name!r}")
    session.scope.names[name] = await hidden.read_line(f"{name}: ")
    session.secrets.add(name)


async def _save(session: Session, rest: str) -> None:
    from proxyables_cli.repl import saving  # no prompt waits for it

    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise Failure(Code.USAGE, f"%save: {error}") from None
    forms = {"--sync": saving.Form.BLOCKING, "--test": saving.Form.TEST}
    asked = [forms[word] for word in words if word in forms]
    paths = [word for word in words if word not in forms]
    if len(paths) != 1 or len(asked) > 1 or paths[0].startswith("-"):
        raise Failure(Code.USAGE, "%save takes one file", "as in %save [--sync|--test] shop.py")
    left_out = saving.save(session, paths[0], asked[0] if asked else saving.Form.ASYNCIO)
    session.write(f"saved as {paths[0]}")
    for each in left_out:
        session.write(f"{each}: left out")


async def _tb(session: Session, rest: str) -> None:
    del rest
    error = session.scope.names.get("_err")
    if not isinstance(error, BaseException):
        raise Failure(Code.USAGE, "nothing has failed yet")
    session.write(failures.whole_text_of(error).rstrip("\n"))


async def _config(session: Session, rest: str) -> None:
    name, _, value = rest.replace("=", " ", 1).partition(" ")
    shown = dict(SETTINGS)
    if name:
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            raise Failure(Code.USAGE, f"there is no setting {name!r}", f"known: {known}")
        shown = {name: SETTINGS[name]}
        if value.strip():
            SETTINGS[name].change(session, value.strip())
    for each, setting in shown.items():
        session.write(f"{each:<11} {setting.read(session):<6} {setting.help}")


async def _reset(session: Session, rest: str) -> None:
    del rest
    await session.more.close()
    session.secrets.clear()
    session.write(f"{session.scope.reset()} names dropped")


async def _quit(session: Session, rest: str) -> None:
    del rest
    session.leave()
    raise SystemExit  # a script goes no further


COMMANDS: dict[str, Command] = {
    "history": Command("[N]", "what was typed in this session", _history),
    "save": Command("[--sync|--test] FILE", "write the session as a program", _save),
    "who": Command("", "the names that you made", _who),
    "secret": Command("NAME", "read a value that is not echoed or kept", _secret),
    "tb": Command("", "the last traceback, whole", _tb),
    "config": Command("[NAME [VALUE]]", "the settings of this session", _config),
    "reset": Command("", "drop the names that you made", _reset),
    "quit": Command("", "leave", _quit),
}

__all__ = ["COMMANDS"]
