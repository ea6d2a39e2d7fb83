"""What a server listens on: for each of its addresses the sockets, or the one connection."""

from __future__ import annotations

import errno
import functools
import socket
import ssl as tls
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from proxyables.net import doors
from proxyables.net import tls as encryption
from proxyables.net.addresses import (
    Address,
    FdAddress,
    HostAddress,
    UnixAddress,
    WebSocketAddress,
)
from proxyables.net.descriptors import inherited_socket
from proxyables.net.listeners import (
    Attach,
    Listener,
    is_listening,
    listen_inherited,
    listen_tcp,
    listen_unix,
)
from proxyables.net.socket_files import Access
from proxyables.net.transports import drive_socket


@dataclass(slots=True)
class Binding:
    """One address.

    Attributes:
        address: As it was asked for.
        given: The sockets that listen for it already, until they are taken over.
        listeners: Empty if the address is one connection.
        connection: The connected socket that an ``fd:`` address may be, until it is opened.
    """

    address: Address
    given: Sequence[socket.socket] = ()
    listeners: list[Listener] = field(default_factory=list)
    connection: socket.socket | None = None

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


@dataclass(frozen=True, slots=True)
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

    def is_safe_on(self, address: Address) -> bool:
        """Whether others may connect to this address."""
        return self.is_safe or encryption.authenticates(self.contexts.get(address))

    def find_attach(self, address: Address) -> Attach:
        """How a connection that arrives on an address becomes a transport."""
        context = self.contexts.get(address)
        if isinstance(address, WebSocketAddress):
            return doors.Door(
                address,
                context=context,
                origins=self.origins,
                timeout=self.timeout,
                max_message=self.max_message,
            ).attach
        if context is not None:
            return functools.partial(encryption.accept, context=context, timeout=self.timeout)
        return drive_socket


class Bindings:
    """Those of one server.

    Args:
        where: The addresses.
        given: The sockets that listen for each already.
        access: Who may connect to Unix sockets.
        greeting: How connections are let in.
    """

    def __init__(
        self,
        where: Sequence[Address],
        given: Sequence[Sequence[socket.socket]],
        access: Access,
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

    def close(self) -> None:
        """Stops listening. Safe to call twice."""
        for each in self._all:
            each.close()

    async def _bind(self, binding: Binding) -> None:
        address = binding.address
        is_safe, attach = self._greeting.is_safe_on(address), self._greeting.find_attach(address)
        if binding.given:
            for sock in binding.given:
                if not is_listening(sock):
                    raise OSError(errno.EINVAL, f"a socket that is to serve {address} must listen")
                listener = listen_inherited(address, sock, is_safe=is_safe, attach=attach)
                binding.listeners.append(listener)
            binding.given = ()
        elif isinstance(address, HostAddress):
            binding.listeners = await listen_tcp(address, is_safe=is_safe, attach=attach)
        elif isinstance(address, UnixAddress):
            binding.listeners = [
                await listen_unix(address, self._access, is_safe=self._greeting.is_safe)
            ]
        elif isinstance(address, FdAddress):
            sock = inherited_socket(address)
            if not is_listening(sock):
                binding.connection = sock
                return
            listener = listen_inherited(address, sock, is_safe=is_safe, attach=attach)
            binding.listeners = [listener]


__all__ = ["Binding", "Bindings", "Greeting"]
