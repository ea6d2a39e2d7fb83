"""Arrays of numbers by value: numpy's, and those of the `array` module.

The payload is ``[form, dtype, shape, bytes]`` in C order; form 0 is array.array, 1 an ndarray, 2 a
scalar of numpy. numpy is never imported to send, and only if it is there to receive.
"""

from __future__ import annotations

import array
import functools
import math
import sys
from typing import Any

from .payloads import Malformed, Opaque, fields, module_of, want

_TYPECODES = frozenset("bBhHiIlLqQfd")


def is_numpy(kind: type) -> bool:
    """Whether what is of exactly this type is a plain array or scalar of numpy, never imported.

    Others are not asked of numpy: it may be half imported, by another thread.
    """
    numpy = sys.modules.get("numpy")
    return numpy is not None and module_of(kind) == "numpy" and kind in _plain_types(numpy)


@functools.cache
def _plain_types(numpy: Any) -> frozenset[type]:
    """Returns the types that are no more than their numbers.

    A subclass is: a masked array has a mask, a matrix multiplies as one. An array whose memory is
    a file is not.
    """
    return frozenset({numpy.ndarray, numpy.memmap, *numpy.sctypeDict.values()})


def dump_numpy(value: Any) -> Any:
    """Returns the payload, or None for what has to stay here: objects and records."""
    numpy = sys.modules["numpy"]
    if value.dtype.hasobject or value.dtype.names is not None:
        return None
    form = 1 if isinstance(value, numpy.ndarray) else 2
    # tobytes is the one copy; it also puts a strided or Fortran-ordered array into C order.
    return [form, value.dtype.str, list(value.shape), value.tobytes()]


def dump_array(value: array.array[Any]) -> Any:
    """Returns the payload, or None for what has to stay here."""
    if value.typecode not in _TYPECODES:
        return None  # the characters of "u" and "w" differ in size between machines
    order = "<" if sys.byteorder == "little" else ">"
    return [0, order + value.typecode, [len(value)], value.tobytes()]


def load_array(value: Any) -> Any:
    """Returns the array, which may be written to."""
    form, dtype, shape, data = fields(value, 4, "array")
    want(type(dtype) is str and len(dtype) <= 32, "array")
    want(type(shape) is list and len(shape) <= 64, "array")
    want(all(type(n) is int and n >= 0 for n in shape) and type(data) is bytes, "array")
    want(type(form) is int, "array")
    if form == 0:
        return _load_plain_array(dtype, shape, data)
    try:
        import numpy
    except ImportError:
        return Opaque(f"numpy.ndarray[{dtype}]", {"shape": shape, "data": data})
    want(dtype[:1] in "<>|=" and dtype[1:2] in "biufcSUMmV", "array")
    try:
        kind = numpy.dtype(dtype)
    except (TypeError, ValueError):
        raise Malformed("malformed array") from None
    want(math.prod(shape) * kind.itemsize == len(data), "array")
    # bytearray: what arrives may be written to, as an array made here could be.
    loaded = numpy.frombuffer(bytearray(data), kind).reshape(shape)
    return loaded if form == 1 else loaded[()]


def _load_plain_array(dtype: str, shape: list[int], data: bytes) -> Any:
    order, typecode = dtype[:1], dtype[1:]
    want(order in ("<", ">") and typecode in _TYPECODES and len(shape) == 1, "array")
    made = array.array(typecode)
    want(shape[0] * made.itemsize == len(data), "array")
    made.frombytes(data)
    if (order == "<") != (sys.byteorder == "little"):
        made.byteswap()
    return made
