"""References whose messages wait, overtake each other, or come after the end."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled
from proxyables import Limits
from proxyables.wire import values

MEGABYTE = 1 << 20  # four times what a stream's window lets pass at once


class Thing:
    """Lent by reference."""

    value = 5


class API:
    def __init__(self) -> None:
        self.items = list(range(10))
        self.cancelled = asyncio.Event()

    def heavy(self, thing: Any) -> Any:
        return [thing, bytes(MEGABYTE)]

    def heavy_rows(self, thing: Any) -> Any:
        yield 1
        yield [thing, bytes(MEGABYTE)]

    def paths(self, thing: Any) -> Any:
        yield 1
        yield {"path": thing.value}

    def many(self, count: int) -> list[Thing]:
        return [Thing() for _ in range(count)]

    def count(self, *values: Any) -> int:
        return len(values)

    def broken(self) -> Any:
        return [NOT_TAKEN, Thing(), {"k": (Thing(),)}]

    def number(self, value: int) -> int:
        return value

    def text_of(self, thing: Any) -> str:
        return repr(thing)

    async def forever(self, thing: Any = None) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Thing()
        finally:
            self.cancelled.set()


@on_both_loops
async def test_an_object_is_not_given_back_before_the_answer_that_names_it() -> None:
    async with connected(API()) as (client, server):
        mine = Thing()
        for _ in range(3):
            back, _ = await client.root.heavy(mine)
            assert back is mine
        rows = [row async for row in client.root.heavy_rows(mine)]
        assert rows[1][0] is mine
        assert (await settled(client))["entries"] == 0
        assert server.statistics()["imports"] == 0


@on_both_loops
async def test_a_stream_of_paths_is_refused_where_they_come_from() -> None:
    async with connected(API()) as (client, _):
        seen = []
        with pytest.raises(proxyables.RemoteError, match="a path that was not awaited"):
            async for row in client.root.paths(Thing()):
                seen.append(row)
        assert await client.root.number(1) == 1
        assert (await settled(client))["entries"] == 0


@on_both_loops
async def test_the_bounds_of_a_slice_may_be_paths() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        assert await root.items[root.number(2) : root.number(6) : root.number(2)] == [2, 4]
        assert await root.items[: root.number(2)] == [0, 1]


@on_both_loops
async def test_a_type_is_described_once_in_a_message() -> None:
    async with connected(API()) as (client, _):
        before = client.statistics()["bytes_received"]
        things = await client.root.many(1000)
        assert client.statistics()["bytes_received"] - before < 1000 * 15
        assert all(repr(thing).startswith("<ProxyCursor Thing#") for thing in things)


@on_both_loops
async def test_a_type_that_was_not_sent_after_all_is_described_later() -> None:
    limits = {"limits": Limits(max_streams=1)}
    async with connected(API(), client=limits) as (client, _):
        waiting = asyncio.ensure_future(client.root.forever())
        while not client.statistics()["calls_waiting"]:
            await asyncio.sleep(0)
        with pytest.raises(proxyables.LimitExceeded, match="max_streams=1"):
            await client.root.text_of(Thing())
        assert client.snapshot() == {"entries": 0, "retains": 0}
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert "Thing#" in await client.root.text_of(Thing())


@on_both_loops
async def test_what_a_call_returns_after_the_end_is_not_lent() -> None:
    api = API()
    async with connected(api) as (client, server):
        call = asyncio.ensure_future(client.root.forever(Thing()))
        while not server.statistics()["calls_running"]:
            await asyncio.sleep(0.001)
        client.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await call
        await server.wait_closed()
        await api.cancelled.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        assert server.snapshot() == {"entries": 0, "retains": 0}


NOTHING = {"entries": 0, "retains": 0}


class NotTaken:
    """Leaves as a date of no month."""


NOT_TAKEN = NotTaken()


@pytest.fixture(autouse=True)
def not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(values.DUMPERS, NotTaken, (values.DATE, lambda _: [2024, 13, 1]))


"""Is sent as any other number, and refused by whoever gets it."""


@on_both_loops
async def test_what_stands_behind_a_malformed_value_is_given_back() -> None:
    async with connected(API()) as (client, _server):
        for given in (
            [NOT_TAKEN, Thing()],
            [Thing(), NOT_TAKEN, Thing()],
            [NOT_TAKEN, ({1: [Thing()]}, (Thing(), (Thing(),)))],
            [(NOT_TAKEN, Thing()), {(Thing(),): 5}],
        ):
            with pytest.raises(proxyables.RemoteError, match="malformed"):
                await client.root.count(*given)
            assert await settled(client) == NOTHING
        assert await client.root.text_of(Thing())
        assert await client.root.number(5) == 5


@on_both_loops
async def test_so_is_what_stands_behind_it_in_an_answer() -> None:
    async with connected(API()) as (client, server):
        for _ in range(3):
            with pytest.raises(proxyables.ProxyError, match="malformed"):
                await client.root.broken()
            assert await settled(server) == NOTHING
        assert await client.root.number(5) == 5


@on_both_loops
async def test_what_is_dropped_while_others_are_given_back_holds_nothing_up() -> None:
    class Dropped(deque[Any]):
        """While one is taken, another comes: the collector runs when it wants to."""

        def popleft(self) -> Any:
            meanwhile.clear()
            return super().popleft()

    async with connected(API()) as (client, server):
        client._tables.imports.dropped = Dropped()
        first, second, third = await client.root.many(3)
        meanwhile = [second]
        del second, first
        assert (await settled(server, 1))["entries"] == 1
        del third  # nothing else is said on this connection
        assert await settled(server) == NOTHING


@on_both_loops
async def test_waiting_for_no_time_does_not_spin() -> None:
    limits = {"limits": Limits(keepalive=0, keepalive_timeout=0)}
    async with connected(API(), client=limits) as (client, _):
        assert await client.root.number(1) == 1
        assert client._heartbeat.timer.when() > client.loop.time() + 0.001


class Wire(asyncio.Transport):
    """Keeps what is written until it is carried over."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


def carry(wire: Wire, peer: proxyables.Peer) -> None:
    """Hands over what was written, one read for each write, without a turn of the loop between."""
    written, wire.written = wire.written, []
    for data in written:
        peer.data_received(data)


@on_both_loops
async def test_a_call_given_up_before_its_task_has_begun_leaves_nothing() -> None:
    ours, theirs = Wire(), Wire()
    client, server = proxyables.Peer(client=True), proxyables.Peer(client=False, export=API())
    client.connection_made(ours)
    server.connection_made(theirs)
    for _ in range(4):
        carry(ours, server)
        carry(theirs, client)
    for _ in range(3):
        call = asyncio.ensure_future(proxyables.run(client.root.forever()))
        while not ours.written:
            await asyncio.sleep(0)
        call.cancel()
        while len(ours.written) < 2:  # the request, and the reset behind it
            await asyncio.sleep(0)
        carry(ours, server)
        while server.statistics()["calls_running"]:
            await asyncio.sleep(0)
    client.connection_lost(None)
    server.connection_lost(None)
