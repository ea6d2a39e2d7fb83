"""What arithmetic costs: the bits of numbers that it would have, or make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits

from .inspection import imported
from .sizes import SEQUENCES, base_of, count_of, items_of, length_of, size_of

# What takes more time than the operands are long; a fraction's make common denominators.
DEAR = frozenset({"mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift"})


def check(operation: str, left: Any, right: Any, limits: Limits) -> None:
    """Refuses an operation on numbers whose outcome, or whose way there, has too many bits.

    Raises:
        LimitExceeded: It has more than ``max_integer_bits``.
    """
    if type(left) is int and type(right) is int:
        _check_bits(operation, left, right, limits)
    elif is_int(left) and is_int(right):
        if operation in DEAR:
            _check_bits(operation, plain(left), plain(right), limits)
    elif is_fraction(left) or is_fraction(right):
        _check_fractions(operation, left, right, limits)


METHODS = frozenset({"as_integer_ratio", "from_bytes"})


def check_method(owner: Any, name: str, args: Sequence[Any], limits: Limits) -> None:
    """Refuses what one of `METHODS` would make; raises as `check` does."""
    if name == "as_integer_ratio":
        check_whole(owner, limits)
    elif args:
        given = args[0]
        size = size_of(given) if base_of(given, SEQUENCES) else items_of(given)
        _refuse_over((length_of(given) if size is None else size) * 8 - 8, limits)


def check_text(args: Sequence[Any], limits: Limits) -> None:
    """Refuses to make a text an integer that is too large; raises as `check` does."""
    if args:
        _refuse_over(length_of(args[0]), limits)
        check_whole(args[0], limits)


def is_int(value: object) -> bool:
    """Whether `value` is an integer, also a boolean or a member of an enumeration."""
    return issubclass(type(value), int)


def plain(value: Any) -> int:
    """Returns an integer as one of exactly that type."""
    return int.__int__(value)


def is_fraction(value: object) -> bool:
    """Whether `value` is a fraction."""
    return issubclass(type(value), imported("fractions", "Fraction"))


def _check_bits(operation: str, left: int, right: int, limits: Limits) -> None:
    if operation == "lshift":
        bits = left.bit_length() + right if left and right > 0 else 0
    elif operation == "pow":
        bits = left.bit_length() * right if left.bit_length() > 1 and right > 0 else 0
    elif operation == "mul":
        bits = left.bit_length() + right.bit_length()
    else:  # division: the result is no larger, but the operands may have come from anywhere
        bits = max(left.bit_length(), right.bit_length())
    _refuse_over(bits, limits)


def _check_fractions(operation: str, left: Any, right: Any, limits: Limits) -> None:
    if operation == "pow":
        if is_fraction(right):
            if right.denominator != 1:
                return  # made floats
            right = right.numerator
        if not is_int(right) or not (is_int(left) or is_fraction(left)):
            return
        _check_bits("pow", 1 << _bits(left) >> 1, abs(plain(right)), limits)
    else:
        _refuse_over(_bits(left) + _bits(right), limits)


def _bits(value: Any) -> int:
    """Returns the bits of the larger part of a fraction, or of an integer."""
    if is_fraction(value):
        return max(int.bit_length(value.numerator), int.bit_length(value.denominator))
    return int.bit_length(value) if is_int(value) else 0


def check_rounding(value: Any, places: Any, limits: Limits) -> None:
    """Refuses ``round(12, -(10**9))``, which divides by a power of ten; raises as `check` does."""
    count = count_of(places)
    if count is not None and (is_fraction(value) or (is_int(value) and count < 0)):
        _refuse_over(abs(count) * 10 // 3, limits)


def check_whole(value: Any, limits: Limits) -> None:
    """Refuses ``int(Decimal("1E+1000000"))``: a million digits take the square of their number.

    Raises as `check` does.
    """
    decimal: Any = imported("decimal", "Decimal")
    if issubclass(type(value), decimal) and decimal.is_finite(value):
        _, digits, exponent = decimal.as_tuple(value)
        _refuse_over((len(digits) + abs(exponent)) * 10 // 3, limits)


def _refuse_over(bits: int, limits: Limits) -> None:
    if bits > limits.max_integer_bits:
        raise LimitExceeded("max_integer_bits", limits.max_integer_bits, bits, "integer")
