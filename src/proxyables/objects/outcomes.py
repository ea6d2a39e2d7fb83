"""What a chain becomes when it is no value yet: it waits, or gives items."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any


class Suspended:
    """A chain that waits: await `awaitable`, then `proceed` with its outcome at step `index`."""

    __slots__ = ("awaitable", "index")

    def __init__(self, awaitable: Any, index: int) -> None:
        self.awaitable = awaitable
        self.index = index


class Ready:
    """An awaitable that need not wait."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self._value


class Iteration:
    """The outcome of a chain that ends with STREAM: iterate `source`, `size` items at a time.

    Attributes:
        owned: Whether the chain itself made the iterator, so that leaving early closes it.
        on_worker: Whether workers advance it.
    """

    __slots__ = ("on_worker", "owned", "size", "source")

    def __init__(self, source: Any, size: int, *, owned: bool, on_worker: bool = False) -> None:
        self.source = source
        self.size = size
        self.owned = owned
        self.on_worker = on_worker
