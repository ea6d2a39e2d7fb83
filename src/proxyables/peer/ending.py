"""How a connection ends: in peace, within its grace; over an offence of the peer; or at once.

Only the first reason counts. What the end empties, and in which order, is `Peer.connection_lost`.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxyables.errors import ConnectionClosed, ConnectionLost, HandshakeFailed, ProxyError
from proxyables.yamux import NORMAL, PROTOCOL_ERROR, Session

from .handshake import Handshake, Stage

if TYPE_CHECKING:
    from .peer import Peer

CONFIRMATION = 1.0
"""Seconds that the other side gets to say that it has read the last answers."""
log = logging.getLogger("proxyables")
_LOGGED = 400


class Ending:
    """The end of one connection, from the first sign of it.

    Args:
        peer: The connection.
        session: Says goodbye.
        handshake: How far it came.
        is_idle: Whether no call is in flight, either way.
        confirm: Has a function called when the other side has read all that it was sent; None
            where nothing was, or nobody is left to say so.
        on_offence: Tells the log what the peer has done.

    Attributes:
        error: Why it ends, or what every call is refused with.
        is_begun: Whether it ends: no more calls.
    """

    def __init__(
        self,
        peer: Peer,
        session: Session,
        handshake: Handshake,
        is_idle: Callable[[], bool],
        confirm: Callable[[], Callable[[Callable[[], None]], None] | None],
        on_offence: Callable[[Peer, ProxyError], None],
    ) -> None:
        self._peer = peer
        self._session = session
        self._handshake = handshake
        self._is_idle = is_idle
        self._confirm = confirm
        self._is_confirming = False
        self._on_offence = on_offence
        self._grace: asyncio.TimerHandle | None = None
        self._unconfirmed: asyncio.TimerHandle | None = None
        self.error: ProxyError | None = None
        self.is_begun = False

    def check(self) -> None:
        """Raises what has ended the connection, or is about to."""
        if self.error is not None:
            raise again(self.error)
        if self.is_begun:
            raise ConnectionClosed("the connection is closing", local=True)
        if self._session.remote_go_away is not None:
            raise ConnectionClosed("the peer is closing the connection")

    def begin(self) -> None:
        """Ends it in peace: calls in flight get `Limits.grace` seconds. Safe to call twice."""
        if self.is_begun or self._peer.closed:
            return
        self._mark()
        if self._peer.writer.transport is None or self._handshake.stage is not Stage.DONE:
            self.abort(ConnectionClosed(local=True))
            return
        if not self._peer.is_classic:  # classic peers drop everything when they see one
            self._session.go_away(NORMAL)
        self._begin_grace()
        self._peer.writer.flush_soon()

    def abort(self, error: BaseException | None = None) -> None:
        """Ends it at once; calls in flight fail."""
        if self.error is None and error is not None:
            self.error = as_proxy_error(error)
        transport = self._peer.writer.transport
        if transport is None:
            self._peer.connection_lost(None)
        else:
            self._mark()
            transport.abort()

    def cut_off(self, error: ConnectionLost) -> None:
        """Ends it at once, over a peer that does not keep up."""
        if not self.is_begun:
            log.warning("%s: cut off: %s", self._peer, error)
        self.abort(error)

    def fail(self, error: ProxyError) -> None:
        """Ends it over an error of the peer; what is queued still leaves."""
        writer = self._peer.writer
        if self.error is None:
            self.error = error
            self._on_offence(self._peer, error)
            if self._handshake.stage is Stage.DONE and not self._peer.is_classic:
                self._session.go_away(PROTOCOL_ERROR)
        self._mark()
        writer.flush()
        if writer.transport is not None:
            writer.transport.close()
            # It waits for what is queued to be read, which may never happen.
            self._begin_grace()

    def close_if_drained(self) -> None:
        """Closes the transport, if the end has begun and nothing is left to do.

        Not before the other side has read what it was answered: if it is just writing, the system
        tells it that nobody reads that any more, and takes what it has not read yet away from it.
        """
        writer = self._peer.writer
        if not self.is_begun or writer.transport is None or self._is_confirming:
            return
        if not self._is_idle() or writer.held_back:
            return
        close = writer.transport.close
        confirm = self._confirm()
        if confirm is None:
            close()
            return
        self._is_confirming = True
        confirm(close)
        self._unconfirmed = self._peer.loop.call_later(CONFIRMATION, close)

    def conclude(self, cause: BaseException | None) -> ConnectionClosed:
        """Settles why it has ended; returns what calls in flight fail with."""
        for timer in (self._grace, self._unconfirmed):
            if timer is not None:
                timer.cancel()
        self.error = error = self._why(cause)
        if isinstance(error, ConnectionClosed):
            return error
        return ConnectionLost(str(error), cause=error)

    def _mark(self) -> None:
        self.is_begun = self._peer.writer.is_closing = True

    def _begin_grace(self) -> None:
        """Bounds the end, counted from where it began."""
        if self._grace is None:
            self._grace = self._peer.loop.call_later(self._peer.limits.grace, self.abort)

    def _why(self, cause: BaseException | None) -> ProxyError:
        if self.error is not None:
            return self.error
        if isinstance(cause, ProxyError):
            return cause  # a transport that has rules of its own, and saw them broken
        if self._handshake.stage is not Stage.DONE and not self.is_begun:
            told = "the peer closed the connection during the handshake"
            return HandshakeFailed(told, cause, reason="closed")
        if self.is_begun:
            return ConnectionClosed(local=True)
        if self._session.remote_go_away is not None or (self._peer.is_classic and cause is None):
            return ConnectionClosed("the peer closed the connection")
        told = f": {cause}" if cause is not None else ""
        return ConnectionLost(f"the connection was lost{told}", cause=cause)


def tell_offence(peer: Peer, error: ProxyError) -> None:
    """Tells the log, in a line for each."""
    log.warning("%s: %s", peer, ascii(str(error)[:_LOGGED]))


def as_proxy_error(error: BaseException) -> ProxyError:
    """Returns `error`, or a ConnectionLost that was caused by it."""
    if isinstance(error, ProxyError):
        return error
    return ConnectionLost(str(error) or type(error).__name__, cause=error)


def again(error: ProxyError) -> ProxyError:
    """Returns an equal error: one exception raised in two tasks mixes their tracebacks."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
