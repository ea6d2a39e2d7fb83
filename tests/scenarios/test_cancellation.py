"""Giving a call up, in every way asyncio has, cancels it over there and mixes no answers up."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

import proxyables
from connections import connected, idle, on_both_loops, settled


class API:
    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.finished = asyncio.Event()
        self.go = asyncio.Event()
        self.count = 0

    async def forever(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def until_told(self, value: Any) -> Any:
        self.started.set()
        await self.go.wait()
        self.finished.set()
        return value

    async def echo_after(self, turns: int, value: Any) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    def echo(self, value: Any) -> Any:
        return value

    def fail(self, value: Any) -> None:
        raise ValueError(value)

    def counted(self) -> int:
        self.count += 1
        return self.count

    async def call(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    async def clean_up(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.cancelled.set()

    async def refuse_to_die(self) -> str:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
        return "nobody reads this"


@on_both_loops
async def test_timeout_cancels_over_there() -> None:
    api = API()
    async with connected(api) as pair:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await pair.client.root.forever()
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_wait_for_takes_a_cursor_and_cancels_over_there() -> None:
    api = API()
    async with connected(api) as pair:
        assert await asyncio.wait_for(pair.client.root.echo(1), 5) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pair.client.root.forever(), 0.02)
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_a_cancelled_task_cancels_over_there() -> None:
    api = API()
    async with connected(api) as pair:
        task = asyncio.create_task(proxyables.run(pair.client.root.forever()))
        await api.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_cancellation_passes_through_nested_callbacks() -> None:
    inner = API()
    async with connected(API()) as pair:

        async def callback() -> Any:
            return await pair.client.root.call(inner.forever)

        task = asyncio.ensure_future(pair.client.root.call(callback))
        await inner.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await inner.cancelled.wait()
        await idle(*pair)
        del task
        assert (await settled(pair.client))["entries"] == 0


@on_both_loops
async def test_what_a_cancelled_method_cleans_up_is_waited_for() -> None:
    api = API()
    async with connected(api) as pair:
        task = asyncio.ensure_future(pair.client.root.clean_up())
        await api.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_a_method_that_answers_all_the_same_disturbs_nobody() -> None:
    api = API()
    async with connected(api) as pair:
        task = asyncio.ensure_future(pair.client.root.refuse_to_die())
        await api.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.gather(*(pair.client.root.echo(n) for n in range(10))) == [*range(10)]
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_shield_lets_the_call_go_on() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.until_told("kept"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.shield(call)
        assert not call.done()
        api.go.set()
        assert await call == "kept"


@on_both_loops
async def test_shield_takes_a_cursor() -> None:
    async with connected(API()) as pair:
        assert await asyncio.shield(pair.client.root.echo(1)) == 1


@on_both_loops
async def test_gather_takes_cursors_and_cancels_them_all() -> None:
    api = API()
    async with connected(api) as pair:
        both = asyncio.gather(pair.client.root.forever(), pair.client.root.until_told(1))
        await api.started.wait()
        both.cancel()
        with pytest.raises(asyncio.CancelledError):
            await both
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_gather_gives_exceptions_as_results() -> None:
    async with connected(API()) as pair:
        root = pair.client.root
        good, bad = await asyncio.gather(root.echo(1), root.fail("x"), return_exceptions=True)
        assert good == 1
        assert isinstance(bad, ValueError)


@on_both_loops
async def test_a_task_group_runs_cursors() -> None:
    async with connected(API()) as pair:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(proxyables.run(pair.client.root.echo_after(3, n)))
                for n in range(20)
            ]
        assert [task.result() for task in tasks] == list(range(20))


@on_both_loops
async def test_a_failure_in_a_task_group_cancels_the_others_over_there() -> None:
    api = API()
    async with connected(api) as pair:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(proxyables.run(pair.client.root.forever()))
                await api.started.wait()
                group.create_task(proxyables.run(pair.client.root.fail("first")))
        assert (
            caught.group_contains(ValueError, match="first")
            if hasattr(caught, "group_contains")
            else isinstance(caught.value.exceptions[0], ValueError)
        )
        await api.cancelled.wait()
        await idle(*pair)


@on_both_loops
async def test_as_completed_and_wait() -> None:
    async with connected(API()) as pair:
        root = pair.client.root
        calls = [asyncio.ensure_future(root.echo_after(n, n)) for n in (9, 1, 5)]
        assert sorted([await each for each in asyncio.as_completed(calls)]) == [1, 5, 9]
        done, _ = await asyncio.wait([asyncio.ensure_future(root.echo(2))])
        assert [each.result() for each in done] == [2]


@on_both_loops
async def test_run_takes_cursors_only() -> None:
    with pytest.raises(TypeError, match="cursor"):
        await proxyables.run(asyncio.sleep)  # type: ignore[arg-type]


@on_both_loops
async def test_a_call_that_is_cancelled_before_it_was_sent_never_runs() -> None:
    api = API()
    async with connected(api) as pair:
        task = asyncio.create_task(proxyables.run(pair.client.root.counted()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await pair.client.root.counted() == 1


@on_both_loops
async def test_one_of_two_callers_of_one_method_is_cancelled() -> None:
    api = API()
    async with connected(api) as pair:
        gone = asyncio.ensure_future(pair.client.root.until_told("gone"))
        kept = asyncio.ensure_future(pair.client.root.until_told("kept"))
        await api.started.wait()
        gone.cancel()
        api.go.set()
        assert await kept == "kept"
        assert gone.cancelled()


@on_both_loops
async def test_two_thousand_calls_at_random_each_get_their_own_answer_or_none() -> None:
    chance = random.Random(2026)
    async with connected(API(), back=API()) as pair:

        async def one(n: int) -> str:
            root = chance.choice(pair).root
            cursor = chance.choice(
                [
                    lambda: root.echo(n),
                    lambda: root.echo_after(chance.randrange(4), n),
                    lambda: root.call(lambda x: x, n),
                    lambda: root.fail(n),
                    lambda: root.echo(root.echo_after(1, n)),
                ]
            )()
            task = asyncio.ensure_future(cursor)
            if chance.random() < 0.5:
                for _ in range(chance.randrange(8)):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                got = await task
            except asyncio.CancelledError:
                return "cancelled"
            except ValueError as error:
                got = error.args[0]
            assert got == n
            return "answered"

        outcomes: list[str] = []
        for start in range(0, 2000, 100):
            outcomes += await asyncio.gather(*(one(n) for n in range(start, start + 100)))
        assert 200 < outcomes.count("cancelled") < 1800
        await idle(*pair)
        for peer in pair:
            assert (await settled(peer))["entries"] == 0
