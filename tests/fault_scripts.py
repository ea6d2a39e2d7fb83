"""Scripts of calls and faults, drawn from a seed; property/test_faults.py performs them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import proxyables
from faults import Fault, draw_fault

# -- what is called ---------------------------------------------------------------------------


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def more(self, by: int) -> int:
        return self.number + by

    def next(self) -> Thing:
        return Thing(self.number + 1)


class Service:
    """The root of both sides, and, with no connection in between, the model of it."""

    def __init__(self) -> None:
        self.ran: Counter[int] = Counter()

    def echo(self, n: int, value: Any) -> Any:
        self.ran[n] += 1
        return value

    async def later(self, n: int, value: Any) -> Any:
        self.ran[n] += 1
        await asyncio.sleep(0.001)
        return value

    def fail(self, n: int) -> None:
        self.ran[n] += 1
        raise ValueError(f"as ordered: {n}")

    def make(self, n: int) -> Thing:
        self.ran[n] += 1
        return Thing(n)

    async def use(self, n: int, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        self.ran[n] += 1
        return await function(*args)

    async def take(self, n: int, source: Any, until: int) -> list[Any]:
        self.ran[n] += 1
        taken: list[Any] = []
        async for item in source:
            taken.append(item)
            if len(taken) == until:
                break
        return taken

    def count(self, n: int, size: int) -> Any:
        self.ran[n] += 1
        for place in range(size):
            yield (n, place)

    async def count_slowly(self, n: int, size: int) -> Any:
        self.ran[n] += 1
        for place in range(size):
            if place % 7 == 0:
                await asyncio.sleep(0)
            yield (n, place)

    async def forever(self, n: int, *things: Any) -> None:
        self.ran[n] += 1
        await asyncio.Event().wait()


# -- the kinds of calls -------------------------------------------------------------------------


async def plain(root: Any, n: int, chance: random.Random) -> None:
    value = [n, {"k": (n, b"b")}, "text"]
    assert await root.echo(n, value) == value


async def slow(root: Any, n: int, chance: random.Random) -> None:
    assert await root.later(n, n) == n


async def large(root: Any, n: int, chance: random.Random) -> None:
    value = chance.randbytes(chance.choice([5_000, 70_000, 300_000]))
    assert await root.echo(n, value) == value


async def failing(root: Any, n: int, chance: random.Random) -> None:
    with pytest.raises(ValueError, match=rf"as ordered: {n}\b"):
        await root.fail(n)


async def lent(root: Any, n: int, chance: random.Random) -> None:
    thing = await root.make(n)
    assert await thing.more(1) == n + 1
    assert await thing.next().number == n + 1
    if chance.random() < 0.3:
        proxyables.release(thing)
        with pytest.raises(proxyables.ReferenceNotFound):
            await thing.number


async def borrowed(root: Any, n: int, chance: random.Random) -> None:
    mine = Thing(n)
    assert await root.echo(n, [mine, mine]) == [mine, mine]


async def called_back(root: Any, n: int, chance: random.Random) -> None:
    assert await root.use(n, lambda by: n + by, 3) == n + 3


async def called_back_to_fail(root: Any, n: int, chance: random.Random) -> None:
    def fail(what: str) -> None:
        raise KeyError(what)

    with pytest.raises(KeyError, match=f"no {n}"):
        await root.use(n, fail, f"no {n}")


async def back_and_forth(root: Any, n: int, chance: random.Random) -> None:
    async def back(their_echo: Any) -> Any:
        return await their_echo(-1, Thing(n))

    got = await root.use(n, back, root.echo)
    assert got.number == n


async def piped(root: Any, n: int, chance: random.Random) -> None:
    assert await root.echo(n, root.make(-1).next().number) == 0


async def streamed(root: Any, n: int, chance: random.Random) -> None:
    size, until = chance.choice([3, 40, 2000]), chance.choice([1, 30, 5000])
    source = root.count if chance.random() < 0.5 else root.count_slowly
    expected = 0
    async for item in source(n, size):
        assert item == (n, expected)
        expected += 1
        if expected == until:
            break
    assert expected == min(size, until)


async def given_a_stream(root: Any, n: int, chance: random.Random) -> None:
    until = chance.choice([1, 20, 50])

    async def mine() -> AsyncIterator[int]:
        for place in range(50):
            yield n + place

    iterator = mine()
    try:
        assert await root.take(n, iterator, until) == [n + place for place in range(until)]
    finally:
        await iterator.aclose()


async def hurried(root: Any, n: int, chance: random.Random) -> None:
    try:
        with proxyables.deadline(chance.choice([0, 0.001, 0.01])):
            await root.use(n, root.forever, -1)
        pytest.fail("it waits for ever")
    except TimeoutError:
        pass


async def cancelled(root: Any, n: int, chance: random.Random) -> None:
    call = asyncio.ensure_future(root.forever(n, Thing(n), lambda: n))
    try:
        for _ in range(chance.choice([0, 1, 2, 5])):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
    finally:
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call


async def kept(root: Any, n: int, chance: random.Random) -> Any:
    return await root.make(n)


KINDS = [
    *[plain, slow, large, failing, lent, borrowed, called_back, called_back_to_fail],
    *[back_and_forth, piped, streamed, given_a_stream, hurried, cancelled, kept],
]
MAY_BREAK = (proxyables.ConnectionClosed, proxyables.HandshakeFailed)
"""What a call may fail with once the connection may have been broken."""


# -- scripts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Script:
    """What happens, and in which order.

    Attributes:
        seed: Draws it again.
        loop: A name of `connections.LOOPS`.
        threads: Workers of each side.
        is_unix: Whether both links are Unix sockets.
        before: The fault under which the two sides meet.
        steps: Pairs of a deed, which is a method of the one who performs it, and its argument.
    """

    seed: int
    loop: str
    threads: int
    is_unix: bool
    before: Fault | None
    steps: list[tuple[str, Any]] = field(repr=False)

    @property
    def faults(self) -> list[Fault]:
        """Everything that befalls the link."""
        given = [argument for deed, argument in self.steps if deed == "fault"]
        return given if self.before is None else [self.before, *given]

    @property
    def may_break(self) -> bool:
        """Whether a call may fail because the connection has ended."""
        return "close" in dict(self.steps) or any(fault.breaks for fault in self.faults)


def draw(seed: int, loop: str) -> Script:
    """Draws the script of a seed."""
    chance = random.Random(seed)
    breaking = chance.random() < 0.5
    steps = [_draw_step(chance) for _ in range(chance.randrange(5, 40))]
    if breaking:
        end = ("fault", draw_fault(chance, breaking=True))
        if chance.random() < 0.3:
            end = ("close", chance.randrange(4))
        steps.insert(chance.randrange(len(steps)), end)
    before = draw_fault(chance, breaking=False) if chance.random() < 0.3 else None
    if breaking and chance.random() < 0.1:
        before = draw_fault(chance, breaking=True)
    if before is not None and before.name == "stall":
        before = None  # nobody would end it before the handshake is over
    return Script(
        seed=seed,
        loop=loop,
        threads=chance.choice([0, 0, 2]),
        is_unix=chance.random() < 0.3,
        before=before,
        steps=steps,
    )


def _draw_step(chance: random.Random) -> tuple[str, Any]:
    deed = chance.choices(["call", "cancel", "drop", "turn", "wait", "fault"], [10, 2, 1, 3, 1, 3])[
        0
    ]
    match deed:
        case "call":
            return deed, (chance.randrange(2), chance.randrange(len(KINDS)))
        case "turn":
            return deed, chance.choice([0, 0, 1, 3])
        case "fault":
            return deed, draw_fault(chance, breaking=False)
    return deed, chance.randrange(1 << 16)
