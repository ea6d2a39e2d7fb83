"""Commands that look at values: what they offer, and how they are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import proxyables
from proxyables_cli import forms
from proxyables_cli.exits import Code, Failure, escaped
from proxyables_cli.repl import descriptions, pager, previews
from proxyables_cli.repl.commands.command import Command, count_of, needed
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.tables import MAX_ROWS

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

LINE_CHARACTERS = 70


async def _ls(session: Session, rest: str) -> None:
    told = await descriptions.description_of(await session.chain(rest or session.name))
    for line in descriptions.member_lines(told, session.display.columns()):
        session.write(line)


async def _desc(session: Session, rest: str) -> None:
    """Asked with two question marks, tells the members and the source too."""
    value = await session.chain(rest.removeprefix("?") or session.name)
    if rest.startswith("?"):
        lines = await descriptions.all_lines(value, session.display.columns())
        lines += descriptions.source_lines(value)
    else:
        lines = [*descriptions.head_lines(await descriptions.description_of(value))]
    session.write("\n".join(lines))


async def _copy(session: Session, rest: str) -> None:
    value = await session.chain(needed(rest, "copy", "EXPRESSION"))
    await session.show(await proxyables.copy(value) if is_remote(value) else value)


async def _table(session: Session, rest: str) -> None:
    """Of remote objects, the rows are their attributes."""
    value = await session.value(needed(rest, "table", "EXPRESSION"))
    shown = value
    if type(value) in (list, tuple) and value and all(map(is_remote, value)):
        told = await previews.attributes(value[:MAX_ROWS])
        shown = told if any(told) else value
    session.write(await session.display.table_of(shown))
    if shown is not value and len(shown) < len(value):
        session.write(f"… {len(value) - len(shown)} more of {len(value)}")
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
