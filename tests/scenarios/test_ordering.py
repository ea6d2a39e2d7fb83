"""What runs when: calls of one task in order, calls of many together."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from connections import connected, on_both_loops


class Recorder:
    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.running = 0
        self.most = 0

    def note(self, what: Any) -> int:
        self.seen.append(what)
        return len(self.seen)

    async def note_later(self, what: Any) -> int:
        self.seen.append(what)
        await asyncio.sleep(0)
        return len(self.seen)

    async def together(self, turns: int) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(turns):
            await asyncio.sleep(0)
        self.running -= 1
        return turns

    async def notes_from(self, other: Any, count: int) -> None:
        for number in range(count):
            await other.note(number)

    def blob(self, data: bytes) -> None:
        self.seen.append(len(data))


@on_both_loops
async def test_calls_that_one_task_makes_without_waiting_arrive_in_order() -> None:
    recorder = Recorder()
    async with connected(recorder) as (client, _):
        calls = [asyncio.ensure_future(client.root.note(n)) for n in range(500)]
        assert await asyncio.gather(*calls) == list(range(1, 501))
        assert recorder.seen == list(range(500))


@on_both_loops
async def test_gather_sends_in_the_order_of_its_arguments() -> None:
    recorder = Recorder()
    async with connected(recorder) as (client, _):
        await asyncio.gather(*(client.root.note(n) for n in range(100)))
        assert recorder.seen == list(range(100))


@on_both_loops
async def test_async_methods_begin_in_the_order_of_their_calls() -> None:
    recorder = Recorder()
    async with connected(recorder) as (client, _):
        await asyncio.gather(*(client.root.note_later(n) for n in range(100)))
        assert recorder.seen == list(range(100))


@on_both_loops
async def test_sync_calls_keep_their_order_among_small_and_middling_bodies() -> None:
    recorder = Recorder()
    sizes = [random.Random(5).choice([1, 100, 3000, 20_000]) for _ in range(60)]
    async with connected(recorder) as (client, _):
        await asyncio.gather(*(client.root.blob(bytes(size)) for size in sizes))
        assert recorder.seen == sizes


@on_both_loops
async def test_one_call_after_another_never_overtakes() -> None:
    recorder = Recorder()
    async with connected(recorder) as (client, _):
        for number in range(50):
            await client.root.blob(bytes(300_000 if number % 10 == 0 else 1))
            await client.root.note_later(number)
        assert recorder.seen[1::2] == list(range(50))


@on_both_loops
async def test_async_calls_run_side_by_side() -> None:
    recorder = Recorder()
    async with connected(recorder) as (client, _):
        await asyncio.gather(*(client.root.together(20) for _ in range(30)))
        assert recorder.most == 30


@on_both_loops
async def test_answers_come_as_they_are_ready_and_to_whoever_asked() -> None:
    done: list[int] = []
    async with connected(Recorder()) as (client, _):

        async def call(turns: int) -> None:
            assert await client.root.together(turns) == turns
            done.append(turns)

        await asyncio.gather(call(60), call(30), call(1))
        assert done == [1, 30, 60]


@on_both_loops
async def test_a_slow_call_does_not_hold_up_quick_ones() -> None:
    async with connected(Recorder()) as (client, _):
        slow = asyncio.ensure_future(client.root.together(2000))
        for number in range(20):
            assert await client.root.note(number) == number + 1
        assert not slow.done()
        slow.cancel()


@on_both_loops
async def test_a_big_answer_does_not_hold_up_small_ones() -> None:
    class Big(Recorder):
        def big(self) -> bytes:
            return bytes(12_000_000)

    async with connected(Big()) as (client, _):
        order: list[str] = []

        async def call(name: str, cursor: Any) -> None:
            await cursor
            order.append(name)

        await asyncio.gather(call("big", client.root.big()), call("small", client.root.note(1)))
        assert order == ["small", "big"]


@on_both_loops
async def test_callbacks_arrive_in_order_and_before_the_answer() -> None:
    mine = Recorder()
    async with connected(Recorder()) as (client, _):
        await client.root.notes_from(mine, 50)
        assert mine.seen == list(range(50))


@on_both_loops
async def test_both_directions_keep_their_own_order() -> None:
    near, far = Recorder(), Recorder()
    async with connected(far, back=near) as (client, server):
        calls = [client.root.note(n) for n in range(100)]
        calls += [server.root.note(n) for n in range(100)]
        await asyncio.gather(*calls)
        assert near.seen == far.seen == list(range(100))
