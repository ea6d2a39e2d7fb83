"""Who reads slowly holds the producer back, whatever stands between them, and lets it go on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import proxyables
from connections import connected, idle, on_both_loops
from proxyables.wire.instructions import CALL, EXECUTE, GET, STREAM
from raw_peers import RawPeer, dialled

ITEM = 10_000
MIB = 1024 * 1024


class Source:
    """Counts what it has produced, and notes when it is closed."""

    def __init__(self) -> None:
        self.produced = 0
        self.closed = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def endless(self) -> Iterator[bytes]:
        try:
            while True:
                self.produced += 1
                yield bytes(ITEM)
        finally:
            self.loop.call_soon_threadsafe(self.closed.set)

    async def endless_async(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.produced += 1
                yield bytes(ITEM)
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    def ping(self) -> str:
        return "pong"

    async def stands_still(self) -> int:
        """Waits until nothing more is produced; returns how many bytes were."""
        before = -1
        while before != self.produced:
            before = self.produced
            await asyncio.sleep(0.1)
        return before * ITEM


async def ask(raw: RawPeer, method: str) -> int:
    """Asks for items; returns the stream that they come on."""
    stream = raw.session.open_stream()
    steps = [[GET, method], [CALL, []], [STREAM, 1024]]
    await raw.send(stream, [EXECUTE, None, steps])
    return stream.id


KINDS = [("endless", 0), ("endless_async", 0), ("endless", 2)]


@pytest.mark.parametrize(("method", "threads"), KINDS)
@on_both_loops
async def test_a_socket_that_is_not_read_holds_the_producer_back(method: str, threads: int) -> None:
    source = Source()
    async with await proxyables.serve(source, "tcp://127.0.0.1:0", threads=threads) as server:
        async with dialled(server.addresses[0]) as raw:
            await raw.greet()
            stream = await ask(raw, method)
            # No window stands in its way: only what the transport takes.
            await raw.frame(1, 0, stream, 1 << 30)
            raw.reader._transport.pause_reading()  # type: ignore[attr-defined]
            stopped = await source.stands_still()
            assert 0 < stopped < 32 * MIB, "what the kernel holds, and little more"
            raw.reader._transport.resume_reading()  # type: ignore[attr-defined]
            await raw.until(lambda: len(raw.received.get(stream, b"")) > stopped + MIB)
            assert source.produced * ITEM > stopped
        await source.closed.wait()


@pytest.mark.parametrize(("method", "threads"), KINDS)
@on_both_loops
async def test_a_window_that_is_used_up_holds_the_producer_back(method: str, threads: int) -> None:
    source = Source()
    async with await proxyables.serve(source, "tcp://127.0.0.1:0", threads=threads) as server:
        async with dialled(server.addresses[0]) as raw:
            await raw.greet()
            stream = await ask(raw, method)
            raw.session.streams[stream].auto_credit = False
            await raw.until(lambda: len(raw.received.get(stream, b"")) == 256 * 1024)
            stopped = await source.stands_still()
            assert stopped < 2 * MIB
            assert (await raw.execute([GET, "ping"], [CALL, []]))[1] == "pong"
            await raw.frame(1, 0, stream, 4 * MIB)
            raw.session.lenient = True
            await raw.until(lambda: len(raw.received[stream]) == 256 * 1024 + 4 * MIB)
            assert 4 * MIB < await source.stands_still() < 7 * MIB
        await source.closed.wait()


@pytest.mark.parametrize(("method", "threads"), KINDS)
@on_both_loops
async def test_a_loop_that_stalls_holds_the_producer_back(method: str, threads: int) -> None:
    source = Source()
    limits = proxyables.Limits(max_window=2 * MIB)
    async with connected(source, client={"limits": limits}, server={"threads": threads}) as pair:
        items: Any = aiter(getattr(pair.client.root, method)())
        for _ in range(1000):  # so that the window may have grown
            await anext(items)
        stopped = await source.stands_still()
        assert stopped <= 1000 * ITEM + 2 * MIB + MIB
        assert await pair.client.root.ping() == "pong"
        for _ in range(1000):
            assert len(await anext(items)) == ITEM
        assert source.produced * ITEM > stopped
        await items.aclose()
        await source.closed.wait()
        del items
        gc.collect()
        await idle(pair.server)


@on_both_loops
async def test_a_large_answer_arrives_whole_though_its_server_closes() -> None:
    class Text:
        async def text(self) -> bytes:
            return bytes(3 * MIB)

    async with connected(Text()) as pair:
        call = asyncio.create_task(proxyables.run(pair.client.root.text()))
        while not pair.server.statistics()["calls_served"]:
            await asyncio.sleep(0)
        pair.server.close()
        assert len(await call) == 3 * MIB
