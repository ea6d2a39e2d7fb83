"""``ping``: is anybody there, who, and how far away."""

from __future__ import annotations

import time
from typing import Any

from proxyables_cli import connecting, stdout
from proxyables_cli.connecting import Connecting
from proxyables_cli.options import Command, number, value


class PingOptions(Connecting):
    """The command line of ``ping``."""

    count: int = value(
        "-c",
        "--count",
        metavar="N",
        text="How many round trips to measure. Else 3; 0 only connects.",
        convert=number,
        default=3,
    )


def run(options: PingOptions) -> int:
    """Connects, measures round trips, and prints what it found."""
    place = options.place

    async def work() -> int:
        started = time.perf_counter()
        async with connecting.connected(place, options.timeout, options.wait) as peer:
            found: dict[str, Any] = {
                "address": place.address,
                "connect_ms": _milliseconds(time.perf_counter() - started),
                **connecting.identity(peer.info),
                "round_trips_ms": [],
            }
            for _ in range(options.count):
                found["round_trips_ms"].append(_milliseconds(await peer.ping()))
        _show(found, options)
        return 0

    return connecting.run(work(), options)


def _show(found: dict[str, Any], options: PingOptions) -> None:
    printer = options.printer
    if not options.is_for_a_reader:
        printer.value(found)
        return
    who = [str(found[key]) for key in ("software", "dialect", "object") if found.get(key)]
    stdout.line(f"{found['address']}: {', '.join(who)}, connected in {found['connect_ms']} ms")
    times = found["round_trips_ms"]
    if times:
        told = f"{min(times)} ms at best, {sum(times) / len(times):.3f} ms on average"
        stdout.line(f"{len(times)} round trips: {told}, {max(times)} ms at worst")


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


COMMANDS = (
    Command(
        "ping",
        PingOptions,
        run,
        help="Connect, tell who is there, and measure round trips.",
        epilog="Example: proxyables ping :9000 -c 10",
    ),
)

__all__ = ["COMMANDS", "PingOptions", "run"]
