"""Bounds on what is kept for a peer between its messages, and that they are free again."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest

import proxyables
from connections import connected, on_both_loops
from proxyables import Limits
from proxyables.limits import KIB
from proxyables.peer.refusals import MOST
from proxyables.wire.instructions import CALL, EXECUTE, GET, THROW
from raw_peers import dialled


class API:
    count = 7

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def wait(self, value: bytes) -> int:
        await self.may_end.wait()
        return len(value)


@on_both_loops
async def test_large_arguments_of_running_calls_are_bounded_and_free_again() -> None:
    api = API()
    limits = Limits(max_read_buffer=200 * KIB)
    async with connected(api, server={"limits": limits}) as pair:
        root = pair.client.root
        calls = [asyncio.ensure_future(_result(root.wait(bytes(60_000)))) for _ in range(4)]
        while pair.server.statistics()["calls_running"] < 4:
            await asyncio.sleep(0)
        with pytest.raises(proxyables.RemoteError, match="max_read_buffer"):
            await root.wait(b"")
        api.may_end.set()
        assert await asyncio.gather(*calls) == [60_000] * 4
        assert await root.count == 7


async def _result(cursor: Any) -> Any:
    return await cursor


@on_both_loops
async def test_cancelled_calls_hold_nothing() -> None:
    limits = Limits(max_read_buffer=200 * KIB)
    async with connected(API(), server={"limits": limits}) as pair:
        root = pair.client.root
        for _ in range(10):
            call = asyncio.ensure_future(_result(root.wait(bytes(150_000))))
            while not pair.server.statistics()["calls_running"]:
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            while pair.server.statistics()["calls_running"]:
                await asyncio.sleep(0)
        assert await root.count == 7


@on_both_loops
async def test_begun_messages_that_end_or_are_reset_are_counted_no_more() -> None:
    limits = Limits(max_read_buffer=300 * KIB)
    whole = msgpack.packb([EXECUTE, None, [[GET, "wait"], [CALL, [bytes(20_000)]]]])
    api = API()
    api.may_end.set()
    serving = proxyables.serve(api, "tcp://127.0.0.1:0", limits=limits)
    async with serving as server, dialled(server.addresses[0]) as raw:
        await raw.greet()
        for turn in range(30):
            streams = [raw.session.open_stream() for _ in range(3)]
            for stream in streams:
                await raw.send(stream, whole[:10_000])
            for stream in streams:
                if turn % 2:
                    raw.session.reset(stream)
                else:
                    assert (await raw.exchange(whole[10_000:], stream))[1] == 20_000
            await raw.write(b"")
        assert (await raw.execute([GET, "count"]))[1] == 7


@on_both_loops
async def test_who_does_not_read_is_served_no_further(caplog: pytest.LogCaptureFixture) -> None:
    class Big:
        made = 0

        def large(self) -> bytes:
            self.made += 1
            return bytes(1 << 20)

    big = Big()
    limits = Limits(max_write_buffer=4 << 20)
    serving = proxyables.serve(big, "tcp://127.0.0.1:0", limits=limits)
    async with serving as server, dialled(server.addresses[0]) as raw:
        await raw.greet()
        (peer,) = server.peers
        ask = msgpack.packb([EXECUTE, None, [[GET, "large"], [CALL, []]]])
        for _ in range(500):
            raw.session.send(raw.session.open_stream(), ask)
        await raw.write(b"")
        await peer.wait_closed()
    assert big.made < 50
    assert sum("cut off: the peer does not read" in each for each in caplog.messages) == 1


@on_both_loops
async def test_who_is_refused_for_ever_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    many = 500
    serving = proxyables.serve(API(), "tcp://127.0.0.1:0")
    async with serving as server, dialled(server.addresses[0]) as raw:
        await raw.greet()
        (peer,) = server.peers
        for number in range(many):
            assert (await raw.execute([GET, f"_{number}"]))[0] == THROW
        assert peer.statistics()["calls_failed"] == many
        told = [each for each in caplog.messages if "refused: " in each]
        assert len(told) == MOST
        assert "'_19'" in told[-1]
        peer.close()
        await peer.wait_closed()
        (rest,) = [each for each in caplog.messages if "more" in each]
        assert rest.endswith(f"refused: and {many - MOST} more")


@on_both_loops
async def test_an_interval_that_is_over_is_told_and_forgotten(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyables.peer.refusals.INTERVAL", 0.05)
    serving = proxyables.serve(API(), "tcp://127.0.0.1:0")
    async with serving as server, dialled(server.addresses[0]) as raw:
        await raw.greet()
        told = 0
        while told < 2:
            for _ in range(MOST + 5):
                assert (await raw.execute([GET, "_secret"]))[0] == THROW
            told = sum("more" in each for each in caplog.messages)
    assert sum("is denied" in each for each in caplog.messages) >= 2 * MOST
