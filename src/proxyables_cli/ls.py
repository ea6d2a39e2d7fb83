"""``ls``: what a remote object offers, told by its server without running anything of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxyables_cli import connecting, paths, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import printable, talk
from proxyables_cli.options import Command, word


@dataclass(frozen=True, kw_only=True)
class LsOptions(Connecting):
    """The command line of ``ls``."""

    path: str = word("PATH", text="What to look into. Else the exported object.", required=False)


def run(options: LsOptions) -> int:
    """Prints the members of what the path names: lines for a reader, or one JSON line each."""
    steps = paths.parse(options.path)
    address = connecting.checked(options.address)

    async def work() -> int:
        import proxyables

        async with connecting.connected(address, options.timeout) as peer:
            found = await proxyables.describe(paths.walk(peer.root, steps))
        _show(found, options)
        return 0

    return connecting.run(work(), options)


def _show(found: dict[str, Any], options: LsOptions) -> None:
    members: list[dict[str, Any]] = found["members"]
    printer = options.printer
    if printer.format == "json":
        for member in members:
            printer.value(member)
    elif printer.format == "pretty" and options.output == "auto":
        for text in columns(members, shutil.get_terminal_size().columns):
            stdout.line(text)
    else:
        printer.value(members)
    if found.get("truncated") and not options.quiet:
        talk(f"there are more members than these {len(members)}")


def columns(members: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Lays members out as lines: how to write each, what it is, and its first line of help.

    Args:
        members: Rows as `proxyables.describe` gives them; their texts come from the other side.
        width: Characters of a line; what does not fit is cut.
    """
    table = [tuple(map(printable, _cells(member))) for member in members]
    first = min(max((len(cells[0]) for cells in table), default=0), width // 2)
    second = min(max((len(cells[1]) for cells in table), default=0), width // 4)
    for written, kind, text in table:
        line = f"{written:{first}}  {kind:{second}}  {text}".rstrip()
        yield line if len(line) <= width else f"{line[: width - 1]}…"


def _cells(member: dict[str, Any]) -> tuple[str, str, str]:
    kind = f"async {member['kind']}" if member.get("async") else str(member["kind"])
    written = f"{member['name']}{member.get('signature') or ''}"
    return written, kind, str(member.get("doc") or member.get("type") or "")


COMMANDS = (
    Command(
        "ls",
        LsOptions,
        run,
        help="List the members of a remote object, with signatures and kinds.",
        epilog="Example: proxyables ls :9000 accounts[ada]",
    ),
)

__all__ = ["COMMANDS", "LsOptions", "columns", "run"]
