"""``status``: what a running server does at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxyables_cli import connecting, inspecting, paths, report, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, word


class StatusOptions(Connecting):
    """The command line of ``status``."""

    part: str = word(
        "PART",
        text="Print only this part, such as rates.calls or calls[0].where. Else all of it.",
        required=False,
    )


def run(options: StatusOptions) -> int:
    """Prints a snapshot: tables for a reader, or one JSON line."""
    steps = paths.parse(options.part)
    where = options.place

    async def work() -> int:
        async with connecting.connected(where, options.timeout, options.wait) as peer:
            with inspecting.explained():
                told = await peer.status()
        _show(told, steps, options)
        return 0

    return connecting.run(work(), options)


def _show(told: object, steps: list[paths.Step], options: StatusOptions) -> None:
    printer = options.printer
    if steps:
        printer.value(_part(told, steps, options.part))
    elif not options.is_for_a_reader:
        printer.value(told)
    else:
        for text in report.lines(told):
            stdout.line(text)


def _part(told: Any, steps: list[paths.Step], written: str) -> Any:
    """Returns the part of a report that a path names, be its steps names or keys."""
    found = told
    for _, key in steps:
        try:
            found = found[key]
        except (LookupError, TypeError):
            there = ", ".join(map(str, found)) if isinstance(found, Mapping) else ""
            hint = f"there are {there}" if there else ""
            raise Failure(Code.USAGE, f"the status has no {written!r}", hint) from None
    return found


COMMANDS = (
    Command(
        "status",
        StatusOptions,
        run,
        help="Look inside a running server: who is connected, which calls run, where, and for how"
        " long.",
        epilog="Example: proxyables status :9000 rates.calls_per_second",
    ),
)

__all__ = ["COMMANDS", "StatusOptions", "run"]
