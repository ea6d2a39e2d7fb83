"""The ideas behind the tests of hashicorp/yamux, as they apply to a session without I/O.

Each is a hang, a leak or a loss that its authors once met, or feared; the note says what it guards
here. The ideas that a rule of its own covers already are in `test_yamux_session`.
"""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from proxyables.yamux import (
    ACKED,
    DATA_RECEIVED,
    DEAD,
    FINISHED,
    INITIAL_WINDOW,
    NORMAL,
    OPENED,
    PINGED,
    PONGED,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Config,
    Event,
    Session,
    SessionClosed,
    Stream,
    YamuxError,
)
from proxyables.yamux.frames import ACK, HEADER, HEADER_BYTES, PING, WINDOW_UPDATE

HALF = INITIAL_WINDOW // 2


def fetch(session: Session) -> bytes:
    return b"".join(session.data_to_send())


def exchange(one: Session, other: Session) -> tuple[list[Event], list[Event]]:
    """Pass bytes until there are none; returns what each side saw."""
    seen_by_one: list[Event] = []
    seen_by_other: list[Event] = []
    for _ in range(10_000):
        if not one.outgoing and not other.outgoing:
            return seen_by_one, seen_by_other
        seen_by_other += other.receive_data(fetch(one))
        seen_by_one += one.receive_data(fetch(other))
    raise AssertionError("the two answer each other for ever")


def pair(config: Config | None = None) -> tuple[Session, Stream, Session, Stream]:
    """Two sessions, and a stream of the client's that the server has acknowledged."""
    client, server = Session(client=True, config=config), Session(client=False, config=config)
    ours = client.open_stream()
    exchange(client, server)
    return client, ours, server, server.streams[1]


def received(events: list[Event]) -> dict[int, bytes]:
    """What came on each stream."""
    got: defaultdict[int, list[bytes]] = defaultdict(list)
    for kind, stream, payload in events:
        if kind == DATA_RECEIVED:
            got[stream.id].append(payload)
    return {number: b"".join(parts) for number, parts in got.items()}


# ---- pings


def test_ping_of_death_is_answered_while_a_large_send_is_stuck() -> None:
    """Guards against an answer that waits behind data which itself waits for credit."""
    client, ours, server, theirs = pair()
    theirs.auto_credit = False
    assert not client.send(ours, bytes(8 * INITIAL_WINDOW))
    server.receive_data(fetch(client))
    server.ping(0xDEAD)
    assert client.receive_data(fetch(server)) == [(PINGED, None, 0xDEAD)]
    assert ours.parked == 7 * INITIAL_WINDOW
    assert fetch(client) == HEADER.pack(0, PING, ACK, 0, 0xDEAD)


def test_ping_of_death_from_both_sides_at_once_ends() -> None:
    """Guards against two sides that answer answers, or that wait for each other to read first."""
    client, ours, server, theirs = pair()
    for opaque in range(1000):
        client.ping(opaque)
        server.ping(opaque)
    client.send(ours, b"question")
    server.send(theirs, b"answer")
    to_client, to_server = exchange(client, server)
    for events in (to_client, to_server):
        for kind in (PINGED, PONGED):
            assert [e[2] for e in events if e[0] == kind] == list(range(1000))
    assert received(to_client) == {1: b"answer"}
    assert received(to_server) == {1: b"question"}


def test_ping_time_out_stops_nothing_and_its_late_answer_is_only_told() -> None:
    """Guards against a session that stalls, or takes offence, over a ping without its answer."""
    client, ours, server, _ = pair()
    client.ping(1)
    late = HEADER.pack(0, PING, ACK, 0, 1)
    fetch(client)  # it never arrives
    client.send(ours, b"still works")
    client.ping(2)
    to_client, to_server = exchange(client, server)
    assert to_client == [(PONGED, None, 2)]
    assert received(to_server) == {1: b"still works"}
    assert client.receive_data(late) == [(PONGED, None, 1)]


# ---- windows


def test_partial_reads_give_their_exact_sum_in_one_window_update() -> None:
    """Guards against credit that is lost, or given twice, when a reader takes odd amounts."""
    client, ours, server, theirs = pair()
    theirs.auto_credit = False
    client.send(ours, bytes(INITIAL_WINDOW))
    server.receive_data(fetch(client))
    pieces = [1, 7, 4096, 65_535, HALF - 1 - 1 - 7 - 4096 - 65_535]
    for size in pieces:
        server.credit(theirs, size)
    assert not server.outgoing  # one byte under half
    server.credit(theirs, 2)
    assert fetch(server) == HEADER.pack(0, WINDOW_UPDATE, 0, 1, HALF + 1)
    assert theirs.receive_window == HALF + 1
    client.receive_data(HEADER.pack(0, WINDOW_UPDATE, 0, 1, HALF + 1))
    assert ours.send_window == HALF + 1


def test_what_is_unread_and_what_may_still_be_sent_never_exceed_the_window() -> None:
    """Guards the memory that a slow reader costs, through any order of partial reads."""
    source = random.Random(7)
    client, ours, server, theirs = pair()
    theirs.auto_credit = False
    client.send(ours, bytes(2_000_000))
    unread = 0
    while ours.parked or unread:
        unread += sum(len(data) for data in received(server.receive_data(fetch(client))).values())
        assert unread + theirs.receive_window + theirs.consumed == INITIAL_WINDOW
        taken = source.randint(1, min(unread, 100_000))
        server.credit(theirs, taken)
        unread -= taken
        client.receive_data(fetch(server))


def test_window_update_while_writing_both_ways_stalls_neither() -> None:
    """Guards against a credit that waits for the sender's own credit: both windows are full."""
    client, ours, server, theirs = pair()
    there, back = random.Random(1).randbytes(1_500_000), random.Random(2).randbytes(1_500_000)
    assert not client.send(ours, there)
    assert not server.send(theirs, back)
    seen_by_client: list[Event] = []
    seen_by_server: list[Event] = []
    while client.outgoing or server.outgoing:
        out, home = fetch(client), fetch(server)  # at the same time, cut in odd places
        for start in range(0, max(len(out), len(home)), 7001):
            seen_by_server += server.receive_data(out[start : start + 7001])
            seen_by_client += client.receive_data(home[start : start + 7001])
    assert received(seen_by_server) == {1: there}
    assert received(seen_by_client) == {1: back}
    assert (WRITABLE, ours, None) in seen_by_client
    assert (WRITABLE, theirs, None) in seen_by_server


def test_very_large_sends_on_many_streams_share_the_link() -> None:
    """Guards against one stream that holds the link, and a queue that outgrows the windows."""
    client, server = Session(client=True), Session(client=False)
    messages = {
        client.open_stream(): random.Random(number).randbytes(1_000_000) for number in range(16)
    }
    for stream, message in messages.items():
        client.send(stream, message)
    events: list[Event] = []
    while client.outgoing:
        queued = fetch(client)
        assert len(queued) <= 16 * (INITIAL_WINDOW + 100 * HEADER_BYTES)
        told = server.receive_data(queued)
        assert len(received(told)) == 16  # each of them moves on in each turn
        events += told
        client.receive_data(fetch(server))
    assert received(events) == {stream.id: message for stream, message in messages.items()}


# ---- opening


def test_backlog_exceeded_refuses_the_excess_and_leaves_the_rest_alone() -> None:
    """Guards against a refusal that takes its neighbours along, or is counted for ever."""
    config = Config(max_streams=256)
    client, server = Session(client=True), Session(client=False, config=config)
    streams = [client.open_stream() for _ in range(260)]
    assert client.unacked == 260
    for stream in streams:
        client.send(stream, b"x")
    to_client, to_server = exchange(client, server)
    assert [stream for kind, stream, _ in to_client if kind == RESET] == streams[256:]
    assert [stream for kind, stream, _ in to_client if kind == ACKED] == streams[:256]
    assert client.unacked == 0
    assert len(received(to_server)) == len(server.streams) == len(client.streams) == 256


def test_backlog_exceeded_from_both_sides_at_once_deadlocks_neither() -> None:
    """Guards against two sides that accept nothing until their own streams are accepted."""
    config = Config(max_streams=256)
    client, server = Session(client=True, config=config), Session(client=False, config=config)
    for session in (client, server):
        for _ in range(300):
            session.open_stream()
    seen = exchange(client, server)
    for events, session in zip(seen, (client, server), strict=True):
        kinds = [kind for kind, _, _ in events]
        assert (kinds.count(OPENED), kinds.count(ACKED), kinds.count(RESET)) == (256, 256, 44)
        assert session.unacked == 0
        assert len(session.streams) == 512


@pytest.mark.parametrize("end", ["finish", "reset", "retire", "abandon"])
def test_close_before_acknowledgement_gives_the_place_back(end: str) -> None:
    """Guards against streams that are closed before their ACK and count as unaccepted for ever."""
    client, server = Session(client=True), Session(client=False)
    for _ in range(256):
        stream = client.open_stream()
        client.send(stream, b"x")
        getattr(client, end)(stream)
    if end != "finish":
        assert client.unacked == 0
        assert not client.streams
    _, to_server = exchange(client, server)  # the ACKs are late: of dead streams, and no offence
    assert len(received(to_server)) == 256
    assert client.unacked == 0
    for stream in list(server.streams.values()):
        server.finish(stream)
    exchange(client, server)
    assert not client.streams
    stream = client.open_stream()
    client.send(stream, b"again")
    assert received(exchange(client, server)[1]) == {stream.id: b"again"}


# ---- ending


def test_half_close_does_not_end_the_credit_for_what_still_comes() -> None:
    """Guards against a reader who has finished and is starved after one window."""
    client, ours, server, theirs = pair()
    client.send(ours, b"question")
    client.finish(ours)
    exchange(client, server)
    answer = random.Random(3).randbytes(5 * INITIAL_WINDOW)
    server.send(theirs, answer)
    server.finish(theirs)
    to_client, _ = exchange(client, server)
    assert received(to_client) == {1: answer}
    assert to_client[-1] == (FINISHED, ours, None)
    assert not client.streams
    assert not server.streams


def test_half_close_with_session_shutdown_hands_out_all_that_came() -> None:
    """Guards against a shutdown that swallows data which arrived before it, in the same read."""
    client, ours, server, theirs = pair()
    client.send(ours, b"the last words")
    client.finish(ours)
    client.go_away()
    told = server.receive_data(fetch(client))
    assert told == [
        (DATA_RECEIVED, theirs, b"the last words"),
        (FINISHED, theirs, None),
        (WENT_AWAY, None, NORMAL),
    ]
    with pytest.raises(SessionClosed):
        server.open_stream()
    server.send(theirs, b"heard")
    server.finish(theirs)
    to_client, _ = exchange(client, server)
    assert to_client == [(DATA_RECEIVED, ours, b"heard"), (FINISHED, ours, None)]
    assert not server.streams


def test_half_close_with_a_shutdown_by_offence_hands_out_all_that_came() -> None:
    """The same where the link ends in bytes that are no Yamux: they come with the error."""
    client, ours, server, theirs = pair()
    client.send(ours, b"the last words")
    client.finish(ours)
    with pytest.raises(YamuxError, match="version 71") as caught:
        server.receive_data(fetch(client) + b"GET / HTTP/1.1")
    assert caught.value.events == [
        (DATA_RECEIVED, theirs, b"the last words"),
        (FINISHED, theirs, None),
    ]


# ---- time


def test_keepalive_time_out_is_not_held_off_by_what_we_send_ourselves() -> None:
    """Guards against a dead peer that is not noticed because this side is busy writing to it."""
    config = Config(keepalive=30, keepalive_timeout=10)
    client, ours, _, _ = pair(config)
    told = []
    for now in range(0, 45, 5):
        client.send(ours, bytes(100_000))
        fetch(client)
        told += client.tick(float(now))
    assert told == [(DEAD, None, None)]
    assert ours.parked == 9 * 100_000 - INITIAL_WINDOW


def test_write_deadline_is_a_reset_that_tells_it_was_not_all() -> None:
    """Guards what giving up on a stalled write leaves: no data parked, no word to the others."""
    client, ours, server, theirs = pair()
    theirs.auto_credit = False
    other = client.open_stream()
    assert not client.send(ours, bytes(INITIAL_WINDOW + 1))
    assert not client.reset(ours)
    client.send(other, b"unharmed")
    _, to_server = exchange(client, server)
    assert received(to_server) == {1: bytes(INITIAL_WINDOW), other.id: b"unharmed"}
    assert (RESET, theirs, None) in to_server
    # The credit that its reader gives by now is too late, and says nothing.
    server.credit(theirs, INITIAL_WINDOW)
    assert not server.outgoing
    assert client.receive_data(HEADER.pack(0, WINDOW_UPDATE, 0, 1, INITIAL_WINDOW)) == []


def test_read_deadline_costs_nothing_what_comes_later_is_still_all_there() -> None:
    """Guards against a wait given up in the middle of a frame that takes part of it along."""
    client, ours, server, _ = pair()
    client.send(ours, b"later than hoped")
    data = fetch(client)
    assert server.receive_data(data[:20]) == []  # and nobody waits for the rest
    assert server.tick(0.0) == []
    assert received(server.receive_data(data[20:])) == {1: b"later than hoped"}
