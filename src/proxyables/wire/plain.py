"""Which values travel inside of an exception: small ones that run no code, whatever is done."""

from __future__ import annotations

import datetime
import enum
from typing import Any

from proxyables.errors import EncodingError
from proxyables.limits import Limits

from .registration import REGISTRATION
from .values import COMPLEX, DATE, DATETIME, DECIMAL, PATH, TIME, TIMEDELTA, UUID, row_of

_MAX_ARGS = 16
_MAX_NESTING = 4
_MAX_VALUES = 256
_CONTAINERS = frozenset({tuple, list, dict, set, frozenset})
_SMALL = frozenset({COMPLEX, DATE, TIME, DATETIME, TIMEDELTA, DECIMAL, UUID, PATH})
"""Values that are no larger than their text."""


def is_plain(value: Any, limits: Limits) -> bool:
    """Whether a value, with all that is in it, travels by value, runs no code, and is small."""
    if type(value) is tuple and len(value) > _MAX_ARGS:
        return False
    left = _MAX_VALUES
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        kind = type(each)
        if kind in _CONTAINERS:
            left -= len(each)
            if left < 0 or depth > _MAX_NESTING:
                return False
            waiting += ((part, depth + 1) for part in each)
            if kind is dict:
                waiting += ((part, depth + 1) for part in each.values())
        elif not _is_leaf(each, kind, limits):
            return False
    return True


def _is_leaf(value: Any, kind: type, limits: Limits) -> bool:
    if kind is str or kind is bytes:
        return len(value) <= limits.max_text
    if kind is int:
        return bool(value.bit_length() <= limits.max_integer_bits)
    if value is None or kind is bool or kind is float:
        return True
    if kind is datetime.datetime or kind is datetime.time:  # a zone may be of anybody's class
        return type(value.tzinfo) in (type(None), datetime.timezone)
    if kind in REGISTRATION.names:
        return issubclass(kind, enum.Enum)
    row = row_of(kind)
    if row is None or row[0] not in _SMALL or len(str(value)) > limits.max_text:
        return False
    try:
        row[1](value)
    except EncodingError:  # a Decimal may be out of all bounds
        return False
    return True
