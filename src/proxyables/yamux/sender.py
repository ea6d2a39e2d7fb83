"""The half of a session that speaks: the table of streams, and the queue of frames to send.

How windows grow. Each time a part of a receive window is used up, credit is given, and the moment
noted. A part that lasted for less than half a round trip was used faster than credit can come, as
two of four parts are on their way meanwhile: the window doubles. So at a steady pace it ends at
two to four times what the link holds. A part that lasted for more than two round trips is not
given back, until the window is as small as it was at first. What counts is the shortest round trip
that any ping has shown: a link with a queue is full, and a larger window would only lengthen it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxyables.yamux.config import Config
from proxyables.yamux.frames import (
    INITIAL_WINDOW,
    MAX_WINDOW,
    NORMAL,
    SEND_DATA,
    SEND_FIN,
    SEND_GO_AWAY,
    SEND_PING,
    SEND_RST,
    SEND_SYN,
    SEND_WINDOW,
    WORDS,
    SessionClosed,
    StreamClosed,
    YamuxError,
)
from proxyables.yamux.stream import CLOSED, UNLIMITED, Stream

ROUND_TRIP_OPAQUE: Final = 0x77696E64
"""What a ping carries that measures for windows ("wind"), so that it is known in a capture."""

_JOIN_LIMIT: Final = 4096  # below it one copy is cheaper than one more item to write
_PARTS: Final = 4
"""Parts of a window that can grow: with two, half of the window would wait for credit."""

_pack = WORDS.pack


class Sender:
    """What `proxyables.yamux.Session` can do by itself, before anything is heard.

    It is complete but for the answers to what the peer sends. The two halves share the table of
    streams, and so are one object.

    Attributes:
        streams: The live streams by id. Read only.
        outgoing: What is queued; its truth value tells that a flush is due. Read only, and fetched
            anew each time: `data_to_send` puts another list in its place.
        unacked: Streams of ours that wait for their ACK. A peer may refuse more than its accept
            backlog of them; peers exist that never acknowledge.
        local_go_away: The code of the go-away that was sent last, or None.
        remote_go_away: The code of the go-away that was received last, or None.
        lenient: True for a peer that ignores our windows: only the frame bound holds then, and no
            window grows.
        round_trip: Seconds of the shortest round trip that a ping has shown, or None.
        max_frame_payload: Bytes of one data frame from now on; as in `Config` at first.
    """

    def __init__(
        self, *, client: bool, config: Config, clock: Callable[[], float] | None = None
    ) -> None:
        self.streams: dict[int, Stream] = {}
        self.outgoing: list[bytes | memoryview] = []
        self.unacked = 0
        self.local_go_away: int | None = None
        self.remote_go_away: int | None = None
        self.lenient = False
        self.round_trip: float | None = None

        self._config = config
        self._next_id = 1 if client else 2
        self._inbound = 0
        self._answers = 0  # frames in outgoing that the peer has caused
        self._offence: YamuxError | None = None

        self._window = config.initial_window
        self._parts = _PARTS if config.max_window > config.initial_window else 2
        self._low_water = self._low_water_of(self._window)
        self._spare_credit = config.window_budget
        self._clock = clock if config.max_window > config.initial_window else None
        self._timed_ping: int | None = None
        self._pinged_since = 0.0

        self._first_send_window = INITIAL_WINDOW
        self.max_frame_payload = config.max_frame_payload

    def data_to_send(self) -> list[bytes | memoryview]:
        """Fetch everything that is queued, in order, for one write. Large payloads are views."""
        outgoing = self.outgoing
        self.outgoing = []
        self._answers = 0
        return outgoing

    @property
    def unlimited_send(self) -> bool:
        """Whether data is sent without waiting for credit, to a peer that gives none.

        Setting it lets everything go that is parked, without `WRITABLE` events. It stays on: the
        windows are not counted any more.
        """
        return self._first_send_window == UNLIMITED

    @unlimited_send.setter
    def unlimited_send(self, value: bool) -> None:
        if not value:
            if self.unlimited_send:
                raise ValueError("windows that were not counted cannot be obeyed again")
            return
        self._first_send_window = UNLIMITED
        for stream in list(self.streams.values()):
            if not stream.fin_sent:
                stream.send_window = UNLIMITED
                self._send_parked(stream)

    def open_stream(self) -> Stream:
        """Open a stream. Data may follow at once; the peer may still refuse it with `RESET`.

        Raises:
            SessionClosed: The peer has gone away or broke the rules, or all ids are used.
        """
        stream_id = self._next_id
        if self._offence is not None:
            raise SessionClosed(f"the session has ended: {self._offence}")
        if self.remote_go_away is not None:
            raise SessionClosed(f"the peer has gone away with the code {self.remote_go_away}")
        if stream_id > MAX_WINDOW:
            raise SessionClosed("every stream id of this session has been used")
        self._next_id = stream_id + 2
        stream = Stream(
            stream_id,
            is_ours=True,
            send_window=self._first_send_window,
            receive_window=self._window,
            low_water=self._low_water,
        )
        self.streams[stream_id] = stream
        self.unacked += 1
        self.outgoing.append(_pack(SEND_SYN, stream_id, 0))
        if self._window > INITIAL_WINDOW:
            self.outgoing.append(_pack(SEND_WINDOW, stream_id, self._window - INITIAL_WINDOW))
        return stream

    def send(self, stream: Stream, data: bytes) -> bool:
        """Send data as far as the window allows; the rest is parked, and leaves as credit comes.

        Large data is not copied, so it must not change: give bytes.

        Returns:
            True if all has left; False if some is parked (`WRITABLE` tells when it is gone).

        Raises:
            StreamClosed: The stream is dead, or was finished.
        """
        size = len(data)
        # While anything is parked the window is zero, so nothing can overtake it here.
        window = stream.send_window - size
        if window >= 0 and 0 < size <= self.max_frame_payload:
            stream.send_window = window
            header = _pack(SEND_DATA, stream.id, size)
            if size < _JOIN_LIMIT:
                self.outgoing.append(header + data)
            else:
                self.outgoing += (header, data)
            return True
        if stream.local_closed or stream.dead:
            raise StreamClosed(f"cannot send on {stream!r}")
        if size:
            stream.park(data)
            self._send_parked(stream)
        return not stream.parked

    def _send_parked(self, stream: Stream) -> None:
        outgoing = self.outgoing
        for piece in stream.unpark(self.max_frame_payload):
            size = len(piece)
            header = _pack(SEND_DATA, stream.id, size)
            if size < _JOIN_LIMIT:
                outgoing.append(header + piece)
            else:
                outgoing += (header, piece)
        if stream.fin_sent:
            self._send_fin(stream)

    def finish(self, stream: Stream) -> None:
        """Say that no more data comes, behind all data given before. Receiving goes on."""
        if stream.local_closed or stream.dead:
            return
        stream.local_closed = stream.spent = True
        if not stream.parked:
            self._send_fin(stream)

    def _send_fin(self, stream: Stream) -> None:
        stream.send_window = CLOSED
        self.outgoing.append(_pack(SEND_FIN, stream.id, 0))
        if stream.remote_closed:
            self._forget(stream)

    def reset(self, stream: Stream) -> bool:
        """End both halves at once. Parked data is dropped. On a dead stream nothing is sent.

        Returns:
            True if every byte given to `send` had left before, so that the peer has it all.
        """
        if not stream.dead:
            self.outgoing.append(_pack(SEND_RST, stream.id, 0))
            self._forget(stream)
        return not stream.parked

    def retire(self, stream: Stream) -> None:
        """End a stream of ours cleanly whose exchange is over.

        FIN for the peers that look at it, then RST, which is what frees the entry in some of them.
        Data that is still parked is dropped, and then no FIN claims that it was all.
        """
        if not stream.dead and not stream.local_closed and not stream.parked:
            self.outgoing.append(_pack(SEND_FIN, stream.id, 0))
        self.reset(stream)

    def abandon(self, stream: Stream) -> None:
        """Forget the stream without telling the peer. What still comes for it is skipped."""
        if not stream.dead:
            self._forget(stream)

    def credit(self, stream: Stream, size: int) -> None:
        """Count ``size`` bytes as used, on a stream whose ``auto_credit`` is False.

        The peer is told once a part of the window is used. Nothing happens on a stream that gives
        credit by itself, or whose peer sends no more.

        Raises:
            ValueError: More than was received.
        """
        if stream.auto_credit or stream.remote_closed or stream.dead:
            return
        used = stream.consume(size)
        if used and (delta := self._refill(stream, used)):
            self.outgoing.append(_pack(SEND_WINDOW, stream.id, delta))

    def _low_water_of(self, window: int) -> int:
        """Return below which rest of a window a part of it is used up: at that part to the byte."""
        return window - window // self._parts + 1

    def _refill(self, stream: Stream, used: int) -> int:
        """Give a stream credit for what was used, or more, or less; returns the delta."""
        change = 0 if self._clock is None or self.lenient else self._change(stream, used)
        if change:
            self._spare_credit -= change
            stream.spent = True
        low_water = self._low_water_of(stream.window + change)
        return stream.refill(used, change=change, low_water=low_water)

    def _change(self, stream: Stream, used: int) -> int:
        """Decide by how much a window is to grow, below zero if it is to shrink."""
        assert self._clock is not None
        now = self._clock()
        lasted, stream.refilled_at = now - stream.refilled_at, now
        if self.round_trip is None:
            self._time_round_trip()
            return 0
        if 2 * lasted < self.round_trip:
            most = min(self._config.max_window - stream.window, self._spare_credit)
            if most:
                self._time_round_trip()
            return min(stream.window, most)
        if lasted > 2 * self.round_trip:
            return -min(used, stream.window - self._window)
        return 0

    def _forget(self, stream: Stream) -> None:
        """Take a stream out of the table: the one place where that happens."""
        del self.streams[stream.id]
        self._spare_credit += stream.window - self._window
        if not stream.is_ours:
            self._inbound -= 1
        elif not stream.acked:
            self.unacked -= 1
        stream.end()

    def ping(self, opaque: int) -> None:
        """Queue a ping; ``opaque`` is a 32-bit number that a decent peer sends back."""
        self.outgoing.append(_pack(SEND_PING, 0, opaque))
        if self._clock is not None and self._timed_ping is None:
            self._timed_ping, self._pinged_since = opaque, self._clock()

    def _time_round_trip(self) -> None:
        """Have a ping measured, unless one is under way: the link may be quicker than it seemed."""
        if self._timed_ping is None:
            self.ping(ROUND_TRIP_OPAQUE)

    def _note_answer(self, opaque: int) -> None:
        """Take the answer to a ping; only its own number tells which, and it is measured once."""
        if opaque == self._timed_ping and self._clock is not None:
            self._timed_ping = None
            took = self._clock() - self._pinged_since
            self.round_trip = took if self.round_trip is None else min(took, self.round_trip)

    def go_away(self, code: int = NORMAL) -> None:
        """Tell the peer to open no more streams; those it opens are refused. Live ones go on."""
        if self.local_go_away != code:
            self.local_go_away = code
            self.outgoing.append(_pack(SEND_GO_AWAY, 0, code))
