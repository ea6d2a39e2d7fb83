"""Operations that one small message could have run for minutes."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.objects.costs import check_call_cost, check_cost

LIMITS = Limits()


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [
        ("pow", 42, 4_000_000),
        ("rpow", 4_000_000, 42),
        ("ipow", 42, 4_000_000),
        ("lshift", 1, 10**12),
        ("rlshift", 10**12, 1),
        ("ilshift", 1, 10**12),
        ("mul", 1 << 40_000, 1 << 40_000),
        ("mul", [0], 10**9),
        ("imul", [0], 10**9),
        ("rmul", 10**9, [0]),
        ("mul", 10**9, "x"),
        ("mul", b"xy", 10**9),
        ("rmul", (1,), 10**9),
    ],
    ids=lambda value: str(value)[:12] if type(value) is not int else f"{value.bit_length()} bits",
)
def test_what_would_take_all_time_or_memory_is_refused(
    name: str, value: Any, argument: Any
) -> None:
    with pytest.raises(LimitExceeded):
        check_cost(name, value, [argument], LIMITS)


@pytest.mark.parametrize(
    ("name", "value", "args"),
    [
        ("pow", 2, [100]),
        ("pow", 1, [10**9]),
        ("pow", -1, [10**9]),
        ("pow", 0, [10**9]),
        ("pow", 2, [-5]),
        ("pow", 2.0, [10**9]),
        ("pow", 3, []),
        ("lshift", 0, [10**12]),
        ("lshift", 1, [-1]),
        ("rshift", 1, [10**12]),
        ("mul", [1], [3]),
        ("mul", [], [10**12]),
        ("mul", [1], [-5]),
        ("mul", object(), [10**9]),
        ("add", 1, [10**9]),
    ],
)
def test_what_is_cheap_passes(name: str, value: Any, args: list[Any]) -> None:
    check_cost(name, value, args, LIMITS)


@given(st.integers(-(10**6), 10**6), st.integers(0, 300), st.sampled_from(["pow", "lshift", "mul"]))
def test_what_passes_is_within_the_limit(left: int, right: int, name: str) -> None:
    limits = Limits(max_integer_bits=256)
    try:
        check_cost(name, left, [right], limits)
    except LimitExceeded:
        return
    assert getattr(operator, name)(left, right).bit_length() <= 256


class Text(str):
    """An author's own text, whose length and count are nobody's business."""

    def __len__(self) -> int:
        raise AssertionError("asked")

    def count(self, *_args: Any) -> int:
        raise AssertionError("asked")


@pytest.mark.parametrize(
    ("function", "args", "keywords"),
    [
        ("x".ljust, [10**12], {}),
        ("x".rjust, [10**12, "-"], {}),
        (b"x".center, [10**12], {}),
        (bytearray(b"x").zfill, [10**12], {}),
        (Text("x").ljust, [10**12], {}),
        ("\t".expandtabs, [10**12], {}),
        (b"\t\t".expandtabs, [], {"tabsize": 10**12}),
        (("x" * 10_000).replace, ["x", "y" * 10_000], {}),
        (Text("x" * 10_000).replace, ["", "y" * 10_000], {}),
        (("x" * 10_000).join, [["a"] * 10_000], {}),
        (("x" * 10_000).translate, [{120: "y" * 10_000}], {}),
        ((5).to_bytes, [], {"byteorder": "big", "length": 10**12}),
        (bytes, [10**12], {}),
        (bytearray, [range(10**12)], {}),
        (list, [range(10**30)], {}),
        ([].extend, [range(10**12)], {}),
        (set().update, [{1}, range(-(10**12), 0)], {}),
        (dict.fromkeys, [range(0, -(10**12), -1)], {}),
    ],
)
def test_builtin_methods_that_would_fill_all_memory_are_refused(
    function: Any, args: list[Any], keywords: dict[str, Any]
) -> None:
    with pytest.raises(LimitExceeded):
        check_call_cost(function, args, keywords, LIMITS)


class Callable:
    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("x".ljust, [10]),
        ("x".ljust, ["x"]),
        ("x".ljust, []),
        ("\t".expandtabs, []),
        ("\t".expandtabs, [-(10**12)]),
        ("".expandtabs, [10**12]),
        (("x" * 10_000).replace, ["x", "y" * 10_000, 5]),
        ("x".replace, [b"x", "y"]),
        (b"x".replace, ["x", b"y"]),
        ("x".replace, []),
        ("x".join, [5]),
        ("x".join, [["a", "b"]]),
        ("x".translate, [{120: None}]),
        (b"x".translate, [bytes(256)]),
        (bytes, [b"x"]),
        (list, [range(10)]),
        ([].extend, [range(0)]),
        ([].extend, [range(9, 0, -2)]),
        (len, [range(10**12)]),
        (Callable(), [10**12]),
    ],
)
def test_other_calls_are_let_pass(function: Any, args: list[Any]) -> None:
    check_call_cost(function, args, {}, LIMITS)


@pytest.mark.parametrize("template", ["1000000000d", ".1000000000f", "0>" + "9" * 5000])
def test_wide_formats_are_refused(template: str) -> None:
    with pytest.raises(LimitExceeded):
        check_cost("format", 1, [template], LIMITS)
    check_cost("format", 1, ["010d"], LIMITS)


def test_a_range_that_fills_a_list_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        check_cost("iadd", [], [range(10**12)], LIMITS)
    check_cost("iadd", [], [range(10)], LIMITS)


@pytest.mark.parametrize("name", ["pow", "ipow"])
def test_powers_of_fractions_are_bounded(name: str) -> None:
    for exponent in (10**9, -(10**9)):
        with pytest.raises(LimitExceeded):
            check_cost(name, Fraction(3, 2), [exponent], LIMITS)
    check_cost(name, Fraction(3, 2), [100], LIMITS)
