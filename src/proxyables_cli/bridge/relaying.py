"""Listeners each of whose connections leads to a child, or to a connection, of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl as tls
from collections.abc import Sequence

from proxyables.errors import HandshakeFailed
from proxyables.limits import Limits
from proxyables.net import tls as encryption
from proxyables.net.addresses import (
    Address,
    ExecAddress,
    SecureWebSocketAddress,
    SshAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    WebSocketAddress,
)
from proxyables.net.arrivals import Arrivals
from proxyables.net.bindings import Bindings, Greeting
from proxyables.net.dialing import dial_tcp, dial_unix
from proxyables.net.listeners import Listener
from proxyables.net.processes import Child, describe_exit, start_child
from proxyables.net.socket_files import Access
from proxyables.net.ssh import ssh_words
from proxyables.net.transports import drive_socket
from proxyables.net.websockets import require_library
from proxyables_cli.bridge.listening import announce
from proxyables_cli.bridge.options import BridgeOptions
from proxyables_cli.bridge.pairs import Pair, Side
from proxyables_cli.daemon.opening import opened
from proxyables_cli.daemon.signals import StopSignals

log = logging.getLogger("proxyables")

CHILD_PATIENCE = 5.0
"""Seconds that a child gets to exit when its connection has ended, before it is terminated."""


async def relay_each(target: Address, where: Sequence[Address], options: BridgeOptions) -> None:
    """Listens until a signal comes; then what is under way has its grace.

    Raises:
        Failure: An address cannot be listened on, or must not be.
    """
    signals = StopSignals(asyncio.get_running_loop())
    relays = Relays(target, options)
    bindings = Bindings(where, [()] * len(where), Access(), _greeting(where, options))
    try:
        await opened(bindings.bind(), hint="--insecure")
        bindings.start(relays.take)
        announce([shown for each in bindings for shown in each.shown], target)
        await signals.wait()
    finally:
        bindings.close()
        await relays.drain(options.grace)


def _greeting(where: Sequence[Address], options: BridgeOptions) -> Greeting:
    limits = Limits()
    contexts: dict[Address, tls.SSLContext | None] = {
        each: encryption.server_context(each, None)
        for each in where
        if isinstance(each, (TlsAddress, SecureWebSocketAddress))
    }
    for each in where:
        if isinstance(each, WebSocketAddress):
            require_library(each)
    return Greeting(
        is_safe=options.insecure,
        contexts=contexts,
        origins=(),
        timeout=limits.handshake_timeout,
        max_message=limits.max_message,
    )


class Relays:
    """The connections of one bridge.

    Args:
        target: Where each leads.
        options: The command line.
    """

    def __init__(self, target: Address, options: BridgeOptions) -> None:
        self._target = target
        self._options = options
        self._pairs: set[Pair] = set()
        self._change = asyncio.Event()
        self._arrivals = Arrivals(self._change.set)
        self._starts_children = isinstance(target, (ExecAddress, SshAddress))

    def take(self, sock: socket.socket, listener: Listener) -> None:
        """Leads a connection on, or closes it if there are children enough."""
        most = self._options.max_children
        if self._starts_children and len(self._arrivals) >= most:
            told = "%s: a connection was closed: of children there are no more than %d"
            log.warning(told, listener.address, most)
            sock.close()
            return
        self._arrivals.take(sock, self._lead(sock, listener))

    async def drain(self, grace: float) -> None:
        """Ends them all: each has `grace` seconds for its last answers."""
        for pair in self._pairs:
            pair.drain()
        try:
            async with asyncio.timeout(grace):
                await self._all_ended()
        except TimeoutError:
            for pair in self._pairs:
                pair.abort()
            self._arrivals.cancel()
            await self._all_ended()

    async def _all_ended(self) -> None:
        while self._arrivals:
            self._change.clear()
            await self._change.wait()

    async def _lead(self, sock: socket.socket, listener: Listener) -> None:
        pair = Pair()
        child: Child | None = None
        self._pairs.add(pair)
        try:
            self._arrivals.claim(sock)
            await listener.attach(sock, pair.client)
            child = await self._open(pair.upstream)
            if pair.upstream.transport is None:
                return  # a line has said why
            if not await pair.carry(self._options.idle_timeout):
                log.info("%s: a connection was closed: it was idle", listener.address)
        finally:
            pair.abort()
            self._pairs.discard(pair)
            if child is not None:
                await child.finish(patience=CHILD_PATIENCE)
                if child.returncode and not child.was_signalled:
                    log.warning("%s[%d]: %s", child.name, child.pid, describe_exit(child))

    async def _open(self, side: Side) -> Child | None:
        """Opens the way on; if that fails, a line says why, and `side` has no transport."""
        try:
            async with asyncio.timeout(self._options.timeout):
                return await _dial(self._target, side)
        except TimeoutError:
            log.warning(
                "cannot connect to %s: no answer within %g s", self._target, self._options.timeout
            )
        except HandshakeFailed as error:
            log.warning("%s", error)
        except OSError as error:
            reason = error.strerror or str(error)
            log.warning("cannot connect to %s: %s", self._target, reason[:1].lower() + reason[1:])
        return None


async def _dial(target: Address, side: Side) -> Child | None:
    if isinstance(target, ExecAddress):
        return await start_child(target.words, side, grace=CHILD_PATIENCE)
    if isinstance(target, SshAddress):
        name = f"ssh {target.host}"
        return await start_child(ssh_words(target), side, name=name, grace=CHILD_PATIENCE)
    if isinstance(target, TcpAddress):
        await drive_socket(await dial_tcp(target), side)
    else:
        assert isinstance(target, UnixAddress)  # the command line has no other
        await drive_socket(await dial_unix(target), side)
    return None


__all__ = ["Relays", "relay_each"]
