"""``bridge``: what its command line asks for."""

from __future__ import annotations

from proxyables.net.addresses import Address, StdioAddress, TcpAddress, UnixAddress, parse
from proxyables_cli import aliases, collector
from proxyables_cli.bridge.options import BridgeOptions, check
from proxyables_cli.bridge.relay import open_end, relay
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command


def run(options: BridgeOptions) -> int:
    """Relays bytes between two addresses, or listens for those who are to be led to one."""
    check(options)
    if options.listen:
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
    addresses = [_understood(aliases.resolve(text, options.config).address) for text in written]
    if addresses[0] == addresses[1] == StdioAddress():
        raise Failure(Code.USAGE, "standard input and output can be one side of a bridge only")
    one, other = (open_end(address, options.timeout) for address in addresses)
    collector.wake()
    relay(one, other)
    return Code.OK


def _understood(text: str) -> Address:
    try:
        address = parse(text)
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    if not isinstance(address, (StdioAddress, TcpAddress, UnixAddress)):
        raise Failure(
            Code.USAGE,
            f"{text!r:.200}: a bridge ends at stdio:, tcp: or unix:, not at {address.scheme}:",
        )
    return address


COMMANDS = (
    Command(
        "bridge",
        BridgeOptions,
        run,
        help="Relay bytes between two addresses, or between one and standard input and output."
        " What ssh addresses run on the other machine. With --listen: a server of many"
        " connections, each with a child or a connection of its own, or all with one.",
        epilog="Example: proxyables bridge -l :9000 -- node server.js",
    ),
)

__all__ = ["COMMANDS", "BridgeOptions", "run"]
