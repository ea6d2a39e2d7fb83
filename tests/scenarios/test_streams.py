"""Iterables of every kind, in both directions: in chunks, with backpressure, closed when left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import proxyables
from connections import connected, idle, on_both_loops, settled
from raw_peers import dialled
from watching import until


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


class Countdown:
    """An asynchronous iterator of its own make."""

    def __init__(self, start: int) -> None:
        self.left = start

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        await asyncio.sleep(0)
        return self.left


class Sequence:
    """Iterable by `__getitem__` only."""

    def __getitem__(self, index: int) -> int:
        if index >= 3:
            raise IndexError(index)
        return index * 10


class Source:
    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.produced = 0
        self.iterator = iter(range(6))

    def numbers(self, count: int) -> Iterator[int]:
        yield from range(count)

    async def ticks(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                self.produced += 1
                await asyncio.sleep(0)
                yield number
        finally:
            self.closed.set()

    def endless(self, size: int = 0) -> Iterator[Any]:
        try:
            while True:
                self.produced += 1
                yield bytes(size) if size else self.produced
        finally:
            self.closed.set()

    async def silent(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    def broken(self, after: int) -> Iterator[int]:
        yield from range(after)
        raise LookupError("out of numbers")

    async def broken_async(self, after: int) -> AsyncIterator[int]:
        for number in range(after):
            yield number
        raise LookupError("out of numbers")

    def things(self, count: int) -> Iterator[Thing]:
        for number in range(count):
            yield Thing(number)

    def countdown(self, start: int) -> Countdown:
        return Countdown(start)

    def sequence(self) -> Sequence:
        return Sequence()

    def table(self) -> dict[str, int]:
        return {"a": 1, "b": 2}

    def text(self) -> str:
        return "héllo"

    def number(self) -> int:
        return 5

    def unsendable(self) -> Iterator[Any]:
        yield 1
        cycle: list[Any] = []
        cycle.append(cycle)
        yield cycle

    async def unsendable_later(self) -> AsyncIterator[Any]:
        try:
            for item in self.unsendable():
                yield item
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def later(self) -> Any:
        await asyncio.sleep(0)
        return [1, 2, 3]

    async def total(self, numbers: Any) -> int:
        return sum([number async for number in numbers])

    async def first(self, numbers: Any, count: int) -> list[Any]:
        found: list[Any] = []
        async for number in numbers:
            found.append(number)
            if len(found) == count:
                break
        return found

    async def doubled(self, numbers: Any) -> AsyncIterator[int]:
        async for number in numbers:
            yield 2 * number

    async def catch(self, numbers: Any) -> str:
        try:
            async for _ in numbers:
                pass
        except LookupError as error:
            return f"caught {error.args[0]}"
        return "nothing to catch"

    async def take(self, numbers: Any, count: int) -> list[Any]:
        return [await anext_of(numbers) for _ in range(count)]


def anext_of(iterator: Any) -> Any:
    return proxyables.perform(iterator, "next")


@pytest.mark.parametrize("count", [0, 1, 2, 1023, 1024, 1025, 5000])
@on_both_loops
async def test_generators_of_any_length(count: int) -> None:
    async with connected(Source()) as (client, _):
        assert [n async for n in client.root.numbers(count)] == list(range(count))
        assert [n async for n in client.root.ticks(min(count, 100))] == list(range(min(count, 100)))


@on_both_loops
async def test_iterators_and_iterables_of_other_makes() -> None:
    async with connected(Source()) as (client, _):
        root = client.root
        assert [n async for n in root.countdown(4)] == [3, 2, 1, 0]
        assert [n async for n in root.sequence()] == [0, 10, 20]
        assert [key async for key in root.table()] == ["a", "b"]
        assert [pair async for pair in root.table().items()] == [("a", 1), ("b", 2)]
        assert "".join([letter async for letter in root.text()]) == "héllo"
        assert [n async for n in root.later()] == [1, 2, 3]


@on_both_loops
async def test_what_cannot_be_iterated_says_so() -> None:
    async with connected(Source()) as (client, _):
        with pytest.raises(TypeError, match="not iterable"):
            async for _ in client.root.number():
                pass


@on_both_loops
async def test_a_stream_is_one_request() -> None:
    async with connected(Source()) as (client, _):
        before = client.statistics()["calls_made"]
        assert len([n async for n in client.root.numbers(10_000)]) == 10_000
        assert client.statistics()["calls_made"] == before + 1


@on_both_loops
async def test_an_iterator_goes_on_where_it_was_left() -> None:
    source = Source()
    async with connected(source) as (client, _):
        iterator = await client.root.iterator
        assert await anext_of(iterator) == 0
        assert await anext_of(iterator) == 1
        assert [n async for n in iterator] == [2, 3, 4, 5]
        assert [n async for n in iterator] == []


@on_both_loops
async def test_the_end_of_an_iterator_asked_by_hand_is_no_stop_iteration_here() -> None:
    async with connected(Source()) as (client, _):
        iterator = await client.root.numbers(0)
        with pytest.raises(proxyables.RemoteError) as caught:
            await anext_of(iterator)
        assert caught.value.type_name == "StopIteration"


@on_both_loops
async def test_items_before_an_exception_arrive_first() -> None:
    async with connected(Source()) as (client, _):
        for stream in (client.root.broken(1500), client.root.broken_async(1500)):
            seen = []
            with pytest.raises(LookupError, match="out of numbers"):
                async for number in stream:
                    seen.append(number)
            assert seen == list(range(1500))


@on_both_loops
async def test_an_iteration_that_failed_is_over() -> None:
    async with connected(Source()) as (client, _):
        iterator = aiter(client.root.broken(0))
        with pytest.raises(LookupError):
            await anext(iterator)
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


@on_both_loops
async def test_an_item_that_cannot_cross_is_an_error_after_those_before_it() -> None:
    async with connected(Source()) as (client, _):
        seen = []
        with pytest.raises(proxyables.RemoteError, match="contains itself"):
            async for item in client.root.unsendable():
                seen.append(item)
        assert seen == [1]
        assert await client.root.number() == 5


@on_both_loops
async def test_an_item_of_an_async_generator_that_cannot_cross_is_an_error_as_well() -> None:
    source = Source()
    async with connected(source) as pair:
        seen = []
        with pytest.raises(proxyables.RemoteError, match="contains itself"):
            async for item in pair.client.root.unsendable_later():
                seen.append(item)
        assert seen == [1]
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_leaving_a_loop_closes_a_sync_generator() -> None:
    source = Source()
    async with connected(source) as pair:
        async for number in pair.client.root.endless():
            if number == 3:
                break
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_leaving_a_loop_closes_an_async_generator() -> None:
    source = Source()
    async with connected(source) as pair:
        async for _ in pair.client.root.ticks(10**9):
            break
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_leaving_a_loop_closes_a_producer_that_is_waiting() -> None:
    source = Source()
    async with connected(source) as pair:
        async for _ in pair.client.root.silent():
            break
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_an_exception_in_the_loops_body_closes_the_producer() -> None:
    source = Source()
    async with connected(source) as pair:
        with pytest.raises(ZeroDivisionError):
            async for number in pair.client.root.endless():
                number / 0
        gc.collect()  # the traceback held the loop
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_aclose_closes_the_producer_at_once_and_ends_the_iteration() -> None:
    source = Source()
    async with connected(source) as pair:
        iterator: Any = aiter(pair.client.root.endless())
        await anext(iterator)
        await iterator.aclose()
        await iterator.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_cancelling_whoever_waits_for_an_item_closes_the_producer() -> None:
    source = Source()
    async with connected(source) as pair:

        async def consume() -> None:
            async for _ in pair.client.root.silent():
                pass

        task = asyncio.create_task(consume())
        while not source.produced and pair.server.statistics()["calls_running"] == 0:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_an_iteration_that_is_given_up_before_its_first_item_stops_as_well() -> None:
    source = Source()
    async with connected(source) as pair:
        for _ in range(20):
            iterator: Any = aiter(pair.client.root.endless())
            waiting = asyncio.ensure_future(anext(iterator))
            await asyncio.sleep(0)
            waiting.cancel()
            await iterator.aclose()
            with pytest.raises((asyncio.CancelledError, StopAsyncIteration)):
                await waiting
        async with asyncio.timeout(5):
            await idle(*pair)


@on_both_loops
async def test_an_iteration_that_is_given_up_before_both_have_met_asks_for_nothing() -> None:
    async with (
        proxyables.serve(Source(), "tcp://127.0.0.1:0") as server,
        dialled(server.addresses[0]) as raw,
    ):
        await until(lambda: server.peers)
        iterator: Any = aiter(server.peers[0].root.endless())
        waiting = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        await iterator.aclose()
        await raw.greet(root="shop")
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert not [stream for stream in raw.received if stream % 2 == 0]


@on_both_loops
async def test_an_iterator_that_was_never_asked_sends_nothing() -> None:
    source = Source()
    async with connected(source) as (client, _):
        before = client.statistics()["calls_made"]
        iterator: Any = aiter(client.root.endless())
        await iterator.aclose()
        del iterator
        await client.root.number()
        assert client.statistics()["calls_made"] == before + 1
        assert source.produced == 0


@on_both_loops
async def test_an_endless_generator_is_held_back_by_a_slow_consumer() -> None:
    source = Source()
    async with connected(source) as pair:
        iterator: Any = aiter(pair.client.root.endless(10_000))
        await anext(iterator)
        produced = -1
        while produced != source.produced:  # until it stands still
            produced = source.produced
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert produced * 10_000 < 4 * 1024 * 1024
        assert await pair.client.root.number() == 5  # the connection is free meanwhile
        for _ in range(produced + 100):
            await anext(iterator)
        assert source.produced > produced
        await iterator.aclose()
        await idle(*pair)


@on_both_loops
async def test_big_items_travel_in_chunks_that_fit() -> None:
    source = Source()
    async with connected(source) as pair:
        sizes = []
        async for blob in pair.client.root.endless(1_000_000):
            sizes.append(len(blob))
            if len(sizes) == 40:
                break
        assert sizes == [1_000_000] * 40
        await source.closed.wait()
        await idle(*pair)


@on_both_loops
async def test_other_calls_and_streams_go_on_between_the_items() -> None:
    async with connected(Source()) as (client, _):

        async def consume(count: int) -> int:
            total = 0
            async for number in client.root.ticks(count):
                total += number + await client.root.number() - 5
            return total

        totals = await asyncio.gather(*(consume(50) for _ in range(10)))
        assert totals == [sum(range(50))] * 10


@on_both_loops
async def test_references_inside_of_items_are_objects_and_are_given_back() -> None:
    async with connected(Source()) as (client, server):
        kept = [thing async for thing in client.root.things(200)]
        assert await kept[150].number == 150
        assert server.snapshot()["entries"] == 200
        del kept
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_references_in_items_that_nobody_took_are_given_back() -> None:
    async with connected(Source()) as pair:
        async for thing in pair.client.root.things(5000):
            assert await thing.number == 0
            break
        del thing
        await idle(*pair)
        assert (await settled(pair.server))["entries"] == 0


@on_both_loops
async def test_two_tasks_on_one_iteration_are_told() -> None:
    async with connected(Source()) as pair:
        iterator: Any = aiter(pair.client.root.silent())
        assert await anext(iterator) == 1
        waiting = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(iterator)
        waiting.cancel()
        await iterator.aclose()
        await idle(*pair)


@on_both_loops
async def test_our_generator_is_iterated_over_there() -> None:
    async with connected(Source()) as (client, server):
        assert await client.root.total(n for n in range(3000)) == sum(range(3000))
        assert await client.root.total(iter([1, 2])) == 3
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_our_async_generator_is_iterated_over_there() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            await asyncio.sleep(0)
            yield number

    async with connected(Source()) as (client, _):
        assert await client.root.total(numbers()) == sum(range(100))


@on_both_loops
async def test_our_list_by_reference_is_iterated_over_there() -> None:
    async with connected(Source()) as (client, _):
        assert await client.root.total(proxyables.ref([1, 2, 3])) == 6


@on_both_loops
async def test_our_generator_goes_on_where_the_other_side_left_it() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(100_000):
            yield number

    async with connected(Source()) as pair:
        ours = numbers()
        assert await pair.client.root.first(ours, 1) == [0]
        await idle(*pair)
        # It is ours: the other side does not close it, though it was sent some items ahead.
        assert [n async for n in ours][-1] == 99_999


@on_both_loops
async def test_the_other_side_asks_our_iterator_by_hand() -> None:
    async with connected(Source()) as (client, _):
        assert await client.root.take(iter("abc"), 3) == ["a", "b", "c"]


@on_both_loops
async def test_an_exception_in_our_generator_is_caught_over_there() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    async with connected(Source()) as (client, _):
        assert await client.root.catch(numbers()) == "caught mine"


@on_both_loops
async def test_a_stream_of_ours_comes_back_as_a_stream_of_theirs() -> None:
    async with connected(Source()) as (client, _):
        doubled = client.root.doubled(n for n in range(2000))
        assert [n async for n in doubled] == [2 * n for n in range(2000)]


@on_both_loops
async def test_leaving_a_stream_that_feeds_on_ours_ends_both() -> None:
    async with connected(Source()) as pair:
        async for number in pair.client.root.doubled(iter(range(10**9))):
            if number == 20:
                break
        await idle(*pair)


@on_both_loops
async def test_a_generator_kept_as_a_reference_is_closed_by_its_close_method() -> None:
    source = Source()
    async with connected(source) as (client, _):
        generator = await client.root.endless()
        assert await anext_of(generator) == 1
        await generator.close()
        assert source.closed.is_set()


@on_both_loops
async def test_a_generator_may_be_sent_values() -> None:
    class Averages:
        def average(self) -> Any:
            total, count = 0.0, 0
            value = yield None
            while True:
                total, count = total + value, count + 1
                value = yield total / count

    async with connected(Averages()) as (client, _):
        generator = await client.root.average()
        await anext_of(generator)
        assert await generator.send(10) == 10
        assert await generator.send(20) == 15


@on_both_loops
async def test_the_end_of_the_connection_ends_an_iteration_after_what_has_arrived() -> None:
    async with connected(Source()) as (client, server):
        iterator: Any = aiter(client.root.silent())
        assert await anext(iterator) == 1
        server.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await anext(iterator)


@on_both_loops
async def test_a_stream_whose_reader_was_cancelled_is_over_when_the_connection_closes() -> None:
    class Endless:
        async def numbers(self) -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    async with proxyables.serve(Endless(), "tcp://127.0.0.1:0") as server:
        begun = loop.time()
        with pytest.raises(TimeoutError):
            async with proxyables.connect(server.addresses[0]) as peer, asyncio.timeout(0.1):
                async for _ in peer.root.numbers():
                    pass
        assert loop.time() - begun < 2


@on_both_loops
@pytest.mark.parametrize("threads", [0, 1])
async def test_a_slow_generator_does_not_hold_back_what_it_has_made(threads: int) -> None:
    class Slow:
        made = 0

        def numbers(self) -> Iterator[int]:
            for number in range(40):
                self.made += 1
                yield number
                time.sleep(0.02)  # on the loop, if there are no threads

    slow = Slow()
    async with (
        proxyables.serve(slow, "tcp://127.0.0.1:0", threads=threads) as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        seen = []
        async for number in peer.root.numbers():
            seen.append((number, slow.made))
        assert [number for number, _ in seen] == list(range(40))
        assert max(made - number for number, made in seen) < 10


@on_both_loops
async def test_a_generator_that_swallows_its_cancellation_ends_at_its_next_item() -> None:
    class Stubborn:
        made = 0
        ended = False

        async def numbers(self) -> AsyncIterator[int]:
            try:
                while True:
                    self.made += 1
                    yield self.made
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(0.01)
            finally:
                self.ended = True

    stubborn = Stubborn()
    loop = asyncio.get_running_loop()
    async with proxyables.serve(stubborn, "tcp://127.0.0.1:0") as server:
        async with proxyables.connect(server.addresses[0]) as peer:
            async for number in peer.root.numbers():
                if number == 3:
                    break
            await until(lambda: stubborn.ended)
            begun = loop.time()
        assert loop.time() - begun < 2
