"""The arithmetic of one stream's windows."""

from __future__ import annotations

import pytest

from proxyables.yamux import Stream

WINDOW = 262_144


def make(*, send_window: int = WINDOW) -> Stream:
    return Stream(
        1,
        send_window=send_window,
        receive_window=WINDOW,
        low_water=WINDOW // 2 + 1,
        is_ours=False,
    )


def test_parked_data_leaves_in_order_in_pieces_of_the_limit() -> None:
    stream = make(send_window=10)
    stream.park(b"abcdef")
    stream.park(b"ghijklm")
    assert stream.parked == 13
    assert [bytes(piece) for piece in stream.unpark(4)] == [b"abcd", b"ef", b"ghij"]
    assert (stream.parked, stream.send_window) == (3, 0)
    assert list(stream.unpark(4)) == []
    stream.send_window = 100
    assert [bytes(piece) for piece in stream.unpark(4)] == [b"klm"]
    assert (stream.parked, stream.send_window) == (0, 97)


def test_parking_copies_nothing() -> None:
    stream = make(send_window=5)
    data = bytes(10)
    stream.park(data)
    assert [piece.obj for piece in stream.unpark(100)] == [data]


def test_refilling_gives_back_what_was_used_and_changes_the_size() -> None:
    stream = make()
    stream.receive_window -= 100_000
    assert stream.refill(100_000, change=0, low_water=1) == 100_000
    assert stream.receive_window == stream.window == WINDOW
    stream.receive_window -= 100_000
    assert stream.refill(60_000, change=WINDOW, low_water=2) == 60_000 + WINDOW
    assert (stream.receive_window, stream.window) == (2 * WINDOW - 40_000, 2 * WINDOW)
    assert stream.refill(40_000, change=-40_000, low_water=3) == 0
    assert stream.receive_window == stream.window == 2 * WINDOW - 40_000
    assert stream.low_water == 3


def test_used_bytes_are_due_at_the_part_that_the_low_water_leaves() -> None:
    stream = make()
    stream.receive_window = 0
    assert stream.consume(WINDOW // 2 - 1) == 0
    assert stream.consume(1) == WINDOW // 2
    assert stream.refill(WINDOW // 2, change=0, low_water=stream.low_water) == WINDOW // 2
    assert (stream.receive_window, stream.consumed) == (WINDOW // 2, 0)
    assert stream.consume(WINDOW // 2) == WINDOW // 2


@pytest.mark.parametrize("size", [-1, 11])
def test_more_than_was_received_cannot_be_consumed(size: int) -> None:
    stream = make()
    stream.receive_window -= 10
    with pytest.raises(ValueError, match=f"10 bytes to give credit for, not {size}"):
        stream.consume(size)


def test_what_was_consumed_cannot_be_consumed_again() -> None:
    stream = make()
    stream.receive_window -= 10
    assert stream.consume(0) == 0
    assert stream.consume(7) == 0
    with pytest.raises(ValueError, match="3 bytes to give credit for, not 4"):
        stream.consume(4)
    assert stream.consume(3) == 0
    assert stream.consumed == 10


def test_a_dead_stream_lets_its_parked_data_go_and_remembers_how_much_it_was() -> None:
    stream = make(send_window=0)
    stream.park(b"never")
    stream.end()
    assert (stream.dead, stream.parked) == (True, 5)
    assert stream.send_window == stream.receive_window == -1
    stream.send_window = 100
    assert list(stream.unpark(10)) == []
    assert "dead" in repr(stream)


def test_the_repr_shows_the_state_of_both_halves() -> None:
    assert repr(make()) == "<Stream 1: local_closed=False, remote_closed=False, parked=0>"
