"""Commands that look at values: what they offer, and how they are shown."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import proxyables
from proxyables_cli import forms
from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl import pager
from proxyables_cli.repl.commands.command import Command, count_of, needed
from proxyables_cli.repl.display import escaped
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.resolution import UserValue

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

NAME_COLUMNS = 40
DOC_CHARACTERS = 100
LINE_CHARACTERS = 70


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


async def _copy(session: Session, rest: str) -> None:
    value = await session.chain(needed(rest, "copy", "EXPRESSION"))
    await session.show(await proxyables.copy(value) if is_remote(value) else value)


async def _table(session: Session, rest: str) -> None:
    value = await session.value(needed(rest, "table", "EXPRESSION"))
    session.write(await session.display.table_of(value))
    session.scope.displayed(value)


async def _json(session: Session, rest: str) -> None:
    value = await session.value(needed(rest, "json", "EXPRESSION"))
    session.write(json.dumps(forms.dump(value), indent=2))
    session.scope.displayed(value)


async def _more(session: Session, rest: str) -> None:
    del rest
    if not await session.more.next():
        raise Failure(Code.USAGE, "there is no more of the last value")


async def _page(session: Session, rest: str) -> None:
    value = await session.value(rest) if rest else session.scope.names.get("_")
    await pager.page(await session.display.text_of(value), session.write)
    session.scope.displayed(value)


async def _out(session: Session, rest: str) -> None:
    """Without a number the values that were shown, each in a line; with one, that value again."""
    if rest:
        number = count_of(rest, "out", 0)
        shown = dict(session.scope.shown)
        if number not in shown:
            kept = f"{min(shown)} to {max(shown)} are kept" if shown else "nothing was shown yet"
            raise Failure(Code.USAGE, f"there is no value {number}", kept)
        await session.show(shown[number])
        return
    for number, value in session.scope.shown:
        line = escaped(repr(value)).replace("\n", " ")
        session.write(f"{number}  {line[:LINE_CHARACTERS]}{'…' * (len(line) > LINE_CHARACTERS)}")


COMMANDS: dict[str, Command] = {
    "ls": Command("[EXPRESSION]", "members of a remote object; the root's without one", _ls),
    "desc": Command("[EXPRESSION]", "signature and documentation; also NAME?", _desc),
    "copy": Command("EXPRESSION", "fetch the value itself, whatever the rule says", _copy),
    "table": Command("EXPRESSION", "show a value as a table", _table),
    "json": Command("EXPRESSION", "show a value as JSON", _json),
    "more": Command("", "show more of the last value", _more),
    "page": Command("[EXPRESSION]", "show a value, or the last one, in $PAGER", _page),
    "out": Command("[N]", "the values that were shown; value N again", _out),
}

__all__ = ["COMMANDS"]
