"""What the log tells of who connects and gets nowhere: some of it, and how much more there was."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxyables.net import complaints
from proxyables.net.complaints import MOST, MOST_SOURCES, Complaints


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(complaints, "INTERVAL", 0.05)
    caplog.set_level(logging.WARNING, "proxyables")


def note(table: Complaints, source: str, kind: str = "garbage", text: str = "no peer") -> None:
    table.note(source, kind, f"<{source}>", text, logging.WARNING)


async def ended(table: Complaints) -> None:
    async with asyncio.timeout(10):
        while len(table):
            await asyncio.sleep(0.01)


def test_the_first_are_told_and_then_how_many(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        table = Complaints()
        for number in range(MOST + 7):
            note(table, "tcp://10.0.0.1", text=f"no peer: {number}")
        note(table, "tcp://10.0.0.2")
        await ended(table)
        assert caplog.messages == [
            *(f"<tcp://10.0.0.1>: no peer: {number}" for number in range(MOST)),
            "<tcp://10.0.0.2>: no peer",
            f"7 more like it in the last 0.05 s from tcp://10.0.0.1: no peer: {MOST + 6}",
        ]
        caplog.clear()
        note(table, "tcp://10.0.0.1")  # an interval of its own
        assert caplog.messages == ["<tcp://10.0.0.1>: no peer"]
        table.close()

    asyncio.run(main())


def test_kinds_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        table = Complaints()
        for kind in ("garbage", "token"):
            for _ in range(MOST + 1):
                note(table, "unix:/x", kind, kind)
        table.close()
        assert caplog.messages[-2:] == [
            f"1 more like it in the last 0.05 s from unix:/x: {kind}"
            for kind in ("garbage", "token")
        ]
        table.close()
        assert len(caplog.messages) == 2 * MOST + 2

    asyncio.run(main())


def test_sources_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        table = Complaints()
        for number in range(MOST_SOURCES + 1000):
            note(table, f"tcp://10.0.{number // 256}.{number % 256}")
        assert len(table) == MOST_SOURCES == len(caplog.messages)
        table.close()
        assert caplog.messages[-1].startswith("1000 connections more were refused")
        assert len(table) == 0

    asyncio.run(main())


def test_what_the_log_does_not_want_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        table = Complaints()
        table.note("x", "y", "z", "text", logging.DEBUG)
        assert len(table) == 0
        assert caplog.messages == []

    asyncio.run(main())
