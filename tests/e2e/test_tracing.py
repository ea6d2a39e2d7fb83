"""`Peer.on_call`: whoever is told of calls hears of each one, once, and disturbs none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connections import connected, on_both_loops


class API:
    def __init__(self) -> None:
        self.items = [1, 2]

    def add(self, a: int, b: int) -> int:
        return a + b

    def rows(self) -> Iterator[int]:
        yield from self.items

    def fail(self) -> None:
        raise LookupError("no")


@on_both_loops
async def test_each_call_is_told_once() -> None:
    told: list[Any] = []
    async with connected(API()) as pair:
        root = pair.client.root
        await root.add(1, 2)
        pair.client.on_call = told.append
        assert await root.add(1, root.items[0]) == 2
        with pytest.raises(LookupError):
            await root.fail()
        assert [row async for row in root.rows()] == [1, 2]
        pair.client.on_call = None
        await root.add(1, 2)
    assert [call.path for call in told] == ["root.add(…)", "root.fail()", "root.rows()«…»"]
    assert told[0].error is None
    assert isinstance(told[1].error, LookupError)
    assert told[0].seconds >= 0
    assert told[2].seconds is None
