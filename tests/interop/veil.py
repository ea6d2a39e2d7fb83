"""Hides from two peers of ours that they are: through a veil they speak the classic dialect.

All that tells them is the first frame of each side, a ping with a number of its own; the veil has
it carry another.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

from faults import Link, Way, faulty
from interop.recordings import HEADER, PING, SYN
from proxyables.wire.hello import PING as HELLO

_ORDINARY = HEADER.pack(0, PING, SYN, 0, 0x2000_0000)


class VeiledWay(Way):
    """One direction, without the sign."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        super().__init__(source, sink)
        self._first = b""

    async def _forward(self, data: bytes) -> None:
        if self._first != _ORDINARY:
            self._first += data
            if len(self._first) < HEADER.size:
                return
            assert self._first.startswith(HEADER.pack(0, PING, SYN, 0, HELLO))
            data, self._first = _ORDINARY + self._first[HEADER.size :], _ORDINARY
        await super()._forward(data)


@contextlib.asynccontextmanager
async def veiled(target: str) -> AsyncIterator[str]:
    """The address of a veil before the server at a ``tcp://`` address."""

    def put_on(link: Link) -> None:
        client, server = link._sockets
        link.up, link.down = VeiledWay(client, server), VeiledWay(server, client)

    async with faulty(target) as proxy:
        proxy.on_link = put_on
        yield proxy.address
