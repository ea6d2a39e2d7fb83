"""``top``: a running server at work, again and again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

from proxyables_cli import connecting, inspecting, report, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.figures import number
from proxyables_cli.options import Choice, Command, duration, value
from proxyables_cli.options import number as whole_number

_SHORTEST = 0.1


class TopOptions(Connecting):
    """The command line of ``top``."""

    interval: float = value(
        "--interval",
        metavar="DURATION",
        text="How often to look, such as 500ms. Else every second.",
        convert=duration,
        default=1.0,
    )
    sort: str = value(
        "--sort",
        metavar="KEY",
        text=f"What connections are sorted by: {', '.join(report.ORDERS)}. Else age.",
        convert=Choice(*report.ORDERS),
        default="age",
    )
    count: int | None = value(
        "-n",
        "--count",
        metavar="N",
        text="End after N looks. Else after q or Ctrl-C.",
        convert=whole_number,
    )


def run(options: TopOptions) -> int:
    """Shows the server until somebody has seen enough.

    On a terminal that can be written over, a live view; on one that cannot, one page below the
    other; else a line of JSON for each look.
    """
    where = options.place

    async def work() -> int:
        async with connecting.connected(where, options.timeout, options.wait) as peer:
            if options.printer.format != "pretty" or options.output != "auto":
                await _repeat(peer, options, options.printer.value)
            elif os.environ.get("TERM", "dumb") in ("", "dumb"):
                await _repeat(peer, options, _page)
            else:
                from proxyables_cli.live import View

                view = View(options.sort, options.color)
                return await view.run(_repeat(peer, options, view.show))
        return 0

    return connecting.run(work(), options)


async def _repeat(peer: Any, options: TopOptions, show: Callable[[Any], None]) -> None:
    """Asks for the status at each interval, and shows it with the rates since the last time."""
    loop = asyncio.get_running_loop()
    before: Any = None
    left = options.count
    while left != 0:
        due = loop.time() + max(options.interval, _SHORTEST)
        with inspecting.explained():
            told = await peer.status()
        show(with_rates(before, told))
        before = told
        left = None if left is None else left - 1
        if left != 0:
            await asyncio.sleep(max(due - loop.time(), 0))


def with_rates(before: object, told: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a status whose rates are those since the one before, if there was one."""
    rates = report.part(told, "rates")
    seconds = number(report.part(told, "server", "uptime")) - number(
        report.part(before, "server", "uptime")
    )
    if before is None or not isinstance(rates, Mapping) or seconds <= 0:
        return dict(told)
    since = {
        f"{what}_per_second": max(
            (number(rates.get(what)) - number(report.part(before, "rates", what))) / seconds, 0.0
        )
        for what in ("calls", "errors")
    }
    return {**told, "rates": {**rates, **since}}


def _page(told: object) -> None:
    for text in report.lines(told):
        stdout.line(text)
    stdout.line("")


COMMANDS = (
    Command(
        "top",
        TopOptions,
        run,
        help="Watch a running server: connections, calls and where they stand, rates, durations.",
        epilog="Example: proxyables top :9000 --sort calls",
    ),
)

__all__ = ["COMMANDS", "TopOptions", "run", "with_rates"]
