"""A process of another make's Yamux, and our link to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interop.yamux_link import Link
from proxyables.yamux import Config

_HERE = Path(__file__).parent
_TOOLS = _HERE.parents[1] / ".interop"

HASHICORP = "hashicorp"
YAMUX_JS = "yamux-js"

THEY_DIAL = "they dial"
WE_DIAL = "we dial"

PACE = 16 * 1024
"""Bytes under way at once to yamux-js: so few that one read takes them whole."""


class Failed(Exception):
    """The other make's own words on what went wrong there."""


def _command(make: str) -> list[str]:
    """Returns how the peer is started; without it, the test is skipped, and in CI fails."""
    if make == HASHICORP:
        needed, command = _TOOLS / "yamux_peer", [str(_TOOLS / "yamux_peer")]
    else:
        needed = _TOOLS / "node_modules" / "yamux-js"
        command = [shutil.which("node") or "node", str(_HERE / "yamux_peer_node" / "peer.mjs")]
        command.append(str(_TOOLS))
    if not needed.exists():
        reason = f"{needed} is missing: run `make interop-tools`"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return command


class Remote:
    """The process: commands go in and answers come out as lines of JSON, in any order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def port(self) -> int:
        """Returns where it listens: the first thing that it tells, if it does."""
        assert self.process.stdout is not None
        return int(json.loads(await self.process.stdout.readline())["port"])

    def ask(self, op: str, **arguments: Any) -> asyncio.Future[dict[str, Any]]:
        """Gives a command; the answer can be awaited, and raises `Failed`."""
        assert self.process.stdin is not None
        self._reader = self._reader or asyncio.create_task(self._read())
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
        return answer

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            answer = self._answers.pop(told.pop("id"))
            if answer.cancelled():
                continue
            if "error" in told:
                answer.set_exception(Failed(told["error"]))
            else:
                answer.set_result(told)
        for answer in self._answers.values():
            answer.cancel()

    async def stop(self) -> None:
        """Ends it, by its stdin, and by force if that is not enough."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(5):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        await (self._reader or self._read())
        assert code == 0, f"the peer ended with the code {code}"


class Meeting(NamedTuple):
    """Both ends of one connection."""

    link: Link
    remote: Remote


@contextlib.asynccontextmanager
async def meeting(
    make: str,
    role: str,
    *,
    config: Config | None = None,
    clock: Callable[[], float] | None = None,
    keepalive: float = 0,
    timeout: float = 10,
    backlog: int = 256,
) -> AsyncIterator[Meeting]:
    """Connects our session with a new process of that make; the other options are the process's.

    At the end the connection is closed, nothing may have offended our session, and the process must
    have ended by itself.
    """
    loop = asyncio.get_running_loop()
    command = _command(make)
    dials = role == THEY_DIAL
    pace = PACE if make == YAMUX_JS else 0
    link = Link(client=not dials, config=config, clock=clock, pace=pace)
    server = await loop.create_server(lambda: link, "127.0.0.1", 0) if dials else None
    port = server.sockets[0].getsockname()[1] if server else 0
    options = json.dumps({"keepalive": keepalive, "timeout": timeout, "backlog": backlog})
    process = await asyncio.create_subprocess_exec(
        *command,
        *("dial" if dials else "listen", str(port), options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    remote = Remote(process)
    try:
        if server is None:
            await loop.create_connection(lambda: link, "127.0.0.1", await remote.port())
        else:
            await link.connected.wait()
        yield Meeting(link, remote)
        assert link.offence is None
    finally:
        if server is not None:
            server.close()
        await link.close()
        await remote.stop()


def live(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an asynchronous test, for 30 seconds at most."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(30):
                await test(*args, **kwargs)

        with asyncio.Runner() as runner:
            runner.run(bounded())

    return run
