"""One counter that several processes share."""

import asyncio
import sys

import proxyables


class Counter:
    """Counts; methods without await are never interrupted, so it needs no lock."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, number: int = 1) -> int:
        self.value += number
        return self.value


async def work(address: str) -> None:
    async with proxyables.connect(address) as peer:
        await asyncio.gather(*(peer.root.add() for _ in range(250)))


async def main() -> None:
    counter = Counter()
    async with proxyables.serve(counter, "tcp://127.0.0.1:0") as server:
        command = [sys.executable, __file__, server.addresses[0]]
        workers = [await asyncio.create_subprocess_exec(*command) for _ in range(3)]
        codes = [await worker.wait() for worker in workers]
    print("exit codes:", codes)
    print("counted:", counter.value)


asyncio.run(work(sys.argv[1]) if len(sys.argv) > 1 else main())
