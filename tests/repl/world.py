"""What the tests of auto-await have on the other side: one of everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import proxyables


class Item:
    def __init__(self, name: str, price: int) -> None:
        self.name = name
        self.price = price
        self.tags = ["new"]

    def cost(self, count: int = 1) -> int:
        return self.price * count

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __eq__(self, other: object) -> bool:
        return self is other or other == self.name

    __hash__ = object.__hash__

    def __lt__(self, other: Item) -> bool:
        return self.price < other.price

    def __add__(self, other: int) -> int:
        return self.price + other


class Basket:
    """What has a truth, a text, a length and operators of its own."""

    def __init__(self, *items: int) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __format__(self, spec: str) -> str:
        return f"{len(self.items)} items{spec}"

    def __repr__(self) -> str:
        return f"Basket{tuple(self.items)}"

    def __add__(self, other: int) -> Basket:
        return Basket(*self.items, other)

    def __iadd__(self, other: int) -> Basket:
        self.items.append(other)
        return self


class Pair:
    """Two things that stay here, together: no tuple."""

    def __init__(self, one: Any, other: Any) -> None:
        self.both = (one, other)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.both)

    def __getitem__(self, place: int) -> Any:
        return self.both[place]


class World:
    """Everything that a remote object can have, anew for each connection."""

    def __init__(self) -> None:
        self.x = 3
        self.y = 4
        self.word = "four"
        self.none = None
        self.numbers = [1, 2, 3]
        self.table = {"a": 1, "b": 2}
        self.options = {"count": 3}
        self.items = [Item("pear", 5), Item("plum", 2)]
        self.log: list[str] = []
        self.basket, self.full = Basket(), Basket(1, 2)

    def add(self, one: int = 0, other: int = 0) -> int:
        return one + other

    async def later(self, value: Any = 7) -> Any:
        return value

    def first(self) -> Item:
        return self.items[0]

    def keywords(self, **given: Any) -> dict[str, Any]:
        return given

    def words(self) -> Iterator[str]:
        yield from "ab"

    def rows(self) -> Iterator[int]:
        yield from (1, 2, 3)

    async def counted(self) -> Any:
        for number in (1, 2, 3):
            yield number

    def pair(self) -> Pair:
        return Pair("a", Pair(1, 2))

    def pairs(self) -> Iterator[Pair]:
        yield self.pair()
        yield Pair("b", Pair(3, 4))

    def mixed(self) -> list[Any]:
        return [Pair("a", 1), ("b", Pair(3, 4))]

    @contextmanager
    def opened(self) -> Iterator[Pair]:
        self.log.append("in")
        yield self.pair()
        self.log.append("out")

    def fail(self, text: str = "no") -> None:
        raise ValueError(text)

    async def call(self, function: Any, *arguments: Any) -> Any:
        return await function(*arguments)

    @contextmanager
    def lock(self) -> Iterator[str]:
        self.log.append("in")
        try:
            yield "held"
        except KeyError:
            self.log.append("swallowed")
        else:
            self.log.append("out")


class Closed:
    """For a server that shows no more than what is exposed."""

    def __bool__(self) -> bool:
        return False

    @proxyables.expose
    def first(self) -> Item:
        return Item("pear", 5)
