"""Addresses that begin with ``@``: names that the configuration has for them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from proxyables.net.addresses import parse
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


def check_address(text: str) -> None:
    """Looks whether a name can stand for a text: for an address to dial, or to listen at.

    Raises:
        ValueError: It cannot.
    """
    if text.startswith("@"):
        raise ValueError(f"an alias stands for an address, not for another one, {text!r}")
    try:
        parse(text)
    except ValueError as error:
        try:
            parse(text, listening=True)
        except ValueError:
            raise error from None


def listening(written: Sequence[str], config: str | None) -> tuple[list[str], str | None]:
    """Looks up where a server listens; tells as well which secret the names demand of it.

    Args:
        written: The addresses, as they were written.
        config: What ``--config`` said, if anything.

    Raises:
        Failure: There is no such name, the configuration is wrong, or two names want different
            secrets, of which a server has one.
    """
    found = [resolve(text, config) for text in written]
    secrets = list(dict.fromkeys(each.token_file for each in found if each.token_file is not None))
    if len(secrets) > 1:
        told = f"aliases name two secrets, {secrets[0]} and {secrets[1]}, and a server has one"
        raise Failure(Code.USAGE, told, "start a server for each")
    return [each.address for each in found], secrets[0] if secrets else None


__all__ = ["check_address", "listening", "resolve"]
