"""What a server listens on: for each of its addresses the sockets, or the one connection."""

from __future__ import annotations

import socket
import ssl as tls
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from proxyables.frozen import frozen
from proxyables.net.addresses import Address, StdioAddress

if TYPE_CHECKING:
    from proxyables.net.listeners import Listener
    from proxyables.net.socket_files import Access


class Binding:
    """One address.

    Attributes:
        address: As it was asked for.
        given: The sockets that listen for it already, until they are taken over.
        listeners: Empty if the address is one connection.
        connection: The connected socket that an ``fd:`` address may be, until it is opened.
    """

    def __init__(self, address: Address, given: Sequence[socket.socket] = ()) -> None:
        self.address = address
        self.given = given
        self.listeners: list[Listener] = []
        self.connection: socket.socket | None = None

    @property
    def shown(self) -> list[str]:
        """Where it can be dialled."""
        found = [listener.address for listener in self.listeners] or [str(self.address)]
        return list(dict.fromkeys(found))

    def take_connection(self) -> socket.socket | None:
        """Returns the connected socket, which is the caller's from then on."""
        found, self.connection = self.connection, None
        return found

    def close(self) -> None:
        """Closes what is open. Safe to call twice."""
        for listener in self.listeners:
            listener.close()
        for sock in self.given:
            sock.close()
        if self.connection is not None:
            self.connection.close()
        self.listeners, self.given, self.connection = [], (), None


@frozen
class Greeting:
    """How connections are let in.

    Attributes:
        is_safe: Whether others may connect: there is a secret, or it is wanted so.
        contexts: What TLS is done with, by address.
        origins: The web pages that may connect by WebSocket.
        timeout: Seconds for what comes before the first byte.
        max_message: Bytes of one WebSocket message.
    """

    is_safe: bool
    contexts: Mapping[Address, tls.SSLContext | None]
    origins: Sequence[str]
    timeout: float
    max_message: int


class Bindings:
    """Those of one server.

    Args:
        where: The addresses.
        given: The sockets that listen for each already.
        access: Who may connect to Unix sockets; None for this user alone.
        greeting: How connections are let in.
    """

    def __init__(
        self,
        where: Sequence[Address],
        given: Sequence[Sequence[socket.socket]],
        access: Access | None,
        greeting: Greeting,
    ) -> None:
        pairs = zip(where, given, strict=True)
        self._all = [Binding(address, sockets) for address, sockets in pairs]
        self._access = access
        self._greeting = greeting

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._all)

    def __str__(self) -> str:
        return ", ".join(shown for each in self._all for shown in each.shown)

    @property
    def is_listening(self) -> bool:
        """Whether connections may come."""
        return any(each.listeners for each in self._all)

    async def bind(self) -> None:
        """Listens on every address; `close` must follow if that fails.

        Raises:
            AuthenticationFailed: Others could connect who must not.
            OSError: An address cannot be listened on.
        """
        for each in self._all:
            await self._bind(each)

    def start(self, on_accept: Callable[[socket.socket, Listener], None]) -> None:
        """Calls back for each connection; see `Listener.start`."""
        for each in self._all:
            for listener in each.listeners:
                listener.start(on_accept)

    def disown(self) -> None:
        """Leaves the sockets to the process that this one was forked from."""
        for each in self._all:
            for listener in each.listeners:
                listener.disown()

    def close(self) -> None:
        """Stops listening. Safe to call twice."""
        for each in self._all:
            each.close()

    async def _bind(self, binding: Binding) -> None:
        if isinstance(binding.address, StdioAddress) and not binding.given:
            return  # the connection is there
        from proxyables.net import listening  # most of this room: a stdio child does without

        await listening.bind(binding, self._access, self._greeting)


__all__ = ["Binding", "Bindings", "Greeting"]
