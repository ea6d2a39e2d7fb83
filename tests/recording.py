"""What the tests of net/ share: both loops, a recording protocol, a count of descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine on a new loop; afterwards no task and no descriptor may be left."""
    uvloop.new_event_loop().close()  # its first loop opens a pipe for signals, for good
    before = descriptors()
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:

        async def bounded(coroutine: Coroutine[Any, Any, None]) -> None:
            async with asyncio.timeout(20):
                await coroutine
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        yield lambda coroutine: runner.run(bounded(coroutine))
    assert descriptors() == before


def end_abruptly(loop: str, coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine and then cancels what it has left, as ``asyncio.run`` does."""

    async def cancel_everything() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    new = LOOPS[loop]()
    try:
        new.run_until_complete(coroutine)
        new.run_until_complete(cancel_everything())
    finally:
        new.close()


def descriptors() -> set[str]:
    """What this process has open, as ``NUMBER TARGET``."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory's own descriptor is closed again
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return {entry for entry in found if "/proc/" not in entry}


async def eventually(condition: Callable[[], object]) -> None:
    """Waits for what nothing announces: state inside asyncio, another process, the kernel."""
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never came true")


class Recorder(asyncio.Protocol):
    """Keeps what happens to it, and lets a test wait for it."""

    def __init__(self, *, keep_open: bool = False, echo: bool = False) -> None:
        self.events: list[str] = []
        self.received = bytearray()
        self.keep_open = keep_open
        self.echo = echo
        self.error: BaseException | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        self.transport: asyncio.Transport

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._note("made")

    def data_received(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.received += data
        self._note("data")
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self._note("eof")
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.error = exc
        self._note("lost")
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()
