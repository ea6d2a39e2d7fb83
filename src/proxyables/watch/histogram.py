"""How long things took, in a table of fixed size."""

from __future__ import annotations

from collections.abc import Sequence

_PARTS_BITS = 2
_PARTS = 1 << _PARTS_BITS
_OCTAVES = 40  # of microseconds: the last begins at six days


class Histogram:
    """Counts durations in buckets, four for each power of two of microseconds.

    A quantile is the upper end of its bucket, so it is too large by a quarter at the most.
    """

    __slots__ = ("_counts", "total")

    def __init__(self, counts: Sequence[int] = ()) -> None:
        self._counts = [*counts, *[0] * (_OCTAVES * _PARTS - len(counts))]
        self.total = sum(counts)
        """How many there are."""

    def counts(self, other: Histogram) -> list[int]:
        """Returns how many there are in each bucket, together with another's; for a copy."""
        return [sum(pair) for pair in zip(self._counts, other._counts, strict=True)]

    def add(self, seconds: float) -> None:
        """Counts one duration; one below zero, as clocks may give, counts as none."""
        self._counts[_bucket(int(seconds * 1e6))] += 1
        self.total += 1

    def quantile(self, part: float, *others: Histogram) -> float | None:
        """Returns the seconds that `part` of all durations, 0 to 1, did not exceed.

        Args:
            part: Which part.
            *others: Counted together with this one.

        Returns:
            None if nothing was counted.
        """
        all_of_them = (self, *others)
        wanted = part * sum(each.total for each in all_of_them)
        if not wanted:
            return None
        seen = 0
        for bucket, counts in enumerate(zip(*(each._counts for each in all_of_them), strict=True)):
            seen += sum(counts)
            if seen >= wanted:
                return _end(bucket) / 1e6
        raise AssertionError("the buckets hold fewer than were counted")


def _bucket(microseconds: int) -> int:
    if microseconds < _PARTS:
        return max(microseconds, 0)
    shift = microseconds.bit_length() - _PARTS_BITS - 1
    found = (shift << _PARTS_BITS) + (microseconds >> shift)
    return min(found, _OCTAVES * _PARTS - 1)


def _end(bucket: int) -> int:
    """Returns the first number of microseconds that is beyond a bucket."""
    if bucket < _PARTS:
        return bucket + 1
    shift = (bucket >> _PARTS_BITS) - 1
    return ((bucket & _PARTS - 1) + _PARTS + 1) << shift


__all__ = ["Histogram"]
