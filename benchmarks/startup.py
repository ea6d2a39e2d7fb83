"""``python -m benchmarks.startup [--rounds N]``: the processor time until a command is of use.

Each figure is a multiple of what ``python -c "import asyncio"`` takes, the best of some rounds that
are interleaved, so that it says little about the machine. Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pty
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import proxyables

_PYTHON = sys.executable
_COMMAND = [_PYTHON, "-m", "proxyables_cli"]
_SERVE = ["serve", "proxyables.demo:obj"]
_PATIENCE = 60.0


class Case(NamedTuple):
    """One way to start.

    Attributes:
        name: What the table calls it.
        budget: The multiple that it should keep to.
        measure: Starts it once; returns the seconds.
    """

    name: str
    budget: float
    measure: Callable[[], float]


def _spent(pid: int) -> float:
    """Returns the seconds of processor time that all threads of a process have had so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _whole(*words: str) -> float:
    """Runs a program to its end."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_utime + usage.ru_stime


def _stdio_child() -> float:
    ours, theirs = socket.socketpair()
    wire = theirs.fileno()
    process = subprocess.Popen([*_COMMAND, *_SERVE, "--stdio"], stdin=wire, stdout=wire)
    theirs.close()

    async def first_answer() -> float:
        root = await proxyables.Proxyable.ImportFrom(ours)
        assert await root.add(2, 3) == 5
        return _spent(process.pid)

    try:
        return asyncio.run(first_answer())
    finally:
        process.kill()
        process.wait()


def _server() -> float:
    with _serving() as process:
        return _spent(process.pid)


def _serving() -> _Ended:
    """Starts a server; returns when it is ready."""
    directory = tempfile.mkdtemp()
    process = _Ended(
        [*_COMMAND, *_SERVE, "--unix", f"{directory}/s"], stderr=subprocess.PIPE, text=True
    )
    process.directory = directory
    assert process.stderr is not None
    while "try: " not in process.stderr.readline():
        assert process.poll() is None
    return process


class _Ended(subprocess.Popen[str]):
    """A process that is killed at the end of a block."""

    directory: str

    def __exit__(self, *error: object) -> None:
        self.kill()
        super().__exit__(None, None, None)
        Path(self.directory, "s").unlink(missing_ok=True)
        Path(self.directory).rmdir()


def _call(address: str) -> float:
    return _whole(*_COMMAND, "call", address, "add", "2", "3")


def _code(address: str) -> float:
    return _whole(*_COMMAND, "repl", address, "-c", "obj.add(2, 3)")


def _prompt(address: str) -> float:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(_PYTHON, [*_COMMAND, "repl", address])
    drawn = b""
    end = time.monotonic() + _PATIENCE
    while b">>>" not in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", drawn):
        readable, _, _ = select.select([terminal], [], [], end - time.monotonic())
        assert readable, drawn
        read = os.read(terminal, 65536)
        drawn += read
        if b"\x1b[6n" in read:  # it asks where the cursor is
            os.write(terminal, b"\x1b[1;1R")
    seconds = _spent(pid)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    os.close(terminal)
    return seconds


def _cases(address: str) -> list[Case]:
    # From 0.29 on, typer brings pydantic, and nearly every import of it costs twice as much.
    dear = tuple(map(int, version("typer").split(".")[:2])) >= (0, 29)
    return [
        Case("--version", 0.35, lambda: _whole(*_COMMAND, "--version")),
        Case("stdio child, first answer", 1.3, _stdio_child),
        Case("serve, ready", 3.2 if dear else 2.2, _server),
        Case("call, piped", 3.4 if dear else 2.4, lambda: _call(address)),
        Case("repl -c", 1.2 * (3.4 if dear else 2.4), lambda: _code(address)),
        Case("repl, first prompt", 4.3 if dear else 3.2, lambda: _prompt(address)),
    ]


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    rounds = parser.parse_args().rounds
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else everything is compiled in each round
    with _serving() as server:
        cases = _cases(f"unix:{server.directory}/s")
        floor: list[float] = []
        seconds: dict[str, list[float]] = {case.name: [] for case in cases}
        for number in range(rounds + 1):  # the first only fills caches
            least = _whole(_PYTHON, "-c", "import asyncio")
            found = {case.name: case.measure() for case in cases}
            if number:
                floor.append(least)
                for name, each in found.items():
                    seconds[name].append(each)
    print(f"import asyncio: {min(floor) * 1000:.0f} ms of processor time, the best of {rounds}")
    for case in cases:
        ratio = min(seconds[case.name]) / min(floor)
        told = "" if ratio <= case.budget else "  over"
        print(f"{case.name:28} {ratio:5.2f} x   budget {case.budget:.2f}{told}")


if __name__ == "__main__":
    main()
