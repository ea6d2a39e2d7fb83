"""The rules of a session, one test a rule; what is received runs whole, in bytes, and cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from proxyables.yamux import (
    ACKED,
    DATA_RECEIVED,
    DEAD,
    FINISHED,
    INITIAL_WINDOW,
    KEEPALIVE_OPAQUE,
    NORMAL,
    OPENED,
    PINGED,
    PONGED,
    PROTOCOL_ERROR,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Config,
    Event,
    Session,
    SessionClosed,
    Stream,
    StreamClosed,
    YamuxError,
)
from proxyables.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    MAX_WINDOW,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
)

Frame: TypeAlias = tuple[int, int, int, int | bytes]
Feed: TypeAlias = Callable[[Session, bytes], list[Event]]


def frame(kind: int, flags: int, stream_id: int, content: int | bytes = 0) -> bytes:
    """Write a frame; ``content`` is the payload of a data frame, else the value."""
    if isinstance(content, bytes):
        return HEADER.pack(0, kind, flags, stream_id, len(content)) + content
    return HEADER.pack(0, kind, flags, stream_id, content)


def fetch(session: Session) -> bytes:
    return b"".join(session.data_to_send())


def frames(data: bytes) -> Iterator[Frame]:
    """Read whole frames, independently of the code under test."""
    while data:
        version, kind, flags, stream_id, length = HEADER.unpack_from(data)
        assert version == 0
        end = 12 + length if kind == DATA else 12
        assert len(data) >= end
        yield kind, flags, stream_id, data[12:end] if kind == DATA else length
        data = data[end:]


def sent(session: Session) -> list[Frame]:
    return list(frames(fetch(session)))


def whole(session: Session, data: bytes) -> list[Event]:
    return session.receive_data(data)


def bytewise(session: Session, data: bytes) -> list[Event]:
    return [
        event for i in range(len(data)) for event in session.receive_data(bytes(data[i : i + 1]))
    ]


def with_the_next_frame_begun(session: Session, data: bytes) -> list[Event]:
    return session.receive_data(data + HEADER.pack(0, DATA, 0, 0, 0)[:5])


def as_a_view(session: Session, data: bytes) -> list[Event]:
    return session.receive_data(memoryview(bytearray(data)))


@pytest.fixture(params=[whole, bytewise, with_the_next_frame_begun, as_a_view])
def feed(request: pytest.FixtureRequest) -> Feed:
    chosen: Feed = request.param
    return chosen


def pair(config: Config | None = None) -> tuple[Session, Session]:
    return Session(client=True, config=config), Session(client=False, config=config)


def exchange(one: Session, other: Session) -> tuple[list[Event], list[Event]]:
    """Pass bytes until there are none; returns what each side saw."""
    seen_by_one: list[Event] = []
    seen_by_other: list[Event] = []
    while one.outgoing or other.outgoing:
        seen_by_other += other.receive_data(fetch(one))
        seen_by_one += one.receive_data(fetch(other))
    return seen_by_one, seen_by_other


def connected(config: Config | None = None) -> tuple[Session, Stream, Session, Stream]:
    """Two sessions with a stream that the client has opened and the server acknowledged."""
    client, server = pair(config)
    ours = client.open_stream()
    exchange(client, server)
    return client, ours, server, server.streams[1]


def accepting(config: Config | None = None) -> tuple[Session, Stream]:
    """A server whose stream 1 was opened by raw bytes, with nothing left to send."""
    session = Session(client=False, config=config)
    session.receive_data(frame(WINDOW_UPDATE, SYN, 1))
    fetch(session)
    return session, session.streams[1]


def assert_offence(session: Session, data: bytes, feed: Feed, match: str) -> None:
    fetch(session)
    with pytest.raises(YamuxError, match=match) as caught:
        feed(session, data)
    assert caught.value.code == PROTOCOL_ERROR
    assert sent(session)[-1] == (GO_AWAY, 0, 0, PROTOCOL_ERROR)


# ---- opening


def test_a_stream_is_opened_by_an_empty_window_update_and_data_never_rides_on_it() -> None:
    session = Session(client=True)
    stream = session.open_stream()
    assert session.send(stream, b"hello")
    assert sent(session) == [(WINDOW_UPDATE, SYN, 1, 0), (DATA, 0, 1, b"hello")]


def test_the_client_opens_odd_ids_and_the_server_even_ones() -> None:
    client, server = pair()
    assert [client.open_stream().id for _ in range(3)] == [1, 3, 5]
    assert [server.open_stream().id for _ in range(3)] == [2, 4, 6]


def test_an_open_stream_is_acknowledged_at_once_with_an_empty_window_update(feed: Feed) -> None:
    session = Session(client=False)
    events = feed(session, frame(WINDOW_UPDATE, SYN, 1))
    assert events == [(OPENED, session.streams[1], 0)]
    assert sent(session) == [(WINDOW_UPDATE, ACK, 1, 0)]


def test_a_stream_opened_by_a_data_frame_with_payload_is_taken_whole(feed: Feed) -> None:
    session = Session(client=False)
    events = feed(session, frame(DATA, SYN | FIN, 1, b"all of it"))
    stream = session.streams[1]
    assert events == [
        (OPENED, stream, None),
        (DATA_RECEIVED, stream, b"all of it"),
        (FINISHED, stream, None),
    ]


def test_credit_that_comes_with_the_syn_counts(feed: Feed) -> None:
    session = Session(client=False)
    ((kind, stream, delta),) = feed(session, frame(WINDOW_UPDATE, SYN, 1, INITIAL_WINDOW))
    assert (kind, delta) == (OPENED, INITIAL_WINDOW)
    assert stream.send_window == 2 * INITIAL_WINDOW


@pytest.mark.parametrize(
    ("ack", "delta"),
    [
        (frame(WINDOW_UPDATE, ACK, 1, 262_144), 262_144),
        (frame(WINDOW_UPDATE, ACK, 1), 0),
        (frame(DATA, ACK, 1, b"x"), None),
    ],
)
def test_an_ack_is_told_once_with_its_credit(feed: Feed, ack: bytes, delta: int | None) -> None:
    session = Session(client=True)
    stream = session.open_stream()
    events = feed(session, ack + ack)
    assert [event for event in events if event[0] == ACKED] == [(ACKED, stream, delta)]
    assert session.unacked == 0
    assert stream.acked


def test_an_ack_for_a_stream_of_the_peer_means_nothing(feed: Feed) -> None:
    session, _ = accepting()
    assert feed(session, frame(WINDOW_UPDATE, ACK, 1)) == []
    assert session.unacked == 0


@pytest.mark.parametrize("end", ["ack", "their_rst", "reset", "retire", "abandon"])
def test_a_stream_waits_for_its_ack_until_it_is_acknowledged_or_ends(end: str) -> None:
    session = Session(client=True)
    stream, other = session.open_stream(), session.open_stream()
    assert session.unacked == 2
    if end == "ack":
        session.receive_data(frame(WINDOW_UPDATE, ACK, 1))
    elif end == "their_rst":
        session.receive_data(frame(WINDOW_UPDATE, RST, 1))
    else:
        getattr(session, end)(stream)
    assert session.unacked == 1
    session.reset(stream)
    session.reset(other)
    assert session.unacked == 0


def test_a_larger_window_is_announced_to_both_kinds_of_stream() -> None:
    client, server = pair(Config(initial_window=INITIAL_WINDOW + 1000))
    ours = client.open_stream()
    exchange(client, server)
    assert ours.send_window == server.streams[1].send_window == INITIAL_WINDOW + 1000


def test_a_stream_beyond_the_limit_is_refused_and_its_data_skipped(feed: Feed) -> None:
    session, _ = accepting(Config(max_streams=1))
    refused = frame(DATA, SYN, 3, b"skipped") + frame(DATA, FIN, 3, b"too")
    assert feed(session, refused) == []
    assert sent(session) == [(WINDOW_UPDATE, RST, 3, 0)]
    assert list(session.streams) == [1]


@pytest.mark.parametrize("end", ["their_rst", "reset", "abandon", "both_finish"])
def test_a_stream_that_ended_makes_room_for_another(end: str) -> None:
    session, stream = accepting(Config(max_streams=1))
    if end == "their_rst":
        session.receive_data(frame(WINDOW_UPDATE, RST, 1))
    elif end == "both_finish":
        session.finish(stream)
        session.receive_data(frame(WINDOW_UPDATE, FIN, 1))
    else:
        getattr(session, end)(stream)
    assert session.receive_data(frame(WINDOW_UPDATE, SYN, 3)) == [(OPENED, session.streams[3], 0)]


def test_our_own_streams_do_not_count_against_what_the_peer_may_open() -> None:
    session = Session(client=False, config=Config(max_streams=1))
    for _ in range(3):
        session.open_stream()
    session.receive_data(frame(WINDOW_UPDATE, SYN, 1))
    assert 1 in session.streams


@pytest.mark.parametrize("stream_id", [0, 2, 8])
@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
def test_the_peer_cannot_open_an_id_of_ours_or_zero(feed: Feed, kind: int, stream_id: int) -> None:
    session = Session(client=False)
    match = f"cannot open a stream with the id {stream_id}"
    assert_offence(session, frame(kind, SYN, stream_id), feed, match)


@pytest.mark.parametrize("ended", [False, True])
def test_an_id_is_opened_once_whether_its_stream_lives_or_not(feed: Feed, ended: bool) -> None:
    session, stream = accepting()
    if ended:
        session.reset(stream)
    assert_offence(session, frame(WINDOW_UPDATE, SYN, 1), feed, "stream 1 a second time")


def test_syns_may_come_out_of_order_but_each_once(feed: Feed) -> None:
    # The Go peer takes ids and sends their SYNs without one lock around both.
    session = Session(client=False)
    syns = b"".join(frame(WINDOW_UPDATE, SYN, stream_id) for stream_id in (5, 1, 3, 9, 7))
    events = session.receive_data(syns)
    assert [stream.id for _, stream, _ in events] == [5, 1, 3, 9, 7]
    assert_offence(session, frame(WINDOW_UPDATE, SYN, 3), feed, "stream 3 a second time")


def test_a_jump_over_ids_costs_memory_for_a_backlog_at_most() -> None:
    session = Session(client=False, config=Config(accept_backlog=4))
    session.receive_data(frame(WINDOW_UPDATE, SYN, 0x7FFFFFFF))
    for late in (0x7FFFFFF7, 0x7FFFFFFD):
        assert session.receive_data(frame(WINDOW_UPDATE, SYN, late))
    with pytest.raises(YamuxError, match="a second time"):
        session.receive_data(frame(WINDOW_UPDATE, SYN, 0x7FFFFFF5))


def test_many_jumps_over_ids_cost_no_more_and_the_newest_are_remembered() -> None:
    session = Session(client=False, config=Config(accept_backlog=4))
    for stream_id in range(5, 101, 8):
        session.receive_data(frame(WINDOW_UPDATE, SYN, stream_id))
    assert len(session._skipped_ids) == 4
    assert session.receive_data(frame(WINDOW_UPDATE, SYN, 91))
    with pytest.raises(YamuxError, match="stream 85 a second time"):
        session.receive_data(frame(WINDOW_UPDATE, SYN, 85))


def test_no_more_streams_when_the_ids_are_used_up() -> None:
    session = Session(client=True)
    session._next_id = MAX_WINDOW  # two thousand million streams later
    assert session.open_stream().id == MAX_WINDOW
    with pytest.raises(SessionClosed, match="every stream id"):
        session.open_stream()


# ---- receiving data


def test_data_arrives_in_order_and_several_frames_in_one_read(feed: Feed) -> None:
    session, stream = accepting()
    data = b"".join(frame(DATA, 0, 1, part) for part in (b"a", b"bc", b"def"))
    assert feed(session, data) == [
        (DATA_RECEIVED, stream, b"a"),
        (DATA_RECEIVED, stream, b"bc"),
        (DATA_RECEIVED, stream, b"def"),
    ]


def test_payloads_are_bytes_whatever_was_fed(feed: Feed) -> None:
    session, _ = accepting()
    ((_, _, payload),) = feed(session, frame(DATA, 0, 1, b"abc"))
    assert type(payload) is bytes


def test_empty_data_frames_say_nothing(feed: Feed) -> None:
    session, stream = accepting()
    assert feed(session, frame(DATA, 0, 1, b"") * 2) == []
    assert feed(session, b"") == []
    assert stream.receive_window == INITIAL_WINDOW


@pytest.mark.parametrize("cut", [1, 11, 12, 13, 500, 1011])
def test_a_frame_cut_anywhere_is_the_same_frame(cut: int) -> None:
    session, stream = accepting()
    data = frame(DATA, FIN, 1, bytes(1000))
    assert session.receive_data(data[:cut]) == []
    assert session.receive_data(data[cut:]) == [
        (DATA_RECEIVED, stream, bytes(1000)),
        (FINISHED, stream, None),
    ]
    assert not session._interrupted, "the next read takes the long way for nothing"


def test_a_length_reserves_no_memory() -> None:
    session, _ = accepting()
    session.lenient = True
    session.receive_data(HEADER.pack(0, DATA, 0, 1, 16 * 1024 * 1024) + b"only this")
    assert session._cut is not None
    assert len(session._cut.payload) == 9


@pytest.mark.parametrize("end", ["reset", "abandon"])
def test_the_payload_of_a_cut_frame_is_dropped_when_its_stream_ends(end: str) -> None:
    session, stream = accepting()
    data = frame(DATA, FIN, 1, bytes(1000)) + frame(PING, SYN, 0, 5)
    session.receive_data(data[:500])
    getattr(session, end)(stream)
    assert session.receive_data(data[500:600]) == []
    assert session._cut is not None
    assert session._cut.payload == b""
    assert session.receive_data(data[600:]) == [(PINGED, None, 5)]
    assert session.streams == {}
    assert not session._interrupted


# ---- the receive window


@pytest.mark.parametrize("cut", [None, 100], ids=["whole", "cut"])
def test_credit_is_given_back_in_one_update_when_half_is_used(cut: int | None) -> None:
    session, stream = accepting()
    half = INITIAL_WINDOW // 2
    session.receive_data(frame(DATA, 0, 1, bytes(half - 1001)))
    data = frame(DATA, 0, 1, bytes(1000))
    session.receive_data(data[:cut])
    session.receive_data(b"" if cut is None else data[cut:])
    assert not session.outgoing
    session.receive_data(frame(DATA, 0, 1, b"!"))
    assert sent(session) == [(WINDOW_UPDATE, 0, 1, half)]
    assert stream.receive_window == INITIAL_WINDOW


def test_the_whole_window_may_be_filled_in_one_frame() -> None:
    session, stream = accepting()
    message = frame(DATA, 0, 1, bytes(INITIAL_WINDOW))
    assert session.receive_data(message) == [(DATA_RECEIVED, stream, bytes(INITIAL_WINDOW))]
    assert sent(session) == [(WINDOW_UPDATE, 0, 1, INITIAL_WINDOW)]


@pytest.mark.parametrize("first", [0, 1000])
def test_data_beyond_the_window_is_refused_at_its_header(feed: Feed, first: int) -> None:
    session, stream = accepting()
    stream.auto_credit = False
    session.receive_data(frame(DATA, 0, 1, bytes(first)))
    header = HEADER.pack(0, DATA, 0, 1, INITIAL_WINDOW - first + 1)
    assert_offence(session, header, feed, f"at most {INITIAL_WINDOW - first}")


@pytest.mark.parametrize("length", [INITIAL_WINDOW + 1, MAX_WINDOW])
def test_oversized_data_on_a_syn_is_refused_at_its_header(feed: Feed, length: int) -> None:
    session = Session(client=False)
    assert_offence(session, HEADER.pack(0, DATA, SYN, 1, length), feed, f"frame of {length} bytes")


def test_a_lenient_session_takes_one_frame_over_the_window_and_gives_it_all_back() -> None:
    session, stream = accepting()
    session.lenient = True
    size = 3 * INITIAL_WINDOW
    assert session.receive_data(frame(DATA, 0, 1, bytes(size)))[0][0] == DATA_RECEIVED
    assert sent(session) == [(WINDOW_UPDATE, 0, 1, size)]
    assert stream.receive_window == INITIAL_WINDOW


def test_a_session_that_is_lenient_no_more_lets_an_overrun_stream_end() -> None:
    session, stream = accepting()
    stream.auto_credit = False
    session.lenient = True
    session.receive_data(frame(DATA, 0, 1, bytes(2 * INITIAL_WINDOW)))
    session.lenient = False
    assert session.receive_data(frame(DATA, FIN, 1)) == [(FINISHED, stream, None)]


def test_a_lenient_session_still_bounds_a_frame(feed: Feed) -> None:
    session, _ = accepting(Config(max_frame_payload_received=1_000_000))
    session.lenient = True
    assert_offence(session, HEADER.pack(0, DATA, 0, 1, 1_000_001), feed, "at most 1000000")


def test_without_auto_credit_only_what_was_used_is_given_back() -> None:
    session, stream = accepting()
    stream.auto_credit = False
    session.receive_data(frame(DATA, 0, 1, bytes(INITIAL_WINDOW)))
    assert not session.outgoing
    session.credit(stream, 100_000)
    assert not session.outgoing
    session.credit(stream, 50_000)
    assert sent(session) == [(WINDOW_UPDATE, 0, 1, 150_000)]
    with pytest.raises(ValueError, match="112144 bytes to give credit for, not 112145"):
        session.credit(stream, 112_145)


def test_credit_means_nothing_where_the_stream_gives_it_or_nothing_more_comes() -> None:
    session, stream = accepting()
    session.receive_data(frame(DATA, 0, 1, bytes(100)))
    session.credit(stream, 10**9)
    stream.auto_credit = False
    session.receive_data(frame(DATA, FIN, 1, bytes(INITIAL_WINDOW - 100)))
    session.credit(stream, INITIAL_WINDOW)
    session.reset(stream)
    fetch(session)
    session.credit(stream, 10)
    assert not session.outgoing


def test_no_credit_is_given_for_the_last_frame() -> None:
    session, _ = accepting()
    session.receive_data(frame(DATA, FIN, 1, bytes(INITIAL_WINDOW)))
    assert not session.outgoing


# ---- sending


def test_a_small_message_leaves_as_one_item_and_a_large_one_uncopied() -> None:
    session, stream = accepting()
    session.send(stream, b"small")
    assert [bytes(item) for item in session.data_to_send()] == [frame(DATA, 0, 1, b"small")]
    large = bytes(10_000)
    assert session.send(stream, large)
    header, body = session.data_to_send()
    assert header == HEADER.pack(0, DATA, 0, 1, 10_000)
    assert body is large


def test_the_frames_of_a_large_message_are_views_of_it() -> None:
    session, stream = accepting()
    large = bytes(100_000)
    assert session.send(stream, large)
    _, first, _, second = session.data_to_send()
    for view, size in ((first, 65_536), (second, 34_464)):
        assert isinstance(view, memoryview)
        assert view.obj is large
        assert len(view) == size


def test_frames_are_no_larger_than_configured() -> None:
    session, stream = accepting(Config(max_frame_payload=1000))
    session.send(stream, bytes(2500))
    session.send(stream, bytes(1000))
    assert [len(payload) for *_, payload in sent(session) if isinstance(payload, bytes)] == [
        1000,
        1000,
        500,
        1000,
    ]


def test_empty_data_is_no_frame() -> None:
    session, stream = accepting()
    assert session.send(stream, b"")
    assert not session.outgoing


def test_fetching_empties_the_queue() -> None:
    session = Session(client=True)
    assert session.data_to_send() == []
    session.ping(1)
    assert session.outgoing
    assert sent(session) == [(PING, SYN, 0, 1)]
    assert not session.outgoing


def payloads(session: Session) -> bytes:
    """Fetch what is queued, and join the payloads of its data frames."""
    return b"".join(content for *_, content in sent(session) if isinstance(content, bytes))


def test_data_over_the_window_is_parked_and_leaves_in_order_as_credit_comes(feed: Feed) -> None:
    session, stream = accepting()
    message = bytes(range(256)) * 1100  # 281,600 bytes
    assert not session.send(stream, message)
    assert not session.send(stream, b"behind it")
    first = payloads(session)
    assert len(first) == INITIAL_WINDOW
    assert stream.parked == len(message) + 9 - INITIAL_WINDOW

    assert session.receive_data(frame(WINDOW_UPDATE, 0, 1, 1000)) == []
    second = payloads(session)
    assert len(second) == 1000
    credit = frame(WINDOW_UPDATE, 0, 1, 500) + frame(WINDOW_UPDATE, 0, 1, 100_000)
    assert feed(session, credit) == [(WRITABLE, stream, None)]
    third = payloads(session)
    assert first + second + third == message + b"behind it"
    assert stream.parked == 0
    assert stream.send_window == 100_500 - len(third)


def test_the_last_byte_of_the_window_is_used_and_not_one_more() -> None:
    session, stream = accepting()
    assert session.send(stream, bytes(INITIAL_WINDOW - 10))
    assert session.send(stream, bytes(10))
    assert not session.send(stream, b"!")
    assert (stream.send_window, stream.parked) == (0, 1)


def test_a_window_update_that_overflows_is_an_offence(feed: Feed) -> None:
    session, _ = accepting()
    session.receive_data(frame(WINDOW_UPDATE, 0, 1, MAX_WINDOW - INITIAL_WINDOW))
    assert_offence(session, frame(WINDOW_UPDATE, 0, 1, 1), feed, "credit of 1 bytes for stream 1")


def test_credit_on_a_syn_can_overflow_too(feed: Feed) -> None:
    session = Session(client=False)
    assert_offence(session, frame(WINDOW_UPDATE, SYN, 1, MAX_WINDOW), feed, "credit of")


def test_unlimited_send_lets_parked_and_new_data_go_without_credit(feed: Feed) -> None:
    session, stream = accepting()
    late = session.open_stream()
    session.send(stream, bytes(INITIAL_WINDOW + 5))
    session.send(late, bytes(INITIAL_WINDOW + 6))
    session.finish(late)
    session.unlimited_send = True
    assert session.unlimited_send
    assert (stream.parked, late.parked) == (0, 0)
    assert session.send(stream, bytes(2 * INITIAL_WINDOW))
    new = session.open_stream()
    assert session.send(new, bytes(2 * INITIAL_WINDOW))
    assert len(payloads(session)) == 6 * INITIAL_WINDOW + 11
    # Credit that comes nevertheless is not counted, so it cannot overflow.
    assert feed(session, frame(WINDOW_UPDATE, 0, 1, MAX_WINDOW) * 2) == []
    with pytest.raises(ValueError, match="not counted"):
        session.unlimited_send = False


def test_windows_are_obeyed_unless_told_otherwise() -> None:
    session = Session(client=True)
    session.unlimited_send = False
    assert not session.unlimited_send


def test_a_very_large_message_crosses_within_the_windows() -> None:
    client, ours, server, theirs = connected()
    message = bytes(range(256)) * 20_000  # 5 MB
    assert not client.send(ours, message)
    client.finish(ours)
    seen_by_client, seen_by_server = exchange(client, server)
    assert b"".join(p for kind, _, p in seen_by_server if kind == DATA_RECEIVED) == message
    assert seen_by_server[-1] == (FINISHED, theirs, None)
    assert seen_by_client == [(WRITABLE, ours, None)]
    assert theirs.receive_window == -1


# ---- closing


def test_half_close_leaves_the_other_direction_open() -> None:
    client, ours, server, theirs = connected()
    client.send(ours, b"question")
    client.finish(ours)
    _, seen = exchange(client, server)
    assert seen == [(DATA_RECEIVED, theirs, b"question"), (FINISHED, theirs, None)]
    server.send(theirs, b"answer")
    server.finish(theirs)
    seen, _ = exchange(client, server)
    assert seen == [(DATA_RECEIVED, ours, b"answer"), (FINISHED, ours, None)]
    assert client.streams == server.streams == {}
    assert ours.dead
    assert theirs.dead


def test_fin_goes_on_an_empty_window_update_once() -> None:
    session, stream = accepting()
    session.finish(stream)
    session.finish(stream)
    assert sent(session) == [(WINDOW_UPDATE, FIN, 1, 0)]
    session.reset(stream)
    fetch(session)
    session.finish(stream)
    assert not session.outgoing


def test_fin_waits_behind_parked_data() -> None:
    session, stream = accepting()
    session.send(stream, bytes(INITIAL_WINDOW + 3))
    session.finish(stream)
    assert FIN not in [flags for _, flags, _, _ in sent(session)]
    events = session.receive_data(frame(WINDOW_UPDATE, 0, 1, 100))
    assert events == [(WRITABLE, stream, None)]
    assert sent(session) == [(DATA, 0, 1, bytes(3)), (WINDOW_UPDATE, FIN, 1, 0)]


def test_a_stream_that_both_sides_finish_leaves_when_parked_data_has_left() -> None:
    session, stream = accepting()
    session.send(stream, bytes(INITIAL_WINDOW + 3))
    session.finish(stream)
    session.receive_data(frame(WINDOW_UPDATE, FIN, 1))
    assert session.streams == {1: stream}
    session.receive_data(frame(WINDOW_UPDATE, 0, 1, 3))
    assert session.streams == {}


@pytest.mark.parametrize("parked", [False, True])
def test_nothing_can_be_sent_after_finish_or_on_a_dead_stream(parked: bool) -> None:
    session, stream = accepting()
    session.send(stream, bytes(INITIAL_WINDOW + 1 if parked else 1))
    session.finish(stream)
    for data in (b"x", b"", bytes(5000)):
        with pytest.raises(StreamClosed, match="cannot send on <Stream 1"):
            session.send(stream, data)
    session.reset(stream)
    with pytest.raises(StreamClosed, match="dead"):
        session.send(stream, b"x")


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
def test_their_fin_on_either_kind_of_frame_is_told_once(feed: Feed, kind: int) -> None:
    session, stream = accepting()
    assert feed(session, frame(kind, FIN, 1) * 2) == [(FINISHED, stream, None)]
    assert session.send(stream, b"still open")


def test_credit_after_their_fin_is_legal_and_data_is_not(feed: Feed) -> None:
    session, stream = accepting()
    session.receive_data(frame(DATA, FIN, 1))
    session.receive_data(frame(WINDOW_UPDATE, 0, 1, 77) + frame(DATA, 0, 1))
    assert stream.send_window == INITIAL_WINDOW + 77
    assert_offence(session, frame(DATA, 0, 1, b"x"), feed, "remote_closed=True.*at most 0")


def test_credit_after_our_fin_is_ignored(feed: Feed) -> None:
    session, stream = accepting()
    session.finish(stream)
    assert feed(session, frame(WINDOW_UPDATE, 0, 1, MAX_WINDOW) * 2) == []
    with pytest.raises(StreamClosed):
        session.send(stream, b"x")


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
def test_their_reset_ends_both_halves_at_once(feed: Feed, kind: int) -> None:
    session, stream = accepting()
    session.send(stream, bytes(INITIAL_WINDOW + 1))
    fetch(session)
    content = b"skipped" if kind == DATA else 5
    assert feed(session, frame(kind, RST | FIN, 1, content)) == [(RESET, stream, None)]
    assert session.streams == {}
    assert not session.reset(stream)
    assert not session.outgoing


def test_a_refused_stream_of_ours_is_told_as_a_reset(feed: Feed) -> None:
    session = Session(client=True)
    stream = session.open_stream()
    assert feed(session, frame(WINDOW_UPDATE, RST, 1)) == [(RESET, stream, None)]


def test_a_stream_may_be_opened_and_reset_by_one_frame(feed: Feed) -> None:
    session = Session(client=False)
    (opened, reset) = feed(session, frame(DATA, SYN | RST, 1, b"skipped"))
    assert opened[0] == OPENED
    assert reset == (RESET, opened[1], None)
    assert session.streams == {}


def test_reset_tells_whether_all_had_left_and_is_idempotent() -> None:
    session, stream = accepting()
    session.send(stream, b"all of it")
    assert session.reset(stream)
    assert sent(session) == [(DATA, 0, 1, b"all of it"), (WINDOW_UPDATE, RST, 1, 0)]
    assert session.reset(stream)
    parked = session.open_stream()
    session.send(parked, bytes(INITIAL_WINDOW + 1))
    fetch(session)
    assert not session.reset(parked)
    assert not session.reset(parked)
    assert sent(session) == [(WINDOW_UPDATE, RST, 2, 0)]
    assert session.streams == {}


def test_retiring_is_a_fin_then_a_reset() -> None:
    session = Session(client=True)
    stream = session.open_stream()
    fetch(session)
    session.retire(stream)
    session.retire(stream)
    assert sent(session) == [(WINDOW_UPDATE, FIN, 1, 0), (WINDOW_UPDATE, RST, 1, 0)]
    assert session.streams == {}


def test_retiring_repeats_no_fin_and_claims_none_over_dropped_data() -> None:
    session = Session(client=True)
    finished, cut = session.open_stream(), session.open_stream()
    session.finish(finished)
    session.send(cut, bytes(INITIAL_WINDOW + 1))
    fetch(session)
    session.retire(finished)
    session.retire(cut)
    assert sent(session) == [(WINDOW_UPDATE, RST, 1, 0), (WINDOW_UPDATE, RST, 3, 0)]


def test_abandoning_sends_nothing_and_what_still_comes_is_skipped(feed: Feed) -> None:
    session = Session(client=True)
    stream = session.open_stream()
    fetch(session)
    session.abandon(stream)
    session.abandon(stream)
    late = (
        frame(WINDOW_UPDATE, ACK, 1, 500)
        + frame(DATA, 0, 1, b"late")
        + frame(DATA, FIN, 1, b"later")
        + frame(WINDOW_UPDATE, RST, 1)
        + frame(PING, SYN, 0, 9)
    )
    assert feed(session, late) == [(PINGED, None, 9)]
    assert sent(session) == [(PING, ACK, 0, 9)]
    assert session.streams == {}


def test_a_frame_for_an_ended_stream_is_bounded_and_not_kept() -> None:
    session, stream = accepting(Config(max_frame_payload_received=1_000_000))
    session.reset(stream)
    session.receive_data(HEADER.pack(0, DATA, 0, 1, 1_000_000) + bytes(5000))
    assert session._cut is not None
    assert session._cut.payload == b""
    session.receive_data(bytes(995_000))
    with pytest.raises(YamuxError, match="1000001 bytes for an ended stream, at most 1000000"):
        session.receive_data(HEADER.pack(0, DATA, 0, 1, 1_000_001))


@pytest.mark.parametrize("stream_id", [0, 2, 3, MAX_WINDOW])
@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
def test_a_frame_for_a_stream_that_never_was_is_an_offence(
    feed: Feed, kind: int, stream_id: int
) -> None:
    session, _ = accepting()
    assert_offence(session, frame(kind, 0, stream_id), feed, f"stream {stream_id}, which was never")


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
def test_stream_zero_never_was_for_a_client_either(feed: Feed, kind: int) -> None:
    assert_offence(Session(client=True), frame(kind, RST, 0), feed, "stream 0, which was never")


# ---- frames of the session


def test_a_ping_is_answered_with_its_opaque_value_and_told(feed: Feed) -> None:
    session = Session(client=True)
    assert feed(session, frame(PING, SYN, 0, 0x50580100)) == [(PINGED, None, 0x50580100)]
    assert sent(session) == [(PING, ACK, 0, 0x50580100)]


@pytest.mark.parametrize("flags", [ACK, 0])
def test_an_answer_to_a_ping_is_told_whatever_it_carries(feed: Feed, flags: int) -> None:
    session = Session(client=True)
    session.ping(77)
    fetch(session)
    assert feed(session, frame(PING, flags, 0, 0)) == [(PONGED, None, 0)]
    assert not session.outgoing


def test_a_flood_of_pings_that_nobody_fetches_the_answers_of_is_stopped() -> None:
    session = Session(client=True, config=Config(max_answers_queued=100))
    session.receive_data(frame(PING, SYN, 0, 1) * 100)
    fetch(session)
    session.receive_data(frame(PING, SYN, 0, 1) * 100)
    with pytest.raises(YamuxError, match="100 answers wait for a peer that does not read"):
        session.receive_data(frame(PING, SYN, 0, 1))
    assert len(sent(session)) == 101


@pytest.mark.parametrize("refused", [False, True])
def test_a_flood_of_opened_and_reset_streams_is_stopped(refused: bool) -> None:
    session = Session(client=False, config=Config(max_answers_queued=10))
    if refused:
        session.go_away()
    flood = b"".join(
        frame(WINDOW_UPDATE, SYN, i) + frame(WINDOW_UPDATE, RST, i) for i in range(1, 100, 2)
    )
    with pytest.raises(YamuxError, match="10 answers wait"):
        session.receive_data(flood)
    assert len(session.outgoing) <= 12


def test_what_we_send_ourselves_is_not_counted_as_answers() -> None:
    session, stream = accepting(Config(max_answers_queued=1))
    for _ in range(10):
        session.send(stream, b"x")
    assert session.receive_data(frame(PING, SYN, 0, 1)) == [(PINGED, None, 1)]


def test_after_our_go_away_new_streams_are_refused_and_live_ones_go_on(feed: Feed) -> None:
    session, stream = accepting()
    session.go_away()
    session.go_away()
    assert session.local_go_away == NORMAL
    assert sent(session) == [(GO_AWAY, 0, 0, NORMAL)]
    events = feed(session, frame(DATA, SYN, 3, b"no") + frame(DATA, 0, 1, b"yes"))
    assert events == [(DATA_RECEIVED, stream, b"yes")]
    assert sent(session) == [(WINDOW_UPDATE, RST, 3, 0)]
    assert session.open_stream().id == 2


@pytest.mark.parametrize("code", [0, 1, 2, 99])
def test_after_their_go_away_no_stream_can_be_opened(feed: Feed, code: int) -> None:
    session, stream = accepting()
    assert session.remote_go_away is None
    assert feed(session, frame(GO_AWAY, 0, 0, code)) == [(WENT_AWAY, None, code)]
    assert session.remote_go_away == code
    with pytest.raises(SessionClosed, match=f"gone away with the code {code}"):
        session.open_stream()
    assert session.send(stream, b"what is in flight is finished")


def test_go_away_between_the_frames_of_a_message_loses_none_of_it() -> None:
    client, ours, server, theirs = connected()
    client.send(ours, b"first half, ")
    client.go_away()
    client.send(ours, b"second half")
    _, seen = exchange(client, server)
    assert seen == [
        (DATA_RECEIVED, theirs, b"first half, "),
        (WENT_AWAY, None, NORMAL),
        (DATA_RECEIVED, theirs, b"second half"),
    ]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (HEADER.pack(1, DATA, 0, 0, 0), "version 1, expected 0"),
        (HEADER.pack(0, 4, 0, 0, 0), "unknown type 4"),
        (HEADER.pack(0, 255, 0, 0, 0), "unknown type 255"),
        (b"HTTP/1.1 400 Bad Request\r\n"[:12], "version 72"),
    ],
)
def test_what_is_not_yamux_is_an_offence(feed: Feed, data: bytes, match: str) -> None:
    assert_offence(Session(client=True), data, feed, match)


def test_an_offence_tells_what_came_before_it_and_ends_the_session() -> None:
    session, stream = accepting()
    offence = HEADER.pack(9, 0, 0, 0, 0)
    with pytest.raises(YamuxError) as caught:
        session.receive_data(frame(DATA, 0, 1, b"before") + offence + frame(DATA, 0, 1, b"after"))
    assert caught.value.events == [(DATA_RECEIVED, stream, b"before")]
    assert sent(session) == [(GO_AWAY, 0, 0, PROTOCOL_ERROR)]
    for more in (b"", frame(DATA, 0, 1, b"more")):
        with pytest.raises(YamuxError, match="version 9") as caught:
            session.receive_data(more)
        assert caught.value.events == []
    assert not session.outgoing
    with pytest.raises(SessionClosed, match="ended: frame of version 9"):
        session.open_stream()


# ---- keep-alive


def test_a_ping_goes_out_after_silence_and_death_is_told_when_nothing_comes() -> None:
    session = Session(client=True, config=Config(keepalive=30, keepalive_timeout=10))
    assert session.tick(1000.0) == []
    assert session.tick(1029.9) == []
    assert not session.outgoing
    assert session.tick(1030.0) == []
    assert sent(session) == [(PING, SYN, 0, KEEPALIVE_OPAQUE)]
    assert session.tick(1039.9) == []
    assert session.tick(1040.0) == [(DEAD, None, None)]
    assert session.tick(1041.0) == [(DEAD, None, None)]
    assert not session.outgoing


def test_any_byte_is_a_sign_of_life() -> None:
    session = Session(client=True, config=Config(keepalive=30, keepalive_timeout=10))
    answer = frame(PING, ACK, 0, 0)
    for turn in range(48):
        session.receive_data(answer[turn % 12 : turn % 12 + 1])
        assert session.tick(20.0 * turn) == []
    assert not session.outgoing


def test_a_byte_after_the_ping_begins_the_silence_anew() -> None:
    session = Session(client=True, config=Config(keepalive=30, keepalive_timeout=10))
    session.tick(0.0)
    session.tick(30.0)
    session.receive_data(frame(PING, ACK, 0, KEEPALIVE_OPAQUE))
    assert session.tick(45.0) == []
    fetch(session)
    assert session.tick(74.0) == []
    assert not session.outgoing
    session.tick(75.0)
    assert sent(session) == [(PING, SYN, 0, KEEPALIVE_OPAQUE)]


def test_without_keepalive_nothing_is_sent_however_long_the_silence() -> None:
    session = Session(client=True, config=Config(keepalive=0))
    assert [session.tick(float(now)) for now in (0, 10**6, 10**9)] == [[], [], []]
    assert not session.outgoing


# ---- configuration


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initial_window", 262_143),
        ("initial_window", 2**32),
        ("max_window", 2**32),
        ("window_budget", -1),
        ("max_frame_payload", 0),
        ("max_frame_payload_received", 262_143),
        ("max_streams", 0),
        ("accept_backlog", -1),
        ("max_answers_queued", 0),
        ("keepalive", -1.0),
        ("keepalive_timeout", float("nan")),
    ],
)
def test_a_configuration_out_of_range_names_the_field_and_the_value(
    field: str, value: float
) -> None:
    with pytest.raises(ValueError, match=f"{field} takes a number from .*, got {value!r}"):
        Config(**{field: value})  # type: ignore[arg-type]


# ---- the others


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        # Python opens with data + SYN, sends the request as one frame, and half-closes.
        (
            "000000010000000100000000"
            + "00000000000000010000000380a1c0"
            + "000000040000000100000000",
            [(OPENED, None), (DATA_RECEIVED, b"\x80\xa1\xc0"), (FINISHED, None)],
        ),
        # Go opens with window update + SYN, and cuts a message into many frames.
        (
            "000100010000000100000000"
            + "00000000000000010000000183"
            + "000000000000000100000001a2",
            [(OPENED, 0), (DATA_RECEIVED, b"\x83"), (DATA_RECEIVED, b"\xa2")],
        ),
        # Rust and Zig announce a second window with the SYN.
        ("000100010000000100040000", [(OPENED, 262_144)]),
    ],
)
def test_the_other_implementations_are_understood(
    feed: Feed, recorded: str, expected: list[tuple[int, object]]
) -> None:
    events = feed(Session(client=False), bytes.fromhex(recorded))
    assert [(kind, payload) for kind, _, payload in events] == expected
