"""What a warm ``await proxy.add(1, 2)`` may cost, counted on both ends, so that it cannot drift.

Counts do not depend on how busy the machine is; `benchmarks` measures what they come to.
"""

from __future__ import annotations

import asyncio
import gc
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import proxyables
from connections import Pair, connected, on_both_loops
from proxyables.peer.peer import Peer

PACKAGE = str(Path(proxyables.__file__).parent)
MOST_PYTHON_CALLS = 40
MOST_NEW_BLOCKS = 500
"""Of memory, in 10,000 calls: the loops and the interpreter keep a few for later."""
HEADER = struct.Struct("!BBHII")
DATA = 0


class API:
    def add(self, a: int, b: int) -> int:
        return a + b

    async def add_later(self, a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    def make(self) -> API:
        return API()

    async def apply(self, function: Any, value: int) -> int:
        result: int = await function(value)
        return result


class Tap:
    """Stands between a peer and its transport, and keeps what is written, and in which turn."""

    def __init__(self, peer: Peer, turns: Callable[[], int]) -> None:
        self._transport: Any = peer.writer.transport
        self._turns = turns
        self.writes: list[bytes] = []
        self.turns: list[int] = []
        peer.writer.transport = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.turns.append(self._turns())
        self._transport.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def frames(self) -> list[tuple[int, int]]:
        """Returns type and stream id of every frame that was written."""
        found, sent, place = [], b"".join(self.writes), 0
        while place < len(sent):
            _version, kind, _flags, stream, length = HEADER.unpack_from(sent, place)
            found.append((kind, stream))
            place += HEADER.size + (length if kind == DATA else 0)
        return found


@contextmanager
def tapped(pair: Pair) -> Iterator[tuple[Tap, Tap]]:
    """Watches what both ends write, while the turns of the loop are counted."""
    loop = asyncio.get_running_loop()
    turn = 0
    ticking = True

    def tick() -> None:
        nonlocal turn
        turn += 1
        if ticking:
            loop.call_soon(tick)

    tick()
    taps = [Tap(peer, lambda: turn) for peer in pair]
    yield taps[0], taps[1]
    ticking = False
    for tap, peer in zip(taps, pair, strict=True):
        peer.writer.transport = tap._transport


async def warm(pair: Pair) -> None:
    """Makes the calls after which nothing about a call is new."""
    for _ in range(20):
        assert await pair.client.root.add(1, 2) == 3


@on_both_loops
async def test_one_frame_and_one_write_each_way() -> None:
    async with connected(API()) as pair:
        await warm(pair)
        with tapped(pair) as taps:
            for _ in range(50):
                await pair.client.root.add(1, 2)
        for tap in taps:
            assert len(tap.writes) == 50
            assert len(tap.frames()) == 50
            assert {kind for kind, _ in tap.frames()} == {DATA}
            assert len({stream for _, stream in tap.frames()}) == 1


@on_both_loops
async def test_calls_at_once_share_their_writes() -> None:
    async with connected(API()) as pair:

        async def call() -> None:
            for _ in range(5):
                await pair.client.root.add(1, 2)

        await asyncio.gather(*(call() for _ in range(32)))  # opens the streams
        with tapped(pair) as taps:
            await asyncio.gather(*(call() for _ in range(32)))
        for tap in taps:
            assert tap.turns == sorted(set(tap.turns)), "two writes in one turn of the loop"
            assert len(tap.writes) <= 10  # 5 rounds, and the reads may cut one in two
            assert [kind for kind, _ in tap.frames()] == [DATA] * 160


@pytest.mark.parametrize("threads", [0, 1])
@on_both_loops
async def test_a_callback_is_given_back_in_the_write_of_the_answer(threads: int) -> None:
    async with connected(API(), client={"threads": threads}) as pair:
        for _ in range(20):
            assert await pair.client.root.apply(lambda value: value + 1, 1) == 2
        with tapped(pair) as taps:
            for _ in range(50):
                await pair.client.root.apply(lambda value: value + 1, 1)
        assert [len(tap.writes) for tap in taps] == [100, 100]
        assert pair.client.snapshot()["entries"] == 0


@contextmanager
def made(patch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Counts the tasks and futures that the running loop makes, whoever asks for them."""
    loop = asyncio.get_running_loop()
    counts = {"tasks": 0, "futures": 0}
    create_future = loop.create_future

    class Task(asyncio.Task[Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            counts["tasks"] += 1
            super().__init__(*args, **kwargs)

    def counted_future() -> asyncio.Future[Any]:
        counts["futures"] += 1
        return create_future()

    with patch.context() as patched:
        patched.setattr(asyncio, "Task", Task)
        patched.setattr(loop, "create_future", counted_future)
        loop.set_task_factory(lambda loop, coro, **kwargs: Task(coro, loop=loop, **kwargs))
        yield counts
    loop.set_task_factory(None)


@on_both_loops
async def test_no_task_and_one_future(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(API()) as pair:
        await warm(pair)
        with made(monkeypatch) as counts:
            for _ in range(10):
                await pair.client.root.add(1, 2)
        assert counts == {"tasks": 0, "futures": 10}


@on_both_loops
async def test_an_asynchronous_method_is_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(API()) as pair:
        await pair.client.root.add_later(1, 2)
        with made(monkeypatch) as counts:
            for _ in range(10):
                await pair.client.root.add_later(1, 2)
        assert counts == {"tasks": 10, "futures": 10}


@contextmanager
def python_calls() -> Iterator[list[str]]:
    """Notes each call, or resumption, of a Python function of the package."""
    found: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            found.append(f"{Path(code.co_filename).name}: {code.co_name}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)


@on_both_loops
async def test_few_calls_of_python_functions() -> None:
    async with connected(API()) as pair:
        await warm(pair)
        with python_calls() as found:
            for _ in range(10):
                await pair.client.root.add(1, 2)
        each = len(found) // 10
        told = "\n".join(found[:each])
        assert len(found) == 10 * each, "not every call costs the same"
        assert 10 < each <= MOST_PYTHON_CALLS, f"{each} calls into proxyables:\n{told}"


@on_both_loops
async def test_nothing_grows() -> None:
    async with connected(API()) as pair:
        for _ in range(20):
            await warm(pair)
        before = [peer.statistics() for peer in pair]
        gc.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(10_000):
            await pair.client.root.add(1, 2)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < MOST_NEW_BLOCKS
        for peer, counts in zip(pair, before, strict=True):
            now = peer.statistics()
            assert now["calls_made"] + now["calls_served"] >= 10_000
            for table in ("streams", "exports", "imports", "calls_waiting", "calls_running"):
                assert now[table] == counts[table], table


@on_both_loops
async def test_what_grows_is_seen() -> None:
    """The control of the test above: far fewer references, kept, do show."""
    async with connected(API()) as pair:
        await warm(pair)
        gc.collect()
        blocks = sys.getallocatedblocks()
        kept = [await pair.client.root.make() for _ in range(200)]
        assert sys.getallocatedblocks() - blocks > MOST_NEW_BLOCKS
        assert pair.server.statistics()["exports"] == len(kept)
        kept.clear()
