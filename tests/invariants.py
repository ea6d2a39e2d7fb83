"""What holds of any bytes whatever: asked by the mutation tests here, and by the fuzzers.

Each function takes bytes, and returns, or raises what nobody should ever see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lenders import Lender
from proxyables import Limits
from proxyables.errors import EncodingError, HandshakeFailed, ReferenceNotFound, RemoteError
from proxyables.limits import KIB
from proxyables.wire.assembly import Assembler
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.exceptions import load_exception
from proxyables.wire.hello import load_hello
from proxyables.wire.instructions import EXECUTE, RELEASE, RETURN, THROW
from proxyables.yamux import INITIAL_WINDOW, Config, Session, YamuxError

_LIMITS = Limits(max_message=64 * KIB, max_depth=16, max_integer_bits=4096)
_CONFIG = Config(max_streams=4, max_answers_queued=1000, max_frame_payload_received=INITIAL_WINDOW)
_DOCUMENTED = (ValueError, ReferenceNotFound)


def check_session(data: bytes) -> None:
    """However the bytes are cut: the same events, one offence at the most, memory bounded.

    The first byte says which side it is, and the second how the rest is cut.
    """
    if len(data) < 3:
        return
    client, lenient, size = bool(data[0] & 1), bool(data[0] & 2), data[1] % 50 + 1
    data = data[2:]
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    at_once = _hear([data], client=client, lenient=lenient)
    assert _hear(pieces, client=client, lenient=lenient) == at_once


def _hear(pieces: list[bytes], *, client: bool, lenient: bool) -> tuple[Any, ...]:
    session = Session(client=client, config=_CONFIG)
    session.lenient = lenient
    ours = session.open_stream()
    session.send(ours, b"x" * 100)
    events: list[Any] = []
    offence = None
    for piece in pieces:
        try:
            events += session.receive_data(piece)
        except YamuxError as error:
            events += error.events
            offence = str(error)
            break
        assert len(session.streams) <= 1 + 4
        assert session._cut is None or len(session._cut.payload) <= sum(map(len, pieces))
        assert len(session._skipped_ids) <= _CONFIG.accept_backlog
    told = [(kind, stream and stream.id, payload) for kind, stream, payload in events]
    return told, offence, b"".join(session.data_to_send()), sorted(session.streams)


def check_compact(data: bytes) -> None:
    """A documented error, or a message, which can be said again."""
    codec = Compact(Lender(), _LIMITS)
    try:
        message = codec.decode(data)
    except _DOCUMENTED as error:
        _check_told(error)
        codec.count_references(data)
    else:
        assert type(message) is list
        assert type(message[0]) is int
        if message[0] == THROW:
            _check_error(message[1])
        elif not codec.chains:
            _check_said_again(codec, message)
    codec.chains = []
    assert codec.decode(codec.encode_return((1,))) == [RETURN, (1,)], "the next message is sound"


def _check_said_again(codec: Compact, message: list[Any]) -> None:
    try:
        again = codec.decode(codec.encode_plain(message))
    except EncodingError as error:  # for values that are here what they were not there
        assert "nested" in str(error) or "plain" in str(error), error
    else:
        assert len(again) == len(message)


def check_plain(data: bytes) -> None:
    """Before the handshake nothing is looked up, whatever the bytes are."""
    lender = Lender()
    codec = Compact(lender, _LIMITS)
    try:
        load_hello(codec.decode_plain(data)[1])
    except (ValueError, HandshakeFailed) as error:
        _check_told(error)
    assert not lender.borrowed
    assert not codec.chains


def check_classic(data: bytes) -> None:
    """A documented error, or a message, which can be said again if it is an answer."""
    codec = Classic(Lender(), _LIMITS)
    kinds = ((codec.decode_request, (EXECUTE, RELEASE)), (codec.decode_answer, (RETURN, THROW)))
    for decode, expected in kinds:
        try:
            message = decode(data)
        except _DOCUMENTED as error:
            _check_told(error)
            codec.count_references(data)
            continue
        assert message[0] in expected
        if message[0] == THROW:
            _check_error(message[1])
    assert codec.decode_answer(codec.encode_return(1)) == [RETURN, 1], "the next message is sound"


def check_assembler(data: bytes) -> None:
    """However a stream's bytes are cut: the same messages, and nothing beyond the limit is kept.

    The first byte says how they are cut.
    """
    if not data:
        return
    size = data[0] + 1
    data = data[1:]
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    at_once, in_pieces = _assemble([data]), _assemble(pieces)
    assert at_once[1:] == in_pieces[1:]
    if not at_once[2]:  # else the pieces before the bad one may have been whole messages
        assert at_once == in_pieces


def _assemble(pieces: list[bytes]) -> tuple[list[bytes], int, bool]:
    """Returns the messages, the size of what is left, and whether the bytes were refused."""
    assembler = Assembler(1000)
    messages: list[bytes] = []
    for piece in pieces:
        try:
            messages += assembler.feed(piece)
        except ValueError:
            return messages, 0, True
        assert assembler.size <= 1000
    return messages, assembler.size, False


def _check_error(told: Any) -> None:
    loaded = load_exception(told, _LIMITS)
    assert isinstance(loaded, RemoteError)
    assert isinstance(str(loaded) + repr(loaded), str)


def _check_told(error: Exception) -> None:
    assert len(str(error)) < 10_000


DECODERS: dict[str, Callable[[bytes], None]] = {
    "compact": check_compact,
    "plain": check_plain,
    "classic": check_classic,
    "assembler": check_assembler,
}
