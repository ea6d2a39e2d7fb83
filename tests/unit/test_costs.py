"""Operations that one small message could have run for minutes."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import operator
import sys
import time
import types
from array import array
from collections import OrderedDict, deque
from decimal import Decimal
from enum import IntFlag
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nests import Nest
from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.objects import text_encodings
from proxyables.objects.arrays import _picked as picked
from proxyables.objects.arrays import check_index
from proxyables.objects.costs import check_call_cost, check_cost
from proxyables.objects.memory import check_memory
from proxyables.objects.paths import guarded
from proxyables.wire.instructions import ITEM
from proxyables.wire.values import find_dumper

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
        (OrderedDict.fromkeys, [range(10**12)], {}),
    ],
)
def test_builtin_methods_that_would_fill_all_memory_are_refused(
    function: Any, args: list[Any], keywords: dict[str, Any]
) -> None:
    with pytest.raises(LimitExceeded):
        check_call_cost(function, args, keywords, LIMITS)


@pytest.mark.parametrize(
    ("item", "times"),
    [
        ("x" * 100_000, 1000),
        (b"x" * 100_000, 1000),
        ([0] * 100_000, 1000),
        ([None] * 100_000, 1000),
        ([[[[0] * 1000] * 10] * 10], 1000),
        ({"a": "x" * 100_000}, 1000),
        (({"x" * 100_000},), 1000),
        (object(), 2_000_000),
        (1 << 70, 2_000_000),
        (1j, 2_000_000),
        (Decimal(1), 2_000_000),
        (array("b", [0] * 100_000), 1000),
        (numpy.zeros(100_000), 1000),
        (numpy.zeros(100_000, "M8[D]"), 1000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_large_when_it_is_sent_is_not_repeated(item: Any, times: int) -> None:
    for value in ([item], (item,), deque([item]), type("Rows", (list,), {})([item])):
        for name, left, right in (("mul", value, times), ("rmul", times, value)):
            with pytest.raises(LimitExceeded):
                check_cost(name, left, [right], LIMITS)
        check_cost("mul", value, [20], LIMITS)
    for table in (dict, OrderedDict):
        for keys in (list(range(1000)), range(times))[times > 1000 :]:
            with pytest.raises(LimitExceeded):
                check_call_cost(table.fromkeys, [keys, item], {}, LIMITS)
        check_call_cost(table.fromkeys, ["abc", item], {}, LIMITS)


def test_large_lists_of_ours_can_be_repeated_once_or_not_at_all() -> None:
    rows = [0] * 20_000_000
    for times in (1, 0, -5):
        check_cost("mul", rows, [times], LIMITS)
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    with pytest.raises(LimitExceeded):
        check_cost("mul", holds_itself, [2], LIMITS)


def ones(*shape: int, dtype: Any = "u1") -> Any:
    return numpy.broadcast_to(numpy.ones((), dtype), shape).copy()


@pytest.mark.parametrize(
    ("name", "value", "operand"),
    [
        ("add", ones(10_000, 1), ones(1, 10_000)),
        ("radd", ones(10_000, 1), ones(10_000)),
        ("sub", [[1]] * 10_000, ones(10_000)),
        ("mul", ones(10_000), ([1],) * 10_000),
        ("pow", ones(300, 300, 1), ones(300, 300)),
        ("eq", ones(10_000, 1), ones(10_000)),
        ("and", ones(10_000, 1, dtype="?"), ones(10_000, dtype="?")),
        ("xor", ones(10_000, 1), range(10_000)),
        ("imul", ([1],) * 10_000, ones(10_000)),
        ("imatmul", [[1]] * 10_000, ones(1, 10_000)),
        ("matmul", ones(10_000, 1), ones(1, 10_000)),
        ("rmatmul", ones(1, 10_000), ones(10_000, 1)),
        ("matmul", ones(100, 1, 100, 1), ones(100, 1, 100)),
        ("add", ones(10_000, dtype="U1"), "x" * 10_000),
        ("radd", ones(10_000, dtype="S1"), b"x" * 10_000),
    ],
    ids=lambda value: value if type(value) is str and len(value) < 9 else "",
)
def test_arrays_that_grow_by_broadcasting_are_refused(name: str, value: Any, operand: Any) -> None:
    with pytest.raises(LimitExceeded):
        check_cost(name, value, [operand], LIMITS)


@pytest.mark.parametrize(
    ("name", "value", "operand"),
    [
        ("add", ones(1000, 1000, 10), ones(1000, 1000, 10)),
        ("add", ones(10_000_000), 1.5),
        ("radd", ones(10_000_000), [1]),
        ("mul", ones(1000, 1), ones(1000)),
        ("matmul", ones(1000, 1000), ones(1000, 1000)),
        ("matmul", ones(1000, 10, 10), ones(1000, 10, 10)),
        ("matmul", ones(10_000), ones(10_000)),
        ("matmul", ones(5000, 5000), ones(5000)),
        ("iadd", ones(10_000, 1), ones(10_000)),
        ("contains", ones(10_000, 1), "x" * 10_000),
        ("add", ones(0, 10_000), ones(0, 10_000)),
        ("add", numpy.zeros(3, "M8[D]"), numpy.zeros(3, "m8[D]")),
    ],
)
def test_arithmetic_of_arrays_passes(name: str, value: Any, operand: Any) -> None:
    check_cost(name, value, [operand], LIMITS)


@pytest.mark.parametrize(
    ("function", "keywords"),
    [
        (ones(1000).repeat, {"axis": 0, "repeats": 1_000_000}),
        (ones(1000).astype, {"order": "C", "dtype": "S1000000"}),
        (ones(1000, 1000).take, {"axis": 0, "out": None, "indices": [0] * 100_000}),
        (ones(1000, 1000).take, {"out": None, "axis": 0, "indices": [0] * 100_000}),
        (ones(10_000, 1).dot, {"out": None, "b": ones(1, 10_000)}),
        (ones(10_000, 1).clip, {"out": None, "max": ones(10_000)}),
    ],
    ids=lambda value: "",
)
def test_the_order_of_keywords_hides_nothing(function: Any, keywords: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded):
        check_call_cost(function, [], keywords, LIMITS)


GRID = ones(100, 200, 300)
ROWS = ones(1000, 1000)


@pytest.mark.parametrize(
    ("array", "key"),
    [
        (ROWS, [0] * 20_000),
        (ROWS, numpy.zeros(20_000, "u1")),
        (ROWS, ([0] * 20_000,)),
        (ROWS, ([0] * 20_000, slice(None))),
        (ROWS, ([0] * 20_000, ...)),
        (ROWS, (..., [0] * 20_000, None)),
        (ROWS, (slice(None), None, numpy.zeros(20_000, "u1"))),
        (ROWS, ([[0]] * 10_000, numpy.zeros((1, 10_000), "u1"))),
        (ones(1, dtype="S1000000"), [0] * 1000),
    ],
    ids=lambda value: "",
)
def test_picking_the_same_rows_without_end_is_refused(array: Any, key: Any) -> None:
    with pytest.raises(LimitExceeded):
        check_index(array, key, LIMITS)


@pytest.mark.parametrize(
    "key",
    [
        *(5, slice(None), ..., None, (), (1, 2, 3), (..., 1), (None, slice(2), ..., [1])),
        *([1] * 90, ([1] * 200, [2] * 200), numpy.int64(3), True, [True] * 100),
        *(GRID == 1, GRID[:, :, 0] == 1, (GRID[:, :, 0] == 1, 5), (slice(None), GRID[0] == 0)),
        *((GRID == 1).tolist(), range(50), ([[1]] * 50, [[2, 3]]), [], "name"),
    ],
    ids=lambda value: "",
)
def test_ordinary_keys_of_arrays_pass(key: Any) -> None:
    check_index(GRID, key, Limits(max_message=1))
    check_index(ones(3), key, LIMITS)
    with contextlib.suppress(IndexError):
        most = numpy.prod(picked(GRID.shape, key if type(key) is tuple else (key,)), initial=1)
        assert GRID[key].size <= most


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


class Right(IntFlag):
    READ = 1


BIG = "x" * 10_000_000
DIGITS = "".join(chr(0x660 + int(digit)) for digit in "2000000000")  # Arabic
MANY = 10**12
HUGE = 1 << 70_000


@pytest.mark.parametrize(
    ("name", "value", "args"),
    [
        ("lshift", True, [20_000_000_000]),
        ("lshift", Right.READ, [10**9]),
        ("rlshift", 10**12, [True]),
        ("pow", 12, [Fraction(10**9)]),
        ("pow", Fraction(3, 7), [Fraction(10**9)]),
        ("rpow", Fraction(10**9), [12]),
        ("pow", Fraction(1 << 60_000), [Fraction(-2)]),
        ("mul", Fraction(1, 1 << 40_000), [Fraction(1 << 40_000)]),
        ("add", Fraction(1, 1 << 40_000), [Fraction(1, 3**30_000)]),
        ("mod", HUGE, [12345]),
        ("rdivmod", 12345, [HUGE]),
        ("floordiv", HUGE, [HUGE]),
        ("round", 12, [-(10**9)]),
        ("round", True, [-(10**9)]),
        ("round", 12, [numpy.int64(-(10**9))]),
        ("round", Fraction(1, 3), [10**9]),
        ("round", Decimal("1E+1000000"), []),
        ("int", Decimal("1E+1000000"), []),
        ("format", 1, [DIGITS + "d"]),
        ("format", Fraction(1, 3), [".10000000f"]),
        ("contains", range(10**18), [0.5]),
        ("contains", range(10**30), [None]),
        ("mul", array("q", [1]), [3_000_000]),
        ("mul", deque([1]), [10**9]),
        ("mul", "x", [numpy.int64(10**9)]),
        ("rmul", numpy.array(10**9), [[1]]),
        ("imul", [1], [Right.READ << 40]),
        ("add", BIG, [BIG]),
        ("iadd", bytearray(BIG, "ascii"), [bytes(BIG, "ascii")]),
        ("iadd", [0] * 10_000_000, [(0,) * 10_000_000]),
        ("radd", (0,) * 10_000_000, [(0,) * 10_000_000]),
        ("iadd", [], [iter(range(10**12))]),
    ],
    ids=lambda value: value if type(value) is str and len(value) < 20 else type(value).__name__,
)
def test_what_has_another_form_is_refused_as_well(name: str, value: Any, args: list[Any]) -> None:
    with pytest.raises(LimitExceeded):
        check_cost(name, value, args, LIMITS)


@pytest.mark.parametrize(
    ("name", "value", "args"),
    [
        ("pow", 2, [Fraction(1, 10**9)]),
        ("pow", Fraction(3, 7), [Fraction(10**9, 7)]),
        ("pow", Fraction(1), [10**9]),
        ("round", 1234, [-2]),
        ("round", 12.5, [-(10**9)]),
        ("round", Decimal("1.5"), []),
        ("round", Decimal("Infinity"), []),
        ("int", Decimal("12.50"), []),
        ("int", Decimal("NaN"), []),
        ("mod", Decimal("1E+1000000"), [7]),
        ("contains", range(10**18), [5]),
        ("contains", range(100), [0.5]),
        ("contains", [1], [0.5]),
        ("mul", deque([1], maxlen=3), [10**9]),
        ("mul", numpy.zeros(5), [10**9]),
        ("add", [0] * 20_000_000, [[1, 2]]),
        ("add", numpy.zeros(10), [numpy.zeros(10)]),
        ("truediv", PurePosixPath("a"), ["b"]),
        ("truediv", 1, [2]),
        ("format", 1.5, [""]),
    ],
    ids=lambda value: value if type(value) is str and len(value) < 20 else type(value).__name__,
)
def test_what_is_cheap_in_another_form_passes(name: str, value: Any, args: list[Any]) -> None:
    check_cost(name, value, args, LIMITS)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (("x" * 10_000).translate, [[None] * 120 + ["y" * 10_000]]),
        (("x" * 10_000).join, [{str(place): 0 for place in range(10_000)}]),
        (("x" * 10_000).join, [{str(place): 0 for place in range(10_000)}.keys()]),
        (("x" * 10_000).join, [{str(place) for place in range(10_000)}]),
        (("x" * 10_000).join, [deque("a" * 10_000)]),
        ("".join, [["x" * 100_000] * 1000]),
        ("".join, [iter(["x" * 100_000] * 1000)]),
        ("".join, [range(10**12)]),
        (b"".join, [[array("b", bytes(100_000))] * 1000]),
        (b"".replace, [b"", memoryview(bytes(100_000_000))]),
        (bytes(1000).replace, [array("b", [0]), array("b", bytes(100_000))]),
        (bytearray(1000).replace, [numpy.zeros(1, "b"), b"x" * 100_000]),
        ("x".ljust, [numpy.int64(10**12)]),
        ("x".ljust, [numpy.array(10**12)]),
        (("é" * 1_000_000).encode, ["ascii", "namereplace"]),
        (bytes, [numpy.int64(10**12)]),
        (int.from_bytes, [bytes(100_000), "big"]),
        (int.from_bytes, [[1] * 100_000, "big"]),
        (int.from_bytes, [range(100_000), "big"]),
        (Decimal("1E+1000000").as_integer_ratio, []),
        (range(10**12).index, [0.5]),
        (range(10**12).count, [None]),
        ([0].extend, [iter(range(10**12))]),
        (deque([0]).extend, [range(10**12)]),
        (array("q").extend, [range(10**12)]),
        ({}.update, [[range(10**12)]]),
        (dict, [[range(10**12)]]),
        (numpy.zeros(1000).repeat, [1_000_000]),
        (numpy.zeros(1000).repeat, [[1_000_000] * 1000]),
        (numpy.zeros(1000).astype, ["S1000000"]),
        ([].extend, [itertools.repeat(0)]),
        ([].extend, [itertools.repeat(0, 10**12)]),
        ([].extend, [itertools.count()]),
        (ones(1000, 1000).take, [[0] * 100_000, 0]),
        (ones(1, dtype="S1000000").take, [[0] * 1000]),
        (ones(10_000, 1).dot, [ones(1, 10_000)]),
        (ones(100, 100, 1).dot, [ones(100, 1, 100)]),
        (ones(10_000, 1).clip, [ones(10_000), 2]),
        (ones(10_000, 1).choose, [[ones(10_000), 2]]),
    ],
)
def test_siblings_of_these_methods_are_refused(function: Any, args: list[Any]) -> None:
    with pytest.raises(LimitExceeded):
        check_call_cost(function, args, {}, LIMITS)


def test_a_list_is_not_doubled_for_ever() -> None:
    value = [0] * 1000
    with pytest.raises(LimitExceeded):
        for _ in range(30):
            check_call_cost(value.extend, [value], {}, LIMITS)
            value.extend(value)
    check_call_cost(value.extend, [[1, 2, 3]], {}, LIMITS)  # it may be as long as it likes


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("-".join, [iter(["a", "b"])]),
        ("-".join, [{"a": 1}]),
        ("-".join, [["a", 5]]),
        ("x".translate, [["y"]]),
        ("x".encode, ["utf-8", "strict"]),
        (int.from_bytes, [b"12345678", "big"]),
        (int, ["12"]),
        (Decimal("1.5").as_integer_ratio, []),
        (range(10**12).index, [5]),
        (array("q", [1]).extend, [[1]]),
        (numpy.zeros(10_000_000).repeat, [2]),
        (numpy.zeros(5).astype, ["f4"]),
        (numpy.zeros(5).sum, []),
        (ones(2, 10_000_000).take, [[0] * 100, 1]),
        (ones(10_000_000).take, [[0] * 100]),
        (ones(10_000_000).clip, [0, 1]),
        (ones(1000, 1000).dot, [ones(1000, 1000)]),
        (ones(10_000_000).dot, [ones(10_000_000)]),
        (ones(10).dot, [3]),
        (ones(10).choose, [ones(2)]),
        ({}.update, [[("a", 1)]]),
        ([].extend, [itertools.repeat(0, 5)]),
        (set().update, [list(range(100_000))]),
        (set, [[1] * 1000]),
    ],
)
def test_what_these_methods_are_for_passes(function: Any, args: list[Any]) -> None:
    check_call_cost(function, args, {}, LIMITS)


@pytest.mark.parametrize("function", [set().update, {}.fromkeys, frozenset().union, set, frozenset])
def test_values_that_all_have_one_hash_make_no_table(function: Any) -> None:
    values = [(2**61 - 1) * place for place in range(10_000)]
    started = time.process_time()
    with pytest.raises(ValueError, match="the same hash"):
        check_call_cost(function, [values], {}, LIMITS)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("function", [{}.update, dict])
@pytest.mark.parametrize("pair", [list, tuple])
def test_pairs_whose_keys_have_one_hash_make_no_table(function: Any, pair: Any) -> None:
    pairs = [pair(((2**61 - 1) * place, place)) for place in range(1000)]
    with pytest.raises(ValueError, match="the same hash"):
        check_call_cost(function, [pairs], {}, LIMITS)
    check_call_cost(function, [[(place, 1) for place in range(1000)]], {}, LIMITS)


def test_sets_that_have_one_hash_are_not_merged() -> None:
    values = {(2**61 - 1) * place for place in range(200)}
    with pytest.raises(ValueError, match="the same hash"):
        check_cost("or", set(), [values], LIMITS)
    check_cost("or", set(), [{1, 2}], LIMITS)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encodings, "_unknown", set())


@pytest.mark.usefixtures("forgotten")
def test_names_that_are_no_encodings_are_not_looked_up_without_end() -> None:
    for name in ("x" * 1000, "ü", "utf-8" + "-" * 100):
        with pytest.raises(LookupError, match="unknown encoding"):
            check_call_cost("x".encode, [name], {}, LIMITS)
    check_call_cost(b"x".decode, ["my-own"], {}, LIMITS)  # may be the application's
    for place in range(100):
        with contextlib.suppress(LookupError):
            check_call_cost("x".encode, [], {"encoding": f"none-{place}"}, LIMITS)
    assert len(text_encodings._unknown) == 64
    for function, args in (("x".encode, ["x" * 9]), (bytes, ["x", "no"]), (str, [b"x", "no"])):
        with pytest.raises(LookupError):
            check_call_cost(function, args, {}, LIMITS)
    check_call_cost(b"x".decode, ["my-own"], {}, LIMITS)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name", ["utf-8", "UTF8", "latin-1", "ISO-8859-15", "cp1252", "utf_16"])
def test_encodings_are_found(name: str) -> None:
    check_call_cost("x".encode, [name, "replace"], {}, LIMITS)
    check_call_cost(str, [b"x", name], {}, LIMITS)
    assert not text_encodings._unknown


def test_encodings_that_take_the_square_take_short_texts() -> None:
    check_call_cost("münchen".encode, ["idna"], {}, LIMITS)
    for function, name in ((("ü" * 5000).encode, "punycode"), ((b"x" * 5000).decode, "IDNA")):
        with pytest.raises(ValueError, match="4096"):
            check_call_cost(function, [name], {}, LIMITS)


LONG = PurePosixPath("a/" * 2000)


@pytest.mark.parametrize(
    ("path", "name", "args"),
    [
        (PurePosixPath("a"), "match", ["[" * 2000]),
        (PurePosixPath("a" * 40), "match", ["*a" * 8 + "b"]),
        (PurePosixPath("a/" * 40), "full_match", ["**/a/" * 8 + "b"]),
        (PurePosixPath("a/" * 40), "full_match", [PurePosixPath("**/a/" * 8 + "b")]),
        (PureWindowsPath("a" * 40), "match", ["x\\*a" * 4 + "*a" * 8 + "b"]),
        (LONG, "joinpath", [LONG]),
        (LONG, "joinpath", ["b", "c" * 40_000]),
        (LONG, "relative_to", [LONG / "b"] * 2),
        (LONG, "is_relative_to", ["b/" * 100_000]),
        (LONG, "with_name", [type("Text", (str,), {})("b" * 40_000)]),
    ],
    ids=lambda value: value if type(value) is str else "",
)
def test_methods_of_paths_that_would_take_long_are_refused(path: Any, name: str, args: Any) -> None:
    method = getattr(path, name, None)
    if method is None:
        pytest.skip("of Python 3.13")
    with pytest.raises(ValueError, match="a path takes|a pattern takes|too many ways"):
        check_call_cost(method, args, {}, LIMITS)
    with pytest.raises(ValueError, match="a path takes|a pattern takes|too many ways"):
        guarded(method)(*args)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("match", ["*.py"]),
        ("match", ["*a*b*c*.py"]),
        ("match", ["*/*/*/*/*/*"]),
        ("match", [5]),
        ("match", []),
        ("full_match", ["**/src/**/*test*.py"]),
        ("full_match", ["**/src/**/main/**"]),
        ("joinpath", ["b", PurePosixPath("c")]),
        ("relative_to", ["/home"]),
        ("with_suffix", [".txt"]),
        ("as_posix", []),
    ],
)
def test_what_paths_are_asked_every_day_passes(name: str, args: list[Any]) -> None:
    path = PurePosixPath("/home/somebody/project/src/package/deeper/and/deeper/main_module_test.py")
    method = getattr(path, name, None)
    if method is None:
        pytest.skip("of Python 3.13")
    check_call_cost(method, args, {}, LIMITS)
    assert outcome(guarded(method), args) == outcome(method, args)


def outcome(function: Any, args: list[Any]) -> Any:
    try:
        return function(*args)
    except Exception as error:
        return type(error)


class Own(PurePosixPath):
    """An author's own path."""

    def match(self, pattern: Any) -> str:  # type: ignore[override]
        return "mine"


def test_what_an_author_makes_of_a_path_is_the_authors() -> None:
    pattern = "[" * 2000
    check_call_cost(Own("a").match, [pattern], {}, LIMITS)
    assert guarded(Own("a").match)(pattern) == "mine"
    with pytest.raises(ValueError, match="a path takes"):
        guarded(Own("a").joinpath)("b" * 40_000)


def test_paths_longer_than_any_systems_are_not_joined() -> None:
    for name, other in (("truediv", LONG), ("truediv", "b" * 40_000), ("rtruediv", "b" * 40_000)):
        with pytest.raises(ValueError, match="a path takes"):
            check_cost(name, LONG, [other], LIMITS)


@given(
    st.text("ab/", max_size=30), st.lists(st.sampled_from(["**/", "*", "a", "b", "/"]), max_size=40)
)
def test_a_pattern_that_passes_is_matched_soon(text: str, pieces: list[str]) -> None:
    path = PurePosixPath(text)
    for name in ("match", "full_match"):
        if hasattr(path, name):
            before = time.process_time()
            outcome(guarded(getattr(path, name)), ["".join(pieces) or "a"])
            assert time.process_time() - before < 2


def test_formats_of_times_are_short() -> None:
    function = datetime.datetime(2024, 1, 1).strptime
    check_call_cost(function, ["2024", "%Y"], {}, LIMITS)
    with pytest.raises(ValueError, match="4096"):
        check_call_cost(function, ["2024", "%Y" + "x" * 10_000], {}, LIMITS)


@pytest.mark.parametrize("name", ["numpy", "pathlib", "fractions", "decimal"])
def test_a_module_that_is_being_imported_is_in_nobodys_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may be half-way through it: the name is there, the classes are not."""
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for operation, value, args in (
        *(("add", 1, [2.5]), ("mul", [1], ["x"]), ("truediv", [], [1]), ("round", 1, [-1])),
        *(("int", 1.5, []), ("mul", 1 << 70, [True]), ("eq", [], [1])),
    ):
        check_cost(operation, value, args, LIMITS)
    for function, arguments in (("x".ljust, ["y"]), ([].extend, [[1]]), (str.join, ["", "x"])):
        check_call_cost(function, arguments, {}, LIMITS)
        check_memory(function, arguments, {})
    nest = Nest({"value": object()})
    assert nest.run([ITEM, "value"]) is not None
    assert find_dumper(object()) is None
