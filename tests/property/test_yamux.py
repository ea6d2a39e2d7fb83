"""Two sessions, any cutting of the bytes, any order of deeds: nothing is lost, nothing is kept."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables.yamux import (
    DATA_RECEIVED,
    FINISHED,
    INITIAL_WINDOW,
    RESET,
    Config,
    Event,
    Session,
    YamuxError,
)
from proxyables.yamux.frames import HEADER

Told: TypeAlias = list[tuple[int, int | None, object]]

frames = st.builds(
    lambda version, kind, flags, stream_id, length, payload: (
        HEADER.pack(version, kind, flags, stream_id, len(payload) if kind == 0 else length)
        + (payload if kind == 0 else b"")
    ),
    version=st.sampled_from([0] * 30 + [1]),
    kind=st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3] * 4 + [4]),
    flags=st.sampled_from([0, 0, 0, 1, 1, 2, 4, 5, 8]),
    stream_id=st.sampled_from([1, 1, 1, 3, 3, 5] * 3 + [0, 2, 4]),
    length=st.sampled_from([0, 1, 1000, INITIAL_WINDOW, 2**31, 2**32 - 1]),
    payload=st.binary(max_size=40),
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut into pieces of these sizes, again and again until the data is used up."""
    pieces = []
    offset = turn = 0
    while offset < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[offset : offset + size])
        offset += size
        turn += 1
    return pieces


def told(pieces: list[bytes]) -> tuple[Told, str, bytes, int]:
    """Feed a fresh server; returns what it told, its offence, its answers, its live streams."""
    session = Session(client=False, config=Config(max_streams=2))
    events: list[Event] = []
    offence = ""
    for piece in pieces:
        try:
            events += session.receive_data(piece)
        except YamuxError as error:
            events += error.events
            offence = str(error)
            break
    known: Told = [(kind, stream and stream.id, payload) for kind, stream, payload in events]
    return known, offence, b"".join(session.data_to_send()), len(session.streams)


@settings(max_examples=150, deadline=None)
@given(
    data=st.lists(frames, max_size=12).map(b"".join),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_where_the_reads_cut_never_matters(data: bytes, sizes: list[int]) -> None:
    assert told([data]) == told(cut(data, sizes))


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200) | st.lists(frames, max_size=6).map(b"".join))
def test_garbage_is_an_offence_or_nothing(data: bytes) -> None:
    for client in (False, True):
        session = Session(client=client)
        offence = None
        try:
            session.receive_data(data)
        except YamuxError as error:
            offence = error
        if offence is not None:
            assert session.data_to_send()[-1] == HEADER.pack(0, 3, 0, 0, offence.code)


class Link:
    """Two sessions, and bytes on their way between them; checks the windows as they arrive."""

    def __init__(self) -> None:
        config = Config(max_frame_payload=20_000)
        self.sessions = (Session(client=True, config=config), Session(client=False, config=config))
        self.on_the_way = (bytearray(), bytearray())  # to the client, to the server
        self.received: dict[tuple[int, int], bytearray] = defaultdict(bytearray)
        self.finished: set[tuple[int, int]] = set()
        self.reset: set[int] = set()

    def send(self, side: int) -> None:
        self.on_the_way[1 - side].extend(b"".join(self.sessions[side].data_to_send()))

    def deliver(self, side: int, size: int) -> None:
        """Bring some of the bytes. A window that was overrun would raise here."""
        piece = bytes(self.on_the_way[side][:size])
        del self.on_the_way[side][:size]
        for kind, stream, payload in self.sessions[side].receive_data(piece):
            if kind == DATA_RECEIVED:
                self.received[side, stream.id] += payload
            elif kind == FINISHED:
                self.finished.add((side, stream.id))
            elif kind == RESET:
                self.reset.add(stream.id)

    def settle(self) -> None:
        while any(self.on_the_way) or any(session.outgoing for session in self.sessions):
            for side in (0, 1):
                self.send(side)
                self.deliver(side, 1 << 30)


deeds = st.lists(
    st.tuples(
        st.sampled_from(["open", "send", "send", "finish", "carry", "carry"]),
        st.integers(0, 1),
        st.integers(0, 5),
        st.sampled_from([1, 13, 500, 5000, 70_000, 300_000]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(deeds=deeds)
def test_all_data_arrives_in_order_over_a_link_that_delays_and_splits(
    deeds: list[tuple[str, int, int, int]],
) -> None:
    link = Link()
    given_data: dict[tuple[int, int], bytearray] = defaultdict(bytearray)
    for turn, (deed, side, which, size) in enumerate(deeds):
        session = link.sessions[side]
        open_ids = [i for i, stream in session.streams.items() if not stream.local_closed]
        if deed == "open":
            session.open_stream()
        elif deed == "carry":
            link.send(1 - side)
            link.deliver(side, size)
        elif open_ids:
            stream = session.streams[open_ids[which % len(open_ids)]]
            if deed == "send":
                data = turn.to_bytes(1, "big") * size
                session.send(stream, data)
                given_data[1 - side, stream.id] += data
            else:
                session.finish(stream)

    link.settle()
    assert {key: data for key, data in link.received.items() if data} == dict(given_data)
    for session in link.sessions:
        assert session.unacked == 0
        for stream in list(session.streams.values()):
            assert stream.parked == 0
            if not stream.local_closed:
                session.finish(stream)
    link.settle()
    assert [session.streams for session in link.sessions] == [{}, {}]
    assert not link.reset


endings = st.lists(
    st.tuples(
        st.sampled_from(["reset", "retire", "abandon", "finish", "send", "open", "carry"]),
        st.integers(0, 1),
        st.integers(0, 5),
        st.sampled_from([5, 30, 400_000]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(endings=endings)
def test_however_streams_end_no_entry_stays(endings: list[tuple[str, int, int, int]]) -> None:
    link = Link()
    for deed, side, which, size in endings:
        session = link.sessions[side]
        ids = list(session.streams)
        if deed == "open":
            session.open_stream()
        elif deed == "carry":
            link.send(1 - side)
            link.deliver(side, size)
        elif ids:
            stream = session.streams[ids[which % len(ids)]]
            if deed != "send":
                getattr(session, deed)(stream)
            elif not stream.local_closed:
                session.send(stream, bytes(size))

    # An abandoned stream is forgotten on one side only, so each side ends its own.
    for session in link.sessions:
        for stream in list(session.streams.values()):
            session.reset(stream)
    link.settle()
    for session in link.sessions:
        for stream in list(session.streams.values()):
            session.reset(stream)
    link.settle()
    for session in link.sessions:
        assert session.streams == {}
        assert session.unacked == 0
        assert session._inbound == 0
