"""What an operation or a builtin method would cost, before it is begun.

One small message could otherwise have integers multiplied for minutes, or a text padded until the
memory ends. Only builtin numbers, texts and sequences are looked at: what an operator or a method
of the user's own class costs is that class's business.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any, Final, TypeAlias

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.wire.nesting import HASHED, SHOWN, Nesting

from . import arithmetic, arrays
from .estimates import ESTIMATES, FILLED, GROWN
from .inspection import find, is_array, is_path, mro_of
from .sizes import (
    SEQUENCES,
    TEXTS,
    base_of,
    count_of,
    is_bounded,
    items_of,
    length_of,
    size_of,
    total_of,
    weight_of,
)
from .spreading import check_spread

_MAKERS = frozenset({bytes, bytearray, str, list, tuple, set, frozenset, dict, int})
_LONGEST_PATTERN = 4096
_CODING = frozenset({"encode", "decode"})
_OWNERS = (*SEQUENCES, set, frozenset, dict, int, range)
_TABLES = (set, frozenset, dict)
_WEIGHED = (list, tuple, deque)
_FIRST = ("repeats", "indices", "dtype", "b", "axis")
"""Parameters of numpy's methods that estimates have first, in whatever order they are given."""
_SMALL_PART = 65_536
"""What may be added to a sequence of any size: it came in the message, or might have."""

_Check: TypeAlias = Callable[[Any, list[Any], Limits], None]


def check_cost(name: str, value: Any, args: list[Any], limits: Limits) -> None:
    """Refuses an operation whose outcome no message could carry.

    Raises:
        LimitExceeded: Its outcome would be over ``max_integer_bits`` or ``max_message``, or it
            would go through more containers than ``max_containers``.
        RecursionError: It would go through containers that are nested too deep.
        ValueError: It would put many values that have one hash into a table.
    """
    check = _CHECKS.get(name)
    if check is not None:
        check(value, args, limits)
    if len(args) == 1 and (is_array(value) or is_array(args[0])):
        arrays.check_operation(name, value, args[0], limits)


def check_call_cost(
    function: Any, args: Sequence[Any], keywords: Mapping[str, Any], limits: Limits
) -> None:
    """Refuses a call of a builtin method, or class, whose outcome no message could carry.

    Raises:
        LimitExceeded: Its outcome would be over ``max_message`` or ``max_integer_bits``.
        ValueError: It would put many values that have one hash into a table, or takes long formats.
        LookupError: It names an encoding that there is not.
    """
    kind = type(function)
    if kind is FunctionType or kind is MethodType:  # an author's own
        if kind is MethodType and is_path(function.__self__):
            from .paths import check_path_call  # few have any

            check_path_call(function, [*args, *keywords.values()])
        return
    if issubclass(kind, BuiltinFunctionType):  # those of some modules are of a class of their own
        owner, name = function.__self__, function.__name__
        if name in arithmetic.METHODS:
            arithmetic.check_method(owner, name, args, limits)
        elif name == "strptime":
            _check_pattern(args)
        elif name == "fromkeys" and type in mro_of(type(owner)) and dict in mro_of(owner):
            _check_keys(args, limits)
        elif issubclass(type(owner), _OWNERS) or is_array(owner):
            _check_method(owner, name, args, keywords, limits)
        else:
            return
    elif kind is not type or function not in _MAKERS:  # which asks a metaclass for its hash
        return
    elif function is int:
        arithmetic.check_text(args, limits)
        return
    elif function in TEXTS and (len(args) > 1 or keywords):  # bytes("x", "utf-8")
        _check_encoding(args[0] if args else None, args[1:], keywords)
    elif function is str:
        return
    elif args and count_of(args[0]) is not None:  # bytes(10**12)
        _check_size(count_of(args[0]) or 0, limits)
    elif function in _TABLES:
        _check_tables(args, limits)
    for arg in args:
        check_filling(arg, limits)


def _check_method(
    owner: Any, name: str, args: Sequence[Any], keywords: Mapping[str, Any], limits: Limits
) -> None:
    if name in _CODING and base_of(owner, TEXTS) is not None:
        _check_encoding(owner, args, keywords)
    estimate = ESTIMATES.get(name)
    if estimate is not None:
        told = [keywords[name] for name in (*_FIRST, *keywords) if name in keywords]
        _check_size(estimate(owner, *args, *told), limits)
    elif not args:
        return
    elif name in GROWN:
        check_growth(owner, args[0], limits)
    elif name in FILLED:
        if base_of(owner, _TABLES) is not None:
            _check_tables(args, limits)
    elif type(owner) is range:  # index and count
        _check_search(owner, args, limits)


def _check_encoding(text: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    from .text_encodings import check_encoding  # hardly any connection needs it

    for name in (*args[:1], keywords.get("encoding")):
        check_encoding(name, length_of(text))


def _check_pattern(args: Sequence[Any]) -> None:
    """A format of times becomes a regular expression, which the interpreter keeps for a while."""
    for text in args:
        if length_of(text) > _LONGEST_PATTERN:
            raise ValueError(f"strptime takes at most {_LONGEST_PATTERN} characters here")


def check_filling(items: object, limits: Limits) -> None:
    """Refuses a range that is to fill a container: all others have come in a message themselves.

    Raises:
        LimitExceeded: It has more items than ``max_message``, or no end.
    """
    count = items_of(items)
    if count is not None:
        _check_size(count, limits)


def check_assignment(value: object, key: object, new: object, limits: Limits) -> None:
    """Refuses to put what is too much in the place of an item, or of a slice.

    Raises:
        LimitExceeded: As `check_filling` and `check_growth` do.
    """
    check_filling(new, limits)
    if type(key) is slice:
        check_growth(value, new, limits)


def check_growth(sequence: object, added: object, limits: Limits) -> None:
    """Refuses to put a large sequence into another: doubled with each message, it has no end.

    Raises:
        LimitExceeded: Together they are over ``max_message``, and the smaller one is not small.
    """
    if base_of(sequence, SEQUENCES) is None or base_of(added, SEQUENCES) is None:
        return
    left, right = size_of(sequence), size_of(added)
    if min(left, right) > _SMALL_PART:
        _check_size(left + right, limits)


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.max_message:
        raise LimitExceeded("max_message", limits.max_message, size, "sequence")


def _check_repeating(sequence: Any, count: Any, limits: Limits) -> None:
    base = base_of(sequence, SEQUENCES)
    times = None if base is None else count_of(count)
    if times is None or is_bounded(sequence):
        return
    found = find(type(sequence), "__mul__")
    if found is None or found.owner not in SEQUENCES:  # a class of the user's own
        return
    if base in _WEIGHED:
        _check_spreading(base.__iter__(sequence), times, limits)
    else:
        _check_size(size_of(sequence) * times, limits)


def _check_spreading(items: Any, times: int, limits: Limits) -> None:
    """The same list, a thousand times, is small until it is to be sent."""
    if times > 1:
        _check_size(weight_of(items, limits.max_message // times) * times, limits)


def _check_search(value: Any, args: Sequence[Any], limits: Limits) -> None:
    """``0.5 in range(10**18)`` goes through all of it; where an integer is, can be reckoned."""
    kind = type(value)
    if kind is list or kind is tuple:
        _check_shown(value, args, limits)
    elif kind is range and args and type(args[0]) is not int and type(args[0]) is not bool:
        check_filling(value, limits)


def _check_tables(args: Sequence[Any], limits: Limits) -> None:
    for arg in args:
        check_spread(arg)
        if type(arg) in (list, tuple):
            for each in arg:  # each may be a key and its value, and is made a list for it
                check_filling(each, limits)
            check_spread([each[0] for each in arg if type(each) in (list, tuple) and each])


def _check_keys(args: Sequence[Any], limits: Limits) -> None:
    _check_tables(args[:1], limits)
    if len(args) > 1:
        count = items_of(args[0])
        _check_spreading(args[1:], total_of(args[0])[0] if count is None else count, limits)


def _check_hashed(value: Any, _args: Sequence[Any], limits: Limits) -> None:
    if issubclass(type(value), HASHED):
        Nesting(limits.max_containers).check(value)


def _check_shown(value: Any, _args: Sequence[Any], limits: Limits) -> None:
    if issubclass(type(value), SHOWN):
        Nesting(limits.max_containers, shown=True).check(value)


def _check_format(value: Any, args: Sequence[Any], limits: Limits) -> None:
    """``format(1, "1000000000d")`` has a width, or a precision, as long as the text will be."""
    _check_shown(value, args, limits)
    template = args[0] if len(args) == 1 else None
    if not issubclass(type(template), str):  # whose truth could be code of the user's
        return
    # The digits of a fraction are reckoned as an integer.
    is_fraction = arithmetic.is_fraction(value)
    most = limits.max_integer_bits // 4 if is_fraction else limits.max_message
    for digits in re.findall(r"\d+", str.__str__(template)):
        if len(digits) > 18 or int(digits) > most:
            size = int(digits[:18])
            raise LimitExceeded("max_message", limits.max_message, size, "formatted text")


def _check_whole(value: Any, args: Sequence[Any], limits: Limits) -> None:
    if not args:
        arithmetic.check_whole(value, limits)
    elif len(args) == 1:
        arithmetic.check_rounding(value, args[0], limits)


def _arithmetic(name: str) -> _Check:
    """Returns what looks at an operator: of numbers, and what it may mean besides."""
    operation = name.removeprefix("i")
    is_reflected = operation not in _ARITHMETIC
    operation = operation.removeprefix("r") if is_reflected else operation
    is_filling = name == "iadd"
    is_cheap = operation not in arithmetic.DEAR

    def check(value: Any, args: Sequence[Any], limits: Limits) -> None:
        if len(args) != 1:
            return
        other = args[0]
        kind = type(value)
        if kind in _FLOATS or type(other) in _FLOATS or (is_cheap and kind is type(other) is int):
            return
        left, right = (other, value) if is_reflected else (value, other)
        arithmetic.check(operation, left, right, limits)
        if kind is int and type(other) is int:
            return
        if operation == "mul":
            _check_repeating(left, right, limits)
            _check_repeating(right, left, limits)
        elif operation == "add":
            check_growth(left, right, limits)
            if is_filling:
                check_filling(other, limits)
        elif operation == "truediv" and is_path(value):
            from .paths import check_joining

            check_joining(value, other)

    return check


def _check_merging(value: Any, args: Sequence[Any], limits: Limits) -> None:
    if base_of(value, _TABLES) is not None:
        _check_tables(args, limits)


_FLOATS = frozenset({float, complex})
_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift")
_MERGING = ("and", "or", "xor")
_CHECKS: Final[Mapping[str, _Check]] = MappingProxyType(
    {
        **{f"{prefix}{name}": _check_merging for name in _MERGING for prefix in ("", "i", "r")},
        **{
            f"{prefix}{name}": _arithmetic(f"{prefix}{name}")
            for name in _ARITHMETIC
            for prefix in ("", "i", "r")
        },
        **dict.fromkeys(("repr", "str", "eq", "ne", "lt", "le", "gt", "ge"), _check_shown),
        "contains": _check_search,
        "format": _check_format,
        "hash": _check_hashed,
        **dict.fromkeys(("int", "round", "floor", "ceil", "trunc"), _check_whole),
    }
)
"""By operation. Most have nothing that needs a look."""
