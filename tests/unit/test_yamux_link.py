"""Windows on a link with delay and bandwidth, in virtual time: how fast, and at what cost."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables.yamux import (
    DATA_RECEIVED,
    INITIAL_WINDOW,
    PONGED,
    ROUND_TRIP_OPAQUE,
    Config,
    Session,
    Stream,
)

MIB = 1024 * 1024
GIGABIT = 1e9 / 8
READ = 16 * 1024
"""Bytes that arrive at once."""
GROWING = Config(max_window=16 * MIB, window_budget=64 * MIB)
FIXED = Config()


class Link:
    """Two sessions, and what is on its way between them.

    Args:
        config: Of both sides.
        round_trip: Seconds, without what waits before the link.
        bandwidth: Bytes per second in each direction.
        reader: Told of what arrives, instead of the link's own note.

    Attributes:
        now: Seconds.
        received: What arrived, by stream.
        arrived: When the last of it did.
        granted: The most that the receiver has ever been ready to take, by stream and together
            (under 0).
    """

    def __init__(
        self,
        config: Config = GROWING,
        *,
        round_trip: float = 0.1,
        bandwidth: float = GIGABIT,
        reader: Callable[[Stream, bytes], None] | None = None,
    ) -> None:
        self.now = 0.0
        self.received: dict[int, list[bytes]] = defaultdict(list)
        self.arrived: dict[int, float] = {}
        self.granted: dict[int, int] = defaultdict(int)
        self._reader = reader
        self._delay = round_trip / 2
        self._bandwidth = bandwidth
        self._free = [0.0, 0.0]
        self._deeds: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.sender, self.receiver = self.sides = [
            Session(client=client, config=config, clock=lambda: self.now)
            for client in (True, False)
        ]
        for session in self.sides:
            session.ping(1)  # as peers do, to say who they are
        self.run()

    def at(self, when: float, deed: Callable[[], None]) -> None:
        """Has something done at a moment."""
        heapq.heappush(self._deeds, (when, next(self._order), deed))

    def run(self, until: float = float("inf")) -> None:
        """Lets time pass until nothing happens any more, or a moment is reached."""
        self._carry()
        while self._deeds and self._deeds[0][0] <= until:
            self.now, _, deed = heapq.heappop(self._deeds)
            deed()
            self._carry()

    def _carry(self) -> None:
        for side, session in enumerate(self.sides):
            data = b"".join(session.data_to_send())
            for start in range(0, len(data), READ):
                piece = data[start : start + READ]
                self._free[side] = max(self.now, self._free[side]) + len(piece) / self._bandwidth
                when = self._free[side] + self._delay
                self.at(when, lambda side=side, piece=piece: self._deliver(1 - side, piece))  # type: ignore[misc]

    def _deliver(self, side: int, piece: bytes) -> None:
        for kind, stream, payload in self.sides[side].receive_data(piece):
            if kind == DATA_RECEIVED:
                self.arrived[stream.id] = self.now
                if self._reader is None:
                    self.received[stream.id].append(payload)
                else:
                    self._reader(stream, payload)
        windows = {stream.id: stream.window for stream in self.receiver.streams.values()}
        for stream_id, window in {**windows, 0: sum(windows.values())}.items():
            self.granted[stream_id] = max(window, self.granted[stream_id])


@cache
def pattern(size: int) -> bytes:
    """Bytes in which a piece that is lost, doubled or moved shows."""
    return random.Random(size).randbytes(size)


def begin(link: Link, data: bytes) -> Stream:
    stream = link.sender.open_stream()
    link.sender.send(stream, data)
    return stream


def ask_for(link: Link, data: bytes) -> Stream:
    """Has the sender send on a stream of the receiver's, which gives credit by hand."""
    stream = link.receiver.open_stream()
    stream.auto_credit = False
    link.run(until=link.now + 0.1)
    link.sender.send(link.sender.streams[stream.id], data)
    return stream


def seconds_for(link: Link, size: int) -> float:
    """Sends so many bytes on one stream; returns how long it took, all of it, in order."""
    data = pattern(size)
    start = link.now
    stream = begin(link, data)
    link.run()
    assert b"".join(link.received[stream.id]) == data
    assert stream.parked == 0
    return link.arrived[stream.id] - start


def end_all(link: Link) -> None:
    for stream in list(link.sender.streams.values()):
        link.sender.retire(stream)
    link.run()
    assert not link.receiver.streams


# -- one stream -----------------------------------------------------------------------------------


def test_one_stream_fills_a_long_fat_link() -> None:
    ideal = 64 * MIB / GIGABIT + 0.05
    assert seconds_for(Link(), 64 * MIB) <= 1.5 * ideal


def test_windows_that_do_not_grow_take_half_a_minute_for_that() -> None:
    assert seconds_for(Link(FIXED), 64 * MIB) == pytest.approx(25.6, rel=0.05)


def test_data_goes_as_fast_in_the_other_direction() -> None:
    link = Link()
    stream = begin(link, b"please")
    link.run()
    (theirs,) = link.receiver.streams.values()
    data, start = pattern(64 * MIB), link.now
    link.receiver.send(theirs, data)
    link.run()
    assert b"".join(link.received[stream.id]) == b"please" + data
    assert link.arrived[stream.id] - start <= 1.5 * (64 * MIB / GIGABIT + 0.05)


@pytest.mark.parametrize(
    ("round_trip", "bandwidth"), [(0.02, GIGABIT), (0.1, GIGABIT / 10), (0.3, GIGABIT / 50)]
)
def test_windows_end_at_a_few_times_what_the_link_holds(
    round_trip: float, bandwidth: float
) -> None:
    link = Link(round_trip=round_trip, bandwidth=bandwidth)
    seconds_for(link, 32 * MIB)
    assert round_trip * bandwidth < link.granted[1] <= 5 * round_trip * bandwidth


@pytest.mark.parametrize(("round_trip", "bandwidth"), [(0.0002, GIGABIT), (0.04, 1.25e6)])
def test_windows_stay_as_they_are_where_they_fill_the_link(
    round_trip: float, bandwidth: float
) -> None:
    link = Link(round_trip=round_trip, bandwidth=bandwidth)
    size = 8 * MIB
    assert seconds_for(link, size) <= 1.05 * (size / bandwidth + round_trip)
    assert link.granted[1] == INITIAL_WINDOW


def test_no_window_is_larger_than_it_may_be() -> None:
    link = Link(Config(max_window=3_000_000, window_budget=64 * MIB))
    seconds_for(link, 32 * MIB)
    assert link.granted[1] == 3_000_000


def test_the_ping_of_a_session_that_was_not_asked_to_ping_is_enough() -> None:
    link = Link()
    for session in link.sides:
        session.round_trip = None
    seconds_for(link, 64 * MIB)
    assert link.granted[1] == 16 * MIB
    assert link.receiver.round_trip == pytest.approx(0.1, rel=0.01)


def test_a_queue_on_the_link_is_no_reason_to_grow() -> None:
    link = Link(round_trip=0.01, bandwidth=1.25e6)
    for _ in range(20):  # they share the link, so that each part lasts longer than a round trip
        begin(link, pattern(MIB))
    link.run()
    assert link.granted.pop(0) == 20 * INITIAL_WINDOW
    assert set(link.granted.values()) == {INITIAL_WINDOW}
    assert link.receiver.round_trip < 0.02  # though every later ping stood in the queue


# -- the budget -----------------------------------------------------------------------------------


def test_streams_share_the_budget_and_give_it_back() -> None:
    link = Link(Config(max_window=16 * MIB, window_budget=8 * MIB))
    data = pattern(8 * MIB)
    for _ in range(2):
        streams = [begin(link, data) for _ in range(8)]
        link.run()
        for stream in streams:
            assert b"".join(link.received.pop(stream.id)) == data
        assert link.granted.pop(0) == 8 * INITIAL_WINDOW + 8 * MIB
        end_all(link)
        assert link.receiver._spare_credit == 8 * MIB


@pytest.mark.parametrize("ending", ["reset", "abandon"])
def test_an_ended_stream_gives_its_share_back(ending: str) -> None:
    link = Link()
    seconds_for(link, 16 * MIB)
    assert link.receiver._spare_credit < 64 * MIB
    getattr(link.receiver, ending)(link.receiver.streams[1])
    assert link.receiver._spare_credit == 64 * MIB


class Reader:
    """Takes what arrives, and gives credit for it only as the test says.

    Attributes:
        unread: Bytes that arrived without being used, by stream.
        taken: Bytes that arrived, by stream.
    """

    def __init__(self, link: Callable[[], Link], stalls: Callable[[Stream], bool]) -> None:
        self._link = link
        self._stalls = stalls
        self.unread: dict[int, int] = defaultdict(int)
        self.taken: dict[int, int] = defaultdict(int)

    def take(self, stream: Stream, payload: bytes) -> None:
        self.taken[stream.id] += len(payload)
        self.unread[stream.id] += len(payload)
        if not self._stalls(stream):
            self.use(stream)

    def use(self, stream: Stream, most: int = 1 << 40) -> None:
        used = min(self.unread[stream.id], most)
        self.unread[stream.id] -= used
        self._link().receiver.credit(stream, used)


def test_a_stalled_reader_costs_its_first_window_and_holds_up_nobody() -> None:
    reader = Reader(lambda: link, lambda stream: stream is stalled)
    link = Link(reader=reader.take)
    stalled = ask_for(link, pattern(64 * MIB))
    fast = ask_for(link, pattern(64 * MIB))
    start = link.now
    link.run()
    assert reader.taken == {stalled.id: INITIAL_WINDOW, fast.id: 64 * MIB}
    assert link.sender.streams[stalled.id].parked == 64 * MIB - INITIAL_WINDOW
    assert link.arrived[fast.id] - start <= 1.5 * (64 * MIB / GIGABIT + 0.05)
    reader.use(stalled)
    link.run(until=link.now + 0.3)
    assert reader.unread[stalled.id] == INITIAL_WINDOW, "it goes on as far as was read"


def test_a_reader_that_stalls_late_costs_what_its_window_has_become() -> None:
    stalling = False
    reader = Reader(lambda: link, lambda stream: stalling)
    link = Link(reader=reader.take)
    stream = ask_for(link, pattern(64 * MIB))
    link.run(until=link.now + 0.5)
    stalling = True
    link.run()
    assert link.sender.streams[stream.id].parked
    assert INITIAL_WINDOW < reader.unread[stream.id] <= stream.window <= 16 * MIB
    stalling = False
    reader.use(stream)
    link.run()
    assert reader.taken[stream.id] == 64 * MIB


def test_the_window_of_a_reader_that_slows_down_becomes_small_again() -> None:
    slow = False
    reader = Reader(lambda: link, lambda stream: slow)
    link = Link(reader=reader.take)
    stream = ask_for(link, pattern(64 * MIB))

    def read_a_little() -> None:
        reader.use(stream, 50_000)
        link.at(link.now + 0.2, read_a_little)

    link.run(until=link.now + 0.5)
    assert stream.window == 16 * MIB
    slow = True
    read_a_little()
    link.run(until=link.now + 100)
    assert link.sender.streams[stream.id].parked
    assert stream.window == INITIAL_WINDOW
    assert link.receiver._spare_credit == 64 * MIB
    assert reader.unread[stream.id] <= INITIAL_WINDOW


@settings(max_examples=25, deadline=None)
@given(
    round_trip=st.sampled_from([0.0, 0.001, 0.05, 0.5]),
    bandwidth=st.sampled_from([1e6, 1e8, 1e10]),
    budget=st.sampled_from([0, 1, 100_000, 1 * MIB, 64 * MIB]),
    most=st.sampled_from([0, INITIAL_WINDOW, INITIAL_WINDOW + 1, 1_000_003, 16 * MIB]),
    sizes=st.lists(st.sampled_from([0, 4, 262_144, 300_000, 3_000_000]), max_size=5),
)
def test_all_arrives_and_no_more_credit_is_given_than_there_is(
    round_trip: float, bandwidth: float, budget: int, most: int, sizes: list[int]
) -> None:
    config = Config(max_window=most, window_budget=budget)
    link = Link(config, round_trip=round_trip, bandwidth=bandwidth)
    streams = [(begin(link, pattern(size)), size) for size in sizes]
    link.run()
    for stream, size in streams:
        assert b"".join(link.received[stream.id]) == pattern(size)
        assert link.granted[stream.id] <= max(most, INITIAL_WINDOW)
        assert stream.send_window <= max(most, INITIAL_WINDOW)
    assert link.granted[0] <= len(sizes) * INITIAL_WINDOW + budget
    end_all(link)
    assert link.receiver._spare_credit == budget


# -- where they do not grow -----------------------------------------------------------------------


def test_windows_towards_peers_that_ignore_them_do_not_grow() -> None:
    link = Link()
    link.receiver.lenient = True
    seconds_for(link, 2 * MIB)
    assert link.granted[1] == INITIAL_WINDOW
    assert link.receiver._timed_ping is None


def test_without_a_clock_nothing_grows_and_nobody_is_pinged() -> None:
    session = Session(client=False, config=GROWING)
    peer = Session(client=True)
    stream = peer.open_stream()
    peer.send(stream, bytes(MIB))
    for _ in range(20):
        session.receive_data(b"".join(peer.data_to_send()))
        answers = peer.receive_data(b"".join(session.data_to_send()))
        assert all(kind != PONGED for kind, _, _ in answers)
    assert stream.parked == 0
    assert session.streams[1].window == INITIAL_WINDOW


def test_a_peer_that_never_answers_pings_gets_no_more() -> None:
    now = 0.0
    session = Session(client=False, config=GROWING, clock=lambda: now)
    peer = Session(client=True)
    stream = peer.open_stream()
    peer.send(stream, bytes(MIB))
    pings = 0
    for _ in range(20):
        session.receive_data(b"".join(peer.data_to_send()))
        for piece in session.data_to_send():
            is_ping = piece[1] == 2
            pings += is_ping
            if not is_ping:
                peer.receive_data(piece)
        now += 0.01
    assert stream.parked == 0
    assert session.streams[1].window == INITIAL_WINDOW
    assert pings == 1


def test_an_answer_to_no_ping_is_no_measure() -> None:
    now = 5.0
    session = Session(client=True, config=GROWING, clock=lambda: now)
    other = Session(client=False)
    other.ping(0)
    session.receive_data(b"".join(other.data_to_send()))
    answer = bytes.fromhex("00020002 00000000") + ROUND_TRIP_OPAQUE.to_bytes(4, "big")
    assert session.receive_data(answer) == [(PONGED, None, ROUND_TRIP_OPAQUE)]
    assert session.round_trip is None
    session.ping(ROUND_TRIP_OPAQUE)
    now = 5.5
    session.receive_data(answer + answer)
    assert session.round_trip == 0.5


def test_the_shortest_round_trip_counts() -> None:
    now = 0.0
    session = Session(client=True, config=GROWING, clock=lambda: now)
    other = Session(client=False)
    for took, shortest in ((0.3, 0.3), (0.1, 0.1), (0.9, 0.1)):
        session.ping(7)
        now += took
        other.receive_data(b"".join(session.data_to_send()))
        session.receive_data(b"".join(other.data_to_send()))
        assert session.round_trip == pytest.approx(shortest)
