"""A client of another make over ``ws://``: Node's own WebSocket, as a pipe for one of our peers.

The child of an ``exec:`` address is a Node program that carries its standard input and output over
a WebSocket to one of our servers, so every byte of the calls below goes through Node's client.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connections import on_both_loops
from proxyables.errors import HandshakeFailed
from proxyables.net.endpoints import connect, serve

PROGRAM = Path(__file__).with_name("websocket_pipe.mjs")
FLAGS = ("--experimental-websocket", "--no-warnings")  # Node 22 needs neither


class Api:
    """What is called through Node."""

    def echo(self, data: bytes) -> bytes:
        return data

    async def call(self, function: Any) -> Any:
        return await function(20)

    async def numbers(self, count: int) -> Any:
        for number in range(count):
            yield number


@pytest.fixture(scope="module")
def node() -> str:
    """A Node that has a WebSocket: 20.10 or later."""
    found = shutil.which("node")
    if found is not None:
        program = "process.exit(typeof WebSocket === 'function' ? 0 : 1)"
        if subprocess.run([found, *FLAGS, "-e", program], check=False).returncode == 0:
            return found
    reason = "Node 20.10 or later is missing, whose WebSocket is the other end"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def through(node: str, address: str) -> str:
    return f"exec:{shlex.join([node, *FLAGS, str(PROGRAM), address])}"


@on_both_loops
async def test_calls_go_through_nodes_own_client(node: str) -> None:
    async with (
        serve(Api(), "ws://127.0.0.1:0/px", token="secret") as server,
        connect(through(node, server.addresses[0]), token="secret", timeout=30) as peer,
    ):
        assert await peer.root.call(lambda n: n + 1) == 21
        blob = os.urandom(3 << 20)
        assert await peer.root.echo(blob) == blob
        assert [number async for number in peer.root.numbers(5000)] == list(range(5000))
        blobs = [os.urandom(100_000) for _ in range(10)]
        assert await asyncio.gather(*map(peer.root.echo, blobs)) == blobs


@on_both_loops
async def test_a_refusal_reaches_it(node: str, capfd: pytest.CaptureFixture[str]) -> None:
    async with serve(Api(), "ws://127.0.0.1:0/px") as server:
        with pytest.raises(HandshakeFailed, match="the child exited with status 1"):
            await connect(through(node, server.addresses[0] + "x"), timeout=30)
