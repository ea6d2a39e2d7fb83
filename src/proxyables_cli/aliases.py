"""Addresses that begin with ``@``: names that the configuration has for them."""

from __future__ import annotations

import os

from proxyables_cli import configuration
from proxyables_cli.configuration import Alias, nearest
from proxyables_cli.exits import Code, Failure


def resolve(address: str, config: str | None) -> Alias:
    """Looks an address up, if it is a name for one; any other stands for itself.

    Args:
        address: As it was written.
        config: What ``--config`` said, if anything.

    Raises:
        Failure: There is no such name, or the configuration is wrong.
    """
    if not address.startswith("@"):
        return Alias("", address)
    file = configuration.find(config, os.environ)
    aliases = file.aliases()
    name = address[1:]
    if not name:
        raise Failure(Code.USAGE, "'@' names no alias", "write @NAME; proxyables alias lists them")
    if name not in aliases:
        hint = nearest(name, aliases) or f"proxyables alias add {name} ADDRESS"
        raise Failure(Code.USAGE, f"there is no alias {address!r} in {file.path}", hint)
    found = aliases[name]
    if found.address.startswith("@"):
        raise file.failure(f"the alias {name!r} stands for another one, {found.address!r}")
    return found


__all__ = ["resolve"]
