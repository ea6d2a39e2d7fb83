"""Drives the handshake over the session, until both sides know each other."""

from __future__ import annotations

from collections.abc import Callable

from proxyables.errors import HandshakeFailed, PeerProtocolError, ProxyError
from proxyables.limits import KIB, Limits
from proxyables.wire.assembly import Assembler
from proxyables.wire.compact import Compact
from proxyables.wire.exceptions import load_exception
from proxyables.wire.instructions import THROW, Message
from proxyables.yamux import DATA_RECEIVED, FINISHED, PINGED, RESET, Event, Session, Stream

from .handshake import Handshake, Stage
from .pool import StreamPool
from .reader import READ_ERRORS

_MAX_MESSAGE = 16 * KIB
"""Before anybody has said who they are, nobody gets more memory than this."""


class Introduction:
    """Takes the first events of a connection.

    Args:
        handshake: What is said, and how far it has come.
        session: Where the frames come from and go to.
        pool: Gives the stream for HELLO, and gets it back.
        dialect: How px peers write.
        limits: This side's bounds.
        on_done: Called once, when both sides know each other.
    """

    def __init__(
        self,
        handshake: Handshake,
        session: Session,
        pool: StreamPool,
        dialect: Compact,
        limits: Limits,
        *,
        on_done: Callable[[], None],
    ) -> None:
        self._handshake = handshake
        self._session = session
        self._pool = pool
        self._dialect = dialect
        self._limits = limits
        self._on_done = on_done
        self._partial: dict[Stream, Assembler] = {}
        self._stream: Stream | None = None
        """On which they said HELLO."""

    def take(self, events: list[Event]) -> list[Event]:
        """Takes events as far as the handshake needs them; returns the rest.

        Raises:
            HandshakeFailed, AuthenticationFailed: The two sides do not get on.
            PeerProtocolError: The other side asked for something before the handshake was done.
        """
        handshake = self._handshake
        for place, (kind, stream, payload) in enumerate(events):
            if handshake.info is not None:
                return events[place:]
            if handshake.stage is Stage.WAITING:
                self._on_first_frame(kind, payload)
                if handshake.info is not None:
                    self._on_done()
                    return events[place:]
            elif kind == DATA_RECEIVED:
                self._on_data(stream, payload)
            elif kind in (RESET, FINISHED):
                raise HandshakeFailed("the peer gave the handshake up", reason="closed")
        return []

    def _on_first_frame(self, kind: int, payload: int) -> None:
        if kind != PINGED:
            from .accommodations import recognise  # of use for classic peers only

            self._handshake.on_classic(recognise(kind, payload))
            return
        first = self._handshake.on_first_ping(payload)
        if self._handshake.stage is Stage.HELLO:
            self._session.lenient = False
        if first is not None:
            self._session.send(self._pool.take(), self._dialect.encode_plain(first))

    def _on_data(self, stream: Stream, payload: bytes) -> None:
        try:
            messages = self._collect(stream, payload)
        except HandshakeFailed as error:
            is_handshakes = self._stream in (None, stream)
            if is_handshakes and not stream.is_ours and not stream.dead:
                self._session.send(stream, self._dialect.encode_throw(error))
            raise
        for message in messages:
            if self._handshake.stage is Stage.DONE:
                raise PeerProtocolError("a second message before the answer to the first")
            if stream.is_ours:
                self._on_answer(stream, message)
            else:
                self._on_request(stream, message)

    def _collect(self, stream: Stream, payload: bytes) -> list[Message]:
        """Returns the messages that a piece makes whole."""
        assembler = self._partial.pop(stream, None) or Assembler(_MAX_MESSAGE)
        try:
            messages = [self._dialect.decode_plain(whole) for whole in assembler.feed(payload)]
        except READ_ERRORS as error:
            told = f"the peer's HELLO is malformed: {error}".removesuffix(": ")
            raise HandshakeFailed(told, reason="malformed") from error
        if assembler.size:
            if self._partial:
                told = "the peer began a second message before the first was whole"
                raise HandshakeFailed(told, reason="malformed")
            self._partial[stream] = assembler
        return messages

    def _on_answer(self, stream: Stream, message: Message) -> None:
        if message[0] == THROW:
            message = [THROW, load_exception(message[1], self._limits)]
        following = self._handshake.on_answer(message)
        if following is not None:
            self._session.send(stream, self._dialect.encode_plain(following))
        else:
            self._pool.give(stream)
            self._on_done()

    def _on_request(self, stream: Stream, message: Message) -> None:
        self._stream = stream
        try:
            answer = self._handshake.on_request(message)
        except ProxyError as error:
            self._session.send(stream, self._dialect.encode_throw(error))
            if error is self._handshake.refusal:
                raise HandshakeFailed(f"turned away: {error}", reason="busy") from None
            raise
        self._session.send(stream, self._dialect.encode_plain(answer))
        if self._handshake.stage is Stage.DONE:
            self._on_done()
