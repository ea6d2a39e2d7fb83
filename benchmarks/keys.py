"""``python -m benchmarks.keys [--keys N] [--delay S]``: how long a key takes to be drawn.

A real REPL on a pseudo-terminal, whose connection goes through a relay that delays what the server
says, so that it takes that long to describe anything. Told are the times from a key to its echo,
and from the keys to a menu: each of the first two in a session of its own, in which nothing was
typed before, and which is given no time to learn anything. Each has a budget; that of a first menu
begins when a round trip could be over, which is measured too. Where Linux tells how long the REPL
had a processor meanwhile, that is told as well: it is all that counts on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pty
import select
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator

import proxyables
import proxyables.sync
from proxyables import demo

_PROMPT, _CURSOR_IS_WHERE = b"\x1b[?2004h", b"\x1b[6n"
"""What a prompt begins with: bracketed paste is switched on, the cursor's place is asked for."""
ECHO, MENU = 0.016, 0.030
"""Seconds that a key may take to be drawn, and a menu once its answer could be there."""
_SECONDS = 30.0
_PAUSE = 0.03


class Terminal:
    """A REPL, and what it has drawn."""

    def __init__(self, address: str, state: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            words = [sys.executable, "-m", "proxyables_cli", "repl", "--timeout", "20s", address]
            environment = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": state}
            os.execve(words[0], words, environment)

    def type(self, key: str) -> None:
        os.write(self._fd, key.encode())

    def until(self, wanted: bytes) -> float:
        """Waits until something has been drawn; returns how many seconds that took."""
        started, drawn = time.perf_counter(), b""
        while wanted not in drawn:
            left = started + _SECONDS - time.perf_counter()
            if not select.select([self._fd], [], [], max(left, 0))[0]:
                raise TimeoutError(f"{wanted!r} was not drawn in {_SECONDS:g} s, but {drawn!r}")
            data = os.read(self._fd, 65536)
            drawn += data
            if _CURSOR_IS_WHERE in data:
                self.type("\x1b[1;5R")
        return time.perf_counter() - started

    def processor(self) -> float:
        """The seconds for which the REPL's main thread has had a processor; 0 if nobody tells."""
        try:
            with open(f"/proc/{self.pid}/schedstat") as told:
                return int(told.read().split()[0]) / 1e9
        except OSError:
            return 0.0

    def settle(self) -> None:
        """Waits until nothing has been drawn for a while, as between two keys of somebody fast."""
        while select.select([self._fd], [], [], _PAUSE)[0]:
            os.read(self._fd, 65536)

    def close(self) -> None:
        """Leaves it, as somebody would."""
        self.type("\x03")
        self.until(_PROMPT)
        self.type("\x04")
        os.waitpid(self.pid, 0)
        os.close(self._fd)


@contextlib.asynccontextmanager
async def delayed(target: str, seconds: float, path: str) -> AsyncIterator[str]:
    """A relay in front of a Unix socket; what comes back through it takes `seconds` longer."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(wait, writer.write, data)
        loop.call_later(wait, writer.close)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(target)
        for way in (pump(reader, ours, 0.0), pump(theirs, writer, seconds)):
            task = asyncio.create_task(way)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_unix_server(relay, path)
    try:
        yield f"unix:{path}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def first_menu(address: str, state: str, keys: str, wanted: bytes) -> tuple[float, float]:
    """How long the first menu of a session takes from when its keys are typed, all at once, and for
    how long of that the REPL had a processor."""
    terminal = Terminal(address, state)
    terminal.until(_PROMPT)
    terminal.settle()
    before = terminal.processor()
    terminal.type(keys)
    try:
        return terminal.until(wanted), terminal.processor() - before
    finally:
        terminal.close()


def echoes_and_menu(address: str, state: str, keys: int) -> tuple[list[float], float]:
    """The times of echoes, and of a menu that has been there before."""
    terminal = Terminal(address, state)
    terminal.until(_PROMPT)
    echoes: list[float] = []
    for number in range(keys):
        if number % 20 == 0:
            terminal.type("\x03")
            terminal.until(_PROMPT)
            terminal.type(f"x{number} = obj.till\r")  # forgets, and takes a round trip
            terminal.until(_PROMPT)
            terminal.type("obj.till.")
        key = "qzjkvwyx"[number % 8]
        terminal.settle()
        terminal.type(key)
        echoes.append(terminal.until(key.encode()))
    terminal.type("\x03")
    terminal.until(_PROMPT)
    terminal.type("obj.till.t")
    again = terminal.until(b"take")
    terminal.close()
    return echoes, again


def round_trip(address: str) -> float:
    """How long the shortest answer takes; a call's is some more, as it has to be made."""
    with proxyables.sync.connect(address) as peer:
        return statistics.median(peer.ping() for _ in range(5))


def measure(address: str, state: str, keys: int) -> list[tuple[str, float, str]]:
    """What was measured: its name, the seconds that it took, and what that means."""
    trip = round_trip(address)
    root, root_processor = first_menu(address, state, "obj.ti", b"titles")
    path, path_processor = first_menu(address, state, "obj.till.t", b"take")
    echoes, again = echoes_and_menu(address, state, keys)
    percentiles = statistics.quantiles(echoes, n=100)
    return [
        ("a round trip", trip, ""),
        ("a key, median", percentiles[49], verdict(percentiles[49], ECHO)),
        ("a key, 95th percentile", percentiles[94], verdict(percentiles[94], ECHO)),
        ("first menu, of obj.", root, verdict(root, trip + MENU, root_processor)),
        ("first menu, of obj.till.", path, verdict(path, trip + MENU, path_processor)),
        ("a menu from before", again, verdict(again, MENU)),
    ]


def verdict(seconds: float, budget: float, processor: float = 0.0) -> str:
    """A time against its budget, in words."""
    told = f"of {1000 * budget:4.0f}{'' if seconds <= budget else '  missed'}"
    return f"{told}  ({1000 * processor:.1f} ms of processor)" if processor else told


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.keys", description="measures how long a key takes to be drawn"
    )
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--delay", type=float, default=0.5, help="seconds that an answer takes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        target = f"{directory}/server"
        async with (
            proxyables.serve(demo.Bookshop(), f"unix:{target}"),
            delayed(target, asked.delay, f"{directory}/relay") as address,
        ):
            loop = asyncio.get_running_loop()
            rows = await loop.run_in_executor(None, measure, address, directory, asked.keys)
    print(f"answers take {1000 * asked.delay:.0f} ms, {asked.keys} keys")
    for name, seconds, told in rows:
        print(f"{name:<26}{1000 * seconds:7.1f} ms {told}")


if __name__ == "__main__":
    asyncio.run(main())
