"""How long the outcomes of builtin methods are, at the most.

Arguments that a method will refuse itself count 0, and the methods of subclasses are not asked:
they may be an author's own.
"""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from . import arrays
from .inspection import is_array
from .sizes import TEXTS, base_of, count_of, length_of, longest_of, total_of

# Characters that become one of these, at the most.
_REPLACED: Mapping[str, int] = MappingProxyType(
    {"backslashreplace": 10, "xmlcharrefreplace": 10, "namereplace": 100}
)


def _padded(_text: object, *args: Any) -> int:
    return max((count_of(each) or 0 for each in args), default=0)


def _expanded(text: Any, *args: Any) -> int:
    tab: Any = "\t" if issubclass(type(text), str) else b"\t"
    return _count(text, tab) * max(_padded(text, *args), 0)


def _replaced(text: Any, *args: Any) -> int:
    if len(args) < 2:
        return 0
    times = _count(text, args[0])
    most = count_of(args[2]) if len(args) > 2 else None
    if most is not None and most >= 0:
        times = min(times, most)
    return times * length_of(args[1])


def _count(text: Any, part: Any) -> int:
    if issubclass(type(text), str):
        return str.count(text, part) if issubclass(type(part), str) else 0
    kind: Any = base_of(text, TEXTS)
    if kind is None or issubclass(type(part), str) or not _is_buffer(part):
        return 0
    return int(kind.count(text, part))


def _is_buffer(value: object) -> bool:
    return issubclass(type(value), (bytes, bytearray, memoryview, array.array)) or is_array(value)


def _joined(text: Any, *args: Any) -> int:
    kind: Any = base_of(text, TEXTS)
    if not args or kind is None:
        return 0
    count, total = total_of(args[0])
    return int(kind.__len__(text)) * count + total


def _translated(text: Any, *args: Any) -> int:
    if not args or not issubclass(type(text), str):
        return 0
    base: Any = base_of(args[0], (dict, list, tuple, deque))
    if base is None:
        return 0
    values: Any = dict.values(args[0]) if base is dict else base.__iter__(args[0])
    return str.__len__(text) * longest_of(values)


def _encoded(text: Any, *args: Any) -> int:
    if not issubclass(type(text), str):
        return 0
    times = max((_REPLACED.get(each, 1) for each in args if type(each) is str), default=1)
    return str.__len__(text) * times if times > 1 else 0


ESTIMATES: Final[Mapping[str, Callable[..., int]]] = MappingProxyType(
    {
        "astype": arrays.cast,
        "center": _padded,
        "choose": arrays.broadcast,
        "clip": arrays.broadcast,
        "dot": arrays.dot,
        "encode": _encoded,
        "expandtabs": _expanded,
        "join": _joined,
        "ljust": _padded,
        "repeat": arrays.repeat,
        "replace": _replaced,
        "rjust": _padded,
        "take": arrays.take,
        "to_bytes": _padded,
        "translate": _translated,
        "zfill": _padded,
    }
)
"""By name; `ljust` of a text and of bytes are the same here."""
GROWN: Final = frozenset({"extend", "extendleft", "frombytes", "fromlist"})
"""Methods that put one sequence into another."""
FILLED: Final = frozenset(
    {"difference", "difference_update", "fromkeys", "intersection", "intersection_update"}
    | {"isdisjoint", "issubset", "issuperset", "symmetric_difference"}
    | {"symmetric_difference_update", "union", "update"}
)
"""Methods that make a table of keys or elements of what they are given."""
