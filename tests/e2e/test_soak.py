"""Very many calls of every kind end with empty tables and flat memory.

50,000 calls, or as many as the environment variable PROXYABLES_SOAK says: a million takes minutes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connections import LOOPS, Pair, connected, idle, settled

CALLS = int(os.environ.get("PROXYABLES_SOAK", "50000"))
AT_ONCE = 50
ROUND = 2500
"""Calls between two looks at the memory."""


class Node:
    def __init__(self, number: int) -> None:
        self.number = number

    def next(self) -> Node:
        return Node(self.number + 1)


class API:
    def echo(self, value: Any) -> Any:
        return value

    def make(self, number: int) -> Node:
        return Node(number)

    def fail(self, number: int) -> None:
        raise ValueError(number)

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    async def call(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    async def forever(self, *things: Any) -> None:
        await asyncio.Event().wait()

    def count(self, number: int) -> Any:
        yield from range(number)


async def plain(root: Any, n: int) -> None:
    assert await root.echo([n, "text", {"k": n}]) == [n, "text", {"k": n}]


async def slow(root: Any, n: int) -> None:
    assert await root.later(n) == n


async def lent(root: Any, n: int) -> None:
    node = await root.make(n)
    assert await node.next().number == n + 1


async def borrowed(root: Any, n: int) -> None:
    mine = Node(n)
    assert await root.echo(mine) is mine


async def failing(root: Any, n: int) -> None:
    with pytest.raises(ValueError, match=str(n)):
        await root.fail(n)


async def called_back(root: Any, n: int) -> None:
    assert await root.call(lambda node: node.number, Node(n)) == n


async def piped(root: Any, n: int) -> None:
    assert await root.echo(root.make(n).number) == n


async def streamed(root: Any, n: int) -> None:
    async for number in root.count(40):
        if number == n % 50:
            break


async def cancelled(root: Any, n: int) -> None:
    call = asyncio.ensure_future(root.forever(Node(n)))
    for _ in range(n % 4):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


KINDS: list[Callable[[Any, int], Awaitable[None]]] = [
    *[plain] * 4,
    *[slow] * 2,
    *[lent] * 2,
    borrowed,
    failing,
    called_back,
    piped,
    streamed,
    cancelled,
]


async def soak(pair: Pair, calls: int) -> None:
    chance = random.Random(calls)
    left = iter(range(calls))

    async def work() -> None:
        for n in left:
            await chance.choice(KINDS)(chance.choice(pair).root, n)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def blocks(pair: Pair) -> int:
    """Returns the allocated blocks once everything is given back."""
    for peer in pair:
        assert (await settled(peer))["entries"] == 0
    await idle(*pair)
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.timeout(max(120, CALLS // 500))
def test_mixed_calls_leave_nothing(loop: str) -> None:
    async def run() -> None:
        async with connected(API(), back=API()) as pair:
            await soak(pair, ROUND)
            before = await blocks(pair)
            for _ in range(max(1, CALLS // len(LOOPS) // ROUND - 1)):
                await soak(pair, ROUND)
            after = await blocks(pair)
            assert after - before < 2000  # a block for each call would be ten times as many
            for peer in pair:
                counts = peer.statistics()
                assert counts["streams"] < 400
                for name in ("exports", "imports", "export_retains", "import_retains"):
                    assert counts[name] == 0
                assert counts["calls_waiting"] == counts["calls_running"] == 0

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())
