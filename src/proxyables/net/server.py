"""A server: what it listens on, who is connected, and how it ends."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from proxyables.errors import ConnectionClosed, LimitExceeded, ProxyError
from proxyables.net.arrivals import Arrivals
from proxyables.net.bindings import Binding, Bindings
from proxyables.net.descriptors import attach_descriptors
from proxyables.net.stdio import STANDARD_STREAMS
from proxyables.net.transports import check_socket, drive_socket
from proxyables.peer.forks import FORKS
from proxyables.peer.peer import Peer
from proxyables.peer.workers import Workers
from proxyables.watch.watch import Watch
from proxyables.watch.watchdog import Watchdog

if TYPE_CHECKING:
    from proxyables.net.complaints import Complaints
    from proxyables.net.listeners import Listener
    from proxyables.watch.siblings import Siblings, Snapshot

_LOGGED = 400
MOST_REFUSED = 64
"""Connections that are being told that there are too many; one more is closed without a word."""


class Server:
    """An object on any number of addresses; made by `serve`.

    A peer belongs to the server until its connection has ended. Closing the server ends them all,
    each with its grace for the calls in flight.
    """

    def __init__(
        self,
        bindings: Bindings,
        make_peer: Callable[..., Peer],
        obj: Any,
        workers: Workers,
        watch: Watch,
        *,
        watchdog: float,
        is_made_once: bool,
        is_made_for_each: bool,
        max_connections: int | None,
    ) -> None:
        self._bindings = bindings
        self._make_peer = make_peer
        self._obj = obj
        self._workers = workers
        self._watch = watch
        self._patience = watchdog
        self._watchdog: Watchdog | None = None
        self._is_made_once = is_made_once
        self._is_made_for_each = is_made_for_each
        self._max_connections = max_connections
        self._addresses: list[str] = []
        self._peers: set[Peer] = set()
        self._refused: set[Peer] = set()
        self._complaints: Complaints | None = None
        self._arrivals = Arrivals(self._end_if_done)
        self._starting = asyncio.Lock()
        self._is_started = False
        self._is_bound = False
        self._is_open = False
        self._is_closing = False
        self._ended = asyncio.Event()
        self._change = asyncio.Event()

    def __repr__(self) -> str:
        state = "closed" if self._is_closing else "open" if self._is_started else "new"
        where = ", ".join(self._addresses) or str(self._bindings)
        return f"<proxyables.Server {where:.200} {state}>"

    @property
    def addresses(self) -> list[str]:
        """Where the server listens: canonical, with the real ports, ready to be dialled."""
        return list(self._addresses)

    @property
    def peers(self) -> list[Peer]:
        """The peers that are connected now."""
        return [peer for peer in self._peers if not peer.closed]

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self._start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    async def bind(self) -> None:
        """Listens on every address, and accepts from none: who connects waits for the start.

        For what must come between the two, such as giving privileges up, or passing the sockets
        to other processes. Safe to call twice.

        Raises:
            AuthenticationFailed: Others could connect who must not; see ``insecure`` of `serve`.
            OSError: An address cannot be listened on. Then none is, and the server has ended.
        """
        if self._is_closing:
            raise RuntimeError("the server is closed; call serve() again")
        if self._is_bound:
            return
        self._is_bound = True
        try:
            await self._bindings.bind()
            self._addresses = [shown for each in self._bindings for shown in each.shown]
        except BaseException:
            self.close()
            await self._ended.wait()
            raise

    @property
    def sockets(self) -> list[list[socket.socket]]:
        """The listening sockets of each address, in their order, once they are bound.

        They belong to the server. An address that is one connection has none.
        """
        return [[listener.socket for listener in each.listeners] for each in self._bindings]

    def look_with(self, siblings: Siblings) -> Callable[[], Snapshot]:
        """Has its status tell of other processes as well, which serve the same.

        Args:
            siblings: Asks them.

        Returns:
            What makes the part of this one, for when another asks.
        """
        self._watch.siblings = siblings
        return self._watch.snapshot

    async def serve_forever(self) -> None:
        """Serves until the server is closed. Cancelling this alone does not close it."""
        if not self._is_started:  # else its one peer may have been and gone by now
            await self._start()
        await self._ended.wait()

    def close(self) -> None:
        """Stops listening and begins the end of every connection. Safe to call twice."""
        self._is_closing = True
        self._bindings.close()
        self._arrivals.cancel()
        self._watch.close()
        for peer in [*self._peers, *self._refused]:
            peer.close()
        self._end_if_done()

    def stop_accepting(self) -> None:
        """Stops listening. Connections that are there go on; the server is closed after the last.

        Safe to call twice.
        """
        self._bindings.close()
        self._end_if_done()

    def disown(self) -> None:
        """Leaves everything to the process that this one was forked from; see `peer.forks`."""
        self._is_closing = True
        self._bindings.disown()
        self._arrivals.disown()
        self._workers.disown()
        self._watchdog = None
        self._peers.clear()
        self._refused.clear()
        self._ended.set()

    async def changed(self) -> None:
        """Waits until a connection comes, is introduced, or ends; or until the server has ended.

        What `peers` says now holds until the first await, so a loop that looks, and then waits
        for this, misses nothing.
        """
        if self._ended.is_set():
            await asyncio.sleep(0)  # a loop that waits for this leaves others their turn
        else:
            await self._change.wait()

    async def wait_closed(self) -> None:
        """Waits until the server has been closed and every connection has ended.

        If cancelled after `close`, the connections that are left end at once.
        """
        try:
            await self._ended.wait()
        except BaseException:
            if self._is_closing:
                for peer in [*self._peers, *self._refused]:
                    peer.abort()
            raise

    async def _start(self) -> Server:
        async with self._starting:  # whoever comes second waits until it has started, too
            if self._is_closing:
                raise RuntimeError("the server is closed; call serve() again")
            if not self._is_started:
                await self._start_once()
        return self

    async def _start_once(self) -> None:
        self._is_started = True
        try:
            if self._is_made_once:
                self._obj = await _made(self._obj)
            await self.bind()
            for each in self._bindings:
                if not each.listeners:
                    await self._open(each)
            if self._is_closing:
                raise ConnectionClosed("the server was closed while it started", local=True)
        except BaseException:
            self.close()
            await self._ended.wait()
            raise
        self._watch.addresses = self.addresses
        if self._patience:
            self._watchdog = Watchdog(self._patience)
            self._watchdog.start()
        self._bindings.start(self._on_accept)
        self._is_open = True
        self.loop = asyncio.get_running_loop()
        FORKS.owned.add(self)
        self._end_if_done()

    async def _open(self, binding: Binding) -> None:
        """Makes the one connection that an address is."""
        sock = binding.take_connection()
        try:
            if sock is not None:
                check_socket(sock)
            peer = await self._new_peer(str(binding.address))
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        if sock is not None:
            await drive_socket(sock, peer)
        else:
            peer.drains_at_eof = True
            await attach_descriptors(*STANDARD_STREAMS.take(), peer)

    async def _new_peer(self, shown: str) -> Peer:
        root = await _made(self._obj) if self._is_made_for_each else self._obj
        peer = self._make_peer(
            export=root,
            address=shown,
            on_introduced=self._tell_change,
            on_closed=self._on_peer_closed,
            on_offence=self._on_offence,
        )
        self._peers.add(peer)
        self._tell_change()
        return peer

    def _on_accept(self, sock: socket.socket, listener: Listener) -> None:
        taken = len(self._peers) + self._arrivals.unclaimed
        is_full = self._max_connections is not None and taken >= self._max_connections
        if is_full and len(self._refused) >= MOST_REFUSED:
            sock.close()
            return
        self._arrivals.take(sock, self._welcome(sock, listener, is_refused=is_full))

    async def _welcome(self, sock: socket.socket, listener: Listener, *, is_refused: bool) -> None:
        from proxyables.net.address_kinds import TcpAddress  # there, as somebody listens

        is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)
        shown = str(TcpAddress(*sock.getpeername()[:2])) if is_tcp else listener.address
        peer = self._refusing_peer(shown) if is_refused else await self._new_peer(shown)
        self._arrivals.claim(sock, peer)
        try:
            await listener.attach(sock, peer)
        except OSError as error:
            from proxyables.net.websockets import Refused  # few servers speak it

            peer.abort()
            level = logging.WARNING if isinstance(error, Refused) else logging.INFO
            self._complain(shown, f"a connection from {shown} failed", error, level)
        except BaseException:
            peer.abort()
            raise

    def _refusing_peer(self, shown: str) -> Peer:
        """Makes a peer that says that there are too many, and nothing else."""
        most = self._max_connections or 0
        refusal = LimitExceeded("max_connections", most, most + 1, "connections")
        peer = self._make_peer(
            address=shown,
            refusal=refusal,
            on_closed=self._on_peer_closed,
            on_offence=self._on_offence,
        )
        self._refused.add(peer)
        return peer

    def _on_peer_closed(self, peer: Peer) -> None:
        self._refused.discard(peer)
        self._peers.discard(peer)
        self._watch.leave(peer)
        self._tell_change()
        self._end_if_done()

    def _on_offence(self, peer: Peer, error: ProxyError) -> None:
        self._complain(peer.address, peer, error, logging.WARNING)

    def _complain(self, address: str, who: object, error: Exception, level: int) -> None:
        # Without the port, which the other side of a TCP connection has by chance.
        source = address.rpartition(":")[0] if address.startswith("tcp://") else address
        kind = f"{type(error).__name__} {getattr(error, 'reason', '')}"
        if self._complaints is None:
            from proxyables.net.complaints import Complaints  # most servers have none

            self._complaints = Complaints()
        self._complaints.note(source, kind, who, ascii(str(error)[:_LOGGED]), level)

    def _tell_change(self, _peer: Peer | None = None) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _end_if_done(self) -> None:
        if self._peers or self._refused or self._arrivals:
            return
        if self._is_closing:
            self._workers.close()
            if self._complaints is not None:
                self._complaints.close()
            if self._watchdog is not None:
                self._watchdog.stop()
            self._ended.set()
            self._tell_change()
        elif self._is_open and not self._bindings.is_listening:
            self.close()  # its only connections were those that it was started with


async def _made(factory: Callable[[], Any]) -> Any:
    made = factory()
    return await made if inspect.isawaitable(made) else made


__all__ = ["MOST_REFUSED", "Server"]
