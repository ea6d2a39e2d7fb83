"""A synchronous iterable of exported code, advanced on workers a chunk at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from .workers import Job, Workers

_LONGEST_SECONDS = 0.01
"""How long items are gathered before those that there are leave."""


class Feed:
    """One iteration. A generator runs in one thread at a time, and is closed by the last of them.

    Args:
        workers: Who advances it.
        source: What is iterated.
        owned: Whether leaving early closes `source`.
    """

    def __init__(self, workers: Workers, source: Any, *, owned: bool) -> None:
        self._workers = workers
        self._source = source
        self._owned = owned
        self._iterator: Iterator[Any] | None = None
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_left = False
        self.is_over = False
        """Whether there are no more items."""
        self.error: BaseException | None = None
        """What the iteration raised after the items that `take` gave last."""

    def take(self, size: int) -> Job:
        """Returns an awaitable of the next items, so many at the most, and none perhaps."""
        return Job(self._workers, self._take, size)

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

    def _take(self, size: int) -> list[Any]:
        with self._lock:
            if self._is_left:
                return []
            self._is_busy = True
        chunk: list[Any] = []
        end = time.monotonic() + _LONGEST_SECONDS
        try:
            if self._iterator is None:
                self._iterator = iter(self._source)
            for item in self._iterator:
                chunk.append(item)
                if len(chunk) == size or self._is_left or time.monotonic() > end:
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
        return chunk

    def _close(self) -> None:
        type(self._source).close(self._source)
