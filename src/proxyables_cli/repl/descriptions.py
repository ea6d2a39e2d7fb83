"""What objects offer, as lines: for ``name?``, `%ls`, `%desc` and `help`."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Iterator
from typing import Any

from proxyables_cli.exits import escaped
from proxyables_cli.repl import reading
from proxyables_cli.repl.completion.signatures import bare
from proxyables_cli.repl.faces import UserValue
from proxyables_cli.repl.remoting import is_remote

NAME_COLUMNS = 40


async def description_of(value: UserValue) -> dict[str, Any]:
    """A description in the form of `proxyables.describe`, of what is remote or local."""
    if is_remote(value):
        return await reading.description_of(value)
    try:
        signature = str(inspect.signature(value))
    except (TypeError, ValueError):
        signature = ""
    return {
        "kind": "local",
        "name": getattr(value, "__name__", type(value).__name__),
        "signature": signature,
        "doc": inspect.getdoc(value),
        "members": [{"name": name} for name in dir(value) if not name.startswith("_")],
    }


async def all_lines(value: UserValue, width: int) -> list[str]:
    """What an object is, and what it has."""
    told = await description_of(value)
    return [*head_lines(told), *member_lines(told, width)]


def source_lines(value: UserValue) -> list[str]:
    """The source of a local object; no peer tells that of what it lends."""
    if is_remote(value):
        return ["its source stays with its owner"]
    try:
        return inspect.getsource(value).rstrip().split("\n")
    except (TypeError, OSError):
        return ["it has no source here"]


def python_help(subject: UserValue) -> str:
    """What Python's `help` tells of a local object; of a text, the topic or keyword it names."""
    import pydoc  # slow to import

    plain = pydoc.plaintext  # type: ignore[attr-defined]  # typeshed leaves it out
    if type(subject) is not str:
        return pydoc.render_doc(subject, renderer=plain)
    told = io.StringIO()
    before, pydoc.pager = pydoc.pager, pydoc.plainpager  # where pydoc shows its topics
    try:
        with contextlib.redirect_stdout(told):
            pydoc.Helper(output=told).help(subject)
    finally:
        pydoc.pager = before
    return told.getvalue()


def head_lines(told: dict[str, Any]) -> Iterator[str]:
    """What an object is, and its documentation."""
    head = f"{told.get('name') or told.get('type') or '?'}{_signature(told)}"
    kind = f"async {told.get('kind')}" if told.get("async") else str(told.get("kind"))
    yield escaped(f"{kind} {head}")
    if told.get("doc"):
        yield escaped(inspect.cleandoc(str(told["doc"])))


def member_lines(told: dict[str, Any], width: int) -> Iterator[str]:
    """What an object has, each with as much of its documentation as the line takes."""
    if told.get("kind") == "property":
        yield "  what a property gives is not known without running it"
    rows = [row for row in told.get("members", ()) if isinstance(row, dict)]
    names = [escaped(f"{row.get('name')}{_signature(row)}") for row in rows]
    wide = max((len(name) for name in names if len(name) <= NAME_COLUMNS), default=NAME_COLUMNS)
    for name, row in zip(names, rows, strict=True):
        line = f"  {name:<{wide}}  {escaped(str(row.get('doc') or ''))}".rstrip()
        yield line if len(line) <= width else f"{line[: width - 1]}…"
    if told.get("truncated"):
        yield "  … and more"


def _signature(row: dict[str, Any]) -> str:
    return bare(str(row.get("signature") or ""))


__all__ = ["all_lines", "description_of", "head_lines", "member_lines", "source_lines"]
