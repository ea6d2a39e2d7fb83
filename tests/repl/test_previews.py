"""What remote objects say of how they look, asked for many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import proxyables
from proxyables_cli.repl.previews import attributes, reprs
from repl.processes import serving_target
from repl.test_auto_await import WORLD


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_target(f"{WORLD}:World", "--factory", "--instance", "connection") as address:
        yield address


def asked(address: str, work: Callable[[Any, Any], Awaitable[None]]) -> int:
    """Does something on two connections; gives how many calls that took."""

    async def main() -> int:
        async with proxyables.connect(address) as one, proxyables.connect(address) as two:
            await work(one.root, two.root)
            return sum(each.statistics()["calls_made"] for each in (one, two))

    return asyncio.run(main())


def test_those_of_a_connection_are_one_message(address: str) -> None:
    async def work(one: Any, two: Any) -> None:
        pear, plum = await one.items
        other = await two.first()
        assert await reprs([pear, other, plum, pear], 100) == [
            "<pear>", "<pear>", "<plum>", "<pear>"
        ]  # fmt: skip
        assert await reprs([plum], 100) == ["<plum>"]
        assert await reprs([], 100) == []

    assert asked(address, work) == 2 + 2 + 1


def test_they_are_cut_over_there(address: str) -> None:
    async def work(one: Any, two: Any) -> None:
        items = await one.items
        await proxyables.assign(items[0].name, "x" * 1000)
        assert await reprs(items, 6) == ["<xxxxx …", "<plum>"]

    asked(address, work)


@pytest.mark.parametrize("name", ["a\x1eb", 5, None])
def test_one_that_spoils_the_message_does_not_spoil_the_others(address: str, name: Any) -> None:
    async def work(one: Any, two: Any) -> None:
        items = await one.items
        if name is None:
            await proxyables.delete(items[0].name)
        else:
            await proxyables.assign(items[0].name, name)
        first, second = await reprs(items, 100)
        assert second == "<plum>"
        if name is None:
            assert isinstance(first, AttributeError)
        else:
            assert first == f"<{name}>"

    asked(address, work)


def test_attributes_are_rows(address: str) -> None:
    async def work(one: Any, two: Any) -> None:
        items = await one.items
        assert await attributes(items) == [
            {"name": "pear", "price": 5, "tags": ["new"]},
            {"name": "plum", "price": 2, "tags": ["new"]},
        ]
        await proxyables.delete(items[1].price)
        assert (await attributes(items))[1] == {"name": "plum", "tags": ["new"]}

    asked(address, work)


def test_a_lost_connection_is_an_answer(address: str) -> None:
    async def work(one: Any, two: Any) -> None:
        items = await one.items
        proxyables.peer_of(items[0]).close()  # type: ignore[attr-defined]
        told = await reprs(items, 100)
        assert all(isinstance(each, proxyables.ConnectionClosed) for each in told)

    asked(address, work)
