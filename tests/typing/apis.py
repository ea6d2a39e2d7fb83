"""What the other files here promise of remote objects, as users write it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol, TypeVar

Item_co = TypeVar("Item_co", covariant=True)


class Item(Protocol):
    """An object that stays over there."""

    name: Awaitable[str]

    async def rename(self, name: str) -> None: ...


class Shop(Protocol):
    """For cursors: what is awaited is ``async def``, or an `Awaitable`."""

    @property
    def count(self) -> Awaitable[int]: ...

    async def add(self, a: int, b: int) -> int: ...

    async def find(self, name: str) -> Item: ...

    def first(self) -> Item: ...  # without await: its calls continue the same round trip

    def rows(self) -> AsyncIterator[tuple[str, int]]: ...

    def transaction(self) -> AbstractAsyncContextManager[Item]: ...

    async def on_change(self, callback: Callable[[int], Awaitable[None]]) -> None: ...


class Clock(ABC):
    @abstractmethod
    async def now(self) -> float: ...


class AtomicClock(Clock):
    async def adjust(self, seconds: float) -> None: ...


class Store(Protocol[Item_co]):
    async def get(self, key: str) -> Item_co: ...


class Counter:
    """The class of the object itself, or one with the same methods: for blocking proxies."""

    def __init__(self, start: int) -> None:
        self.count = start

    def add(self, a: int, b: int) -> int:
        return a + b

    async def slow(self) -> str:
        return "slow"

    def __len__(self) -> int:
        return 0


class BlockingShop(Protocol):
    count: int

    def add(self, a: int, b: int) -> int: ...

    def rows(self) -> Iterator[tuple[str, int]]: ...

    def transaction(self) -> AbstractContextManager[Counter]: ...
