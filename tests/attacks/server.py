"""The server that is attacked, in a process of its own: ``server.py asyncio|uvloop LIMITS``.

It tells its address on stdout and what it refuses on stderr, and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator

import uvloop

import proxyables


class API:
    """What a server may offer in good faith: large answers, endless ones, and late ones."""

    def add(self, a: int, b: int) -> int:
        return a + b

    def count(self, *values: object) -> int:
        return len(values)

    def large(self, size: int) -> bytes:
        return bytes(size)

    def rows(self) -> Iterator[bytes]:
        while True:
            yield bytes(10_000)

    async def news(self) -> AsyncIterator[bytes]:
        while True:
            yield bytes(10_000)

    async def never(self, *values: object) -> None:
        await asyncio.get_running_loop().create_future()


async def main(limits: proxyables.Limits) -> None:
    async with proxyables.serve(API(), "tcp://127.0.0.1:0", limits=limits) as server:
        print(server.addresses[0], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    with asyncio.Runner(loop_factory=loops[sys.argv[1]]) as runner:
        runner.run(main(proxyables.Limits(**json.loads(sys.argv[2]))))
