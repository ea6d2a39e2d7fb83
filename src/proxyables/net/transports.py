"""Puts a protocol on a connected socket, where it runs at the loop's full speed."""

from __future__ import annotations

import asyncio
import socket
import ssl

from proxyables.errors import ConnectionClosed, HandshakeFailed


def set_nodelay(sock: socket.socket | None) -> None:
    """Switches off Nagle's algorithm, if the socket has one.

    asyncio does so only if the socket was made with an explicit protocol number, which accepted
    and user-made sockets often lack.
    """
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # reset in the meantime; reading it says so


def check_socket(sock: socket.socket) -> None:
    """Raises, as `attach` does, if there is nobody at the other end of the socket."""
    if isinstance(sock, ssl.SSLSocket):
        raise TypeError(
            f"an ssl.SSLSocket cannot be driven by an event loop: {sock!r:.200}; "
            f"give asyncio.open_connection(..., ssl=context) streams instead"
        )
    if sock.fileno() < 0:
        raise ConnectionClosed("the socket is closed", local=True)
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"expected a stream socket (SOCK_STREAM), got {sock!r:.200}")
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ValueError(f"a listening socket is not connected to anybody: {sock!r:.200}")
    try:
        sock.getpeername()
    except OSError as error:
        raise HandshakeFailed("the socket is not connected") from error


async def drive_socket(sock: socket.socket, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Gives the protocol a connected socket, which is closed in the end, whatever happens.

    Nobody else may close it: uvloop closes the descriptor behind the back of the socket object,
    and its number may be another file's by then.
    """
    set_nodelay(sock)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    # For sockets that were dialled as well: uvloop's create_connection only takes the socket over
    # at its end, and if the transport is closed before that, its descriptor is closed twice.
    making = loop.create_task(loop.connect_accepted_socket(lambda: protocol, sock))
    try:
        transport, _ = await asyncio.shield(making)
    except asyncio.CancelledError:
        # It takes a turn or two and waits for nobody. If uvloop is cancelled there, it may have
        # called connection_made already, and never calls connection_lost.
        transport, _ = await making
        transport.abort()
        raise
    except BaseException:
        sock.close()
        raise
    return transport


__all__ = ["check_socket", "drive_socket", "set_nodelay"]
