"""The way in, once both sides know each other: events of the session to requests and answers.

Most messages arrive as exactly one data frame and are decoded where they lie. What cannot be
decoded is either not whole yet or malformed; `Assembler` finds out which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgpack.exceptions import FormatError, StackError

from proxyables.errors import AccessDenied, PeerProtocolError, ProxyError, ReferenceNotFound
from proxyables.limits import Limits
from proxyables.wire.assembly import Assembler
from proxyables.wire.payloads import too_deep
from proxyables.yamux import (
    DATA_RECEIVED,
    FINISHED,
    INITIAL_WINDOW,
    RESET,
    WRITABLE,
    Event,
    Session,
    Stream,
)

from .calls import Calls
from .service import Service
from .tables import Tables
from .writer import Writer

READ_ERRORS = (ValueError, ReferenceNotFound, AccessDenied)
"""What decoding raises for bytes that are no message, or not yet."""
_FLUSH_EVERY = 64


class Reader:
    """Takes the events of one connection.

    Args:
        session: Where they come from.
        calls: Takes the answers.
        service: Takes the requests.
        tables: What decoding a message counts.
        writer: Sends what they cause.
        limits: This side's bounds.
        on_session_event: Takes what belongs to no stream.
    """

    def __init__(
        self,
        session: Session,
        calls: Calls,
        service: Service,
        tables: Tables,
        writer: Writer,
        limits: Limits,
        on_session_event: Callable[[int, Stream | None, Any], None],
    ) -> None:
        self._session = session
        self._calls = calls
        self._service = service
        self._tables = tables
        self._writer = writer
        self._limits = limits
        self._max_message = limits.max_message
        self._on_session_event = on_session_event
        self._partial: dict[Stream, Assembler] = {}
        # A frame is no larger than the largest window.
        self._may_exceed = limits.max_message < max(limits.max_window, INITIAL_WINDOW)
        self._is_careful = self._may_exceed
        """Whether a piece may be no message of its own, or be larger than one may be."""
        self._unfinished = 0
        """Bytes of memory that `_partial` takes: adding them up anew would take as many steps for
        each piece as there are begun messages."""
        # Of one read. It may bring more for a stream that ended by its end, or by what came before.
        self._ended: list[Stream] = []
        """Streams whose beginnings are of use only as long as the read lasts."""
        self._given_up: set[Stream] = set()
        """Streams that we ended over what came: where a message begins in the rest is unknown."""

    @property
    def is_amid(self) -> bool:
        """Whether a message has begun to arrive and is not whole, and we do not hold it back."""
        return any(stream.auto_credit for stream in self._partial)

    def dispatch(self, events: list[Event]) -> int:
        """Deals with what one read brought.

        Returns:
            How many calls of ours were answered.

        Raises:
            PeerProtocolError: The other side broke the rules; the connection has to end.
        """
        calls, service, borrowed = self._calls, self._service, self._tables.borrowed
        handled = answered = 0
        for kind, stream, payload in events:
            if kind != DATA_RECEIVED:
                self._on_event(kind, stream, payload)
                continue
            if not stream.auto_credit and stream.owner is not None:
                stream.owner.on_bytes(len(payload))
            if self._is_careful and (
                len(payload) > self._max_message
                or stream in self._partial
                or stream in self._given_up
            ):
                self._assemble(stream, payload)
                continue
            try:
                if stream.is_ours:
                    message = calls.dialect.decode_answer(payload)
                else:
                    message = service.dialect.decode_request(payload)
            except READ_ERRORS:
                self._assemble(stream, payload)
                continue
            if borrowed:
                borrowed.clear()
            if stream.is_ours:
                calls.on_answer(stream, message)
                answered += 1
                continue
            service.take(stream, message)
            if stream.owner is not None:
                service.hold(stream, len(payload))
            handled += 1
            if handled == _FLUSH_EVERY:
                handled = 0
                self._writer.flush()
                self._writer.is_pending = True  # more of this read is to come
        if self._ended or self._given_up:
            self._forget_ended()
        return answered

    def _forget_ended(self) -> None:
        self._given_up.clear()
        while self._ended:
            self._take_partial(self._ended.pop())
        self._look_around()

    def _assemble(self, stream: Stream, payload: bytes) -> None:
        """Takes a piece that is not exactly one whole message, or is malformed."""
        self._tables.undo_borrowing()
        self._calls.dialect.chains = []
        if stream in self._given_up:
            return
        if len(payload) == 1 and stream not in self._partial:
            self._on_session_event(DATA_RECEIVED, stream, payload)  # some peers are known by it
        assembler = self._take_partial(stream) or Assembler(self._max_message)
        try:
            wholes = assembler.feed(payload)
        except ValueError as error:
            self._refuse(stream, error)
            self._session.reset(stream)
            half = self._calls if stream.is_ours else self._service
            half.on_reset(stream)
            self._given_up.add(stream)
            self._is_careful = True
            return
        if assembler.size:
            if stream.dead:
                self._ended.append(stream)
            self._partial[stream] = assembler
            self._is_careful = True
            self._unfinished += assembler.memory
            self._check_unfinished()
        for whole in wholes:
            self._on_whole(stream, whole)

    def _take_partial(self, stream: Stream) -> Assembler | None:
        assembler = self._partial.pop(stream, None)
        if assembler is not None:
            self._unfinished -= assembler.memory
            self._look_around()
        return assembler

    def _look_around(self) -> None:
        self._is_careful = self._may_exceed or bool(self._partial or self._given_up)

    def _check_unfinished(self) -> None:
        """Ends a connection that begins more messages than it ends."""
        limit = self._limits.max_read_buffer
        if len(self._partial) > 1 and self._unfinished > limit:
            raise PeerProtocolError(
                f"{self._unfinished} bytes of unfinished messages, at most {limit}"
            )

    def _on_whole(self, stream: Stream, data: bytes) -> None:
        dialect = self._calls.dialect
        decode = dialect.decode_answer if stream.is_ours else dialect.decode_request
        try:
            message = decode(data)
        except READ_ERRORS as error:
            # The sender counts all that it lent in this message, so all of it is given back.
            self._tables.undo_borrowing()
            dialect.count_references(data)
            self._refuse(stream, error)
            return
        finally:
            self._tables.borrowed.clear()
        if stream.is_ours:
            self._calls.on_answer(stream, message)
        else:
            self._service.take(stream, message)
            if stream.owner is not None:
                self._service.hold(stream, len(data))

    def _refuse(self, stream: Stream, error: Exception) -> None:
        """Answers, or ends, an exchange whose message cannot be understood."""
        if isinstance(error, StackError) or isinstance(error.__cause__, RecursionError):
            error = too_deep()
        elif not isinstance(error, ProxyError):
            told = "no MessagePack" if isinstance(error, FormatError) else error
            error = PeerProtocolError(f"malformed message: {told}")
        self._calls.dialect.chains = []
        if not stream.is_ours:
            self._service.refuse(stream, error)
            return
        self._calls.fail(stream, error)
        if not stream.dead:
            self._session.retire(stream)

    def _on_event(self, kind: int, stream: Stream | None, payload: Any) -> None:
        self._on_session_event(kind, stream, payload)
        if stream is None:
            return
        half = self._calls if stream.is_ours else self._service
        if kind == RESET:
            self._take_partial(stream)
            half.on_reset(stream)
        elif kind == FINISHED:
            if self._take_partial(stream) is not None:
                self._refuse(stream, PeerProtocolError("truncated message"))
            half.on_finished(stream)
        elif kind == WRITABLE:
            half.on_writable(stream)

    def clear(self) -> None:
        """Forgets what is not whole: the connection has ended."""
        self._partial.clear()
        self._unfinished = 0
