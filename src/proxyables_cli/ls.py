"""``ls``: what a remote object offers, or which servers there are.

A server tells what its object offers without running anything of it. Servers are found by the
sockets in the directory where those are made that nobody named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxyables_cli import connecting, paths, servers, stdout
from proxyables_cli.advising import advised
from proxyables_cli.connecting import Connecting
from proxyables_cli.descent import DEEPEST, MOST_OBJECTS, Descent, Member
from proxyables_cli.exits import printable, talk
from proxyables_cli.figures import age, count
from proxyables_cli.options import Command, switch, word


class LsOptions(Connecting):
    """The command line of ``ls``."""

    address: str = word(
        "ADDRESS",
        text="Where the object is; see proxyables-address(7). Else the servers of this user on"
        " this machine are listed.",
        required=False,
    )
    path: str = word("PATH", text="What to look into. Else the exported object.", required=False)
    long: bool = switch(
        "-l",
        "--long",
        text="Cut nothing off, and tell types too; of servers, what they do at the moment.",
    )
    recursive: bool = switch(
        "-R",
        "--recursive",
        text="Look into the objects that attributes hold as well, each once.",
    )


def run(options: LsOptions) -> int:
    """Prints members of what the path names, or servers: lines for a reader, or JSON lines."""
    if not options.address:
        return connecting.run(_servers(options), options)
    steps = paths.parse(options.path)
    place = options.place

    async def work() -> int:
        import proxyables

        async with (
            connecting.connected(place, options.timeout, options.wait) as peer,
            advised(peer.root, steps),
        ):
            if options.recursive:
                path = "" if options.path == "." else options.path
                await _descend(paths.walk(peer.root, steps), path, options)
            else:
                found = await proxyables.describe(paths.walk(peer.root, steps))
                _show(found["members"], options)
                _tell_more(found, "", options)
        return 0

    return connecting.run(work(), options)


async def _descend(start: Any, path: str, options: LsOptions) -> None:
    """Prints what an object offers, and then what those offer that it holds."""
    descent = Descent()
    is_for_a_reader = options.is_for_a_reader
    rows: list[Member] = []
    async for level in descent.levels(start, path):
        if is_for_a_reader:
            stdout.line(f"{level.path}:")
            _show(level.members, options)
            stdout.line("")
        else:
            below = "" if level.path == "." else f"{level.path}."
            rows += [{"path": f"{below}{row['name']}", **row} for row in level.members]
            if options.printer.format == "json":
                _show(rows, options)  # as they come
                rows.clear()
        _tell_more({"members": level.members, "truncated": level.is_truncated}, level.path, options)
        if level.is_deepest and not options.quiet:
            talk(f"{level.path} is not looked into: it lies {DEEPEST} levels down")
    if rows:
        _show(rows, options)
    if descent.is_cut and not options.quiet:
        talk(f"there are more objects than these {MOST_OBJECTS}")


def _show(members: list[Member], options: LsOptions) -> None:
    printer = options.printer
    if printer.format == "json":
        for member in members:
            printer.value(member)
    elif options.is_for_a_reader:
        lines = long_lines(members) if options.long else columns(members, _width())
        for text in lines:
            stdout.line(text)
    else:
        printer.value(members)


def _width() -> int:
    import shutil  # dear

    return shutil.get_terminal_size().columns


def _tell_more(found: dict[str, Any], path: str, options: LsOptions) -> None:
    if found.get("truncated") and not options.quiet:
        where = f"{path}: " if path else ""
        talk(f"{where}there are more members than these {len(found['members'])}")


async def _servers(options: LsOptions) -> int:
    """Prints the servers that say who they are."""
    seconds = servers.PATIENCE if options.timeout is None else options.timeout
    found = await servers.running(seconds, with_status=options.long)
    if not found and not options.quiet:
        talk("no server of yours on sockets without a name; start one: proxyables serve TARGET")
    if not options.is_for_a_reader:
        options.printer.rows(found)
        return 0
    first = max((len(server["address"]) for server in found), default=0)
    for server in found:
        told = f"{server.get('object', '')}  pid {server.get('pid', '?')}"
        if "uptime" in server:
            told += f"  up {age(server['uptime'])}  connections {count(server['connections'])}"
            told += f"  running {count(server['running'])}"
        stdout.line(printable(f"{server['address']:{first}}  {told}"))
    return 0


def long_lines(members: list[Member]) -> Iterator[str]:
    """Lays members out as lines that nothing is cut from, with the type of each attribute."""
    table = []
    for member in members:
        written, kind, _ = cells(member)
        told = _elsewhere(member) or str(member.get("doc") or "")
        table.append(tuple(map(printable, (kind, written, str(member.get("type") or "-"), told))))
    wide = [max((len(row[place]) for row in table), default=0) for place in range(3)]
    for kind, written, type_name, told in table:
        yield f"{kind:{wide[0]}}  {written:{wide[1]}}  {type_name:{wide[2]}}  {told}".rstrip()


def columns(members: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Lays members out as lines: how to write each, what it is, and its first line of help.

    Args:
        members: Rows as `proxyables.describe` gives them; their texts come from the other side.
        width: Characters of a line; what does not fit is cut.
    """
    table = [tuple(map(printable, cells(member))) for member in members]
    first = min(max((len(cells[0]) for cells in table), default=0), width // 2)
    second = min(max((len(cells[1]) for cells in table), default=0), width // 4)
    for written, kind, text in table:
        line = f"{written:{first}}  {kind:{second}}  {text}".rstrip()
        yield line if len(line) <= width else f"{line[: width - 1]}…"


def cells(member: dict[str, Any]) -> tuple[str, str, str]:
    """Returns how to write a member, what it is, and a line of help, as the other side told it."""
    kind = f"async {member['kind']}" if member.get("async") else str(member["kind"])
    written = f"{member['name']}{member.get('signature') or ''}"
    return written, kind, _elsewhere(member) or str(member.get("doc") or member.get("type") or "")


def _elsewhere(member: Member) -> str:
    return f"the same object as {member['same_as']}" if "same_as" in member else ""


COMMANDS = (
    Command(
        "ls",
        LsOptions,
        run,
        help="List the members of a remote object, with signatures and kinds. Without ADDRESS: the"
        " servers of this user on this machine.",
        epilog="Example: proxyables ls :9000 accounts[ada]",
    ),
)

__all__ = ["COMMANDS", "LsOptions", "cells", "columns", "long_lines", "run"]
