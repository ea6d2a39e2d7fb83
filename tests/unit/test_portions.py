"""What leaves for a peer that reads in pieces: whole frames, and never more than one read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables.peer.portions import LARGEST_FRAME_BYTES, PORTION_BYTES, PORTION_OPAQUE, Portions
from proxyables.yamux import DATA_RECEIVED, PINGED, Session

Out = list[bytes | memoryview]


def pair() -> tuple[Session, Portions, Session]:
    session = Session(client=True)
    return session, Portions(session), Session(client=False)


def asks(other: Session, portion: Out) -> tuple[bool, bytes]:
    """Reads a portion whole; returns whether it ends with its ping, and what it carried."""
    events = other.receive_data(b"".join(portion))
    other.data_to_send()
    data = b"".join(payload for kind, _, payload in events if kind == DATA_RECEIVED)
    return bool(events) and events[-1] == (PINGED, None, PORTION_OPAQUE), data


def test_little_leaves_at_once() -> None:
    session, portions, other = pair()
    session.send(session.open_stream(), b"hello")
    assert asks(other, portions.data_to_send()) == (False, b"hello")
    assert portions.data_to_send() == []
    assert not portions.on_answer(PORTION_OPAQUE)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.sampled_from([1, 100, 4095, 4096, 15_360, 40_000, 200_000]), max_size=20))
def test_everything_leaves_in_order_in_portions(sizes: list[int]) -> None:
    session, portions, other = pair()
    sent = received = b""
    stream = session.open_stream()
    for place, size in enumerate(sizes):
        data = bytes([place + 1]) * min(size, stream.send_window)
        session.send(stream, data)
        sent += data
    is_full = True
    while is_full:
        portion = portions.data_to_send()
        assert sum(map(len, portion)) <= PORTION_BYTES
        is_full, data = asks(other, portion)
        received += data
        assert portions.data_to_send() == [], "nothing may leave before the answer"
        assert portions.on_answer(PORTION_OPAQUE) == (portions.held_bytes > 0)
    assert received == sent
    assert portions.held_bytes == 0


def test_small_messages_count_together() -> None:
    session, portions, other = pair()
    stream = session.open_stream()
    sent = 0
    while True:
        session.send(stream, bytes(100))
        portion = portions.data_to_send()
        sent += sum(map(len, portion))
        if asks(other, portion)[0]:
            break
    assert PORTION_BYTES - 200 < sent <= PORTION_BYTES


@pytest.mark.parametrize("opaque", [0, 1, None])
def test_only_its_own_answer_counts(opaque: object) -> None:
    session, portions, _ = pair()
    session.send(session.open_stream(), bytes(100_000))
    portions.data_to_send()
    assert not portions.on_answer(opaque)
    assert portions.data_to_send() == []


def test_what_is_held_leaves_when_it_is_another_peer() -> None:
    session, portions, other = pair()
    stream = session.open_stream()
    session.send(stream, bytes(100_000))
    first = asks(other, portions.data_to_send())[1]
    assert portions.held_bytes > 100_000 - PORTION_BYTES
    portions.open_up()
    assert len(first) + len(asks(other, portions.data_to_send())[1]) == 100_000
    session.send(stream, bytes(100_000))
    outgoing = session.outgoing
    assert portions.data_to_send() is outgoing, "then it costs nothing"


def test_it_may_turn_out_to_need_portions_after_all() -> None:
    session, portions, other = pair()
    stream = session.open_stream()
    portions.open_up()
    session.send(stream, bytes(100_000))
    assert len(asks(other, portions.data_to_send())[1]) == 100_000
    portions.is_off = False
    session.send(stream, bytes(100_000))
    portion = portions.data_to_send()
    assert sum(map(len, portion)) <= PORTION_BYTES
    assert asks(other, portion)[0]


def test_frames_fit() -> None:
    session, _, _ = pair()
    assert session.max_frame_payload == LARGEST_FRAME_BYTES
    assert 3 * (LARGEST_FRAME_BYTES + 12) < PORTION_BYTES
