"""`connect`: a peer at an address that somebody else listens on."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import socket
import ssl as tls
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

from proxyables.errors import ConnectionClosed, HandshakeFailed
from proxyables.limits import Limits
from proxyables.net.addresses import (
    Address,
    ExecAddress,
    FdAddress,
    TcpAddress,
    UnixAddress,
    understand,
)
from proxyables.net.descriptors import attach_descriptors, inherited_socket
from proxyables.net.hosts import look_up
from proxyables.net.processes import Child, describe_exit, start_child
from proxyables.net.stdio import STANDARD_STREAMS
from proxyables.net.transports import check_socket, drive_socket, set_nodelay
from proxyables.objects.policy import Policy
from proxyables.peer.peer import NOTHING, Peer
from proxyables.peer.workers import check_threads

# Seconds that the child of a connection which has failed gets before it is terminated.
CHILD_PATIENCE = 1.0
# Seconds between attempts to reach a Unix socket whose backlog is full.
BACKLOG_PAUSE = 0.01


def connect(
    address: str | Address,
    *,
    export: object = NOTHING,
    policy: Policy | None = None,
    limits: Limits | None = None,
    timeout: float | None = 5.0,
    token: str | bytes | None = None,
    ssl: tls.SSLContext | None = None,
    name: str = "",
    by_reference: tuple[type, ...] = (),
    threads: int = 0,
) -> Connecting:
    """Dials an address: ``peer = await connect(…)``, or ``async with connect(…) as peer:``.

    Leaving the block closes the connection and waits for its end. Nothing happens before the
    result is awaited or entered; doing so again dials again. If dialling fails, or is cancelled,
    nothing is left of it: no transport, no task, no child.

    Args:
        address: See `proxyables.net.addresses`.
        export: The root object that the other side gets, if any.
        policy: What the other side may touch.
        limits: The bounds of the connection.
        timeout: Seconds for dialling and introducing both sides; None waits for ever.
        token: The secret that both sides must know.
        ssl: Makes a ``tcp://`` connection a TLS one.
        name: What the exported root is called.
        by_reference: Types whose instances always stay here when a method returns one.
        threads: How many worker threads run synchronous code that the other side calls; see
            `serve`.

    Raises:
        ValueError, TypeError: At once, for arguments that make no sense.
        NotSupported: At once, for an address of a kind that this version cannot dial.
        HandshakeFailed: Nobody is there, or not in time, or it is not a peer.
        AuthenticationFailed: One side does not know the other's secret.
    """
    where = understand(address, listening=False)
    if token is not None and not token:
        raise ValueError("token is empty, which is no secret")
    if ssl is not None and not isinstance(where, TcpAddress):
        raise ValueError(f"ssl is for tcp:// addresses, got {str(where)!r:.200}")
    if timeout is not None and (math.isnan(timeout) or timeout < 0):
        raise ValueError(f"timeout takes seconds or None, got {timeout!r}")
    check_threads(threads)
    make_peer = functools.partial(
        DialledPeer,
        client=True,
        export=export,
        policy=policy,
        limits=limits,
        token=token,
        name=name,
        by_reference=by_reference,
        address=str(where),
        threads=threads,
    )
    return Connecting(where, make_peer, timeout=timeout, ssl=ssl)


class DialledPeer(Peer):
    """The peer that `connect` gives.

    Attributes:
        child: The process behind an ``exec:`` address, else None.
    """

    child: Child | None = None

    async def wait_closed(self) -> None:
        """Waits until the connection has ended, and its child too, if it has one."""
        await super().wait_closed()
        if self.child is not None:
            await self.child.wait_closed()


class Connecting:
    """A connection that can be awaited or entered; made by `connect`."""

    def __init__(
        self,
        address: Address,
        make_peer: Callable[[], DialledPeer],
        *,
        timeout: float | None,
        ssl: tls.SSLContext | None,
    ) -> None:
        self._address = address
        self._make_peer = make_peer
        self._timeout = timeout
        self._ssl = ssl
        self._peer: DialledPeer | None = None

    def __repr__(self) -> str:
        return f"<proxyables.connect {str(self._address)!r:.200}>"

    def __await__(self) -> Generator[Any, None, Peer]:
        return self._open().__await__()

    async def __aenter__(self) -> Peer:
        self._peer = await self._open()
        return self._peer

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        peer, self._peer = self._peer, None
        assert peer is not None  # entered
        peer.close()
        try:
            await peer.wait_closed()
        except BaseException:
            peer.abort()  # cancelled while calls in flight had their grace: they have it no more
            raise

    async def _open(self) -> DialledPeer:
        peer = self._make_peer()
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    await self._dial(peer)
                except HandshakeFailed:
                    raise
                except OSError as error:
                    raise self._failure(_reason(error)) from error
                await self._meet(peer)
        except TimeoutError as error:
            await _drop(peer)
            raise self._failure(f"no answer within {self._timeout:g} s") from error
        except BaseException:
            await _drop(peer)
            raise
        return peer

    async def _dial(self, peer: DialledPeer) -> None:
        address = self._address
        if isinstance(address, TcpAddress):
            if self._ssl is None:
                await drive_socket(await _dial_tcp(address), peer)
            else:
                await _dial_tls(address, peer, self._ssl)
        elif isinstance(address, UnixAddress):
            await drive_socket(await _dial_unix(address), peer)
        elif isinstance(address, ExecAddress):
            peer.child = await start_child(address.words, peer, grace=peer.limits.grace)
        elif isinstance(address, FdAddress):
            await _attach_inherited(inherited_socket(address), peer)
        else:
            await attach_descriptors(*STANDARD_STREAMS.take(), peer)

    async def _meet(self, peer: DialledPeer) -> None:
        try:
            await peer.handshake()
        except (HandshakeFailed, ConnectionClosed) as error:
            reason = str(error)
            if peer.child is not None:
                peer.abort()
                await peer.child.finish(patience=CHILD_PATIENCE)
                if not peer.child.was_signalled:
                    reason += f"; {describe_exit(peer.child)}"
            raise self._failure(reason) from error

    def _failure(self, reason: str) -> HandshakeFailed:
        return HandshakeFailed(f"cannot connect to {self._address!s:.200}: {reason}")


async def _drop(peer: DialledPeer) -> None:
    """Ends whatever there is of a connection that has failed."""
    peer.abort()
    if peer.child is not None:
        await peer.child.finish(patience=CHILD_PATIENCE)
    await peer.wait_closed()


async def _dial_tcp(address: TcpAddress) -> socket.socket:
    """Tries the host's places in turn; the first failure tells more than the last."""
    failure: OSError | None = None
    for family, place in await look_up(address.host, address.port):
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, place)
            return sock
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not isinstance(error, OSError):
                raise
            failure = failure or error
    assert failure is not None  # a host that is found has a place
    raise failure


async def _dial_unix(address: UnixAddress) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(address.target)
                return sock
            except BlockingIOError:
                # The backlog is full. Nothing announces room in it, and the loops' own connect
                # takes this error for "in progress", and the socket for connected.
                await asyncio.sleep(BACKLOG_PAUSE)
    except BaseException:
        sock.close()
        raise


async def _attach_inherited(sock: socket.socket, peer: Peer) -> None:
    try:
        check_socket(sock)
    except BaseException:
        sock.close()
        raise
    await drive_socket(sock, peer)


async def _dial_tls(address: TcpAddress, peer: Peer, ssl: tls.SSLContext) -> None:
    try:
        # By name and not with a socket of ours, which uvloop would close twice if it is cancelled.
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: peer, address.host, address.port, ssl=ssl
        )
    except BaseException:
        # uvloop, if cancelled right after the last step, never calls it. Twice does no harm.
        peer.connection_lost(None)
        raise
    set_nodelay(transport.get_extra_info("socket"))


def _reason(error: OSError) -> str:
    # The number tells it in the same words on every loop; a resolver's and OpenSSL's are their own.
    foreign = isinstance(error, (tls.SSLError, socket.gaierror))
    if error.errno and not foreign:
        reason = os.strerror(error.errno)
    else:
        reason = error.strerror or str(error) or type(error).__name__
    return reason[:1].lower() + reason[1:]


__all__ = ["Connecting", "DialledPeer", "connect"]
