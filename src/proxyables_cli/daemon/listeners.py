"""Where ``serve`` listens, as its options say it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from proxyables.net.addresses import Address, parse
from proxyables_cli import targets
from proxyables_cli.daemon import supervision
from proxyables_cli.daemon.options import (
    ServeOptions,
    fd_address,
    tcp_address,
    unix_address,
    ws_address,
)
from proxyables_cli.exits import Code, Failure


def addresses(options: ServeOptions, listen: Sequence[str], label: str) -> list[str]:
    """Turns the listener options into canonical addresses.

    Args:
        options: The command line.
        listen: The addresses of ``--listen``, with names looked up.
        label: What the object is called.

    None given are the sockets that systemd passed, or else a private one, named after the label.

    Raises:
        Failure: One makes no sense; the code is for bad usage.
    """
    written = [
        *listen,
        *map(tcp_address, options.tcp),
        *map(unix_address, options.unix),
        *map(fd_address, options.fd),
        *map(ws_address, options.ws),
        *(["stdio:"] if options.stdio else []),
    ]
    if not written:
        written += supervision.passed_sockets()
    if not written:
        from proxyables_cli import runtime

        with options.concerning("name"):
            written.append(f"unix:{runtime.socket_path(options.name or label)}")
    try:
        canonical = [_settled(parse(text, listening=True)) for text in written]
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    twice = {text for text in canonical if canonical.count(text) > 1 and not text.endswith(":0")}
    if twice:
        failure = Failure(Code.USAGE, f"the listener {twice.pop()} is given twice")
        raise options.blamed(failure, "listen", "tcp", "unix", "fd", "ws", "stdio")
    return canonical


def _settled(address: Address) -> str:
    """Writes an address; a path absolutely, so that what is printed holds anywhere.

    The target may go to another directory as well. A path that would get too long for a socket that
    way stays relative.
    """
    if address.scheme != "unix":
        return str(address)
    from proxyables.net.address_kinds import MAX_SOCKET_PATH

    path = str(address).removeprefix("unix:")
    absolute = path if path.startswith("@") else targets.absolute(path)
    return f"unix:{path if len(os.fsencode(absolute)) > MAX_SOCKET_PATH else absolute}"


__all__ = ["addresses"]
