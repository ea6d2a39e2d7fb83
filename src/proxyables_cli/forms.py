"""Values that JSON lacks, as JSON objects with one ``$`` key, both ways.

``{"$bytes": base64}``, ``{"$datetime": …}``, ``{"$bigint": …}`` and the like. An object of the
user's own that looks like such a form, and one whose keys are not all text, is written as
``{"$map": [[key, value], …]}``, so that no reader mistakes one for the other. References, errors
and what is unknown can only be written. Tuples become lists.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import PurePath, PurePosixPath
from typing import Any
from uuid import UUID

Json = Any
Value = Any

# JavaScript's numbers, and jq's, are exact up to here; beyond, a reader would round in silence.
EXACT = (1 << 53) - 1
_DEPTH = 200
_DEEPEST = 400


def dump(value: Value, depth: int = 0) -> Json:
    """Turns a value into what `json.dumps` can write.

    Args:
        value: Anything; what has no form becomes ``{"$ref": …}`` or ``{"$repr": …}``.
        depth: How deep the value lies; beyond 200 levels it is not followed.
    """
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value) if -EXACT <= value <= EXACT else {"$bigint": _digits(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if depth > _DEPTH:
        return {"$repr": "…"}
    if isinstance(value, (list, tuple)):
        return [dump(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return _dump_dict(value, depth)
    if isinstance(value, (set, frozenset)):
        return {"$set": [dump(item, depth + 1) for item in in_order(value)]}
    for kind, (name, write) in _WRITERS.items():
        if isinstance(value, kind):
            return {name: write(value)}
    return _dump_other(value)


def load(read: Json, depth: int = 0) -> Value:
    """Turns parsed JSON into values, forms included.

    Args:
        read: What `json.loads` gave.
        depth: How deep it lies; beyond 400 levels nothing is read.

    Raises:
        ValueError: An object with one ``$`` key that is no form, or whose content is wrong; or it
            is nested too deeply.
    """
    if depth > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    if isinstance(read, list):
        return [load(item, depth + 1) for item in read]
    if not isinstance(read, dict):
        return read
    if len(read) == 1:
        ((name, content),) = read.items()
        if name.startswith("$"):
            return _load_form(name, content)
    return {key: load(item, depth + 1) for key, item in read.items()}


def _dump_dict(value: dict[Value, Value], depth: int) -> Json:
    plain = all(isinstance(key, str) for key in value)
    if plain and not (len(value) == 1 and next(iter(value)).startswith("$")):
        return {str(key): dump(item, depth + 1) for key, item in value.items()}
    return {"$map": [[dump(key, depth + 1), dump(item, depth + 1)] for key, item in value.items()]}


def in_order(values: Iterable[Value]) -> Iterable[Value]:
    """Sorts a set where it can be sorted, so that the same set prints the same line."""
    if not isinstance(values, (set, frozenset)):
        return values
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _dump_other(value: Value) -> Json:
    if isinstance(value, BaseException):
        return {"$error": {"type": type(value).__name__, "message": str(value)}}
    if hasattr(type(value), "__await__"):  # a cursor: its repr is made without any I/O
        return {"$ref": {"text": repr(value)}}
    return {"$repr": repr(value)}


def _load_form(name: str, content: Json) -> Value:
    try:
        return _READERS[name](content)
    except KeyError:
        known = ", ".join(sorted(_READERS))
        raise ValueError(f"{name!r} is not one of {known}") from None
    except (TypeError, AttributeError, binascii.Error, InvalidOperation, ArithmeticError):
        raise ValueError(f"the content of {name!r} is wrong: {content!r}") from None


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # over Python's bound on decimal digits, where the time goes quadratic
        return hex(value)


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytes(content: str) -> bytes:
    return base64.b64decode(content.encode("ascii"), validate=True)


def _read_bigint(content: str) -> int:
    # What `_digits` wrote in hexadecimal; decimal text over Python's bound is refused by it.
    return int(content, 16 if content.lower().lstrip("-").startswith("0x") else 10)


def _read_map(content: list[list[Json]]) -> dict[Value, Value]:
    return {load(key): load(item) for key, item in content}


# In this order: a datetime is a date as well.
_WRITERS: dict[Any, tuple[str, Callable[[Any], Json]]] = {
    (bytes, bytearray, memoryview): ("$bytes", _base64),
    datetime.datetime: ("$datetime", datetime.datetime.isoformat),
    datetime.date: ("$date", datetime.date.isoformat),
    datetime.time: ("$time", datetime.time.isoformat),
    datetime.timedelta: ("$timedelta", datetime.timedelta.total_seconds),
    Decimal: ("$decimal", str),
    Fraction: ("$fraction", str),
    UUID: ("$uuid", str),
    complex: ("$complex", lambda value: [dump(value.real), dump(value.imag)]),
    PurePath: ("$path", str),
    range: ("$range", lambda value: [dump(value.start), dump(value.stop), dump(value.step)]),
}

_READERS: dict[str, Callable[[Any], Value]] = {
    "$bytes": _read_bytes,
    "$bigint": _read_bigint,
    "$float": float,
    "$datetime": datetime.datetime.fromisoformat,
    "$date": datetime.date.fromisoformat,
    "$time": datetime.time.fromisoformat,
    "$timedelta": lambda content: datetime.timedelta(seconds=content),
    "$decimal": Decimal,
    "$fraction": Fraction,
    "$uuid": UUID,
    "$complex": lambda content: complex(*map(load, content)),
    "$path": PurePosixPath,
    "$range": lambda content: range(*map(load, content)),
    "$set": lambda content: set(map(load, content)),
    "$map": _read_map,
}

__all__ = ["dump", "in_order", "load"]
