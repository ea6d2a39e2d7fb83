"""Imports: objects of the other side that we may use, and the giving back of what we dropped.

All cursors on one remote object share a `Reference`. It counts the occurrences received; when the
last cursor is gone its finaliser only appends to a queue, which the peer sends as one batch. An
object that arrives again after its `Reference` died gets a new one; the counts of both are given
back in the end, whatever the order.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from proxyables.errors import LimitExceeded

_MAX_TYPES = 4096
"""Of the other side's types, how many are remembered; it tells no more if it is one of ours."""


class Reference:
    """One object of the other side, for as long as any cursor here needs it.

    Attributes:
        id: Its reference on the wire.
        type: The description of its type, as it was sent, or None.
        cursor: The cursor that stands for the object itself, while that lives.
        released: True after an explicit release.
    """

    __slots__ = ("__weakref__", "_imports", "count", "cursor", "id", "released", "type")

    def __init__(self, imports: Imports, id: Any, type: Any) -> None:  # noqa: A002
        self._imports = imports
        self.id = id
        self.type = type
        self.count = 0
        self.released = False
        self.cursor: Callable[[], Any] = _no_cursor

    def __del__(self) -> None:
        self.give_back()

    def release(self) -> None:
        """Gives the object back, for good: whoever uses it through this reference is refused."""
        self.released = True
        self._imports.forget(self)
        self.give_back()

    def give_back(self) -> None:
        """Queues the release of every occurrence received so far. Safe in a finaliser."""
        count, self.count = self.count, 0
        if count:
            self._imports.drop(self.id, count)


def _no_cursor() -> None:
    return None


class Imports:
    """The table of imported references of one connection.

    Args:
        wake: Called by finalisers, in any thread, when the queue of releases stops being empty;
            must not block, lock or raise.
        limit: Entries that the table may hold.

    Attributes:
        is_woken: Whether a wake is on its way. Who hears one sets it to False before the look at
            the queue, whatever is in it: a release that is queued while others are taken is
            taken with them, and the wake that it has called for then finds nothing.
    """

    __slots__ = ("_by_id", "_limit", "_wake", "dropped", "is_woken", "types")

    def __init__(self, wake: Callable[[], None], *, limit: int) -> None:
        self._wake = wake
        self._limit = limit
        self.is_woken = False
        self._by_id: weakref.WeakValueDictionary[Any, Reference] = weakref.WeakValueDictionary()
        self.dropped: deque[tuple[Any, int]] = deque()
        self.types: dict[int, Any] = {}
        """Descriptions of the other side's types, by its numbers."""

    def __len__(self) -> int:
        return len(self._by_id)

    def receive(self, id_: Any, kind: int, description: Any) -> Reference:
        """Counts one more occurrence of the other side's object.

        Raises:
            LimitExceeded: The table is full.
        """
        if description is not None and len(self.types) < _MAX_TYPES:
            self.types[kind] = description
        reference = self._by_id.get(id_)
        if reference is None:
            if len(self._by_id) >= self._limit:
                raise LimitExceeded("max_references", self._limit, self._limit + 1, "imports")
            reference = self._by_id[id_] = Reference(self, id_, self.types.get(kind))
        elif kind in self.types:
            reference.type = self.types[kind]  # it may hide other methods by now
        reference.count += 1
        return reference

    def forget(self, reference: Reference) -> None:
        """Makes the same object, should it arrive again, a reference of its own."""
        if self._by_id.get(reference.id) is reference:
            del self._by_id[reference.id]

    def drop(self, id_: Any, count: int) -> None:
        """Queues a release. Called by finalisers: a deque's append is atomic.

        First the append, then the look at the flag: `take_dropped` does it the other way round, so
        a release that another thread queues meanwhile is either taken or wakes anew.
        """
        self.dropped.append((id_, count))
        if not self.is_woken:
            self.is_woken = True
            self._wake()

    def take_dropped(self) -> list[tuple[Any, int]]:
        """Returns what is to be given back, one row per reference."""
        self.is_woken = False
        counts: dict[Any, int] = {}
        while self.dropped:
            id_, count = self.dropped.popleft()
            counts[id_] = counts.get(id_, 0) + count
        return list(counts.items())

    def clear(self) -> None:
        """Forgets everything: the connection has ended, nothing can be given back."""
        for reference in list(self._by_id.values()):
            reference.count = 0
        self._by_id.clear()
        self.dropped.clear()
        self.types.clear()

    def snapshot(self) -> dict[str, int]:
        """Returns ``{"entries": objects, "retains": occurrences received}``."""
        references = list(self._by_id.values())
        return {"entries": len(references), "retains": sum(each.count for each in references)}
