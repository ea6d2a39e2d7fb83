"""``describe``: one remote object or function, with all that its server tells about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from proxyables_cli import connecting, ls, paths, stdout
from proxyables_cli.advising import advised
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import printable
from proxyables_cli.options import Command, word
from proxyables_cli.paths import Step

_INDENT = "    "


class DescribeOptions(Connecting):
    """The command line of ``describe``."""

    path: str = word("PATH", text="What to tell about. Else the exported object.", required=False)


def run(options: DescribeOptions) -> int:
    """Prints what the path names: a page for a reader, or one JSON line."""
    steps = paths.parse(options.path)
    place = options.place

    async def work() -> int:
        import proxyables

        async with (
            connecting.connected(place, options.timeout, options.wait) as peer,
            advised(peer.root, steps),
        ):
            found = await proxyables.describe(paths.walk(peer.root, steps))
            await _add_member(found, peer.root, steps)
        _show(found, options)
        return 0

    return connecting.run(work(), options)


async def _add_member(found: dict[str, Any], root: Any, steps: list[Step]) -> None:
    """Adds what its owner tells of an attribute or a property: the value alone knows nothing of it.

    It becomes ``member``: its row as of `proxyables.describe`, and the owner's type as ``of``.
    """
    import proxyables

    if not steps or steps[-1][0] != "name" or found["kind"] != "object":
        return
    try:
        owner = await proxyables.describe(paths.walk(root, steps[:-1]))
    except proxyables.RemoteError:
        return  # a policy that shows this and not that
    for row in owner["members"]:
        if row["name"] == steps[-1][1]:
            found["member"] = {**row, "of": owner["type"]}


def _show(found: dict[str, Any], options: DescribeOptions) -> None:
    printer = options.printer
    if not options.is_for_a_reader:
        printer.value(found)
        return
    for text in page(found):
        stdout.line(text)


def page(found: dict[str, Any]) -> Iterator[str]:
    """Lays a description out as lines: how it is called, what it is, its documentation, members.

    Args:
        found: As `proxyables.describe` gives it; its texts come from the other side.
    """
    member: dict[str, Any] = found.get("member") or {}
    name = member.get("name") or found.get("name") or "object"
    yield printable(f"{name}{found.get('signature') or ''}")
    whose = f"{member['kind']} of {member['of']}: " if member else ""
    yield _INDENT + printable(whose + _kind(found))
    # What a number or a list is in general is not what is asked for.
    is_plain = bool(member) and found.get("module") == "builtins"
    documentation = str(member.get("doc") or ("" if is_plain else found.get("doc")) or "")
    if documentation:
        yield ""
        for text in textwrap.dedent(documentation).strip().splitlines():
            yield (_INDENT + printable(text)).rstrip()
    members: list[dict[str, Any]] = [] if is_plain else found.get("members") or []
    for row in members:
        yield ""
        yield from _member(row)
    if members and found.get("truncated"):
        yield ""
        yield f"… more than these {len(members)}"


def _member(member: dict[str, Any]) -> Iterator[str]:
    written, kind, told = map(printable, ls.cells(member))
    yield f"{written}  ({kind})"
    if told:
        yield _INDENT + told


def _kind(found: dict[str, Any]) -> str:
    kind = f"async {found['kind']}" if found.get("async") else str(found["kind"])
    told = f"{kind} of type {found['type']}" if found["kind"] == "object" else kind
    if found.get("module") not in (None, "", "builtins"):
        told += f" in {found['module']}"
    return f"{told}, length {found['len']}" if "len" in found else told


COMMANDS = (
    Command(
        "describe",
        DescribeOptions,
        run,
        help="Tell all about a remote object or function: signature, documentation, members.",
        epilog="Example: proxyables describe :9000 accounts[ada].deposit",
    ),
)

__all__ = ["COMMANDS", "DescribeOptions", "page", "run"]
