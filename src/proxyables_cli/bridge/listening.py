"""Bridges that listen: where, for whom, and until when."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence

from proxyables.net.addresses import Address, ExecAddress, parse
from proxyables_cli import aliases, collector, logs, loops
from proxyables_cli.bridge.options import BridgeOptions
from proxyables_cli.connecting import Place, place
from proxyables_cli.exits import Code, Failure
from proxyables_cli.log_forms import NOTICES
from proxyables_cli.tokens import read_token

notice = logging.getLogger(NOTICES)


def run(options: BridgeOptions) -> int:
    """Serves until a signal comes, or until what all share is lost."""
    if len(options.addresses) != 1:
        raise Failure(
            Code.USAGE,
            f"bridge --listen takes one address to lead to, got {len(options.addresses)}",
            "try: proxyables bridge -l :9000 -- PROGRAM",
        )
    target = place(options.addresses[0], None, options.config)
    address = parse(target.address)
    with options.concerning("listen"):
        written, secret = aliases.listening(options.listen, options.config)
        listeners = [_listener(text) for text in written]
    with options.concerning("token_file"):
        token = read_token(options.token_file, secret if options.shared else None)
    if isinstance(address, ExecAddress):
        _check_program(address)
    logs.configure(options)
    collector.wake()
    with loops.runner("auto") as runner:
        return runner.run(_serve(target, address, listeners, options, token))


async def _serve(
    target: Place,
    address: Address,
    listeners: Sequence[Address],
    options: BridgeOptions,
    token: bytes | None,
) -> int:
    if options.shared:
        from proxyables_cli.bridge.sharing import share

        await share(target, listeners, options, token)
    else:
        from proxyables_cli.bridge.dialling import Target
        from proxyables_cli.bridge.relaying import relay_each

        await relay_each(Target(address), listeners, options)
    return Code.OK


def announce(addresses: Sequence[str], target: Address | str) -> None:
    """Says on standard error that every listener accepts."""
    for address in addresses:
        notice.info("bridging %s to %s", address, target)


def _listener(text: str) -> Address:
    try:
        address = parse(text, listening=True)
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    if address.scheme == "stdio":
        raise Failure(Code.USAGE, "a bridge does not listen on stdio:", "leave out --listen")
    return address


def _check_program(address: ExecAddress) -> None:
    """Finds out now, and not when somebody connects, that there is no such program."""
    program = address.words[0]
    if shutil.which(program) is not None:
        return
    if os.path.exists(program) and os.path.dirname(program):
        raise Failure(Code.NOT_EXECUTABLE, f"cannot start {program!r:.200}: permission denied")
    told = f"cannot start {program!r:.200}: no such file or directory"
    raise Failure(Code.NOT_FOUND, told, "name a program of PATH, or its whole path")


__all__ = ["announce", "run"]
