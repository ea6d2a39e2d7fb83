"""``ls``: what a remote object offers, or which servers there are.

A server tells what its object offers without running anything of it. Servers are found by the
sockets in the directory where those are made that nobody named.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxyables_cli import connecting, paths, runtime, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import printable, talk
from proxyables_cli.options import Command, word

_PATIENCE = 1.0
"""Seconds that a server of this machine gets to say who it is."""


@dataclass(frozen=True, kw_only=True)
class LsOptions(Connecting):
    """The command line of ``ls``."""

    address: str = word(
        "ADDRESS",
        text="Where the object is; see proxyables-address(7). Else the servers of this user on"
        " this machine are listed.",
        required=False,
    )
    path: str = word("PATH", text="What to look into. Else the exported object.", required=False)


def run(options: LsOptions) -> int:
    """Prints members of what the path names, or servers: lines for a reader, or JSON lines."""
    if not options.address:
        return connecting.run(_servers(options), options)
    steps = paths.parse(options.path)
    place = options.place

    async def work() -> int:
        import proxyables

        async with connecting.connected(place, options.timeout, options.wait) as peer:
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


async def _servers(options: LsOptions) -> int:
    """Asks each socket of the directory, all at once, who is there; prints those that answer."""
    seconds = _PATIENCE if options.timeout is None else options.timeout
    answers = await asyncio.gather(*(_ask(path, seconds) for path in runtime.sockets()))
    servers = [answer for answer in answers if answer is not None]
    if not servers and not options.quiet:
        talk("no server of yours on sockets without a name; start one: proxyables serve TARGET")
    printer = options.printer
    if printer.format != "pretty" or options.output != "auto":
        for server in servers:
            printer.value(server)
        return 0
    first = max((len(server["address"]) for server in servers), default=0)
    for server in servers:
        told = f"{server.get('object', '')}  pid {server.get('pid', '?')}"
        stdout.line(printable(f"{server['address']:{first}}  {told}"))
    return 0


async def _ask(path: str, seconds: float) -> dict[str, Any] | None:
    import proxyables

    address = f"unix:{path}"
    try:
        async with proxyables.connect(address, timeout=max(seconds, 0.001)) as peer:
            return {"address": address, **connecting.identity(peer.info)}
    except (proxyables.ProxyError, OSError, TimeoutError):
        return None  # a socket that a dead server has left, or nobody of ours


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
    return written, kind, str(member.get("doc") or member.get("type") or "")


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

__all__ = ["COMMANDS", "LsOptions", "cells", "columns", "run"]
