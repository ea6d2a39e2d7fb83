"""``python -m benchmarks.idle [--connections N] [--seconds S]``: what idle connections cost.

The server is a child process, all clients are connections of this one. Told are the server's memory
for each connection, the processor time that it spends while nobody asks for anything, and how long
a call takes on one connection alone and among all the others. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import proxyables

_SPARE_DESCRIPTORS = 100
_AT_ONCE = 100
_CALLS = 500


class Server:
    """The server's process.

    Args:
        process: It.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.address = process.stdout.readline().strip()

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def processor_time(self) -> float:
        """Seconds that it has spent."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def wakings(self) -> int:
        """How often it has waited for something to happen."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)
        assert found is not None
        return int(found[1])


class _API:
    def add(self, a: int, b: int) -> int:
        return a + b


async def _serve() -> None:
    async with proxyables.serve(_API(), "tcp://127.0.0.1:0") as server:
        print(server.addresses[0], flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def _server() -> Iterator[Server]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.idle", "--serve"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        try:
            yield Server(process)
        except BaseException:
            process.kill()
            raise


async def _call(peer: proxyables.Peer) -> float:
    """Returns the median of the seconds that calls take."""
    times = []
    for number in range(_CALLS):
        start = time.perf_counter()
        await peer.root.add(number, 1)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def _connect(address: str, connections: int) -> list[proxyables.Peer]:
    peers: list[proxyables.Peer] = []
    while len(peers) < connections:
        some = min(_AT_ONCE, connections - len(peers))
        peers += await asyncio.gather(
            *(proxyables.connect(address, timeout=60) for _ in range(some))
        )
    return peers


async def _measure(connections: int, seconds: float) -> None:
    with _server() as server:
        async with proxyables.connect(server.address) as one:
            await _call(one)
            alone = await _call(one)
            before = server.memory
            peers = await _connect(server.address, connections)
            each = (server.memory - before) / connections
            among = await _call(one)
            start, spent, woken = time.monotonic(), server.processor_time, server.wakings
            await asyncio.sleep(seconds)
            lasted = time.monotonic() - start
            busy = (server.processor_time - spent) / lasted
            wakings = (server.wakings - woken) / lasted
            await asyncio.gather(*(_end(peer) for peer in peers))
    print(f"{connections} idle connections, Python {sys.version.split()[0]}")
    print(f"memory of the server for each   {each / 1024:8.1f} KiB")
    print(f"its processor while idle        {100 * busy:8.2f} %, {wakings:.0f} wakings a second")
    print(f"a call, on one connection alone {1e6 * alone:8.0f} µs")
    print(f"a call, among all the others    {1e6 * among:8.0f} µs")


async def _end(peer: proxyables.Peer) -> None:
    peer.close()
    await peer.wait_closed()


def _allow_descriptors(connections: int) -> None:
    """Raises the soft limit, for this process and the server's."""
    needed = connections + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{connections} connections need {needed} descriptors, allowed are {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle")
    parser.add_argument("--connections", type=int, default=5000, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=40.0, help="of idleness, more than one keep-alive interval"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.connections < 1 or options.seconds <= 0:
        parser.error("at least one connection, and more than 0 seconds")
    if options.serve:
        asyncio.run(_serve())
        return
    _allow_descriptors(options.connections)
    asyncio.run(_measure(options.connections, options.seconds))


if __name__ == "__main__":
    main()
