"""Operations that one small message could have run for minutes."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.objects.costs import check_cost

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
