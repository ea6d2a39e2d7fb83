"""What an operation or a builtin method would cost, before it is begun.

One small message could otherwise have integers multiplied for minutes, or a text padded until the
memory ends. Only builtin integers, texts and sequences are looked at: what an operator or a method
of the user's own class costs is that class's business.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.wire.nesting import Nesting

_TEXTS = (str, bytes, bytearray)
_SEQUENCES = (*_TEXTS, list, tuple)
_MAKERS = (bytes, bytearray, list, tuple, set, frozenset)
_SHOWING = frozenset({"repr", "str", "format", "eq", "ne", "lt", "le", "gt", "ge"})
_OWNERS = (*_SEQUENCES, set, frozenset, dict, int)


def check_cost(name: str, value: Any, args: list[Any], limits: Limits) -> None:
    """Refuses an operation whose outcome no message could carry.

    Raises:
        LimitExceeded: Its outcome would be over ``max_integer_bits`` or ``max_message``, or it
            would go through more containers than ``max_containers``.
        RecursionError: It would go through containers that are nested too deep.
    """
    if name == "hash":
        Nesting(limits.max_containers).check(value)
    elif name in _SHOWING or (name == "contains" and type(value) in (list, tuple)):
        Nesting(limits.max_containers, shown=True).check(value)
    if len(args) != 1:
        return
    if name == "format":
        _check_widths(args[0], limits)
    elif name == "iadd":
        check_filling(args[0], limits)
    plain = name.removeprefix("i")
    operation = plain.removeprefix("r")
    if operation not in ("pow", "lshift", "mul"):
        return
    left, right = (args[0], value) if plain.startswith("r") else (value, args[0])
    if type(left) is int and type(right) is int:
        _check_bits(operation, left, right, limits)
    elif operation == "pow" and _is_fraction(left) and type(right) is int:
        _check_bits("pow", max(abs(left.numerator), left.denominator), abs(right), limits)
    elif operation == "mul":
        for sequence, count in ((left, right), (right, left)):
            if type(sequence) in _SEQUENCES and type(count) is int:
                _check_size(len(sequence) * count, limits)


def check_call_cost(
    function: Any, args: Sequence[Any], keywords: Mapping[str, Any], limits: Limits
) -> None:
    """Refuses a call of a builtin method, or class, whose outcome no message could carry.

    Raises:
        LimitExceeded: Its outcome would be over ``max_message``.
    """
    kind = type(function)
    if kind is FunctionType or kind is MethodType:  # an author's own
        return
    if kind is BuiltinFunctionType:
        owner = function.__self__
        if owner is not dict and not issubclass(type(owner), _OWNERS):  # dict.fromkeys
            return
        estimate = _ESTIMATES.get(function.__name__)
        if estimate is not None:
            _check_size(estimate(owner, *args, *keywords.values()), limits)
    elif not any(function is maker for maker in _MAKERS):  # `in` would ask the object itself
        return
    elif args and type(args[0]) is int:  # bytes(10**12)
        _check_size(args[0], limits)
    for arg in args:
        check_filling(arg, limits)


def check_filling(items: object, limits: Limits) -> None:
    """Refuses a range that is to fill a container: all others have come in a message themselves.

    Raises:
        LimitExceeded: It has more items than ``max_message``.
    """
    if type(items) is range and items:
        _check_size(abs((items[-1] - items[0]) // items.step) + 1, limits)  # len() may overflow


def _is_fraction(value: object) -> bool:
    fractions = sys.modules.get("fractions")  # who has one has imported it
    return fractions is not None and type(value) is fractions.Fraction


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.max_message:
        raise LimitExceeded("max_message", limits.max_message, size, "sequence")


def _check_widths(template: object, limits: Limits) -> None:
    """``format(1, "1000000000d")`` has a width, or a precision, as long as the text will be."""
    if type(template) is str:
        for digits in re.findall("[0-9]+", template):
            if len(digits) > 18 or int(digits) > limits.max_message:
                size = int(digits[:18])
                raise LimitExceeded("max_message", limits.max_message, size, "formatted text")


def _check_bits(operation: str, left: int, right: int, limits: Limits) -> None:
    if operation == "mul":
        bits = left.bit_length() + right.bit_length()
    elif right < 0 or left == 0:
        return
    elif operation == "lshift":
        bits = left.bit_length() + right
    else:
        bits = left.bit_length() * right if left.bit_length() > 1 else 1
    if bits > limits.max_integer_bits:
        raise LimitExceeded("max_integer_bits", limits.max_integer_bits, bits, "integer")


# How long the outcome of a method is, at the most. Arguments that it will refuse itself count 0,
# and the methods of subclasses are not asked: they may be an author's own.


def _padded(_text: object, *args: Any) -> int:
    return max((each for each in args if type(each) is int), default=0)


def _expanded(text: Any, *args: Any) -> int:
    tab: Any = "\t" if issubclass(type(text), str) else b"\t"
    return _count(text, tab) * max(_padded(text, *args), 0)


def _replaced(text: Any, *args: Any) -> int:
    if len(args) < 2 or type(args[0]) not in _TEXTS or type(args[1]) not in _TEXTS:
        return 0
    times = _count(text, args[0])
    if len(args) > 2 and type(args[2]) is int and args[2] >= 0:
        times = min(times, args[2])
    return times * len(args[1])


def _count(text: Any, part: Any) -> int:
    if issubclass(type(text), str):
        return str.count(text, part) if type(part) is str else 0
    if type(part) is str:
        return 0
    kind = bytes if issubclass(type(text), bytes) else bytearray
    return kind.count(text, part)


def _joined(text: Any, *args: Any) -> int:
    if not args or type(args[0]) not in _SEQUENCES:
        return 0
    kind = next(kind for kind in _TEXTS if issubclass(type(text), kind))
    return kind.__len__(text) * len(args[0])


def _translated(text: Any, *args: Any) -> int:
    if not args or type(args[0]) is not dict or not issubclass(type(text), str):
        return 0
    longest = max((len(each) for each in args[0].values() if type(each) is str), default=0)
    return str.__len__(text) * longest


_ESTIMATES: Mapping[str, Callable[..., int]] = MappingProxyType(
    {
        "center": _padded,
        "expandtabs": _expanded,
        "join": _joined,
        "ljust": _padded,
        "replace": _replaced,
        "rjust": _padded,
        "to_bytes": _padded,
        "translate": _translated,
        "zfill": _padded,
    }
)
