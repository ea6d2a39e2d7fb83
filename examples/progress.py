"""Progress of a long call, reported to a callback; and a deadline that ends one over there."""

import asyncio
from typing import Any

import proxyables


class Builder:
    """Works in steps."""

    async def build(self, steps: int, report: Any = None) -> str:
        try:
            for step in range(1, steps + 1):
                await asyncio.sleep(0.01)
                if report is not None:
                    await report(step, steps)
        except asyncio.CancelledError:
            print("builder: cancelled, cleaning up")
            raise
        return f"built in {steps} steps"


def show(step: int, steps: int) -> None:
    print(f"[{'#' * step:<{steps}}] {100 * step // steps} %")


async def main() -> None:
    async with (
        proxyables.serve(Builder(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        print(await peer.root.build(4, report=show))
        try:
            with proxyables.deadline(0.1):
                await peer.root.build(1000)
        except TimeoutError:
            print("too slow: given up")
        await peer.ping()  # the builder has heard of it by now


asyncio.run(main())
