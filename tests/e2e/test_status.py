"""`Peer.status`: what a server tells of itself, to whom, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import Any

import pytest

import proxyables
import watching
from connections import connected, on_both_loops
from proxyables import AccessDenied, NotSupported, Policy
from proxyables.version import __version__
from watching import Started, running, served

HERE = Path(watching.__file__)


def line_of(text: str) -> int:
    lines = HERE.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


def at(function: str, line: str) -> dict[str, Any]:
    """Where a call stands that is at this line of the shop."""
    return {"file": str(HERE), "line": line_of(line), "function": function}


@on_both_loops
async def test_who_the_server_is() -> None:
    async with served(threads=2) as (address, _), proxyables.connect(address) as peer:
        told = await peer.status()
    server = told["server"]
    assert server["name"] == "shop"
    assert server["pid"] == os.getpid()
    assert server["version"] == __version__
    assert server["python"] == platform.python_version()
    assert server["loop"] in ("asyncio", "uvloop")
    assert server["addresses"] == [address]
    assert server["threads"] == {"limit": 2, "running": 0, "queued": 0, "alive": 0}
    assert server["uptime"] >= 0


@on_both_loops
async def test_connections() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as one,
        proxyables.connect(address) as other,
    ):
        account = await one.root.open()
        with pytest.raises(ValueError, match="no"):
            await one.root.fail()
        told = await other.status()
        first, second = told["connections"]
        assert (first["id"], first["you"], second["id"], second["you"]) == (1, False, 2, True)
        assert first["address"].startswith("tcp://127.0.0.1:")
        assert first["credentials"] == {"host": "127.0.0.1"}
        assert first["dialect"] == "px"
        assert first["software"] == f"proxyables {__version__}"
        assert (first["calls"], first["errors"], first["exports"]) == (2, 1, 1)
        assert (second["calls"], second["errors"]) == (0, 0)
        assert 0 <= first["idle"] <= first["age"]
        assert first["received"] > 0 < first["sent"]
        assert told["totals"]["connections"] == 2
        assert told["totals"]["exports"] == 1
        assert told["rates"]["calls"] == 2
        assert told["rates"]["errors"] == 1
        assert 0 < told["rates"]["errors_per_second"] <= told["rates"]["calls_per_second"]
        assert account is not None


@on_both_loops
async def test_to_be_asked_is_no_call() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        await peer.root.add(1, 2)
        for _ in range(5):
            told = await peer.status()
        assert told["rates"]["calls"] == told["connections"][0]["calls"] == 1
        assert told["calls"] == []


@on_both_loops
async def test_where_coroutines_wait() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as peer,
        Started() as start,
    ):
        start(peer.root.wait_inside())
        (call,) = await running(peer, "waiting")
        assert (call["path"], call["state"], call["connection"]) == (
            "shop.wait_inside",
            "waiting",
            1,
        )
        assert call["age"] >= 0
        assert call["where"] == at("Shop.wait", "await asyncio.Event().wait()")


@on_both_loops
async def test_where_a_stream_waits() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as peer,
        Started() as start,
    ):

        async def read() -> None:
            async for _ in peer.root.numbers(3):
                pass

        start(read())
        (call,) = await running(peer, "waiting")
        assert (call["path"], call["state"]) == ("shop.numbers", "waiting")
        assert call["where"]["function"] == "Shop.numbers"


@on_both_loops
async def test_a_stream_whose_reader_is_slow_is_being_sent() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        async for _ in peer.root.flood():
            (call,) = await running(peer, "sending")
            assert call["path"] == "shop.flood"
            break


@on_both_loops
async def test_where_workers_stand_and_who_waits_for_them() -> None:
    async with (
        served(threads=1) as (address, shop),
        proxyables.connect(address) as peer,
        Started() as start,
    ):
        first = start(peer.root.block())
        await running(peer, "running")
        second = start(peer.root.add(1, 2))
        blocked, queued = await running(peer, "running", "queued")
        assert blocked["path"] == "shop.block"
        assert blocked["where"] == at("Shop.block", "self.gate.wait(60)")
        assert (queued["path"], queued["where"]) == ("shop.add", None)
        told = await peer.status()
        assert told["server"]["threads"] == {"limit": 1, "running": 1, "queued": 1, "alive": 1}
        assert told["totals"]["running"] == told["connections"][0]["running"] == 2
        shop.gate.set()
        assert await asyncio.gather(first, second) == [None, 3]
        assert (await peer.status())["calls"] == []


@on_both_loops
@pytest.mark.parametrize("leaves", [False, True])
async def test_a_call_that_was_given_up_but_whose_thread_is_blocked(leaves: bool) -> None:
    async with (
        served(threads=1) as (address, shop),
        proxyables.connect(address) as peer,
        Started() as start,
    ):
        async with proxyables.connect(address) as other:
            blocked = start(other.root.block())
            await running(peer, "running")
            if not leaves:
                blocked.cancel()
            queued = start(peer.root.add(1, 2))
            (call, _) = await running(peer, "running" if leaves else "abandoned", "queued")
        if leaves:
            (call, _) = await running(peer, "abandoned", "queued")
        assert (call["connection"], call["path"]) == (2, "shop.block")
        assert call["where"] == at("Shop.block", "self.gate.wait(60)")
        told = await peer.status()
        assert told["server"]["threads"] == {"limit": 1, "running": 1, "queued": 1, "alive": 1}
        assert told["totals"]["running"] == 1
        shop.gate.set()
        assert await queued == 3
        assert (await peer.status())["calls"] == []


@on_both_loops
async def test_calls_given_up_before_they_have_a_thread_are_gone() -> None:
    async with (
        served(threads=1) as (address, shop),
        proxyables.connect(address) as peer,
        Started() as start,
    ):
        first = start(peer.root.block())
        await running(peer, "running")
        second = start(peer.root.block())
        await running(peer, "running", "queued")
        second.cancel()
        await running(peer, "running")
        shop.gate.set()
        await first
        assert (await peer.status())["calls"] == []


@on_both_loops
async def test_a_worker_that_waits_for_its_caller() -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def callback() -> str:
        asked.set()
        await may_answer.wait()
        return "answer"

    async with (
        served(threads=1) as (address, _),
        proxyables.connect(address) as peer,
        Started() as start,
    ):
        called = start(peer.root.call_back(callback))
        await asked.wait()
        (call,) = await running(peer, "calling")
        assert call["where"]["function"] == "Shop.call_back"
        assert (await peer.status())["connections"][0]["waiting"] == 1
        may_answer.set()
        assert await called == "answer"


@on_both_loops
async def test_durations_are_sampled_and_survive_their_connection() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        async with proxyables.connect(address) as other:
            end = asyncio.get_running_loop().time() + 30
            while (told := await peer.status())["rates"]["samples"] == 0:
                assert asyncio.get_running_loop().time() < end
                await other.root.add(1, 2)
            counted = told["rates"]["calls"]
        await asyncio.sleep(0)
        rates = (await peer.status())["rates"]
        assert rates["p50"] is not None
        assert 0 < rates["p50"] <= rates["p99"] < 30
        assert rates["calls"] >= counted


@pytest.mark.parametrize("introspection", ["names", "off"])
@on_both_loops
async def test_the_policy_is_asked(introspection: Any) -> None:
    policy = Policy(introspection=introspection)
    async with served(policy=policy) as (address, _), proxyables.connect(address) as peer:
        for asked in (peer.status(), peer.trace().__anext__()):
            with pytest.raises(AccessDenied) as caught:
                await asked
            assert str(caught.value) == "access to this value is denied"
        assert await peer.root.add(1, 2) == 3


@on_both_loops
async def test_the_strictest_policy_for_objects_lets_in_who_may_look() -> None:
    policy = Policy(strict=True, allow=["nothing"], read_only=True)
    async with served(policy=policy) as (address, _), proxyables.connect(address) as peer:
        assert (await peer.status())["server"]["name"] == "shop"


@on_both_loops
async def test_a_token_comes_first() -> None:
    async with served(token="secret") as (address, _):
        with pytest.raises(proxyables.AuthenticationFailed):
            async with proxyables.connect(address) as peer:
                await peer.status()
        async with proxyables.connect(address, token="secret") as peer:
            assert len((await peer.status())["connections"]) == 1


@on_both_loops
async def test_who_is_no_server_has_nothing_to_tell() -> None:
    async with connected(watching.Shop(), back=watching.Shop()) as pair:
        for peer in pair:
            for asked in (peer.status(), peer.trace().__anext__()):
                with pytest.raises(NotSupported, match="it is no server, or of another make"):
                    await asked


def test_the_blocking_face() -> None:
    import proxyables.sync

    with (
        proxyables.sync.serve(watching.Shop(), "tcp://127.0.0.1:0", name="shop") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        assert peer.root.add(1, 2) == 3
        events = peer.trace("add")
        assert next(events)["event"] == "start"
        peer.root.add(1, 2)
        assert [next(events)["event"] for _ in range(2)] == ["begin", "end"]
        del events
        told = peer.status()
        assert told["server"]["name"] == "shop"
        assert told["rates"]["calls"] >= 1  # to read the method may be one of its own


@pytest.fixture(scope="module", autouse=True)
def background() -> None:
    """Starts the thread for good, as a process has one; descriptors are counted per test."""
    import proxyables.sync

    with proxyables.sync.serve(watching.Shop(), "tcp://127.0.0.1:0") as server:
        proxyables.sync.connect(server.addresses[0]).close()
