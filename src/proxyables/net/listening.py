"""How the addresses of a server are bound, and how connections are let in on each kind."""

from __future__ import annotations

import errno
import functools

from proxyables.net import doors
from proxyables.net import tls as encryption
from proxyables.net.addresses import Address, FdAddress, HostAddress, UnixAddress, WebSocketAddress
from proxyables.net.bindings import Binding, Greeting
from proxyables.net.descriptors import inherited_socket
from proxyables.net.listeners import (
    Attach,
    is_listening,
    listen_inherited,
    listen_tcp,
    listen_unix,
)
from proxyables.net.socket_files import Access
from proxyables.net.transports import drive_socket


async def bind(binding: Binding, access: Access | None, greeting: Greeting) -> None:
    """Listens on an address, or takes the connection that an ``fd:`` address may be.

    Args:
        binding: Gets the listeners, or the connection; its owner closes them, whatever happens.
        access: Who may connect to Unix sockets; None for this user alone.
        greeting: How connections are let in.

    Raises:
        AuthenticationFailed: Others could connect who must not.
        OSError: The address cannot be listened on.
    """
    address = binding.address
    is_safe, attach = _is_safe_on(address, greeting), _find_attach(address, greeting)
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
        access = Access() if access is None else access
        binding.listeners = [await listen_unix(address, access, is_safe=greeting.is_safe)]
    elif isinstance(address, FdAddress):
        sock = inherited_socket(address)
        if not is_listening(sock):
            binding.connection = sock
            return
        listener = listen_inherited(address, sock, is_safe=is_safe, attach=attach)
        binding.listeners = [listener]


def _is_safe_on(address: Address, greeting: Greeting) -> bool:
    """Whether others may connect to this address."""
    return greeting.is_safe or encryption.authenticates(greeting.contexts.get(address))


def _find_attach(address: Address, greeting: Greeting) -> Attach:
    """How a connection that arrives on an address becomes a transport."""
    context = greeting.contexts.get(address)
    if isinstance(address, WebSocketAddress):
        return doors.Door(
            address,
            context=context,
            origins=greeting.origins,
            timeout=greeting.timeout,
            max_message=greeting.max_message,
        ).attach
    if context is not None:
        return functools.partial(encryption.accept, context=context, timeout=greeting.timeout)
    return drive_socket


__all__ = ["bind"]
