"""Where connections lead on an event loop: each kind of address that has bytes of its own."""

from __future__ import annotations

import ssl as tls

from proxyables.limits import Limits
from proxyables.net import tls as encryption
from proxyables.net import websockets
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
from proxyables.net.dialing import dial_tcp, dial_unix
from proxyables.net.processes import Child, start_child
from proxyables.net.ssh import ssh_words
from proxyables.net.transports import drive_socket
from proxyables_cli.bridge.pairs import Side
from proxyables_cli.exits import Code, Failure

CHILD_PATIENCE = 5.0
"""Seconds that a child gets to exit when its connection has ended, before it is terminated."""


class Target:
    """An address that can be opened again and again.

    Args:
        address: Of any kind but stdio: and fd:, which are there once.

    Raises:
        Failure: It cannot be opened like that, or files that it names are of no use.
        NotSupported: A library is missing.
    """

    def __init__(self, address: Address) -> None:
        kinds = (ExecAddress, SshAddress, TcpAddress, TlsAddress, UnixAddress, WebSocketAddress)
        if not isinstance(address, kinds):
            raise Failure(
                Code.USAGE,
                f"{str(address)!r:.200}: connections lead to exec:, ssh:, tls:, tcp:, unix: or ws:,"
                f" not to {address.scheme}:",
                "there is one of it, for --shared or for a bridge without --listen",
            )
        self.address = address
        self.starts_children = isinstance(address, (ExecAddress, SshAddress))
        # A program answers what it has read when its input ends; a peer that listens takes the
        # end of a connection's input for that of the connection, and ssh passes it on to one.
        self.can_drain = isinstance(address, ExecAddress)
        self._limits = Limits()
        self._context: tls.SSLContext | None = None
        if isinstance(address, WebSocketAddress):
            websockets.require_library(address)
        if isinstance(address, (TlsAddress, SecureWebSocketAddress)):
            try:
                self._context = encryption.client_context(address, None)
            except ValueError as error:
                raise Failure(Code.USAGE, str(error)) from None

    async def open(self, side: Side) -> Child | None:
        """Gives `side` a connection; returns the child if there is one.

        Raises:
            HandshakeFailed: The program cannot be started.
            OSError: Nobody is there.
        """
        address, patience = self.address, self._limits.handshake_timeout
        if isinstance(address, ExecAddress):
            return await start_child(address.words, side, grace=CHILD_PATIENCE)
        if isinstance(address, SshAddress):
            name = f"ssh {address.host}"
            return await start_child(ssh_words(address), side, name=name, grace=CHILD_PATIENCE)
        if isinstance(address, UnixAddress):
            await drive_socket(await dial_unix(address), side)
        elif isinstance(address, WebSocketAddress):
            await websockets.dial(
                address,
                side,
                find_socket=lambda: dial_tcp(address),
                context=self._context,
                timeout=patience,
                max_message=self._limits.max_message,
            )
        elif isinstance(address, TlsAddress):
            assert self._context is not None
            await encryption.dial(address, side, self._context, timeout=patience)
        else:
            assert isinstance(address, TcpAddress)
            await drive_socket(await dial_tcp(address), side)
        return None


__all__ = ["CHILD_PATIENCE", "Target"]
