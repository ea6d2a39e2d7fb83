"""How large builtin sequences, and what fills them, are; no method of a class of anybody's runs."""

from __future__ import annotations

import array
import collections
import contextlib
import itertools
from collections.abc import Iterable
from typing import Any

from .inspection import imported, is_array

TEXTS = (str, bytes, bytearray)
SEQUENCES = (*TEXTS, list, tuple, collections.deque, array.array)
_EMPTY: dict[Any, Any] = {}
_COUNTED: tuple[type, ...] = (
    *SEQUENCES,
    set,
    frozenset,
    dict,
    type(_EMPTY.keys()),
    type(_EMPTY.values()),
)
# Iterators of these tell what they go through, or what is left of it.
_GONE_THROUGH: tuple[Any, ...] = ([], (), set(), _EMPTY, _EMPTY.values())
_ITERATORS = frozenset(type(iter(each)) for each in _GONE_THROUGH)
_RANGES = frozenset({type(iter(range(0))), type(iter(range(1 << 70)))})
_ENDLESS = frozenset({itertools.count, itertools.cycle, itertools.repeat})
_FILLING = _RANGES | _ENDLESS | {range}
_NO_END = 1 << 63
_HELD = frozenset({list, tuple, set, frozenset, dict})
_WEIGHTLESS = frozenset({type(None), bool, float})
_INTEGERS = frozenset({int})
_WEIGHED = _WEIGHTLESS | _INTEGERS | {str, bytes}
_LEAST = 16
"""So that as many as `Limits.max_containers` are about as much as `Limits.max_message`."""


def base_of(value: object, bases: tuple[type, ...]) -> type | None:
    """Returns which of these builtin classes `value` is of."""
    kind = type(value)
    if kind in bases:
        return kind
    if issubclass(kind, bases):
        return next(base for base in bases if issubclass(kind, base))
    return None


def size_of(sequence: Any) -> int:
    """Returns how many items a builtin sequence has; bytes, where they are machine values."""
    base: Any = base_of(sequence, SEQUENCES)
    size: int = base.__len__(sequence)
    if base is array.array:
        size *= array.array.itemsize.__get__(sequence)
    return size


def weight_of(items: Any, most: int) -> int:
    """Returns how many bytes items take in a message, at the least; stops counting beyond `most`.

    A container or an object weighs more than it takes: nobody takes, or packs, many millions.
    """
    weight = 0
    waiting: list[Any] = [list(items)]
    while waiting and weight <= most:
        held = waiting.pop()
        weight += len(held)
        kinds = set(map(type, held))
        if kinds <= _WEIGHTLESS or (kinds == _INTEGERS and max(map(int.bit_length, held)) <= 64):
            continue
        for each in held:
            kind = type(each)
            if kind in _HELD:
                weight += _LEAST
                waiting.append(each)
                if kind is dict:
                    waiting.append(each.values())
            elif kind not in _WEIGHED or (kind is int and each.bit_length() > 64):
                weight += length_of(each) or _LEAST
            else:
                weight += length_of(each)
            if weight > most:
                break
    return weight


def is_bounded(sequence: Any) -> bool:
    """Whether `sequence` lets go of what is too much for it, as a deque may."""
    if base_of(sequence, (collections.deque,)) is None:
        return False
    return vars(collections.deque)["maxlen"].__get__(sequence) is not None


def count_of(value: Any) -> int | None:
    """Returns what `value` says as a number of times, or of places; None if it is no integer."""
    kind = type(value)
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, imported("numpy", "integer")) or (
        is_array(value) and value.ndim == 0 and value.dtype.kind in "iu"
    ):
        return int(value)
    return None


def items_of(value: object) -> int | None:
    """Returns how many items a range, or an iterator without a container, would give."""
    kind = type(value)
    if kind not in _FILLING:
        return None
    if kind is range:
        if not value:
            return 0
        each: Any = value
        return int(abs((each[-1] - each[0]) // each.step) + 1)  # len() may overflow
    rest: Any = value
    if kind in _RANGES:
        return int(rest.__length_hint__())
    if kind is itertools.repeat:
        with contextlib.suppress(TypeError):  # it has no end
            return int(rest.__length_hint__())
    return _NO_END


def total_of(parts: Any) -> tuple[int, int]:
    """Returns how many items of texts there are, and how long all of these are together."""
    if type(parts) in _ITERATORS:
        parts = parts.__reduce__()[1][0]  # what it goes through
    base: Any = base_of(parts, _COUNTED)
    if base is None:
        return 0, 0
    kinds = set(map(type, base.__iter__(parts)))
    lengths = map(len if kinds <= {str, bytes} else length_of, base.__iter__(parts))
    return base.__len__(parts), sum(lengths)


def length_of(value: object) -> int:
    """Returns how long a text is, or anything that is used as bytes; 0 for all else."""
    base: Any = base_of(value, TEXTS)
    if base is not None:
        return int(base.__len__(value))
    kind = type(value)
    if kind is memoryview or kind is array.array:
        return memoryview(value).nbytes  # type: ignore[arg-type]
    if is_array(value):
        return int(vars(imported("numpy", "ndarray"))["nbytes"].__get__(value))
    return 0


def longest_of(values: Iterable[Any]) -> int:
    """Returns the length of the longest text."""
    return max((length_of(each) for each in values if issubclass(type(each), str)), default=0)
