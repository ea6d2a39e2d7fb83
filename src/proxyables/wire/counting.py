"""How many containers a message holds, counted while it is decoded.

An empty list is one byte on the wire and 64 in memory, so that the size of a message says little.
MessagePack's decoder counts nothing either, but it hands out each container that it makes.
"""

from __future__ import annotations

from typing import TypeVar

from proxyables.errors import LimitExceeded

T = TypeVar("T")


class Count:
    """A hook for lists, maps and extensions.

    A message of fewer bytes than `limit` needs none: it cannot hold so many.

    Args:
        limit: Containers of one message.
    """

    __slots__ = ("_count", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def __call__(self, made: T) -> T:
        """Counts one; raises LimitExceeded at the first that is too many."""
        self._count += 1
        if self._count > self._limit:
            raise LimitExceeded("max_containers", self._limit, self._count, "message")
        return made

    def drop(self, made: object) -> None:
        """Counts one, and lets go of it."""
        self(made)
