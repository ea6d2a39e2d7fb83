"""How many different values of one message have the same hash.

The hashes of texts and bytes are nobody's to choose; those of numbers, and of all that is made of
them, are the sender's. With one hash for all of them, a table of keys takes the square of their
number in comparisons.
"""

from __future__ import annotations

from .payloads import Malformed

MOST = 64
"""Different values that may share a hash. Numbers that MessagePack has itself, some forty at the
most, are not counted."""


class Hashes:
    """Counts the values that one message has for keys and elements."""

    __slots__ = ("_count", "_first", "_others")

    def __init__(self) -> None:
        self._count = 0
        self._first: dict[int, object] = {}
        self._others: dict[int, list[object]] = {}

    def check(self, value: object) -> None:
        """Counts one; what cannot be hashed is no key.

        Raises:
            Malformed: Too many values that differ have the hash of this one.
        """
        self._count += 1
        if self._count <= MOST:  # too few for any harm
            return
        try:
            key = hash(value)
        except Exception:  # it is no key, or holds an instance of a class that says so as it likes
            return
        first = self._first.setdefault(key, value)
        if first is value or first == value:
            return
        others = self._others.setdefault(key, [])
        if value not in others:
            others.append(value)
            if len(others) >= MOST:
                raise Malformed(f"more than {MOST} different values have the same hash")
