"""How many items of a stream go into one message, and how long it waits for them."""

from __future__ import annotations

LONGEST_SECONDS = 0.01
"""After how long the next item is left to another chunk, so that others have their turns."""
_FIRST = 16
_BYTES = 64 * 1024
"""What a message of items should have at the most: one frame, and a fraction of a window."""


class Pace:
    """Grows while items are small and shrinks when they are big, so that a chunk stays small.

    Counting items alone, 1,024 of a megabyte each would be gathered before the first leaves.

    Args:
        most: How many items the other side takes at a time.

    Attributes:
        size: Items of the next chunk.
    """

    __slots__ = ("_most", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(_FIRST, most)

    def note(self, items: int, sent_bytes: int) -> None:
        """Learns from a chunk of so many items."""
        if not items:
            return
        fitting = _BYTES * items // max(sent_bytes, 1)
        self.size = max(1, min(fitting, 2 * self.size, self._most))
