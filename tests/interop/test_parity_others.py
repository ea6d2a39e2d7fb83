"""The parity agent as a bridge, and with the original at the other end."""

from __future__ import annotations

import asyncio

import pytest

import proxyables
from interop.agents import (
    address,
    bounded,
    check_passed,
    drive,
    listening,
    listening_beside,
    run_any,
)
from interop.originals import Original
from interop.parity_table import EVERYTHING, FUNCTIONAL, STRESS

# -- bridge ---------------------------------------------------------------------------------------


def test_a_bridge_gives_what_its_upstream_gives(parity_bridge_port: int) -> None:
    expected = {**EVERYTHING, "ParityTracePath": '["py", "far"]'}
    check_passed(drive(parity_bridge_port, expected, "--profile", "multihop"), expected)


def test_a_bridge_of_a_bridge(parity_bridge_port: int) -> None:
    with listening("bridge", "--upstream-port", parity_bridge_port, "--lang", "near") as ready:
        assert (ready["mode"], ready["lang"]) == ("bridge", "near")
        expected = {**FUNCTIONAL, "ParityTracePath": '["near", "py", "far"]'}
        check_passed(drive(ready["port"], expected), expected)


@bounded
async def test_objects_of_the_upstream_stay_behind_the_bridge(
    parity_port: int, parity_bridge_port: int
) -> None:
    async with proxyables.connect(address(parity_bridge_port)) as peer:
        run = peer.root.RunScenario
        assert await run("ParityGetShared") == {"kind": "shared", "value": "shared"}
        assert await run("NestedObjectAccess") == {"label": "nested", "pong": "pong"}
        assert await run("CallbackRoundtrip", lambda value: f"near {value}") == "near value"
        with pytest.raises(NotImplementedError, match="unsupported scenario"):
            await run("FlyToTheMoon")
        assert peer.statistics()["imports"] == 0


@bounded
async def test_a_bridge_dials_again_and_names_an_upstream_that_cannot() -> None:
    class Mute:
        def RunScenario(self, scenario: str) -> str:  # noqa: N802
            if scenario == "ConstructGreeter":
                return "Hello World"
            if scenario == "ServerAbortInFlight":
                proxyables.current_peer().abort()
            raise LookupError(f"unknown scenario {scenario}")

    async with proxyables.serve(Mute(), "tcp://127.0.0.1:0") as server:
        port = server.addresses[0].rpartition(":")[2]
        words = ("bridge", "--upstream-port", port, "--upstream-lang", "go")
        async with listening_beside(*words) as ready:
            names = ["ServerAbortInFlight", "ConstructGreeter", "GetScalars", "ParityTracePath"]
            lines = await asyncio.to_thread(drive, ready["port"], names)
    assert [line["status"] for line in lines] == ["passed", "passed", "unsupported", "passed"]
    assert lines[0]["actual"] == STRESS["ServerAbortInFlight"]
    assert lines[3]["actual"] == '["py", "go"]'


def test_a_bridge_to_nowhere_ends_with_an_error() -> None:
    with listening("serve") as ready:
        pass
    code, out, err = run_any("bridge", "--upstream-port", ready["port"])
    assert (code, out) == (1, "")
    assert err.startswith("HandshakeFailed")


# -- the original ---------------------------------------------------------------------------------


def test_the_driver_drives_the_original(original_port: int) -> None:
    names = ["GetScalars", "CallAdd", "CallbackRoundtrip", "ErrorPropagation", "AliasRetainRelease"]
    check_passed(drive(original_port, names), {name: EVERYTHING[name] for name in names})
    greeter, use = drive(original_port, ["ConstructGreeter", "UseAfterRelease"])
    assert greeter["status"] == "unsupported"
    assert use["status"] == "failed"  # the original counts as it should, and says what it does not
    assert "the server says otherwise" in use["message"]


def test_a_bridge_to_the_original(original_port: int) -> None:
    words = ("--upstream-port", original_port, "--upstream-lang", "python")
    with listening("bridge", *words) as ready:
        names = ["GetScalars", "CallAdd", "CallbackRoundtrip", "ErrorPropagation"]
        expected = {
            **{name: FUNCTIONAL[name] for name in names},
            "ParityTracePath": '["py", "python"]',
        }
        check_passed(drive(ready["port"], expected), expected)


@bounded
async def test_the_original_drives_the_agent(parity_port: int, original_client: Original) -> None:
    told = await original_client.run(parity_port, "parity")
    assert told[:-1] == [42, None, 42, "cb:value", "cb:value", "Boom", "shared", 1, "pong"]
    assert "unsupported scenario" in told[-1]
