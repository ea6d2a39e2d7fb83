"""The parity agent as a process: how it serves, drives and measures, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from typing import Any

import pytest

import proxyables
from interop.agents import (
    Agent,
    address,
    bounded,
    check_passed,
    drive,
    listening,
    listening_beside,
    run,
    run_any,
)
from interop.parity.bench import summarise
from interop.parity_table import EVERYTHING, FUNCTIONAL, RELEASE, STRESS

# -- serve and drive ------------------------------------------------------------------------------


def test_the_first_line_says_where_the_agent_is_and_what_it_can_do() -> None:
    with listening("serve", "--what-is-this", "7") as ready:
        assert ready.pop("port") > 0
        names = ready.pop("capabilities")
        assert ready == {
            "type": "ready",
            "lang": "py",
            "protocol": "parity-json-v1",
            "mode": "serve",
        }
        assert sorted(names) == sorted([*EVERYTHING, "ParityTracePath"])


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("functional", FUNCTIONAL),
        ("release", RELEASE),
        (
            "stress",
            RELEASE
            | STRESS
            | {"ReferenceChurnSoak": RELEASE["ReferenceChurnSoak"] | {"peak": 9, "iterations": 9}},
        ),
        ("multihop", {**FUNCTIONAL, "ParityTracePath": '["far"]'}),
    ],
)
def test_each_profile_passes(parity_port: int, profile: str, expected: dict[str, Any]) -> None:
    words = ("--profile", profile, "--server-lang", "far", "--stress-iterations", 9)
    check_passed(drive(parity_port, expected, *words), expected)


def test_without_scenarios_a_profile_has_its_own(parity_port: int) -> None:
    check_passed(drive(parity_port, (), "--profile", "functional"), FUNCTIONAL)


def test_sizes_are_those_that_were_asked_for(parity_port: int) -> None:
    names = [
        "ReferenceChurnSoak",
        "ConcurrentSharedReference",
        "ConcurrentCallbackFanout",
        "LargePayloadRoundtrip",
        "SlowConsumerBackpressure",
    ]
    sizes = ("--soak-iterations", 5, "--concurrency", 3, "--payload-bytes", 300_000)
    found = {line["scenario"]: line["actual"] for line in drive(parity_port, names, *sizes)}
    assert found["ReferenceChurnSoak"]["peak"] == found["ReferenceChurnSoak"]["iterations"] == 5
    assert found["ConcurrentSharedReference"]["values"] == ["shared"] * 3
    assert found["ConcurrentCallbackFanout"]["values"] == ["callback:value"] * 3
    assert found["LargePayloadRoundtrip"]["bytes"] == 300_000
    assert found["SlowConsumerBackpressure"]["bytes"] == 300_000


def test_scenarios_and_flags_that_nobody_knows(parity_port: int) -> None:
    unknown, known = drive(parity_port, ["FlyToTheMoon", "CallAdd"], "--moon", "full", "--fast")
    assert unknown.pop("message")
    assert unknown == {
        "type": "scenario",
        "scenario": "FlyToTheMoon",
        "status": "unsupported",
        "protocol": "parity-json-v1",
    }
    assert known["status"] == "passed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "first argument"),
        (("fly",), "first argument"),
        (("drive", "--scenarios", "CallAdd"), "--port"),
        (("bridge",), "--upstream-port"),
        (("bench", "--port", "1", "--iterations", "0"), "--iterations"),
        (("drive", "--port", "1", "--cleanup-timeout", "nan"), "--cleanup-timeout"),
    ],
)
def test_what_cannot_be_done_ends_with_an_error(words: tuple[str, ...], told: str) -> None:
    code, out, err = run_any(*words)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("mode", ["serve", "drive"])
def test_an_agent_that_nobody_listens_to_ends(parity_port: int, mode: str) -> None:
    agent = Agent(mode, "--port", parity_port)
    assert agent.process.stdout is not None
    agent.process.stdout.close()
    assert agent.process.stderr is not None
    with agent.process.stderr as err:
        assert err.read() == b""
    assert agent.process.wait() == 1


# -- servers that end -----------------------------------------------------------------------------


def test_a_server_that_dies_fails_what_runs_and_what_follows() -> None:
    server = Agent("serve")
    words = ("--scenarios", "CallAdd,ReferenceChurnSoak,GetScalars", "--soak-iterations", 4000)
    driver = Agent("drive", "--port", server.read()["port"], *words)
    assert driver.read()["status"] == "passed"
    server.process.kill()
    server.wait()
    began = time.monotonic()
    code, out, err = driver.wait()
    assert time.monotonic() - began < 10
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["scenario"] for line in lines] == ["ReferenceChurnSoak", "GetScalars"]
    for line in lines:
        assert line["status"] == "failed"
        assert line["message"].startswith(("ConnectionLost", "HandshakeFailed"))


def test_a_server_that_does_not_answer_does_not_hang_the_driver() -> None:
    short = ("--scenario-timeout", 0.2, "--cleanup-timeout", 0.1, "--disconnect-timeout", 0.1)
    with listening("serve") as ready:
        pass
    server = Agent("serve")
    port = server.read()["port"]
    server.process.send_signal(signal.SIGSTOP)
    try:
        for line in drive(port, ["CallAdd", "ParityGetShared"], *short):
            assert line["status"] == "failed"
        counts = ("--iterations", 1, "--warmup", 0)
        measured = run("bench", "--port", port, "--scenarios", "CallAdd", *counts, *short)
        assert [line["status"] for line in measured] == ["failed"]
    finally:
        server.process.send_signal(signal.SIGCONT)
        assert server.stop() == (0, "", "")
    (unreachable,) = drive(ready["port"], ["CallAdd"])  # one that was there, and has ended
    assert unreachable["status"] == "failed"


@pytest.mark.parametrize("mode", ["serve", "bridge"])
@bounded
async def test_sigterm_ends_an_agent_with_a_call_in_flight(parity_port: int, mode: str) -> None:
    forever = asyncio.get_running_loop().create_future()
    called = asyncio.Event()

    async def callback(value: str) -> None:
        called.set()
        await forever

    began = time.monotonic()
    async with listening_beside(mode, "--upstream-port", parity_port) as ready:
        peer = await proxyables.connect(address(ready["port"]))
        call = asyncio.ensure_future(peer.root.RunScenario("CallbackRoundtrip", callback))
        await called.wait()
    assert time.monotonic() - began < 10
    with contextlib.suppress(proxyables.ConnectionClosed):
        await call
    await peer.wait_closed()


# -- bench ----------------------------------------------------------------------------------------


def test_bench_tells_metrics(parity_port: int) -> None:
    words = ("--scenarios", "CallAdd,CallbackRoundtrip,FlyToTheMoon", "--what", "ever")
    counts = ("--iterations", 50, "--warmup", 5)
    add, callback, moon = run("bench", "--port", parity_port, *words, *counts)
    for line in (add, callback):
        metrics = line.pop("metrics")
        assert line == {
            "type": "benchmark",
            "scenario": line["scenario"],
            "status": "passed",
            "protocol": "parity-json-v1",
            "iterations": 50,
            "warmup": 5,
        }
        assert list(metrics) == ["totalMs", "avgMs", "ops", "p50Ms", "p95Ms", "minMs", "maxMs"]
        assert 0 < metrics["minMs"] <= metrics["p50Ms"] <= metrics["p95Ms"] <= metrics["maxMs"]
        assert metrics["totalMs"] == pytest.approx(50 * metrics["avgMs"], rel=1e-3)
        assert metrics["ops"] == pytest.approx(1000 / metrics["avgMs"], rel=1e-3)
    assert moon["status"] == "unsupported"
    assert moon["message"]


def test_metrics_are_those_of_the_calls() -> None:
    assert summarise([value / 1000 for value in range(1, 101)]) == {
        "totalMs": 5050,
        "avgMs": 50.5,
        "ops": pytest.approx(19.80198),
        "p50Ms": 50,
        "p95Ms": 95,
        "minMs": 1,
        "maxMs": 100,
    }
    assert set(summarise([0.002]).values()) == {2, 500}
