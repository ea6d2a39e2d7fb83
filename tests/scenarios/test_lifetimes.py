"""Who keeps whom alive, and that nothing is kept longer: on every path, the failing ones too."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import proxyables
from connections import Pair, connected, on_both_loops, settled
from proxyables import Limits
from proxyables.proxies.cursor import extend
from proxyables.wire.instructions import CALL, GET


class Node:
    def __init__(self, name: str = "node") -> None:
        self.name = name
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    def child(self) -> Node:
        return Node("child")

    def label(self) -> str:
        return self.name

    async def wait(self) -> str:
        self.started.set()
        await self.go.wait()
        return self.name


class API:
    def __init__(self) -> None:
        self.kept: Any = None
        self.alive: weakref.WeakSet[Node] = weakref.WeakSet()

    def make(self, name: str = "node") -> Node:
        node = Node(name)
        self.alive.add(node)
        return node

    def many(self, count: int) -> list[Node]:
        return [self.make(str(n)) for n in range(count)]

    def keep(self, thing: Any) -> None:
        self.kept = thing

    def ignore(self, *things: Any, **named: Any) -> None:
        """Drops its arguments."""

    def raise_with(self, *things: Any) -> None:
        raise ValueError("no", *things)

    def half_encodable(self) -> Any:
        cycle: list[Any] = []
        cycle.append(cycle)
        return [self.make(), cycle]

    async def ignore_later(self, *things: Any) -> None:
        await asyncio.sleep(0)

    async def forever(self, *things: Any) -> None:
        await asyncio.Event().wait()

    async def call(self, function: Any, *args: Any) -> Any:
        return await function(*args)


async def all_given_back(pair: Pair) -> None:
    for peer in pair:
        assert await settled(peer) == {"entries": 0, "retains": 0}


@on_both_loops
async def test_a_dropped_cursor_lets_the_object_go() -> None:
    api = API()
    async with connected(api) as pair:
        node = await pair.client.root.make()
        gc.collect()
        assert len(api.alive) == 1
        del node
        await all_given_back(pair)
        assert len(api.alive) == 0


@on_both_loops
async def test_a_derived_path_keeps_the_object() -> None:
    api = API()
    async with connected(api) as pair:
        label = (await pair.client.root.make("x")).child().label
        gc.collect()
        await pair.client.ping()
        assert len(api.alive) == 1
        assert await label() == "child"
        del label
        await all_given_back(pair)


@on_both_loops
async def test_a_running_call_keeps_its_object_although_nobody_else_does() -> None:
    api = API()
    async with connected(api) as pair:
        call = asyncio.ensure_future((await pair.client.root.make("busy")).wait())
        await asyncio.sleep(0)
        gc.collect()
        await pair.client.ping()
        (node,) = api.alive
        await node.started.wait()
        node.go.set()
        del node
        assert await call == "busy"
        del call
        await all_given_back(pair)


@on_both_loops
async def test_a_call_goes_on_although_its_object_is_released_meanwhile() -> None:
    api = API()
    async with connected(api) as pair:
        node = await pair.client.root.make("busy")
        call = asyncio.ensure_future(node.wait())
        (real,) = api.alive
        await real.started.wait()
        proxyables.release(node)
        await all_given_back(pair)
        real.go.set()
        assert await call == "busy"


@on_both_loops
async def test_an_argument_lives_for_as_long_as_the_callee_keeps_it() -> None:
    api = API()
    mine = Node("mine")
    async with connected(api) as pair:
        await pair.client.root.keep(mine)
        gc.collect()
        await pair.client.ping()
        assert pair.client.snapshot()["entries"] == 1
        assert await api.kept.label() == "mine"
        api.kept = None
        await all_given_back(pair)


@on_both_loops
async def test_a_callback_is_given_back_when_the_callee_drops_it() -> None:
    async with connected(API()) as pair:
        for _ in range(20):
            assert await pair.client.root.call(lambda: 5) == 5
        await all_given_back(pair)


@on_both_loops
async def test_an_object_that_comes_again_after_it_was_dropped_is_whole() -> None:
    api = API()
    api.kept = node = Node("again")
    async with connected(api) as pair:
        for _ in range(50):
            assert await (await pair.client.root.kept).label() == "again"
        await all_given_back(pair)
        assert api.kept is node


@on_both_loops
async def test_an_object_that_is_dropped_while_it_is_on_its_way_again_survives() -> None:
    api = API()
    api.kept = Node("crossing")
    async with connected(api) as pair:
        kept = await pair.client.root.kept
        for _ in range(50):
            again = asyncio.ensure_future(pair.client.root.kept)
            await asyncio.sleep(0)
            del kept
            gc.collect(0)
            kept = await again
            del again
            assert await kept.label() == "crossing"
        del kept
        await all_given_back(pair)


@on_both_loops
async def test_releasing_gives_back_at_once_every_time_it_was_received() -> None:
    api = API()
    api.kept = Node()
    async with connected(api) as pair:
        first = await pair.client.root.kept
        assert await pair.client.root.kept is first
        assert pair.server.snapshot() == {"entries": 1, "retains": 2}
        proxyables.release(first)
        assert await settled(pair.server) == {"entries": 0, "retains": 0}


@on_both_loops
async def test_use_after_release_is_refused_in_every_role() -> None:
    async with connected(API()) as pair:
        root = pair.client.root
        node = await root.make()
        derived = node.label
        proxyables.release(node)
        uses: list[Any] = [
            lambda: node.label(),
            lambda: derived(),
            lambda: root.keep(node),
            lambda: root.keep([{"deep": node}]),
            lambda: root.keep(node.label()),
            lambda: proxyables.describe(node),
            lambda: anext(aiter(node)),
        ]
        for use in uses:
            with pytest.raises(proxyables.ReferenceNotFound):
                await use()
        assert await root.ignore() is None
        await all_given_back(pair)


@on_both_loops
async def test_a_released_object_may_come_again_under_a_new_reference() -> None:
    api = API()
    api.kept = Node("phoenix")
    async with connected(api) as pair:
        first = await pair.client.root.kept
        proxyables.release(first)
        second = await pair.client.root.kept
        assert second is not first
        assert await second.label() == "phoenix"
        del first, second
        await all_given_back(pair)


@on_both_loops
async def test_a_cycle_over_the_connection_ends_with_the_connection() -> None:
    api = API()
    async with connected(api, back=API()) as pair:
        await pair.client.root.keep(pair.client.root.make())  # it is its own object there
        mine = Node("mine")
        gone = weakref.ref(mine)
        await pair.client.root.keep(mine)
        del mine
        gc.collect()
        assert gone() is not None
    api.kept = None
    gc.collect()
    assert gone() is None


@on_both_loops
async def test_ten_thousand_objects_come_and_go_in_one_value() -> None:
    async with connected(API()) as pair:
        nodes = await pair.client.root.many(10_000)
        assert pair.server.snapshot()["entries"] == 10_000
        assert await nodes[-1].label() == "9999"
        del nodes
        await all_given_back(pair)


@on_both_loops
async def test_references_over_the_limit_are_refused_and_the_connection_lives() -> None:
    few = {"limits": Limits(max_references=10)}
    async with connected(API(), client=few, server=few) as pair:
        kept = await pair.client.root.many(10)
        with pytest.raises(proxyables.RemoteError, match="max_references"):
            await pair.client.root.many(1)
        assert await kept[9].label() == "9"
        del kept
        await all_given_back(pair)
        assert len(await pair.client.root.many(10)) == 10
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_call_that_raised() -> None:
    api = API()
    async with connected(api) as pair:
        for _ in range(20):
            with pytest.raises(ValueError, match="no"):
                await pair.client.root.raise_with(Node(), pair.client.root.make())
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_result_that_cannot_cross() -> None:
    async with connected(API()) as pair:
        for _ in range(20):
            with pytest.raises(proxyables.RemoteError, match="contains itself"):
                await pair.client.root.half_encodable()
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_an_argument_that_cannot_cross() -> None:
    async with connected(API()) as pair:
        for bad in (bytes(20 * 1024 * 1024), __import__("sys")._getframe(), 1 << 70_000):
            with pytest.raises(proxyables.ProxyError):
                await pair.client.root.keep([Node(), {"x": Node()}, bad])
        assert pair.client.snapshot() == {"entries": 0, "retains": 0}


@on_both_loops
async def test_nothing_stays_of_arguments_to_a_method_that_is_not_there() -> None:
    async with connected(API()) as pair:
        for _ in range(20):
            with pytest.raises(AttributeError):
                await pair.client.root.missing(Node(), lambda: 1)
            with pytest.raises(TypeError):
                await pair.client.root.make(Node(), Node(), unknown=Node())
            with pytest.raises(proxyables.AccessDenied):
                await extend(pair.client.root, [GET, "_private"], [CALL, [Node()]])
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_cancelled_call_whenever_it_is_cancelled() -> None:
    async with connected(API()) as pair:
        for turns in range(12):
            for method in ("forever", "ignore_later", "ignore"):
                call = asyncio.ensure_future(
                    getattr(pair.client.root, method)(Node(), [Node()], pair.client.root.make())
                )
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
                del call
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_result_whose_caller_is_gone() -> None:
    async with connected(API()) as pair:
        for turns in range(12):
            calls = [asyncio.ensure_future(pair.client.root.make()) for _ in range(5)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            del calls, call
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_callback_that_failed() -> None:
    def fail(node: Any) -> None:
        raise KeyError("in the callback")

    async with connected(API()) as pair:
        for _ in range(20):
            with pytest.raises(KeyError):
                await pair.client.root.call(fail, Node())
        gc.collect()
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_of_a_big_argument_that_is_cancelled_on_its_way() -> None:
    async with connected(API()) as pair:
        for turns in range(6):
            call = asyncio.ensure_future(pair.client.root.forever(Node(), bytes(4_000_000)))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            del call
        await all_given_back(pair)


@on_both_loops
async def test_nothing_stays_when_the_connection_breaks_in_mid_call() -> None:
    api = API()
    mine = [Node() for _ in range(5)]
    async with connected(api) as pair:
        theirs = await pair.client.root.many(5)
        calls = [asyncio.ensure_future(pair.client.root.forever(node)) for node in mine]
        while pair.server.statistics()["calls_running"] < 5:
            await asyncio.sleep(0)
        pair.server.abort()
        assert all(
            isinstance(each, proxyables.ConnectionClosed)
            for each in await asyncio.gather(*calls, return_exceptions=True)
        )
        await pair.client.wait_closed()
        assert pair.client.snapshot() == pair.server.snapshot() == {"entries": 0, "retains": 0}
        del theirs, calls
    gc.collect()
    assert len(api.alive) == 0


@on_both_loops
async def test_dropping_cursors_after_the_end_of_the_connection_does_no_harm() -> None:
    async with connected(API()) as pair:
        nodes = await pair.client.root.many(10)
        derived = nodes[0].label
        pair.client.close()
        await pair.client.wait_closed()
        proxyables.release(nodes[1])
        del nodes
        gc.collect()
        with pytest.raises(proxyables.ConnectionClosed):
            await derived()


@on_both_loops
async def test_cursors_may_be_dropped_in_another_thread() -> None:
    async with connected(API()) as pair:
        nodes = await pair.client.root.many(50)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, nodes.clear)
        await all_given_back(pair)
        await loop.shutdown_default_executor()
