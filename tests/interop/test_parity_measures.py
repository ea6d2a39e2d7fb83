"""What a parity agent sees for itself, over both dialects, and what it makes of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import proxyables
from interop.agents import address, bounded, check_passed, run_beside
from interop.parity.client import Settings, Unmeasured, connected
from interop.parity.measures import MEASURES
from interop.parity.root import Root
from interop.parity.scenarios import Sizes, canonical, find_fault
from interop.parity_table import EVERYTHING
from interop.veil import veiled


@bounded
async def test_every_measure_sees_for_itself(parity_port: int) -> None:
    for name, measure in MEASURES.items():
        async with connected(address(parity_port), Settings()) as client:
            assert client.is_ours
            assert find_fault(name, await measure(client), Sizes()) is None


@bounded
async def test_what_is_seen_over_the_classic_dialect(parity_port: int) -> None:
    async with veiled(address(parity_port)) as veil:
        unseen = set()
        for name, measure in MEASURES.items():
            async with connected(veil, Settings()) as client:
                assert client.peer.is_classic
                try:
                    assert find_fault(name, await measure(client), Sizes()) is None
                except Unmeasured:
                    unseen.add(name)
        assert unseen == {
            "AbruptDisconnectCleanup",
            "CallbackReferenceCleanup",
            "ConcurrentCallbackFanout",
            "DeepObjectGraph",
            "ErrorPathNoLeak",
            "ErrorPropagation",
            "ServerAbortInFlight",
            "SessionCloseCleanup",
            "SlowConsumerBackpressure",
        }
        veiled_port = int(veil.rpartition(":")[2])
        words = ("drive", "--port", veiled_port, "--scenarios", ",".join(EVERYTHING))
        check_passed(await run_beside(*words), EVERYTHING)


class Leaky(Root):
    """Says that it never gets anything back."""

    def __init__(self, language: str, find_address: Callable[[], str]) -> None:
        super().__init__(language, find_address)
        self._most: dict[proxyables.Peer[Any], int] = {}

    def _tell_most(self) -> str:
        peer = proxyables.current_peer()
        most = self._most[peer] = max(self._most.get(peer, 0), peer.snapshot()["retains"])
        return json.dumps({"exportedEntries": most, "exportedRetains": most})

    async def RunScenario(self, scenario: str, *args: Any) -> Any:  # noqa: N802
        if scenario == "ParityDebugState":
            return self._tell_most()
        if scenario == "GetScalars":
            return {"intValue": 41}
        if scenario == "CallAdd":
            raise ArithmeticError("cannot add")
        if scenario == "ConstructGreeter":
            raise NotImplementedError("not implemented here")
        if scenario == "UseAfterRelease":
            return dict.fromkeys(("baseline", "peak", "final"), 7)
        return await super().RunScenario(scenario, *args)


@bounded
async def test_a_server_that_is_wrong_fails() -> None:
    names = [
        "GetScalars",
        "CallAdd",
        "ConstructGreeter",
        "AliasRetainRelease",
        "UseAfterRelease",
        "ConcurrentCallbackFanout",
    ]
    root = Leaky("py", lambda: server.addresses[0])
    async with proxyables.serve(root, "tcp://127.0.0.1:0", name="parity") as server:
        port = server.addresses[0].rpartition(":")[2]
        words = ("--scenarios", ",".join(names), "--cleanup-timeout", 0.1)
        lines = await run_beside("drive", "--port", port, *words)
    scalars, add, greeter, aliases, use, fan_out = lines
    assert (scalars["status"], scalars["actual"]) == ("failed", {"intValue": 41})
    assert "expected" in scalars["message"]
    assert add["status"] == "failed"
    assert "cannot add" in add["message"]
    assert greeter["status"] == "unsupported"
    assert (aliases["status"], aliases["actual"]["final"]) == ("failed", 2)
    assert use["status"] == "failed"
    assert fan_out["status"] == "passed"


@bounded
async def test_what_the_server_takes_without_a_part_for_the_caller(parity_port: int) -> None:
    async with proxyables.connect(address(parity_port)) as peer:
        run = peer.root.RunScenario
        assert await run("CallbackRoundtrip", "value") == "callback:value"
        assert await run("ObjectArgumentRoundtrip", "Ada") == "helper:Ada"
        assert (await run("ConcurrentCallbackFanout", 2))["values"] == ["callback:value"] * 2
        slow = await run("SlowConsumerBackpressure", 10)
        assert (slow["bytes"], slow["delayed"]) == (10, True)
        assert (await run("ReferenceChurnSoak", 4.0))["peak"] == 4
        assert await peer.root.run_scenario("construct_greeter") == "Hello World"
        assert await peer.root.runScenario("constructGreeter") == "Hello World"
        for size in (0, -1, 1 << 40, "x", 1.5, True):
            with pytest.raises(ValueError, match="whole number"):
                await run("ParityGetLargePayload", size)
        for name in ("FlyToTheMoon", "", None):
            with pytest.raises(NotImplementedError, match="unsupported scenario"):
                await run(name)
        assert peer.snapshot() == {"entries": 0, "retains": 0}


@pytest.mark.parametrize(
    ("name", "actual", "fault"),
    [
        ("ExplicitRelease", {"before": 3, "after": 3, "acquired": 2}, False),
        ("ExplicitRelease", {"before": 3, "after": 4, "acquired": 2}, True),
        ("ConcurrentCallbackFanout", {"values": [1, 2]}, True),
        ("ParityDebugState", "{}", True),
        ("ParityDebugState", "{", True),
        ("ParityTracePath", "[]", True),
        ("ParityTracePath", None, True),
    ],
)
def test_what_is_open_and_what_is_not(name: str, actual: Any, fault: bool) -> None:
    assert (find_fault(name, actual, Sizes(concurrency=2)) is not None) == fault


def test_names_are_known_in_each_spelling() -> None:
    for spelling in ("GetScalars", "getScalars", "get_scalars"):
        assert canonical(spelling) == "GetScalars"
    assert canonical("Get Scalars") is canonical(5) is None
