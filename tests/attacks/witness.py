"""An honest client in a process of its own: ``witness.py ADDRESS``.

For each number of calls that it reads, it tells the median of what they took, in seconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import proxyables


async def measure(root: proxyables.ProxyCursor, calls: int) -> float:
    times = []
    for number in range(calls):
        start = time.perf_counter()
        assert await root.add(number, 1) == number + 1
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def main(address: str) -> None:
    async with proxyables.connect(address) as peer:
        await measure(peer.root, 200)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await measure(peer.root, int(line)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
