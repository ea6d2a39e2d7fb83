"""Synchronous methods on worker threads, between two real peers."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled
from gates import Gate
from proxyables import RemoteError, current_peer, expose
from proxyables.peer.jobs import current_job
from proxyables.proxies.blocking import BlockingProxy

ONE: dict[str, Any] = {"threads": 1}


def is_here() -> bool:
    """Whether this is a worker."""
    return current_job() is not None


class Plain:
    value = 7

    def where(self) -> bool:
        return is_here()


class Guarded:
    """One of each that may run code of an author's."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.nested = Plain()

    def _see(self, what: str) -> None:
        self.seen.append((what, is_here()))

    @property
    def computed(self) -> str:
        self._see("get")
        return "computed"

    @computed.setter
    def computed(self, value: str) -> None:
        self._see("set")

    @computed.deleter
    def computed(self) -> None:
        self._see("del")

    def __getitem__(self, key: object) -> object:
        self._see("item")
        return key

    def __setitem__(self, key: object, value: object) -> None:
        self._see("setitem")

    def __delitem__(self, key: object) -> None:
        self._see("delitem")

    def __add__(self, other: object) -> str:
        self._see("add")
        return "sum"

    def __call__(self) -> str:
        self._see("call")
        return "called"

    def __enter__(self) -> str:
        self._see("enter")
        return "entered"

    def __exit__(self, *exc_info: object) -> None:
        self._see("exit")


class API:
    def __init__(self) -> None:
        self.log: list[Any] = []
        self.guarded = Guarded()
        self.gate = Gate()
        self.kept: Any = None
        self.closed = threading.Event()

    def where(self) -> bool:
        return is_here()

    async def where_async(self) -> bool:
        return is_here()

    @expose(run="loop")
    def on_loop(self) -> bool:
        return is_here()

    @expose(run="thread")
    def on_thread(self) -> bool:
        return is_here()

    def note(self, value: Any) -> None:
        self.log.append(value)

    def stop(self) -> str:
        self.gate.stop()
        return "went on"

    def type_of(self, value: Any) -> str:
        return type(value).__name__

    async def type_of_async(self, value: Any) -> str:
        return type(value).__name__

    def total(self, callback: Any) -> int:
        return int(callback(1)) + 1

    def apply(self, callback: Any, *args: Any) -> Any:
        return callback(*args)

    def deep(self, *args: Any, **kwargs: Any) -> Any:
        return [
            args[0]["a"][0](1),
            args[1][0](2),
            sorted(each(3) for each in args[2]),
            kwargs["key"]["b"](4),
        ]

    def same(self, value: Any) -> Any:
        return value

    def is_me(self, value: Any) -> bool:
        return value is self

    def keep(self, value: Any) -> None:
        self.kept = value

    def use(self, *args: Any) -> Any:
        return self.kept(*args)

    async def use_async(self, *args: Any) -> Any:
        return await self.kept(*args)

    async def misuse(self) -> Any:
        return str(self.kept)

    def down(self, depth: int, other: Any) -> int:
        return 0 if depth == 0 else 1 + int(other.down(depth - 1, self))

    def who(self) -> bool:
        return current_peer() is not None and is_here()

    def boom(self) -> None:
        raise ValueError("boom")

    def stop_iteration(self) -> None:
        raise StopIteration("no more")

    def leave(self) -> None:
        raise SystemExit(3)

    def count(self, number: int) -> Iterator[bool]:
        for _ in range(number):
            yield is_here()

    def broken(self) -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("in the middle")

    def endless(self) -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            self.log.append(("closed", is_here()))
            self.closed.set()

    async def ticks(self) -> AsyncIterator[bool]:
        yield is_here()

    def each(self, values: Any) -> list[Any]:
        return list(values)


@on_both_loops
async def test_what_runs_on_workers() -> None:
    async with connected(API(), server=ONE) as (client, _):
        root = client.root
        assert await root.where()
        assert not await root.where_async()
        assert not await root.on_loop()
        assert await root.on_thread()
        assert await root.guarded.nested.where()
        assert await root.guarded.nested.value == 7
        assert [each async for each in root.count(3)] == [True] * 3
        assert [each async for each in root.ticks()] == [False]
        assert await root.who()


@on_both_loops
async def test_without_threads_only_what_is_marked_runs_on_a_worker() -> None:
    async with connected(API(), server={"threads": 0}) as (client, _):
        root = client.root
        assert not await root.where()
        assert not await root.on_loop()
        assert await root.on_thread()
        assert not await root.guarded.nested.where()

        @expose(run="thread")
        def marked() -> bool:
            return is_here()

        await root.keep(marked)  # lent by the client: it runs there, on a worker
        assert await root.use_async()


@on_both_loops
async def test_operations_run_on_workers() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, _):
        guarded = client.root.guarded
        assert await guarded.computed == "computed"
        await proxyables.assign(guarded.computed, "x")
        await proxyables.delete(guarded.computed)
        assert await guarded["key"] == "key"
        await proxyables.assign(guarded["key"], 1)
        await proxyables.delete(guarded["key"])
        assert await (guarded + 1) == "sum"
        assert await guarded() == "called"
        async with guarded as entered:
            assert entered == "entered"
    names = ["get", "set", "del", "item", "setitem", "delitem", "add", "call", "enter", "exit"]
    assert api.guarded.seen == [(name, True) for name in names]


@on_both_loops
async def test_calls_of_one_task_arrive_in_order() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, _):
        await asyncio.gather(*(client.root.note(n) for n in range(200)))
    assert api.log == list(range(200))


@on_both_loops
async def test_a_method_that_blocks_stalls_nothing_else() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, _):
        stopped = asyncio.ensure_future(client.root.stop())
        await api.gate.reached.wait()
        assert await client.ping() < 5
        assert not await client.root.where_async()
        assert not await client.root.on_loop()
        queued = asyncio.ensure_future(client.root.where())
        assert not await client.root.where_async()
        assert not queued.done()
        api.gate.opened.set()
        assert await stopped == "went on"
        assert await queued


async def served(api: Any, threads: int) -> None:
    """Two connections to one server: one method that sleeps, and many calls meanwhile."""
    before = set(threading.enumerate())
    async with proxyables.serve(api, "tcp://127.0.0.1:0", threads=threads) as server:
        (address,) = server.addresses
        async with proxyables.connect(address) as one, proxyables.connect(address) as two:
            stopped = asyncio.ensure_future(one.root.stop())
            await api.gate.reached.wait()
            assert await one.ping() < 5
            assert not await two.root.where_async()
            api.gate.opened.set()
            assert await stopped == "went on"
    made = set(threading.enumerate()) - before
    assert not [each for each in made if each.name == "proxyables-worker"]


@on_both_loops
async def test_the_workers_of_a_server_are_shared_and_end_with_it() -> None:
    await served(API(), threads=1)
    await served(API(), threads=4)


@on_both_loops
async def test_callbacks_are_used_like_local_functions() -> None:
    async with connected(API(), server=ONE) as (client, server):
        root = client.root
        assert await root.total(lambda value: value * 10) == 11

        async def later(value: int) -> int:
            await asyncio.sleep(0)
            return value * 100

        assert await root.total(later) == 101
        assert await root.apply(Plain().where) is False
        assert await root.type_of(Plain()) == "BlockingProxy"
        assert await root.type_of_async(Plain()) == "ProxyCursor"
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_cursors_deep_inside_of_arguments_are_blocking_too() -> None:
    async with connected(API(), server=ONE) as (client, _):
        answers = await client.root.deep(
            {"a": [lambda n: n]},
            (lambda n: n,),
            {lambda n: n, lambda n: -n},
            key={"b": lambda n: n},
        )
        assert answers == [1, 2, [-3, 3], 4]


@on_both_loops
async def test_objects_are_themselves_on_their_way_back() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, _):
        mine = Plain()
        assert await client.root.same(mine) is mine
        assert await client.root.same([mine]) == [mine]
        assert await client.root.is_me(client.root)
        assert await client.root.apply(client.root.where)
        await client.root.keep(mine)
        assert await client.root.kept is mine  # read on the loop, from where a worker left it
        assert await client.root.kept.value == 7
        api.kept = None


@on_both_loops
async def test_a_kept_callback_is_awaited_by_asynchronous_code() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, _):
        await client.root.keep(lambda value: value + 1)
        assert type(api.kept) is BlockingProxy
        assert await client.root.use(1) == 2
        assert await client.root.use_async(2) == 3
        with pytest.raises(RuntimeError, match="event loop"):
            await client.root.misuse()
        api.kept = None


@on_both_loops
async def test_nested_callbacks_need_no_more_than_one_place() -> None:
    async with connected(API(), back=API(), client=ONE, server=ONE) as (client, server):
        other = API()
        assert await client.root.down(50, other) == 50
        del other
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_errors_of_workers() -> None:
    async with connected(API(), server=ONE) as (client, _):
        with pytest.raises(ValueError, match="boom"):
            await client.root.boom()
        for name, kind in (("stop_iteration", "StopIteration"), ("leave", "SystemExit")):
            with pytest.raises(RemoteError) as caught:
                await getattr(client.root, name)()
            assert caught.value.type_name == kind
        with pytest.raises(KeyError):
            await client.root.total(lambda key: {}[key])
        assert await client.root.where()


@on_both_loops
async def test_generators_are_advanced_and_closed_on_workers() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, server):
        items = []
        with pytest.raises(ValueError, match="in the middle"):
            async for item in client.root.broken():
                items.append(item)
        assert items == [1, 2]
        async for number in client.root.endless():
            if number == 3000:
                break
        assert await asyncio.to_thread(api.closed.wait, 10)
        assert api.log == [("closed", True)]
        assert [each async for each in client.root.count(2500)] == [True] * 2500
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_slow_items_come_when_they_are_there() -> None:
    class Slow:
        def __init__(self) -> None:
            self.go = threading.Event()

        def items(self) -> Iterator[int]:
            yield 1
            time.sleep(0.05)
            yield 2
            assert self.go.wait(20)
            yield 3

    slow = Slow()
    async with connected(slow, server=ONE) as (client, _):
        seen = []
        async for item in client.root.items():
            seen.append(item)
            if item == 2:
                slow.go.set()
        assert seen == [1, 2, 3]


@on_both_loops
async def test_a_workers_loop_over_the_callers_generator() -> None:
    def numbers() -> Iterator[int]:
        yield from range(2000)

    async with connected(API(), server=ONE) as (client, server):
        assert await client.root.each(numbers()) == list(range(2000))
        assert (await settled(client))["entries"] == 0
        del server


@on_both_loops
async def test_cancelling_a_call_cancels_what_its_worker_waits_for() -> None:
    class Forever:
        def __init__(self) -> None:
            self.started, self.cancelled = asyncio.Event(), asyncio.Event()

        async def wait(self) -> None:
            self.started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

    api = API()
    async with connected(api, server=ONE) as (client, server):
        forever = Forever()
        task = asyncio.ensure_future(client.root.apply(forever.wait))
        await forever.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await forever.cancelled.wait()
        assert await client.root.where()  # the one place is free again
        del forever
        gc.collect()
        assert (await settled(client))["entries"] == 0
        assert server.statistics()["calls_waiting"] == 0


@on_both_loops
async def test_cancelling_a_call_that_has_not_begun() -> None:
    api = API()
    async with connected(api, server=ONE) as (client, server):
        stopped = asyncio.ensure_future(client.root.stop())
        await api.gate.reached.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.root.note("never")
        assert not await client.root.where_async()
        while server.statistics()["calls_running"] > 1:
            await asyncio.sleep(0.001)
        api.gate.opened.set()
        await stopped
        assert await client.root.where()
    assert api.log == []


class Lister:
    def __init__(self) -> None:
        self.gate = Gate()
        self.asked = 0

    def stop(self) -> None:
        self.gate.stop()

    def items(self) -> Iterator[int]:
        self.asked += 1
        yield from range(9)

    async def later(self) -> list[int]:
        self.gate.reached.set()
        await asyncio.sleep(3600)
        return [1]


@on_both_loops
@pytest.mark.parametrize("name", ["items", "later"])
async def test_leaving_a_stream_that_has_not_begun(name: str) -> None:
    lister = Lister()
    async with connected(lister, server=ONE) as (client, server):
        if name == "items":  # the one place is taken
            stopped = asyncio.ensure_future(client.root.stop())
            await lister.gate.reached.wait()
        items = aiter(getattr(client.root, name)())
        first = asyncio.ensure_future(anext(items))
        while server.statistics()["calls_running"] < (2 if name == "items" else 1):
            await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        failed = server.statistics().get("calls_failed")
        await items.aclose()
        begun = time.monotonic()
        while server.statistics()["calls_running"] > (1 if name == "items" else 0):
            assert time.monotonic() < begun + 5
            await asyncio.sleep(0.01)
        assert server.statistics().get("calls_failed") == failed
        assert lister.asked == 0
        lister.gate.opened.set()
        if name == "items":
            await stopped
            assert [item async for item in client.root.items()] == list(range(9))


@on_both_loops
async def test_losing_the_connection_ends_what_a_worker_waits_for() -> None:
    class Forever:
        def __init__(self) -> None:
            self.started = asyncio.Event()

        async def wait(self) -> None:
            self.started.set()
            await asyncio.Event().wait()

    class Witness:
        def __init__(self) -> None:
            self.error: BaseException | None = None
            self.done = threading.Event()

        def apply(self, callback: Any) -> None:
            try:
                callback()
            except BaseException as error:
                self.error = error
            self.done.set()

    witness, forever = Witness(), Forever()
    async with connected(witness, server=ONE) as (client, server):
        task = asyncio.ensure_future(client.root.apply(forever.wait))
        await forever.started.wait()
        client.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await task
        assert await asyncio.to_thread(witness.done.wait, 10)
        assert isinstance(witness.error, proxyables.ConnectionClosed)
        await server.wait_closed()


@on_both_loops
async def test_a_path_runs_first_and_arrives_at_the_worker_as_its_value() -> None:
    async with connected(API(), server=ONE) as (client, _):
        root = client.root
        assert await root.same(root.guarded["x"]) == "x"
        assert await root.apply(root.guarded.nested.where)


@on_both_loops
async def test_workers_pass_on_what_a_third_process_owns() -> None:
    async with (
        connected(API(), server=ONE) as (near, _),
        connected(API(), server=ONE) as (far, _),
    ):
        there = await far.root.guarded.nested
        assert await near.root.same(there) is there
        assert await near.root.apply(there.where)
        assert await near.root.type_of(there) == "BlockingProxy"
        with pytest.raises(ValueError, match="boom"):
            await near.root.apply(far.root.boom)
