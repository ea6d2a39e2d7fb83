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
    SecureWebSocketAddress,
    TlsAddress,
    WebSocketAddress,
)
from proxyables.net.arrivals import Arrivals
from proxyables.net.bindings import Bindings, Greeting
from proxyables.net.complaints import Complaints
from proxyables.net.dialing import explain
from proxyables.net.listeners import Listener
from proxyables.net.processes import Child, describe_exit
from proxyables.net.socket_files import Access
from proxyables.net.websockets import require_library
from proxyables_cli.bridge.dialling import CHILD_PATIENCE, Target
from proxyables_cli.bridge.listening import announce
from proxyables_cli.bridge.options import BridgeOptions
from proxyables_cli.bridge.pairs import Pair, Side
from proxyables_cli.daemon.opening import opened
from proxyables_cli.daemon.signals import StopSignals
from proxyables_cli.exits import Code, Failure

log = logging.getLogger("proxyables")


async def relay_each(target: Target, where: Sequence[Address], options: BridgeOptions) -> None:
    """Listens until a signal comes; then what is under way has its grace.

    Raises:
        Failure: An address cannot be listened on, or must not be.
    """
    signals = StopSignals(asyncio.get_running_loop())
    signals.end_at_hang_up()
    relays = Relays(target, options)
    bindings = Bindings(where, [()] * len(where), Access(), _greeting(where, options))
    try:
        await opened(bindings.bind(), hint="--insecure")
        bindings.start(relays.take)
        announce([shown for each in bindings for shown in each.shown], target.address)
        await signals.wait()
    finally:
        bindings.close()
        await relays.drain(options.grace)


def _greeting(where: Sequence[Address], options: BridgeOptions) -> Greeting:
    limits = Limits()
    contexts: dict[Address, tls.SSLContext | None] = {}
    for each in where:
        if isinstance(each, (TlsAddress, SecureWebSocketAddress)):
            try:
                contexts[each] = encryption.server_context(each, None)
            except ValueError as error:
                raise Failure(Code.USAGE, str(error)) from None
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

    def __init__(self, target: Target, options: BridgeOptions) -> None:
        self._target = target
        self._options = options
        self._pairs: set[Pair] = set()
        self._change = asyncio.Event()
        self._arrivals = Arrivals(self._change.set)
        self._complaints = Complaints()

    def take(self, sock: socket.socket, listener: Listener) -> None:
        """Leads a connection on, or closes it if there are children enough."""
        most = self._options.max_children
        if self._target.starts_children and len(self._arrivals) >= most:
            told = f"of children there are no more than {most}"
            self._complain(listener.address, f"{listener.address}: a connection was closed", told)
            sock.close()
            return
        self._arrivals.take(sock, self._lead(sock, listener))

    async def drain(self, grace: float) -> None:
        """Ends them all: each has `grace` seconds for its last answers."""
        self._complaints.close()
        if self._target.can_drain:
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
            child = await self._open(pair.upstream, listener)
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

    async def _open(self, side: Side, listener: Listener) -> Child | None:
        """Opens the way on; if that fails, a line says why, and `side` has no transport."""
        address, patience = self._target.address, self._options.timeout
        who = f"cannot connect to {address}"
        try:
            async with asyncio.timeout(patience):
                return await self._target.open(side)
        except TimeoutError:
            self._complain(str(address), who, f"no answer within {patience:g} s")
        except HandshakeFailed as error:
            self._complain(str(address), listener.address, str(error))
        except OSError as error:
            self._complain(str(address), who, explain(error, address))
        return None

    def _complain(self, source: str, who: str, text: str) -> None:
        self._complaints.note(source, who, who, text, logging.WARNING)


__all__ = ["Relays", "relay_each"]
