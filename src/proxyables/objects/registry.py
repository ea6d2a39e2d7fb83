"""Exports: our objects that the other side may use, by reference and counted.

Keyed by identity: an object that is exported twice keeps its reference, with one more count, and
two equal objects never share one. An entry holds its object strongly, so that an identity cannot
be reused while it is in the table. Each occurrence that is sent counts one; each that the other
side gives back counts one less; at zero the entry goes. Counts make the race between a release
and a reference in flight harmless.

`journal` remembers the exports of the message that is being encoded: if the message does not
reach the other side, they are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.muid import make_muid


class ObjectRegistry:
    """The table of exported objects of one connection.

    Args:
        make_id: Gives a reference that was never given before; by default one of the classic form.
        limit: Entries that the table may hold.

    Attributes:
        on_gone: Called with each object that leaves the table, but for `clear`.
    """

    __slots__ = ("_by_identity", "_entries", "_limit", "journal", "make_id", "on_gone")

    def __init__(self, make_id: Callable[[], Any] = make_muid, *, limit: int = 1_000_000) -> None:
        self.make_id = make_id
        self._limit = limit
        self._entries: dict[Any, list[Any]] = {}  # reference -> [object, count]
        self._by_identity: dict[int, Any] = {}  # id(object) -> reference
        self.journal: list[Any] = []
        self.on_gone: Callable[[object], None] | None = None

    def register(self, obj: Any) -> Any:
        """Counts one more occurrence of `obj`; returns its reference.

        Raises:
            LimitExceeded: The table is full.
        """
        reference = self._by_identity.get(id(obj))
        if reference is None:
            if len(self._entries) >= self._limit:
                raise LimitExceeded("max_references", self._limit, self._limit + 1, "exports")
            reference = self.make_id()
            self._entries[reference] = [obj, 1]
            self._by_identity[id(obj)] = reference
        else:
            self._entries[reference][1] += 1
        self.journal.append(reference)
        return reference

    def get(self, id_: Any) -> Any | None:
        """Returns the object under a reference, or None if there is none."""
        entry = self._entries.get(id_)
        return None if entry is None else entry[0]

    def holds(self, obj: object) -> bool:
        """Whether `obj` is exported."""
        return id(obj) in self._by_identity

    def reference_of(self, obj: object) -> Any | None:
        """Returns the reference under which `obj` is exported, or None if it is not."""
        return self._by_identity.get(id(obj))

    def __contains__(self, id_: object) -> bool:
        return id_ in self._entries

    def delete(self, id_: Any, count: int = 1) -> bool:
        """Takes `count` occurrences back; the entry goes with the last one.

        Returns:
            False, with nothing changed, if so many were never out: the other side has lost count.
        """
        entry = self._entries.get(id_)
        if entry is None or count < 1 or entry[1] < count:
            return False
        entry[1] -= count
        if entry[1] == 0:
            del self._entries[id_]
            del self._by_identity[id(entry[0])]
            if self.on_gone is not None:
                self.on_gone(entry[0])
        return True

    def take_journal(self) -> list[Any]:
        """Returns the references that were registered since the last call, one per occurrence."""
        taken, self.journal = self.journal, []
        return taken

    def roll_back(self, journal: Iterable[Any]) -> None:
        """Takes back the occurrences of a message that did not reach the other side."""
        for reference in journal:
            self.delete(reference)

    def clear(self) -> None:
        """Drops every export: the connection has ended."""
        self._entries.clear()
        self._by_identity.clear()
        self.journal.clear()

    def snapshot(self) -> dict[str, int]:
        """Returns ``{"entries": objects, "retains": occurrences that are out}``."""
        retains = sum(entry[1] for entry in self._entries.values())
        return {"entries": len(self._entries), "retains": retains}
