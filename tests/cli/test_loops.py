"""The event loop that ``--loop`` names."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from proxyables_cli import loops
from proxyables_cli.exits import Code, Failure


@pytest.mark.parametrize(
    ("name", "made"),
    [("auto", uvloop.Loop), ("uvloop", uvloop.Loop), ("asyncio", asyncio.SelectorEventLoop)],
)
def test_each_name_has_its_loop(name: str, made: type) -> None:
    with loops.runner(name) as runner:
        assert isinstance(runner.get_loop(), made)


def test_without_uvloop_only_its_own_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with loops.runner("auto") as runner:
        assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
    with pytest.raises(Failure, match="uvloop is not installed") as caught:
        loops.runner("uvloop")
    assert caught.value.code is Code.CONFIGURATION
