"""`proxyables.deadline`: the time that is left travels with each call, and on with the next."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import proxyables
import proxyables.sync
from connections import Pair, connected, idle, on_both_loops
from proxyables.peer.deadlines import until


class API:
    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.ran = 0
        self.seen: list[float | None] = []

    def left(self) -> float | None:
        """Returns how much time this call has."""
        end = until.get()
        self.seen.append(end)
        return None if end is None else end - time.monotonic()

    async def left_later(self) -> float | None:
        await asyncio.sleep(0)
        return self.left()

    def quick(self, value: Any) -> Any:
        self.ran += 1
        return value

    async def forever(self) -> None:
        self.ran += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def ask(self, other: Any) -> Any:
        return await other.left()

    async def wait_for(self, other: Any) -> Any:
        return await other.forever()

    async def own_timeout(self) -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    def endless(self) -> Any:
        try:
            while True:
                yield 1
        finally:
            self.cancelled.set()

    async def silent(self) -> Any:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


@on_both_loops
async def test_without_a_deadline_nothing_travels() -> None:
    async with connected(API()) as (client, _):
        assert await client.root.left() is None
        assert await client.root.left_later() is None


@on_both_loops
async def test_the_time_that_is_left_arrives() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(30):
            assert 20 < await client.root.left() <= 30.001
            assert 20 < await client.root.left_later() <= 30.001
        assert await client.root.left() is None


@on_both_loops
async def test_a_call_in_time_is_answered() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(30):
            assert await client.root.quick(1) == 1
            assert await asyncio.gather(*(client.root.quick(n) for n in range(9))) == [*range(9)]


@on_both_loops
async def test_a_call_that_takes_too_long_is_a_timeout_here_and_cancelled_there() -> None:
    api = API()
    async with connected(api) as pair:
        with pytest.raises(TimeoutError, match="deadline"), proxyables.deadline(0.03):
            await pair.client.root.forever()
        await api.cancelled.wait()
        await idle(*pair)
        assert await pair.client.root.quick(1) == 1


@on_both_loops
async def test_the_other_side_keeps_the_deadline_by_itself() -> None:
    api = API()
    async with connected(api) as pair:
        message = pair.client._calls.dialect.encode_request(
            None, [[1, "forever"], [2, []]], {"deadline_ms": 30, "unknown": "ignored"}
        )
        stream = pair.client._session.open_stream()
        stream.owner = answer = asyncio.get_running_loop().create_future()
        pair.client._calls.made += 1
        pair.client._session.send(stream, message)
        pair.client.writer.flush_soon()
        with pytest.raises(TimeoutError, match="the caller's deadline"):
            await answer
        await idle(*pair)


@on_both_loops
async def test_calls_that_it_makes_in_turn_inherit_what_is_left() -> None:
    mine = API()
    async with connected(API()) as pair:
        with proxyables.deadline(30):
            left = await pair.client.root.ask(mine)
        assert 20 < left <= 30.001
        assert await pair.client.root.ask(mine) is None


@on_both_loops
async def test_nested_calls_are_cancelled_wherever_they_are() -> None:
    mine = API()
    async with connected(API()) as pair:
        with pytest.raises(TimeoutError), proxyables.deadline(0.03):
            await pair.client.root.wait_for(mine)
        await mine.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_it_travels_over_two_links() -> None:
    far = API()
    async with connected(far) as (to_far, _), connected(to_far.root) as (client, _):
        with proxyables.deadline(30):
            assert 20 < await client.root.left() <= 30.001
        with pytest.raises(TimeoutError), proxyables.deadline(0.03):
            await client.root.forever()
        await far.cancelled.wait()


@on_both_loops
async def test_it_is_one_deadline_for_all_calls_inside() -> None:
    async with connected(API()) as pair:
        with proxyables.deadline(0.05):
            await pair.client.root.quick(1)
            with pytest.raises(TimeoutError):
                await pair.client.root.forever()
            while time.monotonic() < (until.get() or 0):
                await asyncio.sleep(0)
            with pytest.raises(TimeoutError, match="not sent"):
                await pair.client.root.quick(2)
        assert await pair.client.root.quick(3) == 3
        await idle(*pair)


@on_both_loops
async def test_a_call_after_the_deadline_is_not_sent() -> None:
    api = API()
    async with connected(api) as (client, _):
        with proxyables.deadline(0), pytest.raises(TimeoutError, match="not sent"):
            await client.root.quick([object.__new__(API)])
        assert client.snapshot() == {"entries": 0, "retains": 0}
        assert await client.root.quick(1) == 1
        assert api.ran == 1


@on_both_loops
async def test_of_two_the_earlier_counts() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(30), proxyables.deadline(300):
            assert await client.root.left() <= 30.001
        with proxyables.deadline(300):
            with proxyables.deadline(30):
                assert await client.root.left() <= 30.001
            assert await client.root.left() > 200


@on_both_loops
async def test_tasks_begun_inside_keep_it() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(30):
            task = asyncio.create_task(proxyables.run(client.root.left()))
        assert await task <= 30.001


@on_both_loops
async def test_streams_end_with_it() -> None:
    api = API()
    async with connected(api) as pair:
        with proxyables.deadline(0.05):
            seen = []
            with pytest.raises(TimeoutError, match="deadline"):
                async for item in pair.client.root.silent():
                    seen.append(item)
        assert seen == [1]
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_a_consumer_that_falls_behind_gets_what_had_arrived_and_then_the_timeout() -> None:
    api = API()
    async with connected(api) as pair:
        with proxyables.deadline(0.05):
            iterator: Any = aiter(pair.client.root.endless())
            assert await anext(iterator) == 1
        await api.cancelled.wait()
        with pytest.raises(TimeoutError):
            async for _ in iterator:
                pass
        await idle(*pair)


@on_both_loops
async def test_a_timeout_of_the_methods_own_is_told_as_such() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(30), pytest.raises(TimeoutError) as caught:
            await client.root.own_timeout()
        assert isinstance(caught.value, proxyables.RemoteError)
        assert "deadline" not in str(caught.value)


@on_both_loops
async def test_paths_as_arguments_have_it_too() -> None:
    api = API()
    async with connected(api) as pair:
        with proxyables.deadline(30):
            assert 20 < await pair.client.root.quick(pair.client.root.left()) <= 30.001
        with pytest.raises(TimeoutError), proxyables.deadline(0.03):
            await pair.client.root.quick(pair.client.root.forever())
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_a_connection_made_inside_does_not_keep_it() -> None:
    with proxyables.deadline(300):
        async with connected(API(), back=API()) as pair:
            pass_on = pair.client.root
            assert await pass_on.left() > 200
            in_turn = asyncio.create_task(_left_of(pair), context=_no_deadline())
            assert await in_turn is None


def _no_deadline() -> Any:
    import contextvars

    context = contextvars.copy_context()
    context.run(until.set, None)
    return context


async def _left_of(pair: Pair) -> Any:
    return await pair.server.root.left()


@pytest.mark.parametrize("metadata", [5, [], {"deadline_ms": -1}, {"deadline_ms": "soon"}])
@on_both_loops
async def test_malformed_metadata_are_refused_and_the_connection_lives(metadata: Any) -> None:
    api = API()
    async with connected(api) as pair:
        message = pair.client._calls.dialect.encode_request(
            None, [[1, "quick"], [2, [1]]], metadata
        )
        stream = pair.client._session.open_stream()
        stream.owner = answer = asyncio.get_running_loop().create_future()
        pair.client._calls.made += 1
        pair.client._session.send(stream, message)
        pair.client.writer.flush_soon()
        with pytest.raises(proxyables.RemoteError, match="malformed EXECUTE"):
            await answer
        assert api.ran == 0
        assert await pair.client.root.quick(1) == 1


@pytest.fixture(scope="module")
def background() -> None:
    """Starts the blocking face's thread for good, as a process has one, before the test begins."""
    with proxyables.sync.serve(API(), "tcp://127.0.0.1:0") as server:
        proxyables.sync.connect(server.addresses[0]).close()


def test_threads_have_deadlines_too(background: None) -> None:
    api = API()
    with (
        proxyables.sync.serve(api, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        with proxyables.deadline(30):
            assert 20 < peer.root.left() <= 30.001
        with proxyables.deadline(0.05), pytest.raises(TimeoutError, match="deadline"):
            peer.root.forever()
        with proxyables.deadline(0), pytest.raises(TimeoutError, match="not sent"):
            peer.root.quick(1)
        assert peer.root.left() is None


@pytest.mark.parametrize("seconds", ["1", None, True, -1, float("nan")])
def test_what_is_no_time_is_refused(seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="deadline takes a"):
        proxyables.deadline(seconds).__enter__()


@on_both_loops
async def test_a_time_beyond_every_clock_is_cut() -> None:
    async with connected(API()) as (client, _):
        with proxyables.deadline(float("inf")):
            assert await client.root.quick(1) == 1
        with proxyables.deadline(1e300):
            assert await client.root.left() > 1e6
