"""Where WebSockets are let in, and from where.

Any page that a browser shows may open a WebSocket to a port of the machine it runs on, without
asking anybody (CVE-2025-62593 is one of many). Browsers say where the page comes from, in `Origin`:
whoever says so is refused, unless the server was told to expect it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxyables.net import tls
from proxyables.net.addresses import WebSocketAddress, is_loopback_host
from proxyables.net.transports import drive_socket
from proxyables.net.websockets import WebSocket, largest

if TYPE_CHECKING:
    from websockets.http11 import Request

_AUTHORITY = r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(:[0-9]{0,5})?"


class Door:
    """Where WebSockets are let in: how a listener greets who connects.

    Args:
        address: What is listened on; its path and host are what is to be asked for.
        context: The server's certificate, for ``wss://``.
        origins: The pages that may connect, as ``https://app.example``.
        timeout: Seconds for TLS, and again for the HTTP request.
        max_message: Bytes of the largest message of the protocol.
    """

    def __init__(
        self,
        address: WebSocketAddress,
        *,
        context: ssl.SSLContext | None,
        origins: Sequence[str],
        timeout: float,
        max_message: int,
    ) -> None:
        self._address = address
        self._context = context
        self._origins = origins
        self._timeout = timeout
        self._max_message = max_message

    async def attach(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        """Gives the protocol the WebSocket that an accepted socket becomes.

        Raises:
            OSError: It does not become one; `TimeoutError` is one.
        """
        from websockets.server import ServerProtocol

        rules = ServerProtocol(
            origins=[None, *self._origins],  # type: ignore[list-item] # str is what they are
            max_size=largest(self._max_message),
        )
        made = WebSocket(rules, protocol, self._check)
        try:
            if self._context is None:
                await drive_socket(sock, made)
            else:
                await tls.accept(sock, made, self._context, timeout=self._timeout)
            async with asyncio.timeout(self._timeout or None):
                await made.opened
        except BaseException:
            made.abort()
            raise

    def _check(self, request: Request, made: WebSocket) -> tuple[int, str] | None:
        if request.path != self._address.path:
            return 404, f"{request.path[:200]!r} is not what is served here"
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1 or not self._is_own(hosts[0], made.get_extra_info("sockname")[0]):
            return 403, f"the Host {', '.join(hosts)[:200]!r} is not a name of this server"
        return None

    def _is_own(self, authority: str, local: str) -> bool:
        """Whether a `Host` header names this server, by any port: a tunnel may have another.

        A page whose own name was made to lead to this machine (DNS rebinding) sends that name.
        Who listens on every interface has all kinds of names; there, only `Origin` is left.
        """
        match = re.fullmatch(_AUTHORITY, authority)
        if match is None:
            return False
        host = match[1].strip("[]").lower().removesuffix(".")
        own = self._address.host
        if own == "*" or host in (own, local.partition("%")[0]):
            return True
        return is_loopback_host(host) and is_loopback_host(local)


__all__ = ["Door"]
