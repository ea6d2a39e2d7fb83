"""A to C through B: the middle passes on a cursor of the third, and everything works through it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import decimal
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest

import proxyables
from connections import connected, idle, on_both_loops, settled
from proxyables import Peer


class Part:
    def __init__(self, name: str) -> None:
        self.name = name

    def label(self) -> str:
        return self.name


class Manager:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __enter__(self) -> str:
        self._log.append("enter")
        return "tx"

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._log.append("exit" if error is None else f"exit {error}")
        return isinstance(error, KeyError)


class Far:
    Part = Part

    def __init__(self) -> None:
        self.number = 7
        self.items = [1, 2, 3]
        self.table = {"k": 1}
        self.part = Part("far part")
        self.log: list[str] = []
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.kept: Any = None

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def same(self, thing: Any) -> Any:
        return thing

    def is_part(self, thing: Any) -> bool:
        return thing is self.part

    def keep(self, thing: Any) -> None:
        self.kept = thing

    async def call(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    async def total(self, numbers: Any) -> int:
        return sum([n async for n in numbers])

    def numbers(self, count: int) -> Any:
        yield from range(count)

    def endless(self) -> Any:
        try:
            while True:
                yield 1
        finally:
            self.closed.set()

    def parts(self, count: int) -> Any:
        for n in range(count):
            yield Part(f"part {n}")

    def broken(self) -> Any:
        yield 1
        raise LookupError("in the middle")

    def fail(self) -> None:
        try:
            {}["cause"]
        except KeyError as error:
            raise ValueError("far away") from error

    def group(self) -> None:
        raise ExceptionGroup("two", [ValueError(1), KeyError("k")])

    def manager(self) -> Manager:
        return Manager(self.log)

    async def forever(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


class Middle:
    """Passes on the third party's objects in every way there is."""

    def __init__(self, far: Any) -> None:
        self.far = far
        self.own = Part("middle part")

    def get_far(self) -> Any:
        return self.far

    async def part(self) -> Any:
        return await self.far.part

    def path_to_part(self) -> Any:
        return self.far.part

    async def everything(self) -> Any:
        return {"far": self.far, "parts": [await self.far.part, self.own]}

    async def name_of(self, part: Any) -> str:
        return f"{await part.label()} by the middle"


class Three(NamedTuple):
    client: Peer
    to_client: Peer
    to_far: Peer
    far: Peer


@contextlib.asynccontextmanager
async def chained(
    far: Far, make_middle: Callable[[Any], Any] = lambda cursor: cursor
) -> AsyncIterator[Three]:
    """Three connected parties; the middle's root is `make_middle` of a cursor on the far root."""
    async with (
        connected(far) as (to_far, far_peer),
        connected(make_middle(to_far.root)) as (client, to_client),
    ):
        three = Three(client, to_client, to_far, far_peer)
        yield three
        await settled(client)  # collects garbage, once for all
        async with asyncio.timeout(5):
            while any(peer.snapshot()["entries"] for peer in three):
                await asyncio.sleep(0.001)


VALUES = [
    None,
    True,
    2**70,
    1.5,
    "text",
    b"bytes",
    [1, [2]],
    (1, (2,)),
    {"k": {"v": 1}, 2: 3},
    {1, 2},
    frozenset({3}),
    complex(1, 2),
    range(3),
    slice(1, 2),
    decimal.Decimal("1.5"),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    datetime.timedelta(1),
]


@on_both_loops
async def test_every_kind_of_value_passes_both_ways() -> None:
    async with chained(Far()) as three:
        for value in VALUES:
            back = await three.client.root.same(value)
            assert back == value
            assert type(back) is type(value)
        assert await three.client.root.echo(*VALUES, x=VALUES) == [VALUES, {"x": VALUES}]


@on_both_loops
async def test_attributes_items_and_their_changes() -> None:
    far = Far()
    async with chained(far) as three:
        root = three.client.root
        assert await root.number == 7
        assert await root.items[1:] == [2, 3]
        assert await root.table["k"] == 1
        await proxyables.assign(root.number, 8)
        await proxyables.assign(root.table["n"], [1])
        await proxyables.delete(root.table["k"])
        assert far.number == 8
        assert far.table == {"n": [1]}
        await proxyables.assign(root.fresh, 1)
        await proxyables.delete(root.fresh)
        assert not hasattr(far, "fresh")


@on_both_loops
async def test_operators_and_protocol_functions() -> None:
    async with chained(Far()) as three:
        root = three.client.root
        assert await (root.number + 1) == 8
        assert await (10 - root.number) == 3
        assert await (root.number < 10) is True
        assert await proxyables.perform(root.items, "len") == 3
        assert await proxyables.contains(root.items, 2)
        assert "number" in await proxyables.perform(root, "dir")
        assert await proxyables.copy(root.items) == [1, 2, 3]
        assert "number" in repr(await proxyables.describe(root))


@on_both_loops
async def test_a_chain_is_one_message_on_each_link() -> None:
    async with chained(Far()) as three:
        root = three.client.root
        await root.number
        counts = [peer.statistics()["calls_made"] for peer in (three.client, three.to_far)]
        assert await root.part.label() == "far part"
        after = [peer.statistics()["calls_made"] for peer in (three.client, three.to_far)]
        assert after == [count + 1 for count in counts]


@on_both_loops
async def test_an_object_of_the_third_is_used_and_goes_home_as_itself() -> None:
    async with chained(Far()) as three:
        part = await three.client.root.part
        assert await part.label() == "far part"
        assert await three.client.root.is_part(part)
        assert await three.client.root.part is part
        del part


@on_both_loops
async def test_an_object_of_ours_comes_back_from_the_third_as_itself() -> None:
    mine = Part("mine")
    async with chained(Far()) as three:
        assert await three.client.root.same(mine) is mine
        assert (await three.client.root.same([mine]))[0] is mine


@on_both_loops
async def test_an_object_of_ours_is_used_by_the_third() -> None:
    far = Far()
    async with chained(far) as three:
        assert await three.client.root.call(Part("x").label) == "x"
        await three.client.root.keep(Part("kept"))
        assert await far.kept.label() == "kept"
        assert await far.kept.name == "kept"
        far.kept = None


@on_both_loops
async def test_callbacks_of_callbacks() -> None:
    async with chained(Far()) as three:

        async def outer(n: int) -> Any:
            return n if n == 0 else await three.client.root.call(outer, n - 1)

        assert await three.client.root.call(outer, 5) == 0


@on_both_loops
async def test_constructing_over_two_links() -> None:
    async with chained(Far()) as three:
        assert await (await three.client.root.Part("made")).label() == "made"


@on_both_loops
async def test_streams_over_two_links() -> None:
    async with chained(Far()) as three:
        root = three.client.root
        assert [n async for n in root.numbers(3000)] == list(range(3000))
        assert [n async for n in root.items] == [1, 2, 3]
        assert [await part.label() async for part in root.parts(3)] == [
            "part 0",
            "part 1",
            "part 2",
        ]
        seen = []
        with pytest.raises(LookupError, match="in the middle"):
            async for n in root.broken():
                seen.append(n)
        assert seen == [1]


@on_both_loops
async def test_a_generator_of_the_third_kept_and_then_iterated() -> None:
    async with chained(Far()) as three:
        numbers = await three.client.root.numbers(50)
        assert [n async for n in numbers] == list(range(50))
        del numbers


@on_both_loops
async def test_leaving_a_stream_stops_the_third() -> None:
    far = Far()
    async with chained(far) as three:
        async for _ in three.client.root.endless():
            break
        await far.closed.wait()
        await idle(three.far)


@on_both_loops
async def test_our_generator_is_iterated_by_the_third() -> None:
    async with chained(Far()) as three:
        assert await three.client.root.total(n for n in range(500)) == sum(range(500))


@on_both_loops
async def test_errors_keep_type_text_cause_and_the_frames_of_both() -> None:
    async with chained(Far()) as three:
        with pytest.raises(ValueError, match="far away") as caught:
            await three.client.root.fail()
        assert isinstance(caught.value.__cause__, KeyError)
        assert [frame.function for frame in caught.value.frames].count("fail") == 1
        with pytest.raises(ExceptionGroup) as group:
            await three.client.root.group()
        assert [type(each).__name__ for each in group.value.exceptions] == [
            "ValueError",
            "KeyError",
        ]
        with pytest.raises(AttributeError):
            await three.client.root.missing


@on_both_loops
async def test_an_error_of_our_callback_passes_the_third_and_comes_back() -> None:
    def fail() -> None:
        raise ZeroDivisionError("mine")

    async with chained(Far()) as three:
        with pytest.raises(ZeroDivisionError, match="mine"):
            await three.client.root.call(fail)


@on_both_loops
async def test_context_managers_over_two_links() -> None:
    far = Far()
    async with chained(far) as three:
        async with three.client.root.manager() as tx:
            assert tx == "tx"
        async with three.client.root.manager():
            raise KeyError("swallowed")
        with pytest.raises(ValueError, match="mine"):
            async with three.client.root.manager():
                raise ValueError("mine")
        assert far.log == ["enter", "exit", "enter", "exit 'swallowed'", "enter", "exit mine"]


@on_both_loops
async def test_cancelling_reaches_the_third() -> None:
    far = Far()
    async with chained(far) as three:
        call = asyncio.ensure_future(three.client.root.forever())
        await far.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await far.cancelled.wait()


@on_both_loops
async def test_paths_as_arguments_run_at_the_third() -> None:
    async with chained(Far()) as three:
        root = three.client.root
        assert await root.same(root.part.label()) == "far part"
        assert await root.is_part(root.part)


@on_both_loops
async def test_a_middle_with_a_life_of_its_own_passes_cursors_on() -> None:
    async with chained(Far(), Middle) as three:
        root = three.client.root
        assert await root.far.number == 7
        assert await root.get_far().items[0] == 1
        assert await (await root.part()).label() == "far part"
        assert await root.path_to_part().label() == "far part"
        assert await (await root.path_to_part()).label() == "far part"
        everything = await root.everything()
        assert await everything["far"].number == 7
        assert await everything["parts"][0].label() == "far part"
        assert await everything["parts"][1].label() == "middle part"
        del everything


@on_both_loops
async def test_an_object_of_the_third_as_argument_to_the_middle() -> None:
    async with chained(Far(), Middle) as three:
        part = await three.client.root.part()
        assert await three.client.root.name_of(part) == "far part by the middle"
        mine = Part("mine")
        assert await three.client.root.name_of(mine) == "mine by the middle"
        del part


@on_both_loops
async def test_an_object_of_the_middle_as_argument_to_the_third() -> None:
    far = Far()
    async with chained(far, Middle) as three:
        root = three.client.root
        own = await root.own
        assert await root.far.same(own) is own
        assert await root.far.call(own.label) == "middle part"
        del own


@on_both_loops
async def test_the_third_going_away_is_an_error_of_that_call_only() -> None:
    far = Far()
    async with (
        connected(far) as (to_far, far_peer),
        connected(Middle(to_far.root)) as (client, _),
    ):
        call = asyncio.ensure_future(client.root.far.forever())
        await far.started.wait()
        far_peer.abort()
        with pytest.raises(proxyables.RemoteError) as caught:
            await call
        assert caught.value.type_name in ("ConnectionLost", "ConnectionClosed")
        assert await client.root.own.label() == "middle part"


@on_both_loops
async def test_a_cursor_of_one_server_as_argument_to_another() -> None:
    one, other = Far(), Far()
    async with connected(one) as (to_one, _), connected(other) as (to_other, _):
        part = await to_one.root.part
        assert await to_other.root.call(part.label) == "far part"
        assert await to_other.root.same(part) is part
        assert await to_other.root.total(await to_one.root.numbers(100)) == sum(range(100))
        assert await to_other.root.total(to_one.root.items) == 6


@on_both_loops
async def test_four_parties_in_a_row() -> None:
    far = Far()
    async with chained(far) as three, connected(three.client.root) as (client, _):
        assert await client.root.part.label() == "far part"
        assert [n async for n in client.root.numbers(100)] == list(range(100))
        assert await client.root.call(lambda x: x + 1, 1) == 2
        with pytest.raises(ValueError, match="far away"):
            await client.root.fail()
