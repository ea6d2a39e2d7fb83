"""Idle connections cost a server little, and those who use theirs do not notice them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import proxyables
from attacks.test_memory import A_CONNECTION, assert_undisturbed
from attacks.victims import attacked

MANY = 400


def test_an_idle_connection_costs_at_most_40_kib(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with attacked(tmp_path / "log", request.config.getoption("--loop")) as victim:

        async def measure() -> float:
            before = victim.memory()
            peers = [await proxyables.connect(victim.address) for _ in range(MANY)]
            each = (victim.memory() - before) / MANY
            assert_undisturbed(victim)
            assert await peers[MANY // 2].root.add(1, 2) == 3
            for peer in peers:
                peer.close()
            for peer in peers:
                await peer.wait_closed()
            return each

        each = asyncio.run(measure())
    assert each <= A_CONNECTION, f"{each / 1024:.1f} KiB each"
