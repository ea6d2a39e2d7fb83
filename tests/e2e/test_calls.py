"""Calls between two real peers: values, chains, callbacks, concurrency, cancellation, lifetimes."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

import proxyables
from connections import connected, idle, on_both_loops, settled
from proxyables import LimitExceeded, Limits


class Nested:
    label = "nested"

    def ping(self) -> str:
        return "pong"

    def me(self) -> Nested:
        return self


class Custom(Exception):
    pass


class Manager:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __enter__(self) -> str:
        self._log.append("in")
        return "entered"

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self._log.append(f"out {kind.__name__ if kind else None}")
        return isinstance(error, KeyError)


class API:
    value = 42

    def __init__(self) -> None:
        self.items = [1, 2, 3]
        self.table = {"a": 1}
        self.nested = Nested()
        self.log: list[str] = []
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()

    def add(self, a: Any, b: Any = 0) -> Any:
        return a + b

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def same(self, thing: Any) -> Any:
        return thing

    def is_nested(self, thing: Any) -> bool:
        return thing is self.nested

    def make(self) -> Nested:
        return Nested()

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    async def forever(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def apply(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    def boom(self, text: str = "Boom") -> None:
        raise ValueError(text)

    def custom(self) -> None:
        raise Custom("mine") from KeyError("cause")

    def leave(self, code: int) -> None:
        raise SystemExit(code)

    def numbers(self, count: int) -> Any:
        yield from range(count)

    async def ticks(self, count: int) -> Any:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    def broken(self) -> Any:
        yield 1
        yield 2
        raise ValueError("in the middle")

    def endless(self) -> Any:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            self.cancelled.set()

    def manager(self) -> Manager:
        return Manager(self.log)

    async def down(self, depth: int, other: Any) -> int:
        return 0 if depth == 0 else 1 + await other.down(depth - 1, self)


@on_both_loops
async def test_attributes_items_methods_and_keywords() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        assert await root.value == 42
        assert await root.items == [1, 2, 3]
        assert await root.items[-1] == 3
        assert await root.items[0:2] == [1, 2]
        assert await root.table["a"] == 1
        assert await root.add(2, 3) == 5
        assert await root.add(2, b=5) == 7
        assert await root.echo(1, x=2) == [[1], {"x": 2}]
        assert await root.nested.me().me().label == "nested"
        assert await root.later("x") == "x"


@on_both_loops
async def test_gathering_equal_looking_calls_makes_each_of_them() -> None:
    async with connected(API()) as (client, _):
        first, second = await asyncio.gather(client.root.make(), client.root.make())
        assert first != second


@on_both_loops
async def test_a_chain_is_one_message() -> None:
    async with connected(API()) as (client, _):
        await client.root.value
        before = client.statistics()["calls_made"]
        assert await client.root.nested.me().me().ping() == "pong"
        assert client.statistics()["calls_made"] == before + 1


@on_both_loops
async def test_cursors_as_arguments_run_over_there_first() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        before = client.statistics()["calls_made"]
        assert await root.add(root.value, root.add(1, root.later(2))) == 45
        assert await root.echo([root.value], x={"k": (root.value,)}) == [
            [[42]],
            {"x": {"k": (42,)}},
        ]
        assert client.statistics()["calls_made"] == before + 2


@on_both_loops
async def test_a_path_that_a_method_returns_is_followed_here() -> None:
    class Asker:
        async def label_of(self, thing: Any) -> Any:
            return thing.label

    for _ in range(20):
        async with connected(Asker()) as (client, _):
            assert await client.root.label_of(Nested()) == "nested"
            closing = time.monotonic()
        assert time.monotonic() - closing < Limits().grace  # nothing is left to wait for


@on_both_loops
async def test_own_objects_come_back_as_themselves() -> None:
    api = API()
    async with connected(api) as (client, server):
        nested = await client.root.nested
        assert await client.root.is_nested(nested)
        assert await client.root.nested is nested
        mine = Nested()
        assert await client.root.same(mine) is mine
        del nested
        assert (await settled(server))["entries"] == 0
        assert (await settled(client))["entries"] == 0


@on_both_loops
async def test_callbacks_and_their_callbacks() -> None:
    async with connected(API()) as (client, server):
        assert await client.root.apply(lambda x: x * 2, 21) == 42

        def outer(function: Any) -> Any:
            return function(1) + 1  # our own function again, and no cursor on it

        assert await client.root.apply(outer, lambda x: x + 10) == 12
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_both_sides_export_and_call_each_other_at_once() -> None:
    async with connected(API(), back=API()) as (client, server):
        both = [client.root.add(n, n) for n in range(100)]
        both += [server.root.later(n + n) for n in range(100)]
        assert await asyncio.gather(*both) == [2 * n for n in range(100)] * 2


@on_both_loops
async def test_recursion_between_two_peers_100_deep() -> None:
    async with connected(API(), back=API()) as (client, server):
        assert await client.root.down(100, API()) == 100
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_thousand_calls_at_once() -> None:
    async with connected(API()) as (client, _):
        sync = [client.root.add(n, 1) for n in range(1000)]
        slow = [client.root.later(n) for n in range(1000)]
        assert await asyncio.gather(*sync) == list(range(1, 1001))
        assert await asyncio.gather(*slow) == list(range(1000))


@on_both_loops
async def test_64_mib_in_each_direction() -> None:
    size = 64 * 1024 * 1024
    limits = {"limits": Limits(max_message=size + 1024)}
    async with connected(API(), client=limits, server=limits) as (client, _):
        payload = bytes(1024) * (size // 1024)
        assert await client.root.same(payload) == payload


@on_both_loops
async def test_errors_arrive_with_their_type_cause_and_frames() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(ValueError, match="Boom") as caught:
            await client.root.boom()
        assert isinstance(caught.value, proxyables.RemoteError)
        assert caught.value.type_name == "ValueError"
        assert caught.value.frames[-1].function == "boom"
        with pytest.raises(proxyables.RemoteError, match="Custom: mine") as caught:
            await client.root.custom()
        assert isinstance(caught.value.__cause__, KeyError)
        with pytest.raises(AttributeError):
            await client.root.missing
        with pytest.raises(TypeError):
            await client.root.add()
        with pytest.raises(IndexError):
            await client.root.items[9]
        assert await client.root.value == 42


@on_both_loops
async def test_system_exit_in_a_method_ends_nobody() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(proxyables.RemoteError) as caught:
            await client.root.leave(3)
        assert caught.value.type_name == "SystemExit"
        assert await client.root.value == 42


@on_both_loops
async def test_cancelling_a_call_cancels_it_over_there() -> None:
    api = API()
    async with connected(api) as (client, server):
        call = asyncio.ensure_future(client.root.forever())
        await api.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await api.cancelled.wait()
        api.cancelled.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.root.forever()
        await api.cancelled.wait()
        assert await client.root.value == 42
        assert client.statistics()["calls_waiting"] == 0
        assert server.statistics()["calls_running"] == 0


@on_both_loops
async def test_a_cancelled_call_leaves_no_exports_behind() -> None:
    async with connected(API()) as (client, server):
        for _ in range(50):
            call = asyncio.ensure_future(client.root.same([Nested(), client.root.make()]))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_what_cannot_be_encoded_leaves_no_exports_behind() -> None:
    async with connected(API()) as (client, _):
        cycle: list[Any] = []
        cycle.append(cycle)
        with pytest.raises(proxyables.EncodingError, match="contains itself"):
            await client.root.same([Nested(), cycle])
        with pytest.raises(proxyables.LimitExceeded, match="max_message"):
            await client.root.same([Nested(), bytes(17 * 1024 * 1024)])
        with pytest.raises(proxyables.LimitExceeded, match="max_integer_bits"):
            await client.root.same([Nested(), 1 << 70_000])
        assert client.snapshot() == {"entries": 0, "retains": 0}
        assert await client.root.value == 42


@on_both_loops
async def test_results_that_are_dropped_are_collected_over_there() -> None:
    async with connected(API()) as (client, server):
        for _ in range(100):
            kept = await asyncio.gather(*(client.root.make() for _ in range(100)))
            assert len({proxy._reference.id for proxy in kept}) == 100
        del kept
        assert await settled(server) == {"entries": 0, "retains": 0}
        assert client.statistics()["imports"] == 0


@on_both_loops
async def test_a_derived_cursor_keeps_its_object_alive() -> None:
    async with connected(API()) as (client, server):
        ping = (await client.root.make()).ping
        gc.collect()
        for _ in range(2):  # what would have given it back leaves with the first, at the latest
            await client.ping()
        assert server.snapshot()["entries"] == 1
        assert await ping() == "pong"
        del ping
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_release_and_use_after_it() -> None:
    async with connected(API()) as (client, server):
        made = await client.root.make()
        proxyables.release(made)
        proxyables.release(made)
        with pytest.raises(proxyables.ReferenceNotFound):
            await made.ping()
        with pytest.raises(proxyables.ReferenceNotFound):
            await client.root.same(made)
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_assign_delete_operate_copy_ref() -> None:
    api = API()
    async with connected(api) as (client, _):
        root = client.root
        await proxyables.assign(root.value, 5)
        await proxyables.assign(root.table["b"], 2)
        await proxyables.delete(root.table["a"])
        assert api.value == 5
        assert api.table == {"b": 2}
        assert await (root.value + 1) == 6
        assert await (10 - root.value) == 5
        assert await (root.value < 6) is True
        assert await (-root.value) == -5
        assert await proxyables.contains(root.items, 2)
        assert await proxyables.perform(root.items, "len") == 3
        live = await proxyables.ref(root.items)
        await live.append(4)
        assert api.items[-1] == 4
        assert await proxyables.copy(live) == [1, 2, 3, 4]
        with pytest.raises(TypeError, match="assign"):
            root.value = 3


@on_both_loops
async def test_async_for_over_iterables_of_every_kind() -> None:
    async with connected(API()) as (client, server):
        root = client.root
        assert [n async for n in root.numbers(3000)] == list(range(3000))
        assert [n async for n in root.ticks(20)] == list(range(20))
        assert [n async for n in root.items] == [1, 2, 3]
        assert [n async for n in root.numbers(0)] == []
        rows = await root.numbers(3)
        assert [n async for n in rows] == [0, 1, 2]
        seen = []
        with pytest.raises(ValueError, match="in the middle"):
            async for n in root.broken():
                seen.append(n)
        assert seen == [1, 2]
        del rows
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_leaving_a_loop_stops_the_producer() -> None:
    api = API()
    async with connected(api) as (client, server):
        async for n in client.root.endless():
            if n == 5000:
                break
        await api.cancelled.wait()
        assert await client.root.value == 42
        await idle(server)


@on_both_loops
async def test_a_slow_consumer_holds_the_producer_back() -> None:
    class Source:
        produced = 0

        def blobs(self) -> Any:
            while True:
                self.produced += 1
                yield bytes(1000)

    source = Source()
    async with connected(source) as (client, _):
        items = client.root.blobs().__aiter__()
        await anext(items)
        held = 0
        while held != source.produced:  # until it stands still
            held = source.produced
            for _ in range(50):
                await asyncio.sleep(0.002)
        assert held * 1000 < 8 * 1024 * 1024
        for _ in range(held + 10):
            await anext(items)
        assert source.produced > held
        await items.aclose()


@on_both_loops
async def test_async_with_a_remote_context_manager() -> None:
    api = API()
    async with connected(api) as (client, server):
        async with client.root.manager() as entered:
            assert entered == "entered"
        with pytest.raises(ValueError, match="mine"):
            async with client.root.manager():
                raise ValueError("mine")
        async with client.root.manager():
            raise KeyError("suppressed over there")
        assert api.log[:2] == ["in", "out None"]
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_cursor_of_another_peer_passes_through() -> None:
    far = API()
    async with connected(far) as (middle, _), connected(middle.root) as (client, server):
        assert await client.root.add(2, 3) == 5
        assert await client.root.nested.ping() == "pong"
        nested = await client.root.nested
        assert await nested.label == "nested"
        assert await client.root.apply(lambda x: x + 1, 1) == 2
        assert [n async for n in client.root.numbers(100)] == list(range(100))
        with pytest.raises(ValueError, match="Boom"):
            await client.root.boom()
        del nested
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_peer_that_vanishes_fails_every_call_once() -> None:
    api = API()
    async with connected(api) as (client, server):
        calls = [asyncio.ensure_future(client.root.forever()) for _ in range(5)]
        kept = await client.root.make()
        await api.started.wait()
        server.abort()
        for call in calls:
            with pytest.raises(proxyables.ConnectionClosed) as caught:
                await call
            assert caught.value.maybe_executed
        await api.cancelled.wait()
        with pytest.raises(proxyables.ConnectionClosed):
            await kept.ping()


@on_both_loops
async def test_closing_lets_calls_in_flight_end() -> None:
    async with connected(API()) as (client, server):
        calls = [asyncio.ensure_future(client.root.later(n)) for n in range(20)]
        await asyncio.sleep(0)
        client.close()
        assert await asyncio.gather(*calls) == list(range(20))
        with pytest.raises(proxyables.ConnectionClosed):
            await client.root.value
        await server.wait_closed()


@on_both_loops
async def test_nothing_local_reaches_the_other_side() -> None:
    import copy
    import pickle

    async with connected(API()) as (client, _):
        made = client.root.nested
        before = client.statistics()["calls_made"]
        assert "nested" in repr(made)
        assert made == made
        assert made == client.root.nested
        assert made() != made()
        assert len({made, made(), made(), client.root, client.root}) == 4
        assert copy.copy(made) is made
        assert copy.deepcopy(made) is made
        assert bool(made)
        assert not isinstance(made, str)
        for probe in (lambda: pickle.dumps(made), lambda: iter(made), lambda: 1 in made):
            with pytest.raises(TypeError):
                probe()
        with pytest.raises(AttributeError):
            made._private
        with pytest.raises(AttributeError):
            made.__array__
        await asyncio.sleep(0)
        assert client.statistics()["calls_made"] == before


@on_both_loops
async def test_private_names_are_refused_even_when_asked_by_hand() -> None:
    async with connected(API()) as (client, _):
        request = client.request(None, [[1, "__class__"]])
        with pytest.raises(proxyables.AccessDenied):
            await _Raw(request)
        assert await client.root.value == 42


class _Raw:
    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __await__(self) -> Any:
        return self._generator


@on_both_loops
async def test_what_ended_a_connection_is_told_whatever_its_type() -> None:
    async with connected(API()) as (client, _):
        client.abort(LimitExceeded("max_calls", 1, 2))
        await client.wait_closed()
        for _ in range(2):
            with pytest.raises(LimitExceeded, match="2 is over the limit max_calls=1"):
                await client.root.add(1, 2)
