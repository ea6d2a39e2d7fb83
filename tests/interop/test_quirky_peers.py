"""The habits of each classic implementation, played byte for byte over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest

import proxyables
from connections import on_both_loops
from interop.recordings import ACK, DATA, FIN, HEADER, PING, RST, SYN, WINDOW_UPDATE, Frame
from proxyables.peer import accommodations
from proxyables.peer.peer import Peer
from proxyables.peer.portions import PORTION_BYTES, PORTION_OPAQUE
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value
from proxyables.yamux import ACKED, DATA_RECEIVED, INITIAL_WINDOW, OPENED, PINGED, PONGED
from raw_peers import RawPeer, classic_call, dialled, instruction, listening, whole

LARGE = 1_000_000
READ = 64 * 1024


class Original:
    """An implementation as far as frames go: what it answers, and what it cannot bear.

    Args:
        raw: The connection.
        habit: ``py``, ``rust``, ``ts`` or ``go``.

    Attributes:
        requests: What was asked of it, whole, with the stream of each.
        answers: What came on its own streams.
        frames: All that came, in order.
        complaints: Why it would have failed.
    """

    def __init__(self, raw: RawPeer, habit: str, *, client: bool) -> None:
        self.raw = raw
        self.habit = habit
        self.client = client
        self.answering = True
        self.requests: list[tuple[int, Any]] = []
        self.answers: list[Any] = []
        self.frames: list[Frame] = []
        self.complaints: list[str] = []
        self.windows: dict[int, int] = defaultdict(lambda: INITIAL_WINDOW)
        self.in_flight: set[int] = set()
        self._data: dict[int, bytes] = defaultdict(bytes)
        self._acked: set[int] = set()
        self._unread = b""

    async def frame(
        self, kind: int, flags: int, stream: int, value: int, data: bytes = b""
    ) -> None:
        if self.habit == "go" and len(data) > 1:  # its encoder writes to the stream unbuffered
            await self.frame(kind, flags, stream, 1, data[:1])
            await self.frame(kind, 0, stream, len(data) - 1, data[1:])
            return
        await self.raw.frame(kind, flags, stream, value, data)

    async def open(self, stream: int) -> None:
        if self.habit == "py":
            await self.frame(DATA, SYN, stream, 0)
        else:
            delta = INITIAL_WINDOW if self.habit == "rust" else 0
            await self.frame(WINDOW_UPDATE, SYN, stream, delta)

    async def say(self, stream: int, message: Any) -> None:
        data = msgpack.packb(message)
        await self.frame(DATA, 0, stream, len(data), data)

    async def answer(self, stream: int, value: Any) -> None:
        self.in_flight.discard(stream)
        await self.say(stream, instruction(Kind.RETURN, value))

    async def ask(self, stream: int, *steps: tuple[int, Any]) -> None:
        await self.open(stream)
        await self.say(stream, classic_call(*steps))

    async def receive(self) -> None:
        """Takes what one read brings."""
        data = await self.raw.reader.read(READ)
        self.raw.is_over = not data
        data, self._unread = self._unread + data, b""
        place = 0
        while len(data) - place >= HEADER.size:
            _, kind, flags, stream, value = HEADER.unpack_from(data, place)
            end = place + HEADER.size + (value if kind == DATA else 0)
            if end > len(data):
                break
            await self._take(Frame(kind, flags, stream, value, data[place + HEADER.size : end]))
            place = end
        if place < len(data) and self.habit == "ts":
            self.complaints.append("a frame was cut by the end of a read: it is lost")
        self._unread = data[place:]

    async def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.type == PING and frame.flags & SYN:
            value = 0 if self.habit == "py" else frame.length
            await self.frame(PING, ACK, 0, value)
        elif frame.flags & RST and frame.stream in self.in_flight:
            self.complaints.append(f"stream {frame.stream} was reset with a call in flight")
        elif frame.type == WINDOW_UPDATE and frame.flags & SYN:
            if self.habit == "go":
                await self._acknowledge(frame.stream, 0)
        elif frame.type == DATA and frame.payload:
            await self._take_data(frame)

    async def _acknowledge(self, stream: int, delta: int) -> None:
        self._acked.add(stream)
        await self.frame(WINDOW_UPDATE, ACK, stream, delta)

    async def _take_data(self, frame: Frame) -> None:
        stream, size = frame.stream, len(frame.payload)
        self.windows[stream] -= size
        if self.habit in ("go", "ts") and self.windows[stream] < 0:
            self.complaints.append(f"the window of stream {stream} was overrun")
        is_new = stream not in self._acked and bool(stream & 1) != self.client
        if self.habit == "ts":
            self.windows[stream] += size
            self._acked.add(stream)
            await self.frame(WINDOW_UPDATE, ACK if is_new else 0, stream, size)
        elif self.habit == "rust" and is_new:
            await self._acknowledge(stream, INITIAL_WINDOW)
        elif self.habit == "go" and self.windows[stream] <= INITIAL_WINDOW // 2:
            delta = INITIAL_WINDOW - self.windows[stream]
            self.windows[stream] = INITIAL_WINDOW
            await self.frame(WINDOW_UPDATE, 0, stream, delta)
        self._data[stream] += frame.payload
        if whole(self._data[stream]) is None:
            return
        message = msgpack.unpackb(self._data.pop(stream), strict_map_key=False)
        if bool(stream & 1) == self.client:
            self.answers.append(message)
            return
        self.requests.append((stream, message))
        self.in_flight.add(stream)
        if self.answering:
            await self.answer(stream, instruction(Value.NUMBER, _size(message)))

    async def live(self) -> None:
        """Does what it does until the connection ends."""
        with contextlib.suppress(ConnectionError):
            while not self.raw.is_over:
                await self.receive()

    async def until(self, count: int) -> None:
        """Waits until so many answers came."""
        while len(self.answers) < count:
            assert not self.raw.is_over, "the connection was closed"
            await self.receive()


def _size(message: Any) -> int:
    """Returns how long the text is that a request passes, 0 if it passes none."""
    last = message["data"][-1]
    return len(last["data"][0]) if last["kind"] == Kind.APPLY else 0


class Played:
    """A server of ours that plays one implementation, and the peer that dialled it."""

    original: Original
    peer: Peer


@contextlib.asynccontextmanager
async def calling(habit: str, *, answering: bool = True) -> AsyncIterator[Played]:
    played = Played()

    async def serve(raw: RawPeer) -> None:
        played.original = Original(raw, habit, client=False)
        played.original.answering = answering
        await played.original.live()

    async with listening(serve) as address:
        played.peer = await proxyables.connect(address, limits=proxyables.Limits(grace=0.1))
        try:
            yield played
        finally:
            played.peer.close()
            await played.peer.wait_closed()
    assert not played.original.complaints


class API:
    def __init__(self) -> None:
        self.asked: asyncio.Queue[Any] = asyncio.Queue()

    def text(self, size: int) -> str:
        return "y" * size

    def call(self, function: Any) -> None:
        self.asked.put_nowait(function)


@contextlib.asynccontextmanager
async def serving(habit: str) -> AsyncIterator[tuple[API, Original]]:
    api = API()
    async with (
        await proxyables.serve(api, "tcp://127.0.0.1:0") as server,
        dialled(server.addresses[0]) as raw,
    ):
        original = Original(raw, habit, client=True)
        yield api, original
        assert not original.complaints


HABITS = ["py", "rust", "ts", "go"]


@pytest.mark.parametrize("habit", HABITS)
@on_both_loops
async def test_a_large_argument_arrives_at_every_server(habit: str) -> None:
    async with calling(habit) as played:
        assert await played.peer.root.size("x" * LARGE) == LARGE
        assert await played.peer.root.size("x" * LARGE) == LARGE
        assert await played.peer.root.size("x") == 1


@pytest.mark.parametrize("habit", HABITS)
@on_both_loops
async def test_a_large_answer_arrives_at_every_client(habit: str) -> None:
    async with serving(habit) as (_, original):
        for number in (1, 3):
            await original.ask(number, (Kind.GET, ["text"]), (Kind.APPLY, [LARGE]))
        await original.until(2)
        assert [len(answer["data"]["data"]) for answer in original.answers] == [LARGE, LARGE]


@on_both_loops
async def test_many_large_calls_at_once_arrive_at_typescript() -> None:
    async with calling("ts") as played:
        calls = [played.peer.root.size("x" * size) for size in range(1, 300_000, 20_000)]
        sizes = await asyncio.gather(*(proxyables.run(call) for call in calls))
        assert sizes == list(range(1, 300_000, 20_000))


@on_both_loops
async def test_typescript_reads_each_portion_before_the_next_leaves() -> None:
    async with calling("ts") as played:
        await played.peer.root.size("x" * LARGE)
        portions = [0]
        for frame in played.original.frames:
            portions[-1] += HEADER.size + len(frame.payload)
            if frame.type == PING and frame.length == PORTION_OPAQUE:
                portions.append(0)
        assert len(portions) > LARGE // PORTION_BYTES
        assert max(portions) <= PORTION_BYTES


@pytest.mark.parametrize("habit", ["py", "rust", "go"])
@on_both_loops
async def test_the_others_are_not_held_up_by_portions(habit: str) -> None:
    async with calling(habit) as played:
        await played.peer.root.size("x")  # by then it has shown itself
        await played.peer.root.size("x" * LARGE)
        asked = [frame.length for frame in played.original.frames if frame.type == PING]
        assert PORTION_OPAQUE not in asked


@on_both_loops
async def test_go_clients_are_known_by_their_first_byte() -> None:
    async with serving("go") as (_, original):
        await original.ask(1, (Kind.GET, ["text"]), (Kind.APPLY, [LARGE]))
        await original.until(1)
        asked = [frame.length for frame in original.frames if frame.type == PING]
        assert PORTION_OPAQUE not in asked


@on_both_loops
async def test_a_cancelled_call_is_never_reset_and_its_stream_not_used_meanwhile() -> None:
    async with calling("ts", answering=False) as played:
        call = asyncio.create_task(proxyables.run(played.peer.root.wait("x")))
        while not (hasattr(played, "original") and played.original.requests):
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        played.original.answering = True
        assert await played.peer.root.size("xx") == 2
        (first, _), (second, _) = played.original.requests
        assert first != second
        await played.original.answer(first, instruction(Value.NUMBER, 1))
        await played.peer.ping()
        assert played.peer.statistics()["calls_waiting"] == 0
        assert not [f for f in played.original.frames if f.flags & RST and f.stream == second]


# -- more calls than streams ----------------------------------------------------------------------


async def in_flight(played: Played, count: int) -> None:
    """Waits until so many calls have arrived, and all that was to come has come."""
    while not hasattr(played, "original") or len(played.original.requests) < count:
        await asyncio.sleep(0.001)
    await played.peer.ping()


@on_both_loops
async def test_calls_beyond_the_streams_of_typescript_wait_in_order() -> None:
    async with calling("ts", answering=False) as played:
        root = played.peer.root
        names = [f"n{number:03}" for number in range(450)]
        calls = [asyncio.create_task(proxyables.run(root.f(name))) for name in names]
        await in_flight(played, 200)
        original = played.original
        assert len(original.requests) == 200
        done = 0
        while done < len(names):
            for stream, _ in original.requests[done : done + 7]:
                await original.answer(stream, instruction(Value.NUMBER, done))
                done += 1
            await in_flight(played, min(done + 200, len(names)))
        assert [message["data"][-1]["data"][0] for _, message in original.requests] == names
        assert len({stream for stream, _ in original.requests}) <= 200
        assert await asyncio.gather(*calls) == list(range(450))


@on_both_loops
async def test_a_waiting_call_may_be_cancelled_or_run_out_of_time() -> None:
    async with calling("ts", answering=False) as played:
        root = played.peer.root
        calls = [asyncio.create_task(proxyables.run(root.f(str(n)))) for n in range(203)]
        await in_flight(played, 200)
        with pytest.raises(TimeoutError, match="not sent"), proxyables.deadline(0.01):
            await root.f("late")
        calls[200].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[200]
        played.original.answering = True
        for stream, _ in played.original.requests[:200]:
            await played.original.answer(stream, instruction(Value.NUMBER, 5))
        del calls[200]
        await asyncio.gather(*calls)
        asked = [message["data"][-1]["data"][0] for _, message in played.original.requests]
        assert asked == [str(n) for n in range(203) if n != 200]


@on_both_loops
async def test_waiting_calls_fail_with_the_connection_and_say_that_they_never_ran() -> None:
    async with calling("ts", answering=False) as played:
        root = played.peer.root
        calls = [asyncio.create_task(proxyables.run(root.f(str(n)))) for n in range(203)]
        await in_flight(played, 200)
        played.peer.abort()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, proxyables.ConnectionClosed) for outcome in outcomes)
        assert [outcome.maybe_executed for outcome in outcomes] == [True] * 200 + [False] * 3


@on_both_loops
async def test_the_queue_is_bounded() -> None:
    async with calling("ts", answering=False) as played:
        root = played.peer.root
        played.peer._calls._turns._most = 3
        calls = [asyncio.create_task(proxyables.run(root.f(str(n)))) for n in range(204)]
        with pytest.raises(proxyables.LimitExceeded, match="waiting for a stream"):
            await calls[203]
        played.peer.abort()
        await asyncio.gather(*calls, return_exceptions=True)


@on_both_loops
async def test_threads_wait_their_turn_as_well() -> None:
    async with calling("ts", answering=False) as played:
        root = played.peer.root
        calls = [asyncio.create_task(proxyables.run(root.f(str(n)))) for n in range(200)]
        await in_flight(played, 200)
        blocking = played.peer.desk.root
        thread = asyncio.ensure_future(asyncio.to_thread(lambda: blocking.attribute))
        while not played.peer._calls.queue:
            await asyncio.sleep(0.001)
        played.original.answering = True
        for stream, _ in played.original.requests[:200]:
            await played.original.answer(stream, instruction(Value.NUMBER, 5))
        assert await thread == 0
        await asyncio.gather(*calls)


@on_both_loops
async def test_python_peers_have_no_such_bound() -> None:
    async with calling("py", answering=False) as played:
        root = played.peer.root
        calls = [asyncio.create_task(proxyables.run(root.f(str(n)))) for n in range(300)]
        await in_flight(played, 300)
        for stream, _ in played.original.requests:
            await played.original.answer(stream, instruction(Value.NUMBER, 5))
        assert await asyncio.gather(*calls) == [5] * 300


# -- who never answers ----------------------------------------------------------------------------


@on_both_loops
async def test_a_call_to_a_rust_client_ends_though_it_never_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accommodations, "PATIENCE", 0.05)
    async with serving("rust") as (api, original):
        original.answering = False
        lent = instruction(Value.REFERENCE, "m6caobn1kq00")
        await original.ask(1, (Kind.GET, ["call"]), (Kind.APPLY, [lent]))
        await original.until(1)
        function = await api.asked.get()
        peer = proxyables.peer_of(function)
        living = asyncio.create_task(original.live())
        with pytest.raises(TimeoutError, match="may answer no calls"):
            await function("x")
        assert peer.statistics()["calls_waiting"] == 0
        assert not [frame for frame in original.frames if frame.flags & (RST | FIN)]
        proxyables.release(function)
        living.cancel()


def test_what_is_shown_is_recognised() -> None:
    known = {
        (PONGED, 0): accommodations.PYTHON,
        (PONGED, 5): "",
        (OPENED, None): accommodations.PYTHON,
        (OPENED, 0): "",
        (OPENED, INITIAL_WINDOW): accommodations.RUST,
        (ACKED, INITIAL_WINDOW): accommodations.RUST,
        (ACKED, 0): accommodations.GO,
        (ACKED, 182): accommodations.TYPESCRIPT,
        (ACKED, None): "",
        (DATA_RECEIVED, b"\x83"): accommodations.GO,
        (DATA_RECEIVED, b"\x83\xa2"): "",
        (PINGED, 0): "",
    }
    assert {event: accommodations.recognise(*event) for event in known} == known
