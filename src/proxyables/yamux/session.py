"""The session: bytes in, events out, bytes to send.

How it works. `Session.receive_data` takes a read that is exactly one data frame without flags by
itself, and gives all others to ``_walk``, which goes over them with an offset. There too a whole
data frame without flags on a live stream, which is nearly every frame, is dealt with in the loop;
all others go through ``_frame``, which reads its payload, if any, at the offset. A frame that the
end of the bytes cuts is kept (the header's start in ``_head``, a payload's start in ``_cut``), and
``_interrupted`` then sends the next call through ``_resume`` first. An offence queues the go-away
and ends the session: ``_interrupted`` stays set, and every further call raises again.

A frame's length is checked when its header is read, before any of its payload is kept; then
memory grows only with the bytes that really arrive. What the session queues by itself, the answers,
is counted until `Session.data_to_send` fetches it: a peer that asks without reading is an offence.

The fast paths of `Session.receive_data` and `Session.send` move a stream's windows by themselves;
everything slower does it through `Stream`. What speaks without having heard anything, and the table
of streams, is in `proxyables.yamux.sender`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from proxyables.yamux.config import Config
from proxyables.yamux.events import (
    ACKED,
    BARE,
    DATA_RECEIVED,
    DEAD,
    FINISHED,
    OPENED,
    PINGED,
    PONGED,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Event,
)
from proxyables.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_BYTES,
    INITIAL_WINDOW,
    MAX_WINDOW,
    PING,
    PROTOCOL_ERROR,
    RST,
    SEND_ACK,
    SEND_PONG,
    SEND_RST,
    SEND_WINDOW,
    SYN,
    VERSION,
    WINDOW_UPDATE,
    WORDS,
    YamuxError,
)
from proxyables.yamux.sender import Sender
from proxyables.yamux.stream import CLOSED, Stream

KEEPALIVE_OPAQUE: Final = 0x6B656570
"""What a keep-alive ping carries ("keep"), so that it is known in a capture."""

BARE_FRAMES: Final = 1024
"""After so many frames without data, the driver is told."""

_pack = WORDS.pack
_unpack_from = WORDS.unpack_from


class _CutFrame:
    """A data frame whose payload has not arrived whole. Without a stream it is only skipped."""

    __slots__ = ("flags", "missing", "payload", "stream")

    def __init__(self, stream: Stream | None, flags: int, payload: bytes, missing: int) -> None:
        self.stream = stream
        self.flags = flags
        self.missing = missing
        # One array that grows with what arrives: parts of one byte each would cost forty times
        # their size, and a size taken from the header would be memory spent on a promise.
        self.payload = bytearray() if stream is None else bytearray(payload)


class Session(Sender):
    """The Yamux machine over one transport. It does no I/O, and never blocks.

    Not safe for use from several threads at once.

    Args:
        client: True on the side that dialled; it opens the streams with odd ids.
        config: Bounds and intervals.
        clock: Returns seconds, never fewer than before. Windows grow only with it, and it is asked
            only when one could, and when pings are measured for that.
    """

    def __init__(
        self,
        *,
        client: bool,
        config: Config | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        config = Config() if config is None else config
        super().__init__(client=client, config=config, clock=clock)

        self._highest_id = 0  # of theirs
        # Ids of theirs below the highest whose SYN has not come, lowest first. The Go peer takes
        # ids and sends their SYNs without one lock around both, so they may come out of order.
        self._skipped_ids: dict[int, None] = {}

        self._interrupted = False
        self._head = bytearray()
        self._cut: _CutFrame | None = None

        self._bare = 0  # frames without data since the driver was told
        self._heard = False
        self._quiet_since: float | None = None
        self._pinged_at: float | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether a frame has begun to arrive and is not whole."""
        return self._interrupted

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes from the transport, and tell what they mean.

        Bytes objects are walked in place; any other buffer is copied once, because payloads are
        handed out as bytes. What the driver does about one event (a reset, say) takes nothing back
        from those that follow it in the list: look at ``stream.dead`` where that matters.

        Raises:
            YamuxError: The peer broke the rules. A go-away is queued, and the session is over:
                flush, then close. What came before the offence is in the error's ``events``.
        """
        self._heard = True
        size = len(data) - HEADER_BYTES
        if size > 0 and not self._interrupted and type(data) is bytes:
            # Most reads are exactly one frame, of a kind that changes nothing but the window.
            word, stream_id, length = _unpack_from(data)
            if (
                not word
                and length == size
                and (stream := self.streams.get(stream_id)) is not None
                and (window := stream.receive_window - length) >= stream.low_water
            ):
                stream.receive_window = window
                return [(DATA_RECEIVED, stream, data[HEADER_BYTES:])]
        return self._walk(data if type(data) is bytes else bytes(data))

    def _walk(self, data: bytes) -> list[Event]:
        """Take what may be any number of frames, and parts of frames."""
        events: list[Event] = []
        offset = self._resume(data, events) if self._interrupted else 0
        end = len(data)
        streams = self.streams
        while (start := offset + 12) <= end:
            word, stream_id, length = _unpack_from(data, offset)
            if (
                not word
                and length
                and (stream := streams.get(stream_id)) is not None
                and (window := stream.receive_window - length) >= stream.low_water
                and (offset := start + length) <= end
            ):
                stream.receive_window = window
                events.append((DATA_RECEIVED, stream, data[start:offset]))
            else:
                offset = self._frame(word, stream_id, length, data, start, events)
        if offset < end:
            self._head += data[offset:]
            self._interrupted = True
        return events

    def _resume(self, data: bytes, events: list[Event]) -> int:
        """Go on with a frame that was cut; returns how much of the data belonged to it."""
        if self._offence is not None:
            raise YamuxError(str(self._offence), code=self._offence.code)
        cut = self._cut
        if cut is None:
            used = HEADER_BYTES - len(self._head)
            self._head += data[:used]
            if len(self._head) < HEADER_BYTES:
                return len(data)
            word, stream_id, length = _unpack_from(self._head)
            self._head.clear()
            self._interrupted = False
            return self._frame(word, stream_id, length, data, used, events)

        used = min(cut.missing, len(data))
        cut.missing -= used
        stream = cut.stream
        if stream is not None:
            if stream.dead:  # reset or abandoned here while the frame was on its way
                cut.stream = stream = None
                cut.payload = bytearray()
            else:
                cut.payload += data if used == len(data) else memoryview(data)[:used]
        if not cut.missing:
            self._cut = None
            self._interrupted = False
            if stream is not None:
                self._deliver(stream, cut.flags, bytes(cut.payload), events)
        return used

    def _frame(
        self, word: int, stream_id: int, length: int, data: bytes, offset: int, events: list[Event]
    ) -> int:
        """Deal with any frame whose header was read; returns the offset behind it."""
        kind = word >> 16
        if kind:
            self._count_bare(events)
        if kind > WINDOW_UPDATE:
            self._session_frame(kind, word, length, events)
            return offset
        flags = word & 0xFFFF
        stream = self.streams.get(stream_id)
        if flags & SYN:
            delta = length if kind == WINDOW_UPDATE else None
            stream = self._accept(stream_id, delta, events)
        elif stream is None:
            self._check_ended(stream_id, events)
        elif flags & ACK and not stream.acked:
            stream.acked = True
            self.unacked -= 1
            events.append((ACKED, stream, length if kind == WINDOW_UPDATE else None))

        if flags & RST and stream is not None:
            self._forget(stream)
            events.append((RESET, stream, None))
            stream = None
        if kind == DATA:
            return self._payload(stream, flags, length, data, offset, events)
        if stream is not None:
            if length:
                self._grant(stream, length, events)
            if flags & FIN:
                self._finished(stream, events)
        return offset

    def _session_frame(self, kind: int, word: int, value: int, events: list[Event]) -> None:
        """Deal with a frame that belongs to no stream. Its stream id is of no use to anybody."""
        if kind == PING:
            if word & SYN:
                self._answer(SEND_PONG, 0, value, events)
                events.append((PINGED, None, value))
            else:
                self._note_answer(value)
                events.append((PONGED, None, value))
        elif kind == GO_AWAY:
            self.remote_go_away = value
            events.append((WENT_AWAY, None, value))
        elif kind >> 8 != VERSION:
            self._offend(f"frame of version {kind >> 8}, expected {VERSION}", events)
        else:
            self._offend(f"frame of unknown type {kind}", events)

    def _count_bare(self, events: list[Event]) -> None:
        self._bare += 1
        if self._bare == BARE_FRAMES:
            self._bare = 0
            events.append((BARE, None, BARE_FRAMES))

    def _accept(self, stream_id: int, delta: int | None, events: list[Event]) -> Stream | None:
        """Open a stream for a SYN of theirs; None if it was refused."""
        if stream_id == 0 or not (stream_id ^ self._next_id) & 1:
            self._offend(f"the peer cannot open a stream with the id {stream_id}", events)
        if stream_id > self._highest_id:
            self._note_skipped(stream_id)
            self._highest_id = stream_id
        elif stream_id in self._skipped_ids:
            del self._skipped_ids[stream_id]
        else:
            self._offend(f"the peer opened stream {stream_id} a second time", events)

        if self.local_go_away is not None or self._inbound >= self._config.max_streams:
            self._answer(SEND_RST, stream_id, 0, events)
            return None
        stream = Stream(
            stream_id,
            is_ours=False,
            send_window=self._first_send_window,
            receive_window=self._window,
            low_water=self._low_water,
        )
        self.streams[stream_id] = stream
        self._inbound += 1
        self._answer(SEND_ACK, stream_id, 0, events)
        if self._window > INITIAL_WINDOW:
            self._answer(SEND_WINDOW, stream_id, self._window - INITIAL_WINDOW, events)
        events.append((OPENED, stream, delta))
        return stream

    def _note_skipped(self, stream_id: int) -> None:
        """Remember the newest of the ids that a SYN jumped over, no more than a backlog of them."""
        most = self._config.accept_backlog
        first = self._highest_id + 2 if self._highest_id else stream_id & 1 or 2
        skipped = self._skipped_ids
        for missing in range(max(first, stream_id - 2 * most), stream_id, 2):
            skipped[missing] = None
        while len(skipped) > most:
            del skipped[next(iter(skipped))]

    def _check_ended(self, stream_id: int, events: list[Event]) -> None:
        """Let pass what was on its way when its stream ended; an id that never was is an offence.

        Ids that a SYN jumped over pass too: the SYN may still come, and a frame before it can do
        no harm, as it is skipped.
        """
        if (stream_id ^ self._next_id) & 1:
            known = stream_id <= self._highest_id
        else:
            known = stream_id < self._next_id
        if not known or stream_id == 0:
            self._offend(f"frame for stream {stream_id}, which was never opened", events)

    def _payload(
        self,
        stream: Stream | None,
        flags: int,
        length: int,
        data: bytes,
        offset: int,
        events: list[Event],
    ) -> int:
        """Take, skip or refuse a data frame's payload; returns the offset behind what is there."""
        if stream is not None and stream.remote_closed:
            bound = 0
        elif stream is None or self.lenient:
            bound = self._config.max_frame_payload_received
        else:
            bound = max(stream.receive_window, 0)  # below zero if it was lenient before
        if stream is None or not length:
            self._count_bare(events)
        if length > bound:
            whose = "an ended stream" if stream is None else repr(stream)
            self._offend(f"data frame of {length} bytes for {whose}, at most {bound}", events)
        end = offset + length
        if end <= len(data):
            if stream is not None:
                self._deliver(stream, flags, data[offset:end], events)
            return end
        self._cut = _CutFrame(stream, flags, data[offset:], end - len(data))
        self._interrupted = True
        return len(data)

    def _deliver(self, stream: Stream, flags: int, payload: bytes, events: list[Event]) -> None:
        if payload:
            stream.receive_window -= len(payload)
            events.append((DATA_RECEIVED, stream, payload))
        if flags & FIN:
            self._finished(stream, events)
        elif stream.receive_window < stream.low_water:
            self._replenish(stream, events)

    def _replenish(self, stream: Stream, events: list[Event]) -> None:
        if not stream.auto_credit or stream.remote_closed:
            return
        if delta := self._refill(stream, stream.window - stream.receive_window):
            self._answer(SEND_WINDOW, stream.id, delta, events)

    def _grant(self, stream: Stream, delta: int, events: list[Event]) -> None:
        """Add to the send window; what was parked leaves as far as it now can."""
        if stream.fin_sent or self.unlimited_send:
            return
        if stream.send_window + delta > MAX_WINDOW:
            self._offend(
                f"credit of {delta} bytes for stream {stream.id}, whose window is "
                f"{stream.send_window} already",
                events,
            )
        stream.send_window += delta
        if stream.send_window > INITIAL_WINDOW and not self.lenient:
            stream.spent = True
        if stream.parked:
            self._send_parked(stream)
            if not stream.parked:
                events.append((WRITABLE, stream, None))

    def _finished(self, stream: Stream, events: list[Event]) -> None:
        """Their half has ended. A second FIN says nothing new, and does no harm."""
        if stream.remote_closed:
            return
        stream.remote_closed = stream.spent = True
        stream.receive_window = CLOSED
        events.append((FINISHED, stream, None))
        if stream.fin_sent:
            self._forget(stream)

    def _answer(self, word: int, stream_id: int, value: int, events: list[Event]) -> None:
        """Queue a frame that the peer has caused."""
        if self._answers >= self._config.max_answers_queued:
            self._offend(f"{self._answers} answers wait for a peer that does not read", events)
        self._answers += 1
        self.outgoing.append(_pack(word, stream_id, value))

    def _offend(self, message: str, events: list[Event]) -> NoReturn:
        """End the session over an offence of the peer."""
        self.go_away(PROTOCOL_ERROR)
        self._offence = YamuxError(message)
        self._interrupted = True
        raise YamuxError(message, events=events)

    def tick(self, now: float) -> list[Event]:
        """Keep alive, as a function of the time: call it every second or so while connected.

        Any byte that arrived counts as a sign of life, as of the tick that finds it. So a ping
        leaves late by up to one interval between ticks, and never early.

        Args:
            now: Seconds on any clock that does not run backwards.

        Returns:
            `DEAD` once the ping has gone unanswered, at every tick from then on; else nothing.
        """
        if self._heard or self._quiet_since is None:
            self._heard = False
            self._quiet_since = now
            self._pinged_at = None
        elif self._pinged_at is not None:
            if now - self._pinged_at >= self._config.keepalive_timeout:
                return [(DEAD, None, None)]
        elif self._config.keepalive and now - self._quiet_since >= self._config.keepalive:
            self._pinged_at = now
            self.ping(KEEPALIVE_OPAQUE)
        return []
