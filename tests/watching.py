"""A server that is looked into, and what the tests of that wait for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import proxyables


class Account:
    def pay(self, amount: int, password: str = "") -> int:
        return amount


class Shop:
    """What is served."""

    def __init__(self) -> None:
        self.accounts = {"ada": Account()}
        self.gate = threading.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def fail(self) -> None:
        raise ValueError("no")

    def block(self) -> None:
        self.gate.wait(60)

    def call_back(self, callback: Any) -> Any:
        return callback()

    async def wait(self) -> None:
        await asyncio.Event().wait()

    async def wait_inside(self) -> None:
        await self.wait()

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number
        await asyncio.Event().wait()

    def flood(self) -> Any:
        while True:
            yield b"x" * 100_000

    def open(self) -> Account:
        return Account()


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[str, Shop]]:
    """A shop on TCP; its address, and the shop itself."""
    shop = Shop()
    async with proxyables.serve(shop, "tcp://127.0.0.1:0", name="shop", **options) as server:
        try:
            yield server.addresses[0], shop
        finally:
            shop.gate.set()


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Waits for something that is about to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not become true"
        await asyncio.sleep(0.005)


async def running(peer: Any, *states: str) -> list[dict[str, Any]]:
    """Waits until a server's calls are in these states; returns what it tells of them."""
    end = time.monotonic() + 20
    while True:
        calls: list[dict[str, Any]] = (await peer.status())["calls"]
        have_begun = all(call["where"] for call in calls if call["state"] == "waiting")
        if tuple(call["state"] for call in calls) == states and have_begun:
            return calls
        assert time.monotonic() < end, calls
        await asyncio.sleep(0.005)


class Started:
    """Calls that go on while the block runs."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def __call__(self, awaitable: Any) -> asyncio.Task[Any]:
        async def run() -> Any:
            return await awaitable

        self._tasks.append(asyncio.ensure_future(run()))
        return self._tasks[-1]

    async def __aenter__(self) -> Started:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # and with them what their frames hold
