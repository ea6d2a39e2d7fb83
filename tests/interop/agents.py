"""Parity agents as processes of their own, as the harness runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

_COMMAND = (sys.executable, "-W", "error", str(Path(__file__).with_name("parity_agent.py")))
PATIENCE = 60


def run(*words: object) -> list[dict[str, Any]]:
    """Returns the lines of an agent that ends by itself, in peace and without a word to stderr."""
    code, out, err = run_any(*words)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def run_any(*words: object) -> tuple[int, str, str]:
    """Returns how an agent has ended, and what it said on its two ways out."""
    command = [*_COMMAND, *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return ended.returncode, ended.stdout, ended.stderr


class Agent:
    """An agent that goes on.

    Attributes:
        process: Its process.
    """

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [*_COMMAND, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # what is read as a line must not take more with it
        )

    def read(self) -> dict[str, Any]:
        """Returns its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the agent has ended: {self.process.communicate(timeout=PATIENCE)}"
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> tuple[int, str, str]:
        """Sends SIGTERM; returns how it has ended, and what it still said."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        """Returns the same of one that ends by itself."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, out.decode(), err.decode()


@contextlib.contextmanager
def listening(*words: object) -> Iterator[dict[str, Any]]:
    """What a serving agent says of itself; SIGTERM ends it in peace."""
    agent = Agent(*words)
    try:
        yield agent.read()
    finally:
        ended = agent.stop()
    assert ended == (0, "", "")


async def run_beside(*words: object) -> list[dict[str, Any]]:
    """As `run`, while the test goes on serving."""
    return await asyncio.to_thread(run, *words)


@contextlib.asynccontextmanager
async def listening_beside(*words: object) -> AsyncIterator[dict[str, Any]]:
    """As `listening`, while the test goes on serving."""
    agent = Agent(*words)
    try:
        yield await asyncio.to_thread(agent.read)
    finally:
        ended = await asyncio.to_thread(agent.stop)
    assert ended == (0, "", "")


def address(port: int) -> str:
    """Returns what a client dials."""
    return f"tcp://127.0.0.1:{port}"


def check_passed(lines: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Checks that the lines say that exactly these scenarios passed, and what came of them."""
    assert [line["scenario"] for line in lines] == list(expected)
    for line in lines:
        assert line == {
            "type": "scenario",
            "scenario": line["scenario"],
            "status": "passed",
            "protocol": "parity-json-v1",
            "actual": expected[line["scenario"]],
        }


def drive(port: int, names: Iterable[str], *words: object) -> list[dict[str, Any]]:
    """Returns the lines of a driver of the agent at a port; without names it has to choose."""
    chosen = ("--scenarios", ",".join(names)) if names else ()
    return run("drive", "--host", "127.0.0.1", "--port", port, *chosen, *words)


def bounded(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Makes a test of a coroutine, which gets so many seconds."""

    @wraps(test)
    def run_bounded(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), PATIENCE))

    return run_bounded
