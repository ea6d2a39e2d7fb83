"""The first Python implementation as the server of our client, live."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from proxyables import (
    ConnectionClosed,
    Limits,
    Proxyable,
    ProxyCursor,
    RemoteError,
    construct,
    peer_of,
    release,
)
from proxyables.peer.peer import Peer
from recording import eventually

MIB = 1 << 20


@contextlib.asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[Peer]:
    """Our client, connected to the original."""
    _, peer = await asyncio.get_running_loop().create_connection(
        lambda: Peer(client=True, **options), "127.0.0.1", port
    )
    async with peer:
        assert peer.is_classic
        yield peer
    counts = peer.statistics()
    assert counts["exports"] == counts["imports"] == counts["calls_waiting"] == 0


def live(test: Callable[[ProxyCursor], Coroutine[Any, Any, None]]) -> Callable[[int], None]:
    """Makes a test of a coroutine that takes the original's root."""

    @wraps(test)
    def run(original_port: int) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), connected(original_port) as peer:
                await test(peer.root)

        asyncio.run(main())

    del run.__wrapped__  # type: ignore[attr-defined]  # it takes the fixture, not the root
    return run


async def counts(root: ProxyCursor) -> dict[str, int]:
    """What the original holds: objects, occurrences, streams."""
    told: dict[str, int] = json.loads(await root.stats())
    return told


@live
async def test_attributes_and_items(root: ProxyCursor) -> None:
    assert await root.intValue == 42
    assert await root.textValue == "hello"
    assert await root.bytesValue == b"\x00\xff"
    assert await root.listValue[1] == 2
    assert await root.mapValue["a"] == 1
    assert await root.noSuchThing is None  # the original's null for what does not exist


@live
async def test_arguments(root: ProxyCursor) -> None:
    assert await root.add(2, 3) == 5
    assert await root.later("x") == "x"
    told = {
        "NoneType:None": None,
        "bool:True": True,
        "int:-9223372036854775808": -(2**63),
        "int:18446744073709551615": 2**64 - 1,
        "float:1.5": 1.5,
        "str:'é'": "é",
        "bytes:b'ab'": b"ab",
        "bytes:b'cd'": bytearray(b"cd"),
        "bytes:b'ef'": memoryview(b"ef"),
        "list:[1, {'b': 2}, [3]]": [1, {"b": 2}, [3]],
        "dict:{'a': [1, {'b': None}]}": {"a": [1, {"b": None}]},
    }
    assert [await root.kind(value) for value in told.values()] == list(told)


@live
async def test_live_arguments_go_by_reference(root: ProxyCursor) -> None:
    for value in ((1, 2), {1, 2}, {"kind": 1}, {1: "x"}, [{"kind": 1}], [object()]):
        assert (await root.kind(value)).startswith("ProxyCursor:")


@live
async def test_nested_object_is_released(root: ProxyCursor) -> None:
    found = await root.nested
    assert [await found.ping(), await found.label] == ["pong", "nested"]
    assert found is await root.nested
    assert (await counts(root))["retains"] == 2
    release(found)
    while (await counts(root))["entries"]:
        pass
    method = (await root.nested).ping
    gc.collect()
    assert await method() == "pong"  # a derived cursor keeps its object


@live
async def test_thousand_objects_are_released(root: ProxyCursor) -> None:
    held = [await root.make() for _ in range(1000)]
    assert (await counts(root))["entries"] == 1000
    del held
    while (await counts(root))["entries"]:
        pass
    assert peer_of(root).statistics()["imports"] == 0


@live
async def test_constructing(root: ProxyCursor) -> None:
    assert await construct(root.Greeter, "Hi").greet("Bob") == "Hi Bob"
    assert await root.Greeter("Hey").greet("Bob") == "Hey Bob"


@live
async def test_callbacks(root: ProxyCursor) -> None:
    class Thing:
        def greet(self, name: str) -> str:
            return f"hi {name}"

    async def later(value: int) -> int:
        await asyncio.sleep(0)
        return value + 1

    assert await root.apply(lambda value: value * 2, 21) == 42
    assert await root.apply(later, 1) == 2
    assert await root.greeted(Thing()) == "hi Ada"
    with pytest.raises(RemoteError, match="^division by zero$"):
        await root.apply(lambda value: value / 0, 1)
    # A callback that asks back, as deep as the original's eight streams allow.

    async def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + await root.apply(down, depth - 1)

    assert await down(7) == 7


@live
async def test_errors(root: ProxyCursor) -> None:
    with pytest.raises(RemoteError, match="^Boom$"):
        await root.boom()
    with pytest.raises(RemoteError, match="not callable"):
        await root.noSuchThing()
    gone = await root.make()
    other = await root.make()
    release(gone)
    with pytest.raises(LookupError, match="was released"):
        await gone.ping()
    assert await other.ping() == "pong"


@live
async def test_three_thousand_calls_leave_no_streams(root: ProxyCursor) -> None:
    total = 0
    for number in range(3000):
        total += await root.add(number, 1)
    assert total == sum(range(1, 3001))
    assert (await counts(root))["streams"] == 1  # the one that asks
    assert peer_of(root).statistics()["streams"] == 0


@live
async def test_calls_in_flight_together(root: ProxyCursor) -> None:
    values = await asyncio.gather(*(root.later(number) for number in range(150)))
    assert values == list(range(150))


@live
async def test_large_strings(root: ProxyCursor) -> None:
    """The original can do more than a MiB: as much as our limit for one message, both ways."""
    assert await root.size("x" * MIB) == MIB
    assert len(await root.text(MIB)) == MIB
    text = "é" * (7 * MIB)
    assert await root.echo(text) == text


@live
async def test_pings(root: ProxyCursor) -> None:
    assert 0 <= await peer_of(root).ping() < 10
    await root.ping()
    together = await asyncio.gather(*(peer_of(root).ping() for _ in range(5)))
    assert all(seconds >= 0 for seconds in together)


@live
async def test_cancelled_call_is_abandoned(root: ProxyCursor) -> None:
    peer = peer_of(root)

    async def hang() -> None:
        await root.hang()

    call = asyncio.create_task(hang())
    await eventually(lambda: peer.statistics()["calls_waiting"])
    assert await root.add(1, 2) == 3
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await root.add(1, 2) == 3
    await root.wake()
    await eventually(lambda: peer.statistics()["calls_waiting"] == 0)
    assert peer.statistics()["streams"] == 0


@live
async def test_what_a_cancelled_call_brought_is_given_back(root: ProxyCursor) -> None:
    async def make() -> None:
        await root.make()

    call = asyncio.create_task(make())
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # its request has left
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    while (await counts(root))["entries"]:
        pass
    assert peer_of(root).statistics()["import_retains"] == 0


def test_server_that_blocks_is_not_taken_for_dead(original_port: int) -> None:
    """It answers no pings while a method runs, so there is no keep-alive for it."""

    async def main() -> None:
        limits = Limits(keepalive=0.02, keepalive_timeout=0.02)
        async with asyncio.timeout(20), connected(original_port, limits=limits) as peer:
            await peer.root.block(0.3)
            assert await peer.root.add(1, 2) == 3

    asyncio.run(main())


def test_connection_that_ends_in_mid_call(original_port: int) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), connected(original_port) as peer:
            held = await peer.root.nested

            async def hang() -> None:
                await peer.root.hang()

            call = asyncio.create_task(hang())
            await eventually(lambda: peer.statistics()["calls_waiting"])
            with pytest.raises(ConnectionClosed):
                await peer.root.leave()
            with pytest.raises(ConnectionClosed) as caught:
                await call
            assert caught.value.maybe_executed
            assert not caught.value.local
            with pytest.raises(ConnectionClosed) as caught:
                await held.ping()
            assert not caught.value.maybe_executed

    asyncio.run(main())


def test_import_as_in_the_readme_of_the_original(original_port: int) -> None:
    async def main() -> None:
        streams = await asyncio.open_connection("127.0.0.1", original_port)
        async with asyncio.timeout(20):
            proxy = await Proxyable.ImportFrom(streams)
            assert await proxy.add(10, 20) == 30
            peer = peer_of(proxy)
            peer.close()
            await peer.wait_closed()

    asyncio.run(main())
