"""Listeners whose connections all share one server: its object is lent to each of them.

Bytes of many connections cannot be mixed into one, so here the bridge is a peer of both sides.
Chains, callbacks and streams pass through it; whoever owns an object runs what is done with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import proxyables
from proxyables.net.addresses import Address
from proxyables.proxies.cursor import ProxyCursor, redirect
from proxyables_cli.bridge.listening import announce
from proxyables_cli.bridge.options import BridgeOptions
from proxyables_cli.connecting import Place
from proxyables_cli.daemon.opening import opened
from proxyables_cli.daemon.signals import StopSignals, first
from proxyables_cli.exits import Code, Failure, explain

if TYPE_CHECKING:
    from proxyables import Server
    from proxyables.peer.peer import Peer

log = logging.getLogger("proxyables")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
"""Seconds before an attempt to open the shared connection again, at first and at the most."""
_LONG_LIFE = 5.0
"""Seconds after which a connection counts as one that has worked."""


async def share(
    target: Place, where: Sequence[Address], options: BridgeOptions, token: bytes | None
) -> None:
    """Lends the object at `target` until a signal comes.

    Raises:
        Failure: An address cannot be listened on, or must not be; or the connection is lost, and
            not to be opened again.
        ProxyError: Nobody is at `target`.
    """
    signals = StopSignals(asyncio.get_running_loop())
    signals.end_at_hang_up()
    upstream = Upstream(target, options)
    await upstream.open()
    try:
        server = _server(upstream, where, options, token)
        await opened(server, hint="--token-file, or --insecure")
        try:
            announce(server.addresses, target.address)
            await first(signals.wait(), upstream.keep())
        finally:
            server.close()
            await server.wait_closed()
    finally:
        await upstream.close()


def _server(
    upstream: Upstream, where: Sequence[Address], options: BridgeOptions, token: bytes | None
) -> Server:
    limits = proxyables.Limits(grace=options.grace, idle_timeout=options.idle_timeout or 0.0)
    try:
        return proxyables.serve(
            upstream.root,
            *map(str, where),
            limits=limits,
            token=token,
            insecure=options.insecure,
            name=upstream.name,
        )
    except ValueError as error:  # an address that is no place to listen at
        raise Failure(Code.USAGE, str(error)) from None


class Upstream:
    """The one connection that all share.

    Attributes:
        root: A cursor on its object. It stays the same when the connection is opened again, so
            that whoever holds it goes on with the new one.
        name: What the object is called over there.
    """

    def __init__(self, target: Place, options: BridgeOptions) -> None:
        self.root: ProxyCursor
        self.name = ""
        self._target = target
        self._options = options
        self._peer: Peer

    async def open(self) -> None:
        """Opens the connection for the first time.

        Raises:
            Failure: The address cannot be dialled.
            ProxyError: Nobody is there.
        """
        self._peer = await self._connect()
        self.root = ProxyCursor(self._peer, None, [])
        info = self._peer.info
        self.name = info.root if info is not None else ""

    async def keep(self) -> None:
        """Opens the connection again whenever it is lost; for ever.

        Raises:
            Failure: It is lost, and that is not wanted; or somebody is there who refuses.
        """
        now = asyncio.get_running_loop().time
        pause = _FIRST_PAUSE
        while True:
            begun = now()
            await self._peer.wait_closed()
            # A child that dies as soon as it has been met is not started again and again at once.
            lived = now() - begun > _LONG_LIFE
            pause = _FIRST_PAUSE if lived else min(2 * pause, _LONGEST_PAUSE)
            lost = f"the connection to {self._target.address} is lost"
            if not self._options.reconnect:
                raise Failure(Code.LOST, lost, "--reconnect opens it again")
            log.warning("%s; trying to open it again", lost)
            self._peer = await self._connect_sometime(pause)
            redirect(self.root, self._peer)
            log.warning("connected to %s again", self._target.address)

    async def close(self) -> None:
        """Closes the connection, and ends its child if it has one."""
        self._peer.close()
        await self._peer.wait_closed()

    async def _connect(self) -> Peer:
        target, timeout = self._target, self._options.timeout
        try:
            return await proxyables.connect(target.address, timeout=timeout, token=target.token)
        except (ValueError, proxyables.NotSupported) as error:
            raise Failure(Code.USAGE, str(error)) from None

    async def _connect_sometime(self, pause: float) -> Peer:
        told = ""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                return await self._connect()
            except proxyables.HandshakeFailed as error:
                line = explain(error)[1]
                if line != told:  # once for each reason
                    log.warning("%s", line)
                told = line


__all__ = ["Upstream", "share"]
