"""``bridge``: what its command line asks for."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from proxyables.net.addresses import Address, FdAddress, StdioAddress, parse
from proxyables_cli import aliases, collector
from proxyables_cli.bridge.ends import open_end, starts_child
from proxyables_cli.bridge.options import BridgeOptions, check
from proxyables_cli.bridge.relay import End, Outcomes, relay
from proxyables_cli.bridge.stopping import Stop, StopRequests
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command


def run(options: BridgeOptions) -> int:
    """Relays bytes between two addresses, or listens for those who are to be led to one."""
    check(options)
    if options.is_typed("listen"):  # what is said elsewhere is for servers
        # With an event loop, which a bridge of standard input has no need of.
        from proxyables_cli.bridge import listening

        return listening.run(options)
    if len(options.addresses) not in (1, 2):
        raise Failure(
            Code.USAGE,
            f"bridge takes one address or two, got {len(options.addresses)}",
            "try: proxyables bridge unix:/run/x.sock",
        )
    written = ("stdio:", *options.addresses)[-2:]
    one, other = (_understood(aliases.resolve(text, options.config).address) for text in written)
    if one == other and isinstance(one, (StdioAddress, FdAddress)):
        called = "standard input and output" if isinstance(one, StdioAddress) else str(one)
        raise Failure(Code.USAGE, f"{called} can be one side of a bridge only")
    if starts_child(one) or starts_child(other):
        from proxyables_cli import logs

        logs.configure(options)  # for what they say on their standard error
    collector.wake()
    return _relay([one, other], options.timeout)


def _relay(addresses: Sequence[Address], timeout: float) -> int:
    """Relays until the end; returns the status of the program at the last end that is one."""
    outcomes: Outcomes = queue.SimpleQueue()
    stop: StopRequests | None = None
    opened: dict[int, End] = {}
    with suppress(Stop), ExitStack() as stack:
        # Who is dialled has to be there before a program is started for him.
        for place in sorted(range(2), key=lambda each: starts_child(addresses[each])):
            if starts_child(addresses[place]) and stop is None:
                stop = StopRequests(outcomes)
            opened[place] = stack.enter_context(open_end(addresses[place], timeout))
            if stop is not None:
                stop.watch(opened[place])
        relay(opened[0], opened[1], outcomes)
    if stop is not None and (code := stop.obey()) is not None:
        return code
    statuses = [opened[place].status for place in (1, 0)]
    return next((status for status in statuses if status is not None), Code.OK)


def _understood(text: str) -> Address:
    try:
        return parse(text)
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None


COMMANDS = (
    Command(
        "bridge",
        BridgeOptions,
        run,
        help="Relay bytes between two addresses, or between one and standard input and output:"
        " sockets, programs, ssh, TLS, WebSockets. What ssh addresses run on the other machine."
        " With --listen: a server of many connections, each with a child or a connection of its"
        " own, or all with one.",
        epilog="Example: proxyables bridge -l :9000 -- node server.js",
    ),
)

__all__ = ["COMMANDS", "BridgeOptions", "run"]
