"""Messages out of pieces, however the pieces are cut."""

from __future__ import annotations

import msgpack
import pytest

from proxyables.errors import LimitExceeded
from proxyables.wire.assembly import Assembler

MESSAGES = [
    msgpack.packb([4, value])
    for value in (1, "text", b"x" * 70_000, [[1], {"a": [2]}], msgpack.ExtType(5, b"\x91\x01"))
]


@pytest.mark.parametrize("size", [1, 2, 7, 4096, 10**6])
def test_pieces_of_any_size_give_the_same_messages(size: int) -> None:
    data = b"".join(MESSAGES)
    assembler = Assembler(100_000)
    whole = []
    for start in range(0, len(data), size):
        whole += assembler.feed(data[start : start + size])
    assert whole == MESSAGES
    assert assembler.size == 0


def test_trailing_bytes_wait_for_the_rest() -> None:
    assembler = Assembler(100)
    assert assembler.feed(b"\x92\x04\x01\x92\x04") == [b"\x92\x04\x01"]
    assert assembler.size == 2
    assert assembler.feed(b"\x02") == [b"\x92\x04\x02"]


def test_a_message_over_the_limit_is_refused_as_soon_as_it_is() -> None:
    assembler = Assembler(100)
    assert assembler.feed(b"\xc6\x00\x00\x01\x00" + bytes(90)) == []
    with pytest.raises(LimitExceeded, match="max_message=100"):
        assembler.feed(bytes(10))


def test_one_piece_may_hold_more_than_the_limit_in_small_messages() -> None:
    assert len(Assembler(10).feed(b"\x92\x04\x01" * 100)) == 100


def test_a_message_of_exactly_the_limit_passes() -> None:
    message = b"\xc4\x62" + bytes(98)
    assert Assembler(100).feed(message) == [message]
    with pytest.raises(LimitExceeded):
        Assembler(99).feed(message)


@pytest.mark.parametrize("data", [b"\xc1", b"\x92\xc1", b"\x91" * 5000])
def test_what_is_not_messagepack_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgpack's, without a text
        Assembler(10_000).feed(data)


def test_a_promise_of_gigabytes_costs_nothing() -> None:
    assembler = Assembler(100)
    assert assembler.feed(b"\xdd\xff\xff\xff\xff") == []
    assert assembler.size == 5
