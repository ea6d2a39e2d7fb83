"""The ``%`` commands: one table, one row per command."""

from __future__ import annotations

import difflib
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import proxyables
from proxyables_cli import forms
from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.compiling import Shows
from proxyables_cli.repl.display import escaped
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.resolution import UserValue

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session


NAME_COLUMNS = 40
DOC_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table.

    Attributes:
        usage: What follows the name, as the help shows it.
        help: One line.
        run: Gets the session and what was typed after the name.
    """

    usage: str
    help: str
    run: Callable[[Session, str], Awaitable[None]]


async def run(session: Session, line: str) -> None:
    """Runs one line, without its ``%``.

    Raises:
        Failure: There is no such command, or it cannot do what was asked.
    """
    name, _, rest = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean %{near[0]}?" if near else "%help lists the commands"
        raise Failure(Code.USAGE, f"there is no command %{name}", hint)
    await command.run(session, rest.strip())


async def _help(session: Session, rest: str) -> None:
    if rest:
        command = COMMANDS.get(rest.removeprefix("%"))
        if command is None:
            raise Failure(Code.USAGE, f"there is no command {rest!r}", "%help lists the commands")
        session.write(f"%{rest.removeprefix('%')} {command.usage}".rstrip())
        session.write(f"    {command.help}")
        return
    wide = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    for name, command in COMMANDS.items():
        usage = f"{name} {command.usage}"
        session.write(f"  %{usage:<{wide}}  {command.help}")
    session.write("Remote calls are awaited for you: obj.method(1).name is one message.")
    session.write("name? describes what a name holds. Ctrl-C cancels a call, Ctrl-D leaves.")


async def _conn(session: Session, rest: str) -> None:
    del rest
    for name, connection in session.connections.by_name.items():
        mark = "*" if connection is session.connections.current else " "
        try:
            seconds = await connection.peer.ping()
            state = f"{seconds * 1000:.1f} ms"
        except proxyables.ProxyError as error:
            state = escaped(str(error))
        session.write(f"{mark} {name}  {connection.address}  {state}")


async def _open(session: Session, rest: str) -> None:
    name, equals, address = rest.partition("=")
    named = bool(equals) and name.strip().isidentifier()
    if not rest:
        raise Failure(Code.USAGE, "%open needs an address", "as in %open bank=/tmp/bank.sock")
    connection = await session.connections.open(
        address.strip() if named else rest, name.strip() if named else None
    )
    session.write(f"{connection.name} is the root of {connection.address}")


async def _use(session: Session, rest: str) -> None:
    connection = session.connections.use(rest)
    session.write(f"{session.name} is now the root of {connection.address}")


async def _close(session: Session, rest: str) -> None:
    connection = await session.connections.close(rest or None)
    session.write(f"closed {connection.address}")


async def _reconnect(session: Session, rest: str) -> None:
    connection = await session.connections.reopen(rest or None)
    session.write(f"connected to {connection.address} again; what it gave before is gone")


async def _ls(session: Session, rest: str) -> None:
    told = await _described(session, rest)
    rows = [row for row in told.get("members", ()) if isinstance(row, dict)]
    names = [escaped(f"{row.get('name')}{row.get('signature') or ''}") for row in rows]
    wide = min(max(map(len, names), default=0), NAME_COLUMNS)
    for name, row in zip(names, rows, strict=True):
        doc = escaped(str(row.get("doc") or ""), characters=DOC_CHARACTERS)
        session.write(f"  {name:<{wide}}  {doc}".rstrip())
    if told.get("truncated"):
        session.write("  … and more")


async def _desc(session: Session, rest: str) -> None:
    told = await _described(session, rest)
    head = f"{told.get('name') or told.get('type') or '?'}{told.get('signature') or ''}"
    kind = f"async {told.get('kind')}" if told.get("async") else str(told.get("kind"))
    session.write(escaped(f"{kind} {head}"))
    if told.get("doc"):
        session.write(escaped(inspect.cleandoc(str(told["doc"]))))


async def _described(session: Session, source: str) -> dict[str, UserValue]:
    """A description of what an expression names; of the current root without one."""
    value = await session.chain(source or session.name)
    if is_remote(value):
        return await proxyables.describe(value)
    try:
        signature = str(inspect.signature(value))
    except (TypeError, ValueError):
        signature = ""
    members = [{"name": name} for name in dir(value) if not name.startswith("_")]
    return {
        "kind": "local",
        "name": getattr(value, "__name__", type(value).__name__),
        "signature": signature,
        "doc": inspect.getdoc(value),
        "members": members,
    }


async def _time(session: Session, rest: str) -> None:
    started = time.perf_counter()
    await session.cell(rest, shows=Shows.LAST)
    session.write(f"{(time.perf_counter() - started) * 1000:.1f} ms")


async def _timeout(session: Session, rest: str) -> None:
    if rest:
        session.evaluator.limit = _seconds(rest)
    limit = session.evaluator.limit
    session.write("no time-out" if limit is None else f"cells end after {limit:g} s")


def _seconds(text: str) -> float | None:
    if text == "off":
        return None
    scale = 1.0
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            text, scale = text.removesuffix(unit), factor
            break
    try:
        seconds = float(text) * scale
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise Failure(Code.USAGE, f"%timeout takes seconds or off, got {text!r}", "as in 500ms, 3s")
    return seconds


async def _await(session: Session, rest: str) -> None:
    if rest not in ("", "on", "off"):
        raise Failure(Code.USAGE, f"%await takes on or off, got {rest!r}")
    if rest:
        session.evaluator.compiler.auto_await = rest == "on"
    on = session.evaluator.compiler.auto_await
    session.write("remote calls are awaited for you" if on else "you await remote calls yourself")


async def _copy(session: Session, rest: str) -> None:
    value = await session.chain(_needed(rest, "copy", "EXPRESSION"))
    await session.show(await proxyables.copy(value) if is_remote(value) else value)


async def _table(session: Session, rest: str) -> None:
    value = await session.value(_needed(rest, "table", "EXPRESSION"))
    session.write(await session.display.table_of(value))
    session.scope.displayed(value)


async def _json(session: Session, rest: str) -> None:
    value = await session.value(_needed(rest, "json", "EXPRESSION"))
    session.write(json.dumps(forms.dump(value), indent=2))
    session.scope.displayed(value)


async def _bg(session: Session, rest: str) -> None:
    source = _needed(rest, "bg", "CODE")
    cell = session.evaluator.compiler.compile(source, shows=Shows.LAST)
    job = session.jobs.add(source, session.evaluator.start(cell))
    session.write(f"job {job.number} runs; %cancel {job.number} ends it")


async def _jobs(session: Session, rest: str) -> None:
    del rest
    for job in session.jobs:
        session.write(f"{job.number}  {job.seconds:.1f}s  {job.source}")


async def _cancel(session: Session, rest: str) -> None:
    session.jobs.cancel(_needed(rest, "cancel", "JOB"))


async def _release(session: Session, rest: str) -> None:
    value = await session.chain(_needed(rest, "release", "NAME"))
    if not is_remote(value):
        raise Failure(Code.USAGE, f"{rest} is not a remote object")
    proxyables.release(value)


async def _history(session: Session, rest: str) -> None:
    count = int(rest) if rest.isdigit() and rest.isascii() else 20
    for source in session.typed[-count:]:
        session.write(source)


async def _run(session: Session, rest: str) -> None:
    from proxyables_cli.repl.scripts import read_file

    await session.cell(read_file(_needed(rest, "run", "FILE")), shows=Shows.NOTHING)


async def _reset(session: Session, rest: str) -> None:
    del rest
    session.write(f"{session.scope.reset()} names dropped")


async def _quit(session: Session, rest: str) -> None:
    del rest
    session.leave()


def _needed(rest: str, name: str, what: str) -> str:
    if not rest:
        raise Failure(Code.USAGE, f"%{name} needs something", f"as in %{name} {what}")
    return rest


COMMANDS: dict[str, Command] = {
    "help": Command("[COMMAND]", "what there is", _help),
    "ls": Command("[EXPRESSION]", "members of a remote object; the root's without one", _ls),
    "desc": Command("[EXPRESSION]", "signature and documentation; also NAME?", _desc),
    "conn": Command("", "the connections and how fast they answer", _conn),
    "open": Command("[NAME=]ADDRESS", "open one more connection", _open),
    "use": Command("NAME", "make a connection the current one", _use),
    "close": Command("[NAME]", "close a connection", _close),
    "reconnect": Command("[NAME]", "open a connection again", _reconnect),
    "time": Command("CODE", "run code and tell how long it took", _time),
    "timeout": Command("[SECONDS|off]", "how long a cell may run", _timeout),
    "await": Command("[on|off]", "whether remote calls are awaited for you", _await),
    "copy": Command("EXPRESSION", "fetch the value itself, whatever the rule says", _copy),
    "table": Command("EXPRESSION", "show a value as a table", _table),
    "json": Command("EXPRESSION", "show a value as JSON", _json),
    "bg": Command("CODE", "run code in the background", _bg),
    "jobs": Command("", "what runs in the background", _jobs),
    "cancel": Command("JOB", "end a job in the background, over there too", _cancel),
    "release": Command("EXPRESSION", "give a remote object back now", _release),
    "history": Command("[N]", "what was typed in this session", _history),
    "run": Command("FILE", "run a script in this session", _run),
    "reset": Command("", "drop the names that you made", _reset),
    "quit": Command("", "leave", _quit),
}

__all__ = ["COMMANDS", "Command", "run"]
