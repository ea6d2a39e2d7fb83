"""`serve`: an object for everybody who connects."""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl as tls
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from proxyables.limits import Limits
from proxyables.net.addresses import Address, StdioAddress, understand
from proxyables.net.bindings import Bindings, Greeting
from proxyables.net.server import Server
from proxyables.objects.policy import Policy
from proxyables.peer.attempts import Attempts
from proxyables.peer.options import check_options
from proxyables.peer.peer import Peer
from proxyables.peer.workers import make_workers
from proxyables.watch.access import AccessLog, check_access_log
from proxyables.watch.watch import Watch
from proxyables.watch.watchdog import check_seconds

if TYPE_CHECKING:
    from proxyables.net.socket_files import Access

_ORIGIN = r"[a-z][a-z0-9+.-]*://[^/\s]+"


def serve(
    obj: Any,
    *where: str | Address,
    instance: Literal["shared", "connection"] = "shared",
    factory: bool = False,
    policy: Policy | None = None,
    limits: Limits | None = None,
    threads: int = 0,
    token: str | bytes | None = None,
    ssl: tls.SSLContext | None = None,
    name: str = "",
    by_reference: tuple[type, ...] = (),
    insecure: bool = False,
    origins: Sequence[str] = (),
    max_connections: int | None = None,
    unix_mode: int | None = None,
    unix_group: str | int | None = None,
    sockets: Sequence[Sequence[socket.socket]] = (),
    access_log: AccessLog = "off",
    watchdog: float = 0.0,
) -> Server:
    """Serves an object: ``async with serve(…) as server:``, or ``server = await serve(…)``.

    Args:
        obj: The root object of every connection; or what makes it, see ``instance``.
        *where: Any number of addresses. ``stdio:`` and a connected ``fd:`` are one connection
            each, and a server with nothing else ends with them.
        instance: ``"shared"``: one object for all. ``"connection"``: ``obj`` is a class or a
            function, and each connection gets what it returns.
        factory: ``obj`` is called for the shared object as well. It may be a coroutine function.
        policy: What the other sides may touch.
        limits: The bounds of each connection.
        threads: How many worker threads run synchronous methods; 0 runs them on the event loop,
            at full speed, but for those marked with ``expose(run="thread")``. On a worker, remote
            arguments are blocking proxies.
        token: The secret that both sides must know.
        ssl: What TLS is done with, on ``tls://`` addresses that name no certificate, on
            ``wss://``, and on ``tcp://``, which it makes ``tls://``.
        name: What the root is called.
        by_reference: Types whose instances always stay here when a method returns one.
        insecure: Allows other machines, and every user of this one, to connect without a token
            and without a certificate that TLS has checked.
        origins: The web pages that may connect by ``ws://`` and ``wss://``, as their browsers say
            it: ``"https://app.example"``. No others may; what is no browser says nothing.
        max_connections: How many there may be at once. One more is told so, and gets
            `HandshakeFailed` with the reason ``busy``. Else as many as the system can hold.
        unix_mode: The permissions of Unix sockets, such as ``0o660``. Else only this user may
            connect, and the group, if one is given.
        unix_group: The group of Unix sockets, by name or number.
        sockets: For each address, in their order, the sockets that listen for it already: the
            server takes them over, and binds none for this address. Socket files stay when it
            ends. See `Server.bind`.
        access_log: ``"calls"``: the logger ``proxyables.access`` is told of each call when it has
            ended, as info: who called, what, how long it took, how it ended. ``"args"``: with the
            arguments, clipped, and without what is named like a secret.
        watchdog: Seconds after which a thread of its own warns that the event loop is blocked, and
            logs by what; 0 for never.

    Raises:
        ValueError, TypeError: At once, for arguments that make no sense, and for files of TLS
            that cannot be used.
        NotSupported: At once, for an address of a kind that this version cannot open.
        AuthenticationFailed: On start; see ``insecure``.
        OSError: On start, if an address cannot be listened on. Then none is.
    """
    check_options(
        policy=policy,
        limits=limits,
        token=token,
        by_reference=by_reference,
        name=name,
        ssl=ssl,
    )
    _check_object(obj, instance, is_made=factory or instance == "connection")
    _check_where(where, sockets)
    _check_max_connections(max_connections)
    check_access_log(access_log)
    access = _find_access(unix_mode, unix_group)
    limits = Limits() if limits is None else limits
    check_seconds(watchdog)
    workers = make_workers(threads, limits)
    watch = Watch(name, workers, threads=threads, access_log=access_log)
    make_peer = functools.partial(
        Peer,
        client=False,
        policy=policy,
        limits=limits,
        token=token,
        attempts=Attempts(),
        name=name,
        by_reference=by_reference,
        instance=os.urandom(8).hex(),
        threads=threads,
        workers=workers,
        overseer=watch,
    )
    addresses = _find_addresses(where, ssl)
    greeting = Greeting(
        is_safe=insecure or token is not None,
        contexts=_find_contexts(addresses, ssl),
        origins=check_origins(origins),
        timeout=limits.handshake_timeout,
        max_message=limits.max_message,
    )
    return Server(
        Bindings(addresses, sockets or [()] * len(where), access, greeting),
        make_peer,
        obj,
        workers,
        watch,
        watchdog=watchdog,
        is_made_once=factory and instance == "shared",
        is_made_for_each=instance == "connection",
        max_connections=max_connections,
    )


def _check_object(obj: object, instance: object, *, is_made: bool) -> None:
    if instance not in ("shared", "connection"):
        raise ValueError(f"instance is 'shared' or 'connection', got {instance!r:.80}")
    if is_made and not callable(obj):
        raise TypeError(f"expected a class or a function that makes objects, got {obj!r:.200}")


def _check_where(where: Sequence[object], sockets: Sequence[object]) -> None:
    if not where:
        raise TypeError("serve() takes at least one address, such as 'tcp://127.0.0.1:9000'")
    if sockets and len(sockets) != len(where):
        raise ValueError(f"sockets are for {len(where)} addresses, got {len(sockets)}")


# The imports in functions are for what few servers have, and a stdio child never.


def _find_access(mode: int | None, group: str | int | None) -> Access | None:
    if mode is None and group is None:
        return None
    from proxyables.net.socket_files import understand_access

    return understand_access(mode, group)


def _find_addresses(
    where: Sequence[str | Address], ssl: tls.SSLContext | None
) -> Sequence[Address]:
    addresses = [understand(each, listening=True) for each in where]
    if ssl is None:
        return addresses
    from proxyables.net.tls import secured

    return [secured(each, ssl) for each in addresses]


def _find_contexts(
    addresses: Sequence[Address], ssl: tls.SSLContext | None
) -> dict[Address, tls.SSLContext | None]:
    """Returns what TLS is done with, by address; looks that WebSockets can be served."""
    found: dict[Address, tls.SSLContext | None] = {}
    if all(isinstance(each, StdioAddress) for each in addresses):
        return found
    from proxyables.net.address_kinds import (
        FdAddress,
        SecureWebSocketAddress,
        TlsAddress,
        WebSocketAddress,
    )

    for each in addresses:
        if isinstance(each, WebSocketAddress):
            from proxyables.net.websockets import require_library

            require_library(each)
        if isinstance(each, (TlsAddress, SecureWebSocketAddress)):
            from proxyables.net.tls import server_context

            found[each] = server_context(each, ssl)
        elif isinstance(each, FdAddress):
            found[each] = ssl
    return found


def check_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Returns the origins as browsers write them.

    Raises:
        TypeError: They are one text.
        ValueError: One has not the form that browsers give it.
    """
    if isinstance(origins, str):
        raise TypeError(f"origins takes a sequence of them, got {origins!r:.200}")
    for origin in origins:
        if not re.fullmatch(_ORIGIN, origin):
            raise ValueError(
                f"an origin is SCHEME://HOST[:PORT] in lower case, got {origin!r:.200}"
            )
    return tuple(origins)


def _check_max_connections(number: object) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"max_connections takes a whole number, got {number!r:.80}")
    if number < 1:
        raise ValueError(f"max_connections takes a positive number, got {number!r:.80}")


__all__ = ["check_origins", "serve"]
