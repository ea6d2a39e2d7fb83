"""What the other implementations send to each other, read by our Yamux and our classic dialect."""

from __future__ import annotations

from typing import Any

import pytest

from interop.recordings import (
    DATA,
    FIN,
    PING,
    REMOTE,
    SYN,
    Recording,
    chain,
    every_recording,
    lent,
    plain,
)
from proxyables import Limits
from proxyables.wire.assembly import Assembler
from proxyables.wire.classic import Classic
from proxyables.wire.instructions import CALL, CONSTRUCT, EXECUTE, LOOKUP, RELEASE, RETURN, THROW
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.yamux import DATA_RECEIVED, FINISHED, Session

RECORDINGS = every_recording()
NAMES = [recording.name for recording in RECORDINGS]


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
def test_session_reads_recorded_frames(recording: Recording, from_client: bool) -> None:
    theirs = [frame for who, frame in recording.frames if who == from_client]
    data = b"".join(frame.raw for frame in theirs)
    payloads: dict[int, bytes] = {}
    for frame in theirs:
        if frame.type == DATA:
            payloads[frame.stream] = payloads.get(frame.stream, b"") + frame.payload
    ended = {frame.stream for frame in theirs if frame.flags & FIN}

    whole = _read(recording, [data], from_client=from_client)
    assert whole == _read(
        recording, [data[i : i + 1] for i in range(len(data))], from_client=from_client
    )
    received: dict[int, bytes] = {}
    for kind, stream, payload in whole:
        if kind == DATA_RECEIVED:
            received[stream] = received.get(stream, b"") + payload
    assert received == {stream: payload for stream, payload in payloads.items() if payload}
    assert {stream for kind, stream, _ in whole if kind == FINISHED} == ended


def _read(
    recording: Recording, pieces: list[bytes], *, from_client: bool
) -> list[tuple[int, int, Any]]:
    """Returns the events of a session in the place of the side that got these bytes."""
    session = Session(client=not from_client)
    session.lenient = True
    for who, frame in recording.frames:
        if who != from_client and frame.flags & SYN and frame.type != PING:
            session.open_stream()
    events: list[tuple[int, int, Any]] = []
    for piece in pieces:
        for kind, stream, payload in session.receive_data(piece):
            events.append((kind, stream.id if stream is not None else 0, payload))
    return events


class Ids:
    """The tables' part in decoding: a reference stays its id."""

    def borrow(self, reference: Any, kind: int, description: Any) -> Any:
        assert isinstance(reference, str)
        return REMOTE


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
def test_dialect_reads_recorded_messages(recording: Recording) -> None:
    classic = Classic(Ids(), Limits())  # type: ignore[arg-type]
    messages = recording.messages()
    assert messages
    for message in messages:
        content = message.content
        if not message.is_request:
            decoded = classic.decode_answer(message.data)
            if content is None:
                assert decoded == [RETURN, None]
            elif content["kind"] == Kind.RETURN:
                assert decoded == [RETURN, plain(content.get("data"))]
            else:
                assert decoded[0] == THROW
                assert decoded[1]["message"] == content["data"]["message"]
        elif content["kind"] == Kind.RELEASE:
            assert classic.decode_request(message.data) == [RELEASE, [content["data"][0], 1]]
        else:
            op, target, steps = classic.decode_request(message.data)
            assert op == EXECUTE
            assert (target is not None) == (lent(content) != _all_references(content))
            assert [_step(step) for step in steps] == chain(content)


def _all_references(content: Any) -> list[str]:
    first = content["data"][0]
    return ([first["data"]] if isinstance(first["data"], str) else []) + lent(content)


def _step(step: list[Any]) -> Any:
    op, argument = step
    return (
        str(argument) if op == LOOKUP else [{CALL: "APPLY", CONSTRUCT: "CONSTRUCT"}[op], argument]
    )


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
def test_assembler_joins_recorded_pieces(recording: Recording) -> None:
    for message in recording.messages():
        assembler = Assembler(Limits().max_message)
        rest, found = message.data, []
        for size in message.pieces:
            found += assembler.feed(rest[:size])
            assert bool(found) == (size == len(rest))
            rest = rest[size:]
        assert found == [message.data]
        assert not assembler.size
