"""Streams in both directions: generators over the wire, with backpressure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import proxyables


class Archive:
    """Has more rows than anybody wants."""

    def rows(self) -> Iterator[dict[str, int]]:
        number = 0
        try:
            while True:
                yield {"id": number, "square": number * number}
                number += 1
        finally:
            print("the archive was closed")

    async def running_total(self, numbers: Any) -> AsyncIterator[int]:
        total = 0
        async for number in numbers:
            total += number
            yield total


async def main() -> None:
    async with (
        proxyables.serve(Archive(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        async for row in peer.root.rows():
            if row["id"] == 3:
                break  # stops the generator over there
            print(row)
        totals = peer.root.running_total(n * n for n in range(1, 6))
        print("totals:", [total async for total in totals])


asyncio.run(main())
