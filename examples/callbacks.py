"""Functions as arguments: the server calls back while the call runs, and afterwards."""

import asyncio
from collections.abc import Callable
from typing import Any

import proxyables


class Thermometer:
    """Tells its listeners of every change."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def on_change(self, listener: Any) -> None:
        self.listeners.append(listener)

    async def measure(self, degrees: float) -> int:
        for listener in self.listeners:
            await listener(degrees)
        return len(self.listeners)

    async def convert(self, values: list[float], rule: Callable[[float], Any]) -> list[float]:
        return [await rule(value) for value in values]


async def main() -> None:
    async with (
        proxyables.serve(Thermometer(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        await peer.root.on_change(lambda degrees: print(f"it is {degrees} °C"))
        for degrees in (18.5, 21.0):
            told = await peer.root.measure(degrees)
        print(f"{told} listener was told")
        fahrenheit = await peer.root.convert([0, 100], lambda c: c * 9 / 5 + 32)
        print(f"0 and 100 °C are {fahrenheit[0]} and {fahrenheit[1]} °F")


asyncio.run(main())
