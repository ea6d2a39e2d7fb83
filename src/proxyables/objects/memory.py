"""Calls of numpy by which an array would show memory that nobody wrote to, or addresses.

Memory comes as whoever had it last left it: in it may be what another client sent. A few methods of
arrays, out of all that compute, leave some of it as it is, or show what is between the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import BuiltinFunctionType, MappingProxyType
from typing import Any

from .inspection import imported, is_array
from .policy import denied

_MAX_NESTING = 8
_DUMPERS = ("tobytes", "tostring")
_READERS = (*_DUMPERS, "getfield", "view")  # of bytes as they are, whatever they stand for


def check_memory(function: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """Refuses a call of an array's or a scalar's method whose outcome would have, or show, gaps.

    Raises:
        AccessDenied: It would.
    """
    if type(function) is not BuiltinFunctionType:
        return
    owner: Any = function.__self__
    if not (is_array(owner) or issubclass(type(owner), imported("numpy", "generic"))):
        return
    if function.__name__ in _READERS and _has_gaps(owner.dtype):
        raise denied(function.__name__, "the array's dtype has gaps")
    if function.__name__ in _DUMPERS and owner.dtype.hasobject:
        raise denied(function.__name__, "the bytes of an object are its address")
    if any(_is_layout(each) for each in (*args, *keywords.values())):
        raise denied(function.__name__, "a dtype that is laid out by a map may have gaps")
    # The only method with a `where` that would not begin with a number.
    is_partial = function.__name__ == "clip" and "where" in keywords
    if is_partial and not is_array(keywords.get("out")):
        raise denied("clip", "what `where` leaves out is never written")


def _has_gaps(dtype: Any) -> bool:
    """Whether an element has bytes that belong to no field."""
    if dtype.names is None:
        return False
    end = 0
    for field, offset, *_title in sorted(
        (dtype.fields[name] for name in dtype.names), key=lambda placed: placed[1]
    ):
        if offset != end or _has_gaps(field.base):
            return True
        end += field.itemsize
    return bool(end != dtype.itemsize)


def _is_layout(given: object, depth: int = 0) -> bool:
    """Whether a dtype says where its fields are, which says where none is."""
    if issubclass(type(given), (dict, MappingProxyType)):
        return True
    if not issubclass(type(given), (list, tuple)):
        return False
    items: Any = given
    return depth == _MAX_NESTING or any(_is_layout(each, depth + 1) for each in items)


__all__ = ["check_memory"]
