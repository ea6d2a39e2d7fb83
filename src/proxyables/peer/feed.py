"""A synchronous iterable of exported code, advanced on workers a chunk at a time.

Items can be taken while the next one is in the making, which may be long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .jobs import Job
from .pace import LONGEST_SECONDS
from .workers import Workers


class Feed:
    """One iteration. A generator runs in one thread at a time, and is closed by the last of them.

    Args:
        workers: Who advances it.
        source: What is iterated.
        owned: Whether leaving early closes `source`.

    Attributes:
        on_item: Called by a worker when there is an item where there was none.
    """

    def __init__(self, workers: Workers, source: Any, *, owned: bool) -> None:
        self._workers = workers
        self._source = source
        self._owned = owned
        self.on_item: Callable[[], object] | None = None
        self._items: list[Any] = []
        self._iterator: Iterator[Any] | None = None
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_left = False
        self.is_over = False
        """Whether there are no more items."""
        self.error: BaseException | None = None
        """What the iteration raised after its last item."""

    def advance(self, size: int) -> Job:
        """Returns an awaitable that has so many items made at the most, and none perhaps."""
        return Job(self._workers, self._advance, size)

    def take(self) -> list[Any]:
        """Returns the items that there are, but none once it was left."""
        if self._is_left:
            return []
        items = self._items[:]
        del self._items[: len(items)]  # a worker adds more behind them meanwhile
        return items

    def leave(self) -> None:
        """Closes the source if that is to be done, now or when the chunk in the making is done."""
        with self._lock:
            was_left, self._is_left = self._is_left, True
            is_ours = not (self._is_busy or was_left)
        if is_ours and self._has_end:
            self._workers.start(self._close)

    @property
    def _has_end(self) -> bool:
        kind = type(self._source)
        return self._owned and hasattr(kind, "close") and hasattr(kind, "send")

    def _advance(self, size: int) -> None:
        with self._lock:
            if self._is_left:
                return
            self._is_busy = True
        items = self._items
        end = time.monotonic() + LONGEST_SECONDS
        try:
            if self._iterator is None:
                self._iterator = iter(self._source)
            for made, item in enumerate(self._iterator, 1):
                items.append(item)
                on_item = self.on_item
                if on_item is not None and len(items) == 1:
                    on_item()
                if made == size or self._is_left or time.monotonic() > end:
                    break
            else:
                self.is_over = True
        except BaseException as error:  # told after the items before it
            self.error = error
        finally:
            with self._lock:
                self._is_busy = False
                is_left = self._is_left
            if is_left and self._has_end:
                self._close()

    def _close(self) -> None:
        type(self._source).close(self._source)
