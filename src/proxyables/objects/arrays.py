"""How large the arrays are that numpy would make of others: by broadcasting, picking, repeating.

All in bytes, at the most, and nothing where numpy will refuse by itself. numpy is never imported:
whoever has an array has done that.
"""

from __future__ import annotations

import array as arrays
import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits

from .inspection import is_array
from .sizes import length_of
from .tables import IN_PLACE

EXCUSED = 16
"""How many times as large as the largest operand an outcome may be, whatever the limits are."""
_MOST_DIMENSIONS = 64
_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_OPERATORS = frozenset(
    {*_BINARY, *(f"r{name}" for name in _BINARY), "eq", "ne", "lt", "le", "gt", "ge"}
)


def check_operation(operation: str, left: Any, right: Any, limits: Limits) -> None:
    """Refuses an operator whose outcome would be much larger than both operands.

    Raises:
        LimitExceeded: It would, and is over ``max_message``.
    """
    if operation in IN_PLACE and not is_array(left):  # it becomes the ordinary one
        operation = operation[1:]
    if operation not in _OPERATORS:
        return
    shapes = [_shape_of(left), _shape_of(right)]
    if operation in ("matmul", "rmatmul"):
        size = math.prod(_multiplied(*(shapes if operation == "matmul" else shapes[::-1])))
    else:
        size = math.prod(_broadcast(shapes))
    _check(size * (_itemsize_of(left) + _itemsize_of(right)), [left, right], limits)


def check_index(array: Any, key: Any, limits: Limits) -> None:
    """Refuses to pick items of an array so often that they take much more than it does.

    Raises:
        LimitExceeded: They would, and are over ``max_message``.
    """
    size = math.prod(_picked(array.shape, key if type(key) is tuple else (key,)))
    _check(size * array.itemsize, [array, *(key if type(key) is tuple else [key])], limits)


def _check(size: int, operands: Iterable[Any], limits: Limits) -> None:
    if size > limits.max_message and size > EXCUSED * max(map(_bytes_of, operands)):
        raise LimitExceeded("max_message", limits.max_message, size, "array")


# -- methods, as `estimates` has them -------------------------------------------------------------


def repeat(array: Any, *args: Any) -> int:
    """As often as numpy is to repeat it, where that is more than what the array itself excuses."""
    if not args or not is_array(array):
        return 0
    numpy = sys.modules["numpy"]
    try:
        counts = numpy.asarray(args[0])
        times = float(counts.sum()) / max(counts.size, 1)
    except (TypeError, ValueError):
        return 0
    return int(array.nbytes * times) if times > EXCUSED else 0


def cast(array: Any, *args: Any) -> int:
    """As `repeat`, for `astype`."""
    if not args or not is_array(array):
        return 0
    numpy = sys.modules["numpy"]
    try:
        size = numpy.dtype(args[0]).itemsize
    except (TypeError, ValueError):
        return 0
    return int(array.size) * size if size > EXCUSED * max(array.itemsize, 1) else 0


def take(array: Any, *args: Any) -> int:
    """As `repeat`, for items along any axis."""
    if not args or not is_array(array):
        return 0
    axis = args[1] if len(args) > 1 else None
    is_along = type(axis) is int and -array.ndim <= axis < array.ndim
    rest = array.size // max(array.shape[axis], 1) if is_along else 1
    return _more(math.prod(_shape_of(args[0])) * rest * array.itemsize, [array, args[0]])


def dot(array: Any, *args: Any) -> int:
    """As `repeat`, for each row of one with each column of the other."""
    if not args or not is_array(array):
        return 0
    size = math.prod(_multiplied(_shape_of(array), _shape_of(args[0]), is_dot=True))
    return _more(size * (array.itemsize + _itemsize_of(args[0])), [array, args[0]])


def broadcast(array: Any, *args: Any) -> int:
    """As `repeat`, for what is computed of an array and all arguments, item by item."""
    if not is_array(array):
        return 0
    operands = [array]
    for each in args:  # `choose` takes a list of arrays
        operands += each if type(each) in (list, tuple) else [each]
    size = math.prod(_broadcast(map(_shape_of, operands)))
    return _more(size * max(map(_itemsize_of, operands)), operands)


def _more(size: int, operands: Iterable[Any]) -> int:
    return size if size > EXCUSED * max(map(_bytes_of, operands)) else 0


# -- shapes ---------------------------------------------------------------------------------------


def _shape_of(value: Any) -> tuple[int, ...]:
    """Returns what shape numpy gives a value: lists are rows of rows, as the first one is."""
    shape: list[int] = []
    while type(value) in (list, tuple) and len(shape) < _MOST_DIMENSIONS:
        shape.append(len(value))
        value = value[0] if value else None
    if is_array(value):
        shape += value.shape
    elif type(value) in (arrays.array, bytearray, range):
        shape.append(len(value))
    elif type(value) is memoryview:
        shape += value.shape or ()
    return tuple(shape)


def _itemsize_of(value: Any) -> int:
    if type(value) is str:
        return 4 * len(value)
    if type(value) is bytes:
        return len(value)
    return int(value.itemsize) if is_array(value) else 8


def _bytes_of(value: Any) -> int:
    return length_of(value) or 8 * math.prod(_shape_of(value))


def _broadcast(shapes: Iterable[Sequence[int]]) -> list[int]:
    turned = (reversed(shape) for shape in shapes)
    return [0 if 0 in row else max(row) for row in itertools.zip_longest(*turned, fillvalue=1)]


def _multiplied(
    left: Sequence[int], right: Sequence[int], *, is_dot: bool = False
) -> Sequence[int]:
    if not left or not right:  # a number
        return [*left, *right]
    rows, columns = left[-2:-1], right[-1:] if len(right) > 1 else ()
    others = left[:-2], right[:-2]
    batch = [*others[0], *others[1]] if is_dot else _broadcast(others)
    return [*batch, *rows, *columns]


def _picked(shape: Sequence[int], key: Sequence[Any]) -> list[int]:
    """Returns the lengths of what an index gives, slices and masks as if they took all."""
    taken = sum(map(_dimensions_of, key))
    place = 0
    lengths: list[int] = []
    indices: list[tuple[int, ...]] = []
    for each in key:
        count = _dimensions_of(each)
        if each is ...:
            count = max(len(shape) - taken, 0)
            lengths += shape[place : place + count]
        elif type(each) is slice:
            lengths += shape[place : place + 1]
        elif _is_mask(each):
            indices.append((math.prod(shape[place : place + count]),))
        else:
            indices.append(_shape_of(each))
        place += count
    return [*lengths, *_broadcast(indices), *shape[place:]]


def _dimensions_of(key: Any) -> int:
    """Returns how many dimensions one part of an index speaks of."""
    if key is None or key is ...:
        return 0
    return len(_shape_of(key)) if _is_mask(key) else 1


def _is_mask(key: Any) -> bool:
    while type(key) in (list, tuple) and key:
        key = key[0]
    return key.dtype.kind == "b" if is_array(key) else type(key) is bool
