"""What is measured, and the loop that measures it; the same code for every contestant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Operation = Callable[[], Awaitable[Any]]
BlockingOperation = Callable[[], Any]


class Case(NamedTuple):
    """One row of the table.

    Attributes:
        name: What the row is called.
        operation: Which of a contestant's operations is called.
        tasks: How many tasks call it, each one call after another.
        least: The smallest acceptable ratio to another contestant, by its name.
    """

    name: str
    operation: str
    tasks: int
    least: dict[str, float]


class Goal(NamedTuple):
    """The smallest acceptable ratio of our own rates in two cases."""

    case: str
    other: str
    least: float


CASES = (
    Case("one after another", "add", 1, {"raw echo": 0.7, "rpyc": 1.0}),
    Case("64 in flight", "add", 64, {"raw echo": 0.5, "original": 8.0}),
    Case("async method", "add_async", 1, {}),
    Case("callback", "apply", 1, {}),
    Case("1 MiB echo", "echo", 1, {}),
    Case("ten attributes", "attributes", 1, {}),
    Case("ten steps, 3 calls", "chain", 1, {}),
    Case("10,000 dict rows", "rows", 1, {"raw echo": 1 / 1.5}),
)
GOALS = (
    Goal("ten attributes", "one after another", 1 / 1.3),
    Goal("ten steps, 3 calls", "one after another", 1 / 1.3),
)

BODY = bytes(1 << 20)
ROWS = [
    {"id": number, "name": f"row {number}", "price": number / 4, "sold": number % 3 == 0}
    for number in range(10_000)
]
EXPECTED: dict[str, object] = {
    "add": 3,
    "add_async": 3,
    "apply": 2,
    "attributes": 3,
    "chain": 3,
    "echo": BODY,
    "rows": ROWS,
}
"""What each operation returns."""


async def measure(operation: Operation, tasks: int, seconds: float) -> float:
    """Returns how many calls per second came back."""
    started = time.perf_counter()
    end = started + seconds

    async def call() -> int:
        calls = 0
        while time.perf_counter() < end:
            await operation()
            calls += 1
        return calls

    calls = await asyncio.gather(*(call() for _ in range(tasks)))
    return sum(calls) / (time.perf_counter() - started)


def measure_blocking(operation: BlockingOperation, seconds: float) -> float:
    """As `measure`, for one thread."""
    started = time.perf_counter()
    end = started + seconds
    calls = 0
    while time.perf_counter() < end:
        operation()
        calls += 1
    return calls / (time.perf_counter() - started)
