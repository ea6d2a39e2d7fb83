"""The library's server, as the options of ``serve`` want it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from proxyables.frozen import frozen
from proxyables_cli import targets
from proxyables_cli.daemon.options import ServeOptions
from proxyables_cli.exits import Code, Failure
from proxyables_cli.tokens import read_token

if TYPE_CHECKING:
    import ssl

    from proxyables import Server

Opened = TypeVar("Opened")

_WATCHDOG_SECONDS = 1.0
"""How long the event loop may be blocked before that is worth a line."""
_BOUNDS = ("max_message", "max_streams", "keepalive", "idle_timeout", "call_timeout")


@frozen
class Guard:
    """What whoever connects is asked for, and how that is kept secret.

    It is read before the target is imported, which may go to another directory.

    Attributes:
        token: The secret of ``--token-file``.
        context: Of every TLS listener; it is the library's that a ``tls://`` address makes.
    """

    token: bytes | None = field(repr=False)
    context: ssl.SSLContext | None


def read_guard(options: ServeOptions, secret: str | None) -> Guard:
    """Reads the files of a guard.

    Args:
        options: The command line.
        secret: The token's file that an alias demands.

    Raises:
        Failure: One of them is of no use; the code is for a wrong configuration.
    """
    with options.concerning("token_file"):
        token = read_token(options.token_file, secret)
    return Guard(token, _tls_context(options))


def make_server(
    exported: Any,
    addresses: Sequence[str],
    options: ServeOptions,
    guard: Guard,
    sockets: Sequence[Sequence[socket.socket]] = (),
) -> Server:
    """Makes the server, which listens on nothing yet.

    Args:
        exported: The object, or for ``--instance connection`` what makes it.
        addresses: Where to listen.
        options: The command line.
        guard: What whoever connects is asked for.
        sockets: Those that listen already, for each address.

    Raises:
        Failure: The options make no sense together; the code is for bad usage.
    """
    import proxyables

    given = {name: getattr(options, name) for name in _BOUNDS}
    bounds = {name: bound for name, bound in given.items() if bound is not None}
    policy = proxyables.Policy(
        allow=options.allow,
        deny=options.deny,
        read_only=options.read_only,
        strict=options.strict,
        introspection=options.introspection,
        show_arguments=options.show_arguments,
    )
    try:
        return proxyables.serve(
            exported,
            *addresses,
            instance=options.instance,
            factory=options.factory and options.instance == "connection",
            policy=policy,
            limits=proxyables.Limits(grace=options.grace, **bounds),
            threads=options.threads,
            name=options.name or targets.parse(options.target).label,
            insecure=options.insecure,
            token=guard.token,
            ssl=guard.context,
            origins=options.origin,
            max_connections=options.max_connections,
            unix_mode=options.unix_mode,
            unix_group=options.unix_group,
            sockets=sockets,
            access_log=options.access_log,
            watchdog=_WATCHDOG_SECONDS,
        )
    except (ValueError, proxyables.NotSupported) as error:
        raise Failure(Code.USAGE, str(error)) from None


async def opened(
    opening: Awaitable[Opened], *, hint: str = "--token-file, --tls-client-ca, or --insecure"
) -> Opened:
    """Awaits what listens: a server, or its `bind`.

    Args:
        opening: Its start.
        hint: What to try where others could connect who must not.

    Raises:
        Failure: An address cannot be listened on, or must not be; the code is for that.
        ProxyError: It does not do what it should.
    """
    from proxyables import AuthenticationFailed, ProxyError

    try:
        return await opening
    except AuthenticationFailed as error:
        raise Failure(Code.REFUSED, str(error), hint) from None
    except ProxyError:
        raise  # some of them are OSErrors as well
    except OSError as error:
        raise Failure(Code.CANNOT_LISTEN, error.strerror or str(error)) from error


def _tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    files = {
        "cert": options.tls_cert,
        "key": options.tls_key,
        "ca": options.tls_client_ca,
    }
    given = {name: path for name, path in files.items() if path is not None}
    if not given:
        return None
    if options.tls_cert is None:
        told = "--tls-key and --tls-client-ca take a certificate: --tls-cert"
        raise options.blamed(Failure(Code.USAGE, told), "tls_key", "tls_client_ca")
    from proxyables.net.tls import UnusableFile, listening_context

    fields = {"cert": "tls_cert", "key": "tls_key", "ca": "tls_client_ca"}
    written = {name: f"{options.title(field)} " for name, field in fields.items()}
    try:
        return listening_context(given, written)
    except UnusableFile as error:
        raise Failure(Code.CONFIGURATION, str(error)) from None


__all__ = ["Guard", "make_server", "opened", "read_guard"]
