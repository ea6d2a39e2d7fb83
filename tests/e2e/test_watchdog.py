"""The watchdog: what blocks the event loop is logged while it does, once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

import proxyables
from connections import on_both_loops

SECONDS = 0.2


class Ears(logging.Handler):
    """Hears what the library logs, in whatever thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if "blocked" in self.lines[-1]:
            self.heard.set()


@pytest.fixture
def ears() -> Iterator[Ears]:
    listening = Ears()
    logger = logging.getLogger("proxyables")
    logger.addHandler(listening)
    yield listening
    logger.removeHandler(listening)


class Api:
    def __init__(self, ears: Ears) -> None:
        self._ears = ears

    async def block(self) -> str:
        return self.block_inside()

    def block_inside(self) -> str:
        self._ears.heard.clear()
        assert self._ears.heard.wait(60)
        return next(line for line in self._ears.lines if "blocked" in line)


@on_both_loops
async def test_a_blocked_loop_is_logged_with_its_stack_once_and_when_it_goes_on(
    ears: Ears,
) -> None:
    async with (
        proxyables.serve(Api(ears), "tcp://127.0.0.1:0", watchdog=SECONDS) as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        blocked = await peer.root.block()
        while not any("goes on" in line for line in ears.lines):
            await asyncio.sleep(SECONDS / 10)
    about_us = [line for line in ears.lines if "process stood still" not in line]
    assert len([line for line in about_us if line == blocked]) == 1
    told, _, stack = blocked.partition(": ")
    assert told.startswith("the event loop has been blocked for ")
    frames = stack.split(" < ")
    assert frames[0].startswith(f"{__file__}:")
    assert frames[0].endswith(" Api.block_inside")
    assert frames[1].endswith(" Api.block")
    assert about_us[about_us.index(blocked) + 1].startswith("the event loop goes on after ")


@on_both_loops
async def test_a_loop_that_turns_is_no_news_and_the_thread_ends_with_the_server(
    ears: Ears,
) -> None:
    async with proxyables.serve(Api(ears), "tcp://127.0.0.1:0", watchdog=30.0):
        assert "proxyables-watchdog" in {each.name for each in threading.enumerate()}
        await asyncio.sleep(0)
    assert "proxyables-watchdog" not in {each.name for each in threading.enumerate()}
    assert ears.lines == []


def test_what_is_no_time() -> None:
    with pytest.raises(ValueError, match="watchdog takes seconds, 0 for never, got -1"):
        proxyables.serve(None, ":0", watchdog=-1)
