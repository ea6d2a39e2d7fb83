"""``trace``: the calls that a server serves, as they happen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from proxyables_cli import connecting, inspecting, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.figures import count, duration, number
from proxyables_cli.options import Command, switch, value
from proxyables_cli.options import number as whole_number

_CALLS = ("begin", "end")


class TraceOptions(Connecting):
    """The command line of ``trace``."""

    filter: str = value(
        "--filter",
        metavar="PATTERN",
        text="Only calls whose path fits, such as shop.add or *.deposit; the object's name before"
        " the first dot may be left out.",
        default="*",
    )
    errors_only: bool = switch("--errors-only", text="Only the ends of calls that raised.")
    args: bool = switch(
        "--args", text="Tell arguments as well; the server must have been told --show-arguments."
    )
    count: int | None = value(
        "-n",
        "--count",
        metavar="N",
        text="End after N events. Else after Ctrl-C.",
        convert=whole_number,
    )


def run(options: TraceOptions) -> int:
    """Prints each event: a line for a reader, or a JSON line."""
    where = options.place

    async def work() -> int:
        async with connecting.connected(where, options.timeout, options.wait) as peer:
            with inspecting.explained():
                return await _follow(peer, options)

    return connecting.run(work(), options)


async def _follow(peer: Any, options: TraceOptions) -> int:
    left = options.count
    if left == 0:
        return 0
    events = peer.trace(options.filter, errors_only=options.errors_only, arguments=options.args)
    async for event in events:
        _show(event, options)
        if left is not None and event.get("event") in _CALLS:
            left -= 1
            if left == 0:
                return 0
    raise Failure(Code.LOST, "the server ended the trace: it is closing")


def _show(event: Mapping[str, Any], options: TraceOptions) -> None:
    printer = options.printer
    if not options.is_for_a_reader:
        printer.value(event)
    elif event.get("event") == "start":
        if not options.quiet:
            talk(f"tracing{_part(event)}; Ctrl-C ends it")
    else:
        stdout.line(line(event))


def _part(event: Mapping[str, Any]) -> str:
    """Says whose calls are told where several processes serve: a trace is that of one."""
    if "worker" not in event:
        return ""
    which, of = count(event["worker"]), count(event.get("workers"))
    return f" worker {which} of {of}, which has this connection"


def line(event: Mapping[str, Any]) -> str:
    """Lays an event out as a line; its texts come from the other side."""
    moment = number(event.get("time"))
    clock = time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment * 1000) % 1000:03}"
    kind = str(event.get("event"))
    if kind == "lost":
        return f"{clock}  … {count(event.get('count'))} events were lost: this reader was too slow"
    arguments = str(event.get("arguments", ""))
    called = printable(f"{event.get('path')}{arguments}", clip=400)
    told = f"{clock}  #{count(event.get('connection')):<4}{printable(kind, clip=10):<6}{called}"
    if kind != "end":
        return told
    outcome = " ".join(str(event[key]) for key in ("outcome", "error") if key in event)
    return f"{told}  {duration(event.get('duration'))}  {printable(outcome, clip=200)}"


COMMANDS = (
    Command(
        "trace",
        TraceOptions,
        run,
        help="Show the calls that a server serves, as they happen; JSON lines in a pipe.",
        epilog="Example: proxyables trace :9000 --filter 'accounts*' --errors-only",
    ),
)

__all__ = ["COMMANDS", "TraceOptions", "line", "run"]
