"""A server that has no room for a classic peer: it fails at once, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from connections import on_both_loops
from interop.originals import Original
from proxyables import Limits, connect, serve
from proxyables.net.server import MOST_REFUSED
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from raw_peers import RawPeer, classic_call, dialled
from watching import until

FULL = "connections: 2 is over the limit max_connections=1"
TOO_MANY = "calls being served: 201 is over the limit max_calls=200"
ADD = classic_call((Kind.GET, ["add"]), (Kind.APPLY, [1, 2]))
HANG = classic_call((Kind.GET, ["hang"]), (Kind.APPLY, []))


class API:
    def __init__(self) -> None:
        self.hanging = 0
        self.go = asyncio.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    async def hang(self) -> int:
        self.hanging += 1
        await self.go.wait()
        return self.hanging


async def told(raw: RawPeer, request: Any) -> Any:
    """Returns what a classic request is answered with: the text of a THROW, or a value."""
    async with asyncio.timeout(5):
        answer = await raw.exchange(request)
    return answer["data"]["message" if answer["kind"] == Kind.THROW else "data"]


@on_both_loops
async def test_one_connection_too_many_is_told_so_whatever_it_asks_and_then_closed() -> None:
    limits = Limits(handshake_timeout=0.5)
    async with (
        serve(API(), "tcp://127.0.0.1:0", max_connections=1, limits=limits) as server,
        dialled(server.addresses[0]) as first,
    ):
        assert await told(first, ADD) == 3
        async with dialled(server.addresses[0]) as second:
            for request in (ADD, classic_call(), HANG, classic_call((Kind.GET, ["_x"]))):
                assert await told(second, request) == FULL
            async with asyncio.timeout(5):
                await second.until_over()
        assert await told(first, ADD) == 3
        first.close()
        await until(lambda: not server.peers)
        async with connect(server.addresses[0]) as another:
            assert await another.root.add(1, 2) == 3


@on_both_loops
async def test_a_crowd_that_does_not_get_in_is_closed_without_a_word() -> None:
    async with (
        serve(API(), "tcp://127.0.0.1:0", max_connections=1) as server,
        dialled(server.addresses[0]) as first,
    ):
        assert await told(first, ADD) == 3
        crowd = []
        for _ in range(MOST_REFUSED):
            crowd.append(dialled(server.addresses[0]))
            assert await told(await crowd[-1].__aenter__(), ADD) == FULL
        async with dialled(server.addresses[0]) as last, asyncio.timeout(5):
            await last.until_over()
        for each in crowd:
            await each.__aexit__(None, None, None)
        assert await told(first, ADD) == 3


@on_both_loops
async def test_the_201st_call_is_refused_and_the_200_go_on() -> None:
    api = API()
    async with (
        serve(api, "tcp://127.0.0.1:0", limits=Limits(max_calls=200)) as server,
        dialled(server.addresses[0]) as raw,
    ):
        streams = [raw.session.open_stream() for _ in range(200)]
        for stream in streams:
            await raw.send(stream, HANG)
        await until(lambda: api.hanging == 200)
        for request in (HANG, ADD):
            assert await told(raw, request) == TOO_MANY
        api.go.set()
        assert (await raw.message(streams[-1]))["data"]["data"] == 200
        assert await told(raw, ADD) == 3


@on_both_loops
async def test_a_stream_too_many_is_reset_and_the_others_go_on() -> None:
    api = API()
    async with (
        serve(api, "tcp://127.0.0.1:0", limits=Limits(max_streams=3)) as server,
        dialled(server.addresses[0]) as raw,
    ):
        streams = [raw.session.open_stream() for _ in range(4)]
        for stream in streams:
            await raw.send(stream, HANG)
        async with asyncio.timeout(5):
            await raw.until(lambda: streams[3].dead)
        api.go.set()
        assert (await raw.message(streams[2]))["data"]["data"] == 3


async def _drive(client: Original, scenario: str, **options: Any) -> Any:
    async with (
        serve(API(), "tcp://127.0.0.1:0", **options) as server,
        asyncio.timeout(60),
    ):
        port = int(server.addresses[0].rpartition(":")[2])
        if options.get("max_connections"):
            async with connect(server.addresses[0]) as first:
                result = await client.run(port, scenario)
                assert await first.root.add(1, 2) == 3
        else:
            result = await client.run(port, scenario)
        return result


def test_the_original_is_told_that_there_is_no_room(original_client: Original) -> None:
    assert asyncio.run(_drive(original_client, "refused", max_connections=1)) == [FULL] * 7


def test_the_original_is_told_of_the_call_too_many(original_client: Original) -> None:
    told = asyncio.run(_drive(original_client, "one_too_many", limits=Limits(max_calls=5)))
    assert told == ["calls being served: 6 is over the limit max_calls=5"] * 2
