"""The layout of a header, against the specification's own words and recorded frames."""

from __future__ import annotations

import pytest

from proxyables.yamux import SessionClosed, StreamClosed, YamuxError
from proxyables.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    HEADER_BYTES,
    INITIAL_WINDOW,
    INTERNAL_ERROR,
    NORMAL,
    PING,
    PROTOCOL_ERROR,
    RST,
    SEND_ACK,
    SEND_DATA,
    SEND_FIN,
    SEND_GO_AWAY,
    SEND_PING,
    SEND_PONG,
    SEND_RST,
    SEND_SYN,
    SEND_WINDOW,
    SYN,
    VERSION,
    WINDOW_UPDATE,
    WORDS,
)


def test_the_constants_are_those_of_the_specification() -> None:
    assert (DATA, WINDOW_UPDATE, PING, GO_AWAY) == (0, 1, 2, 3)
    assert (SYN, ACK, FIN, RST) == (1, 2, 4, 8)
    assert (NORMAL, PROTOCOL_ERROR, INTERNAL_ERROR) == (0, 1, 2)
    assert (VERSION, HEADER_BYTES, INITIAL_WINDOW) == (0, 12, 262_144)


@pytest.mark.parametrize(
    ("fields", "recorded"),
    [
        ((VERSION, WINDOW_UPDATE, SYN, 1, 0), "000100010000000100000000"),
        ((VERSION, WINDOW_UPDATE, ACK, 2, 262_144), "000100020000000200040000"),
        ((VERSION, DATA, SYN, 1, 0), "000000010000000100000000"),
        ((VERSION, DATA, 0, 1, 13), "00000000000000010000000d"),
        ((VERSION, DATA, FIN, 3, 0), "000000040000000300000000"),
        ((VERSION, PING, SYN, 0, 0x50580100), "000200010000000050580100"),
        ((VERSION, GO_AWAY, 0, 0, 2), "000300000000000000000002"),
    ],
)
def test_a_header_is_what_other_implementations_send(
    fields: tuple[int, int, int, int, int], recorded: str
) -> None:
    assert HEADER.pack(*fields).hex() == recorded


@pytest.mark.parametrize(
    ("word", "kind", "flags"),
    [
        (SEND_DATA, DATA, 0),
        (SEND_WINDOW, WINDOW_UPDATE, 0),
        (SEND_SYN, WINDOW_UPDATE, SYN),
        (SEND_ACK, WINDOW_UPDATE, ACK),
        (SEND_FIN, WINDOW_UPDATE, FIN),
        (SEND_RST, WINDOW_UPDATE, RST),
        (SEND_PING, PING, SYN),
        (SEND_PONG, PING, ACK),
        (SEND_GO_AWAY, GO_AWAY, 0),
    ],
)
def test_three_words_are_the_same_bytes_as_the_five_fields(
    word: int, kind: int, flags: int
) -> None:
    assert WORDS.pack(word, 7, 99) == HEADER.pack(VERSION, kind, flags, 7, 99)


def test_an_error_of_the_peer_and_a_misuse_can_be_told_apart() -> None:
    assert YamuxError("x").code == PROTOCOL_ERROR
    assert YamuxError("x").events == []
    for misuse in (SessionClosed("x"), StreamClosed("x")):
        assert isinstance(misuse, RuntimeError)
        assert misuse.code == NORMAL
    assert not isinstance(YamuxError("x"), RuntimeError)
