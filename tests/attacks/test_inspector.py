"""The inspector is no way past the policy, to other clients' data, or to the server's machinery."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import proxyables
from connections import on_both_loops
from proxyables import Policy
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    GET,
    ITEM,
    OPERATE,
    RETURN,
    SET,
    STREAM,
)
from raw_peers import RawPeer, chain, dialled, own

REFUSALS = {"AccessDenied", "PeerProtocolError", "ProxyError", "ReferenceNotFound"}
WAYS = {
    "its private names": [[GET, "_watch"]],
    "its class": [[GET, "__class__"]],
    "the function behind a method": [[GET, "status"], [GET, "__func__"]],
    "the frame of the trace": [[GET, "trace"], [CALL, []], [GET, "ag_frame"]],
    "a private name of the trace": [[GET, "trace"], [CALL, []], [GET, "__self__"]],
    "a replaced method": [[SET, "status", 5]],
    "a new attribute": [[SET, "other", 5]],
    "a deleted method": [[DEL, "status"]],
    "an item": [[ITEM, "status"]],
    "a call of it": [[CALL, []]],
    "another of its class": [[CONSTRUCT, []]],
    "a copy": [[COPY]],
    "its items": [[STREAM, 10]],
    "a block of it": [[OPERATE, "enter"]],
}


class Api:
    def same(self, value: Any) -> Any:
        return value


@contextlib.asynccontextmanager
async def attacked(**options: Any) -> AsyncIterator[RawPeer]:
    """A peer that checks nothing, at a server."""
    async with (
        proxyables.serve(Api(), "tcp://127.0.0.1:0", **options) as server,
        dialled(server.addresses[0]) as peer,
    ):
        await peer.greet()
        yield peer


@pytest.mark.parametrize("way", WAYS)
@on_both_loops
async def test_there_is_no_way_through_it(way: str) -> None:
    async with attacked() as peer:
        op, told = await peer.execute(*WAYS[way], target=-1)
        assert op != RETURN, told
        assert told["type"] in REFUSALS | {"TypeError", "AttributeError"}
        assert "Watch" not in told["message"]


@pytest.mark.parametrize("number", [-1, -2, -(1 << 63)])
@on_both_loops
async def test_it_is_no_value(number: int) -> None:
    async with attacked() as peer:
        for given in (own(number), chain(number, [GET, "status"])):
            _, told = await peer.execute([GET, "same"], [CALL, [given]])
            assert told["type"] == "PeerProtocolError"


@pytest.mark.parametrize("introspection", ["names", "off"])
@on_both_loops
async def test_a_policy_that_refuses_tells_nothing(introspection: Any) -> None:
    async with attacked(policy=Policy(introspection=introspection)) as peer:
        told = [(await peer.execute(*steps, target=-1))[1] for steps in ([], *WAYS.values())]
        for each in told:
            assert (each["type"], each["message"]) == (
                "AccessDenied",
                "access to this value is denied",
            )
