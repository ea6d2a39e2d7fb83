"""`Peer.trace` and the access log: each call as it happens, and nobody is held up for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import proxyables
from connections import on_both_loops
from proxyables import AccessDenied, Limits, Peer, Policy
from proxyables.peer.inspection import Trace
from proxyables.watch.traces import MOST_WAITING
from proxyables.watch.watch import MOST_TRACES
from proxyables.wire.instructions import CALL, EXECUTE
from raw_peers import dialled
from watching import Shop, Started, served, until


async def begun(peer: Peer[Any], *given: Any, **options: Any) -> Trace:
    """A trace to which everything from here on is told."""
    trace = peer.trace(*given, **options)
    assert (await trace.__anext__())["event"] == "start"
    return trace


async def take(trace: Trace, count: int) -> list[dict[str, Any]]:
    return [dict(await trace.__anext__()) for _ in range(count)]


def without_times(event: dict[str, Any]) -> dict[str, Any]:
    assert event.pop("time") > 1e9
    if event["event"] == "end":
        assert 0 <= event.pop("duration") < 60
    return event


@on_both_loops
@pytest.mark.parametrize("threads", [0, 1])
async def test_a_call_has_a_begin_and_an_end(threads: int) -> None:
    async with (
        served(threads=threads) as (address, _),
        proxyables.connect(address) as peer,
        proxyables.connect(address) as watcher,
    ):
        trace = await begun(watcher)
        caller = (await watcher.status())["connections"][0]["address"]
        await peer.root.add(1, 2)
        with pytest.raises(ValueError, match="no"):
            await peer.root.fail()
        common = {"connection": 1, "peer": caller}
        add = common | {"call": 1, "path": "shop.add"}
        fail = common | {"call": 2, "path": "shop.fail"}
        assert [without_times(event) for event in await take(trace, 4)] == [
            {"event": "begin"} | add,
            {"event": "end", "outcome": "ok"} | add,
            {"event": "begin"} | fail,
            {"event": "end", "outcome": "error", "error": "ValueError"} | fail,
        ]
        await trace.aclose()


@on_both_loops
async def test_a_call_that_is_given_up() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as watcher,
        proxyables.connect(address) as peer,
        proxyables.connect(address) as lost,
        Started() as start,
    ):
        trace = await begun(watcher)
        waiting = start(peer.root.wait())
        await take(trace, 1)
        waiting.cancel()
        (end,) = await take(trace, 1)
        assert (end["event"], end["path"], end["outcome"]) == ("end", "shop.wait", "cancelled")
        assert "error" not in end
        start(lost.root.wait())
        await take(trace, 1)
        lost.abort()
        (end,) = await take(trace, 1)
        assert (end["event"], end["path"], end["outcome"]) == ("end", "shop.wait", "cancelled")


@on_both_loops
async def test_what_cannot_be_sent_is_an_error_too() -> None:
    class Box:
        def open(self) -> int:
            return 1 << 100_000

    async with (
        proxyables.serve(Box(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        trace = await begun(peer)
        with pytest.raises(proxyables.ProxyError):
            await peer.root.open()
        _, end = await take(trace, 2)
        assert (end["path"], end["outcome"]) == ("root.open", "error")


@on_both_loops
async def test_filters() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as peer,
        proxyables.connect(address) as watcher,
    ):
        traces = {
            "shop.a*": await begun(watcher, "shop.a*"),
            "add": await begun(watcher, "add"),
            "*pay": await begun(watcher, "*pay"),
            "errors": await begun(watcher, errors_only=True),
        }
        await peer.root.accounts["ada"].pay(5)
        with pytest.raises(ValueError, match="no"):
            await peer.root.fail()
        await peer.root.add(1, 2)
        expected = {
            "shop.a*": ["shop.accounts[…].pay"] * 2 + ["shop.add"] * 2,
            "add": ["shop.add"] * 2,
            "*pay": ["shop.accounts[…].pay"] * 2,
            "errors": ["shop.fail"],
        }
        for name, trace in traces.items():
            found = await take(trace, len(expected[name]))
            assert [event["path"] for event in found] == expected[name]


@on_both_loops
async def test_arguments_are_shown_where_the_policy_says_so() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        with pytest.raises(AccessDenied, match="does not show the arguments"):
            await peer.trace(arguments=True).__anext__()
    policy = Policy(show_arguments=True)
    async with (
        served(policy=policy) as (address, _),
        proxyables.connect(address) as peer,
    ):
        quiet, trace = await begun(peer), await begun(peer, arguments=True)
        await peer.root.accounts["ada"].pay(5, password="hunter2")
        for event in await take(trace, 2):
            assert event["arguments"] == "(5, password=…)"
        for event in await take(quiet, 2):
            assert "arguments" not in event


@on_both_loops
async def test_inspections_are_no_calls() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as peer,
        proxyables.connect(address) as watcher,
    ):
        trace = await begun(watcher)
        await peer.status()
        other = await begun(peer)
        await other.aclose()
        await peer.root.add(1, 2)
        assert [event["path"] for event in await take(trace, 2)] == ["shop.add"] * 2


@on_both_loops
async def test_a_slow_reader_loses_events_and_is_told_how_many() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as watcher,
        proxyables.connect(address) as peer,
    ):
        trace = await begun(watcher)
        calls = 6000  # more than the window of a stream and the server's queue take together
        for _ in range(calls // 50):
            await asyncio.gather(*(peer.root.add(1, 2) for _ in range(50)))
        told = lost = 0
        while told + lost < 2 * calls:
            event = await trace.__anext__()
            if event["event"] == "lost":
                assert told >= MOST_WAITING
                lost += event["count"]
            else:
                told += 1
        assert lost > 0
        assert told + lost == 2 * calls
        await peer.root.add(1, 2)
        assert [event["event"] for event in await take(trace, 2)] == ["begin", "end"]


@on_both_loops
async def test_who_stops_reading_costs_nothing_afterwards() -> None:
    async with (
        served() as (address, _),
        proxyables.connect(address) as peer,
        proxyables.connect(address) as watcher,
    ):
        (connection, _) = _overseer(peer, address)._connections.values()
        service = connection.service
        async for _ in watcher.trace():
            assert service.take == connection.tap.on_request
            break
        await until(lambda: service.take == service.on_request)


def _overseer(peer: Peer[Any], address: str) -> Any:
    import gc

    from proxyables.watch.watch import Watch

    found = [each for each in gc.get_objects() if type(each) is Watch]
    return next(each for each in found if each.addresses == [address])


@on_both_loops
async def test_so_many_traces_and_no_more() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        traces = [await begun(peer) for _ in range(MOST_TRACES)]
        with pytest.raises(proxyables.RemoteError, match="traces at once") as caught:
            await begun(peer)
        assert caught.value.type_name == "LimitExceeded"
        await traces.pop().aclose()
        while True:
            try:
                traces.append(await begun(peer))
            except proxyables.RemoteError:
                continue
            break


@on_both_loops
@pytest.mark.parametrize("pattern", [5, "x" * 1000])
async def test_a_pattern_that_is_none(pattern: Any) -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        with pytest.raises((TypeError, ValueError), match="pattern"):
            await begun(peer, pattern)


@on_both_loops
async def test_a_trace_ends_with_its_connection() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        trace = await begun(peer)
        peer.abort()
        with pytest.raises(proxyables.ConnectionClosed):
            await trace.__anext__()


@on_both_loops
async def test_a_trace_that_is_closed_before_it_begins() -> None:
    async with served() as (address, _), proxyables.connect(address) as peer:
        trace = peer.trace()
        await trace.aclose()
        assert [event async for event in trace] == []
        begun_by_two = peer.trace()
        first, second = (asyncio.ensure_future(begun_by_two.take()) for _ in range(2))
        with pytest.raises(RuntimeError, match="two tasks"):
            await second
        await begun_by_two.aclose()
        assert await first == []


@on_both_loops
async def test_the_time_that_a_call_may_take_is_not_for_traces() -> None:
    limits = Limits(call_timeout=0.05)
    async with served(limits=limits) as (address, _), proxyables.connect(address) as peer:
        trace = await begun(peer)
        with pytest.raises(TimeoutError):
            await peer.root.wait()
        assert [event["event"] for event in await take(trace, 2)] == ["begin", "end"]


@on_both_loops
async def test_a_server_that_closes_does_not_wait_for_its_traces() -> None:
    shop = Shop()
    async with (
        proxyables.serve(shop, "tcp://127.0.0.1:0", limits=Limits(grace=60)) as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        trace = await begun(peer)
        async with asyncio.timeout(20):
            server.close()
            assert [event async for event in trace] == []
            await server.wait_closed()


# -- the access log -------------------------------------------------------------------------------


@on_both_loops
async def test_the_access_log_has_a_line_for_each_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxyables.access")
    async with served(access_log="calls") as (address, _), proxyables.connect(address) as peer:
        caller = (await peer.status())["connections"][0]["address"]
        await peer.root.accounts["ada"].pay(5, password="hunter2")
        with pytest.raises(ValueError, match="no"):
            await peer.root.fail()
        with pytest.raises(AccessDenied):
            await getattr(peer.root, "no\nluck\x1b")
    lines = [each.message for each in caplog.records if each.name == "proxyables.access"]
    told = [line.split() for line in lines]
    assert [each[:3] for each in told] == [
        ["#1", caller, "shop.accounts[…].pay"],
        ["#1", caller, "shop.fail"],
        ["#1", caller, r"shop.no\nluck\x1b"],
    ]
    assert all(each[3].endswith("ms") for each in told)
    assert [each[4:] for each in told][:2] == [["ok"], ["error", "ValueError"]]


@on_both_loops
async def test_the_access_log_with_arguments(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxyables.access")
    async with served(access_log="args") as (address, _), proxyables.connect(address) as peer:
        await peer.root.accounts["ada"].pay(5, password="hunter2")
        await proxyables.assign(peer.root.accounts["ada"], 3)
    lines = [each.message for each in caplog.records if each.name == "proxyables.access"]
    assert "shop.accounts[…].pay(5, password=…) " in lines[0]
    assert "shop.accounts[…]«set» = 3 " in lines[1]


@on_both_loops
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
async def test_the_access_log_blames_the_call_that_failed(
    caplog: pytest.LogCaptureFixture, together: bool
) -> None:
    """An answer, and the next request on its stream, may come in one turn of the loop."""
    caplog.set_level(logging.INFO, "proxyables.access")
    names = ["add", "fail", "_secret", "numbers"] * 20

    async def ask(address: str) -> None:
        async with dialled(address) as raw:
            await raw.greet()
            streams = []
            for name in names:
                steps = [[CALL, [1, 2] if name == "add" else []]]
                streams.append(raw.session.open_stream() if together or not streams else streams[0])
                await raw.send(streams[-1], [EXECUTE, None, [name, *steps]])
                if not together:
                    await raw.message(streams[-1])
            for each in streams if together else ():
                await raw.message(each)

    async with served(threads=2, access_log="calls") as (address, _):
        await asyncio.to_thread(asyncio.run, ask(address))  # as real clients
    told = [each.message.split() for each in caplog.records if each.name == "proxyables.access"]
    ends = {
        "shop.add": ["ok"],
        "shop.fail": ["error", "ValueError"],
        "shop._secret": ["error", "AccessDenied"],
        "shop.numbers": ["error", "TypeError"],
    }
    assert sorted(each[2] for each in told) == sorted(f"shop.{name}" for name in names)
    assert [each[4:] for each in told] == [ends[each[2]] for each in told]


def test_what_is_no_access_log() -> None:
    with pytest.raises(ValueError, match="access_log takes 'off', 'calls' or 'args', got 'all'"):
        proxyables.serve(None, ":0", access_log="all")  # type: ignore[arg-type]
