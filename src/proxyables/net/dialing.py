"""`connect`: a peer at an address that somebody else listens on."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import socket
import ssl as tls
from collections.abc import Callable, Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic

from proxyables.errors import ConnectionClosed, HandshakeFailed, Reason
from proxyables.limits import Limits
from proxyables.net import tls as encryption
from proxyables.net import websockets
from proxyables.net.addresses import (
    Address,
    ExecAddress,
    FdAddress,
    HostAddress,
    SecureWebSocketAddress,
    SshAddress,
    TlsAddress,
    UnixAddress,
    WebSocketAddress,
    understand,
)
from proxyables.net.descriptors import attach_descriptors, inherited_socket
from proxyables.net.hosts import connect_socket, look_up
from proxyables.net.processes import EXIT_REASONS, Child, describe_exit, start_child
from proxyables.net.ssh import SSH_REASONS, ssh_advice, ssh_words
from proxyables.net.stdio import STANDARD_STREAMS
from proxyables.net.transports import check_socket, drive_socket
from proxyables.objects.policy import Policy
from proxyables.peer.options import check_options
from proxyables.peer.peer import NOTHING, Peer
from proxyables.peer.workers import check_threads
from proxyables.proxies.api import Api, ApiClass, Root, check_class

# Seconds that the child of a connection which has failed gets before it is terminated.
CHILD_PATIENCE = 1.0
# Seconds between attempts to reach a Unix socket whose backlog is full.
BACKLOG_PAUSE = 0.01


def connect(
    address: str | Address,
    api: ApiClass[Api] | None = None,
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
) -> Connecting[Api]:
    """Dials an address: ``peer = await connect(…)``, or ``async with connect(…) as peer:``.

    Leaving the block closes the connection and waits for its end. Nothing happens before the
    result is awaited or entered; doing so again dials again. If dialling fails, or is cancelled,
    nothing is left of it: no transport, no task, no child.

    Args:
        address: See `proxyables.net.addresses`.
        api: What `Peer.root` is to type checkers: a class or Protocol that describes the other
            side's root object. It changes nothing at run time; `check_api` compares the two.
        export: The root object that the other side gets, if any.
        policy: What the other side may touch.
        limits: The bounds of the connection.
        timeout: Seconds for dialling and introducing both sides; None waits for ever.
        token: The secret that both sides must know.
        ssl: What TLS is done with: for ``tls://`` addresses that name no files, for ``wss://``,
            and for ``tcp://``, which it makes ``tls://``.
        name: What the exported root is called.
        by_reference: Types whose instances always stay here when a method returns one.
        threads: How many worker threads run synchronous code that the other side calls; see
            `serve`.

    Raises:
        ValueError, TypeError: At once, for arguments that make no sense, and for files of TLS
            that cannot be used.
        NotSupported: At once, for an address of a kind that this version cannot dial.
        HandshakeFailed: Nobody is there, or not in time, or it is not a peer.
        AuthenticationFailed: One side does not know the other's secret.
    """
    check_options(
        policy=policy,
        limits=limits,
        token=token,
        by_reference=by_reference,
        name=name,
        ssl=ssl,
    )
    where = encryption.secured(understand(address, listening=False), ssl)
    if api is not None:
        check_class(api)
    is_encrypted = isinstance(where, (TlsAddress, SecureWebSocketAddress))
    if ssl is not None and not is_encrypted:
        raise ValueError(f"ssl is for tcp://, tls:// and wss:// addresses, got {str(where)!r:.200}")
    if timeout is not None and not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout takes seconds or None, got {timeout!r:.80}")
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
    context = encryption.client_context(where, ssl) if is_encrypted else None
    if isinstance(where, WebSocketAddress):
        websockets.require_library(where)
    return Connecting(where, make_peer, timeout=timeout, ssl=context)


class DialledPeer(Peer[Root]):
    """The peer that `connect` gives.

    Attributes:
        child: The process behind an ``exec:`` or ``ssh:`` address, else None.
    """

    child: Child | None = None

    def disown(self) -> None:
        """As `Peer.disown`; the child is the parent's."""
        super().disown()
        self.child = None

    async def wait_closed(self) -> None:
        """Waits until the connection has ended, and its child too, if it has one."""
        await super().wait_closed()
        if self.child is not None:
            await self.child.wait_closed()


class Connecting(Generic[Root]):
    """A connection that can be awaited or entered; made by `connect`."""

    def __init__(
        self,
        address: Address,
        make_peer: Callable[[], DialledPeer[Root]],
        *,
        timeout: float | None,
        ssl: tls.SSLContext | None,
    ) -> None:
        self._address = address
        self._make_peer = make_peer
        self._timeout = timeout
        self._ssl = ssl
        self._entered: list[tuple[object, DialledPeer[Root]]] = []
        """By which task: several may have dialled at once."""

    def __repr__(self) -> str:
        return f"<proxyables.connect {str(self._address)!r:.200}>"

    def __await__(self) -> Generator[Any, None, Peer[Root]]:
        return self._open().__await__()

    async def __aenter__(self) -> Peer[Root]:
        peer = await self._open()
        self._entered.append((peer.running_task(), peer))
        return peer

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        peer = self._pop_entered()
        peer.close()
        try:
            await peer.wait_closed()
        except BaseException:
            peer.abort()  # cancelled while calls in flight had their grace: they have it no more
            raise

    def _pop_entered(self) -> DialledPeer[Root]:
        """Returns the connection that this task has entered last."""
        entered = self._entered
        for place in reversed(range(len(entered))):
            task, peer = entered[place]
            if task is peer.running_task():
                return entered.pop(place)[1]
        return entered.pop()[1]  # left by another task than the one that entered it

    async def _open(self) -> DialledPeer[Root]:
        peer = self._make_peer()
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    await self._dial(peer)
                except HandshakeFailed:
                    raise
                except OSError as error:
                    late = isinstance(error, TimeoutError)  # the system's own, which is an OSError
                    reason: Reason = "timeout" if late else "unreachable"
                    raise self._failure(explain(error, self._address), reason) from error
                await self._meet(peer)
        except TimeoutError as error:
            await _drop(peer)
            told = f"no answer within {self._timeout:g} s{self._end_of(peer.child)}"
            raise self._failure(told, "timeout") from error
        except BaseException:
            await _drop(peer)
            raise
        return peer

    async def _dial(self, peer: DialledPeer) -> None:
        address = self._address
        if isinstance(address, WebSocketAddress):
            await websockets.dial(
                address,
                peer,
                find_socket=lambda: dial_tcp(address),
                context=self._ssl,
                timeout=peer.limits.handshake_timeout,
                max_message=peer.limits.max_message,
            )
        elif isinstance(address, HostAddress):
            if self._ssl is None:
                await drive_socket(await dial_tcp(address), peer)
            else:
                patience = peer.limits.handshake_timeout
                await encryption.dial(address, peer, self._ssl, timeout=patience)
        elif isinstance(address, UnixAddress):
            await drive_socket(await dial_unix(address), peer)
        elif isinstance(address, ExecAddress):
            peer.child = await start_child(address.words, peer, grace=peer.limits.grace)
            peer.credentials = replace(peer.credentials, pid=peer.child.pid)
        elif isinstance(address, SshAddress):
            peer.child = await start_child(
                ssh_words(address), peer, name=f"ssh {address.host}", grace=peer.limits.grace
            )
        elif isinstance(address, FdAddress):
            await _attach_inherited(inherited_socket(address), peer)
        else:
            await attach_descriptors(*STANDARD_STREAMS.take(), peer)

    async def _meet(self, peer: DialledPeer) -> None:
        try:
            await peer.handshake()
        except (HandshakeFailed, ConnectionClosed) as error:
            told = str(error) + encryption.explain_silence(error, peer, self._address)
            reason: Reason = error.reason if isinstance(error, HandshakeFailed) else "closed"
            if peer.child is not None:
                peer.abort()
                await peer.child.finish(patience=CHILD_PATIENCE)
                told += self._end_of(peer.child)
                reasons = SSH_REASONS if isinstance(self._address, SshAddress) else EXIT_REASONS
                reason = reasons.get(peer.child.returncode or 0, reason)
            raise self._failure(told, reason) from error

    def _end_of(self, child: Child | None) -> str:
        """What an error says of the child of a connection that has failed."""
        if child is None:
            return ""
        address = self._address
        who = "ssh" if isinstance(address, SshAddress) else "the child"
        if child.was_signalled:  # it did not end by itself, so how it ended says nothing
            return f"; {who} said: {child.last_words}" if child.last_words else ""
        told = f"; {describe_exit(child, who)}"
        if isinstance(address, SshAddress):
            told += ssh_advice(address, child.returncode)
        return told

    def _failure(self, told: str, reason: Reason) -> HandshakeFailed:
        return HandshakeFailed(f"cannot connect to {self._address!s:.200}: {told}", reason=reason)


async def _drop(peer: DialledPeer) -> None:
    """Ends whatever there is of a connection that has failed."""
    peer.abort()
    if peer.child is not None:
        await peer.child.finish(patience=CHILD_PATIENCE)
    await peer.wait_closed()


async def dial_tcp(address: HostAddress) -> socket.socket:
    """Tries the host's places in turn; the first failure tells more than the last."""
    failure: OSError | None = None
    for family, place in await look_up(address.host, address.port):
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            await connect_socket(sock, place)
            return sock
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not isinstance(error, OSError):
                raise
            failure = failure or error
    assert failure is not None  # a host that is found has a place
    raise failure


async def dial_unix(address: UnixAddress) -> socket.socket:
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


def explain(error: OSError, address: Address) -> str:
    """Says in a line why an address could not be dialled."""
    if isinstance(error, tls.SSLError) and isinstance(address, HostAddress):
        return encryption.explain(error, address)
    # The number tells it in the same words on every loop; a resolver's are its own.
    if error.errno and not isinstance(error, socket.gaierror):
        reason = os.strerror(error.errno)
    else:
        reason = error.strerror or str(error) or _unsaid(error, address)
    reason = reason.removeprefix(f"{address}: ")  # what an inherited descriptor is says so itself
    return reason[:1].lower() + reason[1:]


def _unsaid(error: OSError, address: Address) -> str:
    """Says in words what an error tells by its type alone, as the loops raise it."""
    if not isinstance(error, ConnectionError):
        return type(error).__name__
    if isinstance(address, (TlsAddress, SecureWebSocketAddress)):
        hint = "perhaps it does not speak TLS there"
        return f"the server closed the connection in the middle of the TLS handshake; {hint}"
    return "the connection was closed"


__all__ = ["Connecting", "DialledPeer", "connect", "dial_tcp", "dial_unix", "explain"]
