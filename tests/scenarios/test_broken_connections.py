"""Every call that waits gets one defined outcome, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import proxyables
from connections import Pair, connected, on_both_loops


class API:
    def __init__(self) -> None:
        self.started = 0
        self.outcomes: list[str] = []
        self.done = asyncio.Event()

    def quick(self) -> int:
        return 1

    def cut(self) -> None:
        proxyables.current_peer().abort()

    async def forever(self) -> None:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.outcomes.append("cancelled")
            raise
        finally:
            self.done.set()

    async def use(self, thing: Any) -> None:
        try:
            await thing.forever()
        except proxyables.ConnectionClosed as error:
            self.outcomes.append(type(error).__name__)
            raise
        finally:
            self.done.set()

    async def stubborn(self) -> str:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        self.done.set()
        return "late"


async def until(api: API, started: int) -> None:
    while api.started < started:
        await asyncio.sleep(0)


async def cut(pair: Pair) -> None:
    pair.server.abort()
    await pair.client.wait_closed()


@on_both_loops
async def test_every_waiting_call_fails_with_an_error_of_its_own() -> None:
    api = API()
    async with connected(api) as pair:
        calls = [asyncio.ensure_future(pair.client.root.forever()) for _ in range(50)]
        await until(api, 50)
        pair.server.abort()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, proxyables.ConnectionClosed) for error in errors)
        assert len({id(error) for error in errors}) == 50


@on_both_loops
async def test_a_call_that_was_sent_may_have_run() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.forever())
        await until(api, 1)
        pair.server.abort()
        with pytest.raises(proxyables.ConnectionClosed) as caught:
            await call
        assert caught.value.maybe_executed


@on_both_loops
async def test_a_call_after_the_end_has_certainly_not_run() -> None:
    async with connected(API()) as pair:
        await cut(pair)
        with pytest.raises(proxyables.ConnectionClosed) as caught:
            await pair.client.root.quick()
        assert not caught.value.maybe_executed


@on_both_loops
async def test_whose_end_it_was_is_told() -> None:
    async with connected(API()) as pair:
        pair.client.close()
        await pair.client.wait_closed()
        with pytest.raises(proxyables.ConnectionClosed) as caught:
            await pair.client.root.quick()
        assert caught.value.local
    async with connected(API()) as pair:
        await cut(pair)
        with pytest.raises(proxyables.ConnectionLost) as lost:
            await pair.client.root.quick()
        assert not lost.value.local


@on_both_loops
async def test_what_is_served_is_cancelled() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.forever())
        await until(api, 1)
        pair.client.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await call
        await api.done.wait()
        assert api.outcomes == ["cancelled"]


@on_both_loops
async def test_a_method_that_will_not_be_cancelled_harms_nobody() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.stubborn())
        await until(api, 1)
        pair.client.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await call
        await api.done.wait()
        await asyncio.sleep(0)


@on_both_loops
async def test_a_method_that_cuts_its_own_connection_fails_its_caller_only_once() -> None:
    async with connected(API()) as pair:
        with pytest.raises(proxyables.ConnectionClosed) as caught:
            await pair.client.root.cut()
        assert caught.value.maybe_executed


@on_both_loops
async def test_callbacks_under_way_fail_on_both_sides() -> None:
    far, near = API(), API()
    async with connected(far) as pair:
        call = asyncio.ensure_future(pair.client.root.use(near))
        await until(near, 1)
        pair.client.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await call
        await near.done.wait()
        await far.done.wait()
        assert near.outcomes == ["cancelled"]


@on_both_loops
async def test_nothing_is_tried_again() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.forever())
        await until(api, 1)
        await cut(pair)
        with pytest.raises(proxyables.ConnectionClosed):
            await call
    assert api.started == 1


@on_both_loops
async def test_paths_and_objects_of_a_dead_connection_fail_and_repr_does_not() -> None:
    async with connected({"api": API()}) as pair:
        api = await pair.client.root["api"]
        await cut(pair)
        for use in (api.quick, api.quick(), pair.client.root["api"], api + 1):
            with pytest.raises(proxyables.ConnectionClosed):
                await use
        assert "API#" in repr(api)
        assert api == api


@on_both_loops
async def test_an_error_says_it_again_to_each_who_asks() -> None:
    async with connected(API()) as pair:
        await cut(pair)
        errors = await asyncio.gather(
            *(pair.client.root.quick() for _ in range(3)), return_exceptions=True
        )
        assert len({str(error) for error in errors}) == 1
        assert len({id(error) for error in errors}) == 3


@on_both_loops
async def test_pings_streams_and_context_managers_fail_too() -> None:
    async with connected(API()) as pair:
        await cut(pair)
        with pytest.raises(proxyables.ConnectionClosed):
            await pair.client.ping()
        with pytest.raises(proxyables.ConnectionClosed):
            async for _ in pair.client.root.numbers():
                pass
        with pytest.raises(proxyables.ConnectionClosed):
            async with pair.client.root.manager():
                pass


@on_both_loops
async def test_closing_waits_for_calls_in_flight_and_takes_no_new_ones() -> None:
    class Slow(API):
        async def slow(self) -> str:
            self.started += 1
            await self.done.wait()
            return "done"

    api = Slow()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.slow())
        await until(api, 1)
        pair.client.close()
        with pytest.raises(proxyables.ConnectionClosed, match="closing"):
            await pair.client.root.quick()
        api.done.set()
        assert await call == "done"
        await pair.client.wait_closed()


@on_both_loops
async def test_the_server_closing_lets_the_client_have_its_answer() -> None:
    class Slow(API):
        async def slow(self) -> str:
            self.started += 1
            await self.done.wait()
            return "done"

    api = Slow()
    async with connected(api) as pair:
        call = asyncio.ensure_future(pair.client.root.slow())
        await until(api, 1)
        pair.server.close()
        await asyncio.sleep(0)
        api.done.set()
        assert await call == "done"
        await pair.client.wait_closed()


@on_both_loops
async def test_one_connections_end_is_none_of_anothers() -> None:
    api = API()
    async with connected(api) as one, connected(api) as other:
        waiting = asyncio.ensure_future(other.client.root.forever())
        await until(api, 1)
        await cut(one)
        assert await other.client.root.quick() == 1
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@on_both_loops
async def test_a_cursor_of_a_dead_connection_as_argument_of_a_living_one() -> None:
    class Caller:
        async def call(self, thing: Any) -> Any:
            return await thing.quick()

    async with connected(API()) as dead, connected(Caller()) as living:
        await cut(dead)
        with pytest.raises(proxyables.RemoteError) as caught:
            await living.client.root.call(dead.client.root)
        assert caught.value.type_name == "ConnectionLost"  # theirs to us; ours to them is alive
        assert await living.client.root.call(API()) == 1
