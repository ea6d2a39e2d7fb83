"""Every value that travels whole: as an argument, as a result, inside of others, and item by item.

What arrives is equal, of the same type, and no longer tied to what was sent.
"""

from __future__ import annotations

import array
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import sys
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pytest

import proxyables
from connections import connected, on_both_loops
from proxyables import Limits


@proxyables.by_value
class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@proxyables.by_value
class Flags(enum.IntFlag):
    A = 1
    B = 2


@proxyables.by_value
@dataclasses.dataclass(frozen=True)
class Money:
    amount: decimal.Decimal
    currency: str = "EUR"


@proxyables.by_value
class Point(NamedTuple):
    x: int
    y: int


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
MOMENT = datetime.datetime(2026, 3, 29, 1, 30, 15, 123456)
VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "zero": 0,
    "negative": -1,
    "64 bits": 2**64 - 1,
    "over 64 bits": 2**64,
    "4,000 bits": -(3**2500),
    "float": 0.1,
    "largest float": sys.float_info.max,
    "infinity": -math.inf,
    "str": "grüße 🦄",
    "str with NUL": "a\x00b",
    "lone surrogate": "file\udce4name",
    "empty str": "",
    "bytes": b"\x00\xff" * 300,
    "list": [1, "two", [3.0, [None]]],
    "empty list": [],
    "tuple": (1, (2, ()), [3]),
    "dict": {"a": 1, "b": {"c": [2]}},
    "dict with keys of all kinds": {1: "int", (1, 2): "tuple", None: "none", 2.5: "float"},
    "dict with bytes as key": {b"k": 1, frozenset({1}): 2},
    "set": {1, "two", (3,)},
    "frozenset": frozenset({1, frozenset({2})}),
    "complex": complex(1.5, -0.0),
    "range": range(10, -5, -3),
    "huge range": range(0, 2**70, 2**65),
    "slice": slice(1, None, -2),
    "slice of anything": slice("a", (1,), None),
    "Ellipsis": ...,
    "date": datetime.date(1, 1, 1),
    "time": datetime.time(23, 59, 59, 999999, fold=1),
    "time with offset": datetime.time(1, 2, tzinfo=datetime.UTC),
    "datetime": MOMENT,
    "datetime in a zone": MOMENT.replace(tzinfo=BERLIN),
    "the second 2:30 of a night": datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    "datetime with odd offset": MOMENT.replace(
        tzinfo=datetime.timezone(datetime.timedelta(seconds=-12345))
    ),
    "timedelta": datetime.timedelta(days=-3, microseconds=1),
    "Decimal": decimal.Decimal("1.000E-20"),
    "Decimal infinity": decimal.Decimal("-Infinity"),
    "Fraction": fractions.Fraction(-7, 3),
    "UUID": uuid.UUID(int=2**127 + 5),
    "path": pathlib.PurePosixPath("/a/b c"),
    "Windows path": pathlib.PureWindowsPath("C:\\x"),
    "array": array.array("d", [1.5, -2.5]),
    "enum member": Colour.GREEN,
    "flags": Flags.A | Flags.B,
    "dataclass": Money(decimal.Decimal("9.99")),
    "named tuple": Point(3, -4),
    "dataclass in containers": {"prices": [Money(decimal.Decimal(1), "USD")], Point(0, 0): set()},
}


class Mirror:
    """Sends back what it gets, and knows whether that was what it should have been."""

    def __init__(self, expected: Any = None) -> None:
        self.expected = expected

    def echo(self, value: Any) -> Any:
        return value

    def holds(self, value: Any) -> list[Any]:
        kinds = value == self.expected and type(value) is type(self.expected)
        return [kinds, repr(value) == repr(self.expected)]

    def wrapped(self) -> Any:
        return {"in": [(self.expected, {"deep": self.expected})]}

    def stream(self) -> Any:
        yield self.expected
        yield [self.expected]

    async def apply(self, function: Any) -> Any:
        return await function(self.expected)


@pytest.mark.parametrize("name", VALUES)
@on_both_loops
async def test_as_argument_result_item_inside_of_others_and_to_a_callback(name: str) -> None:
    value = VALUES[name]
    unordered = isinstance(value, (set, frozenset))
    async with connected(Mirror(value)) as (client, _):
        root = client.root
        as_argument = await root.holds(value)
        assert as_argument[0]
        assert as_argument[1] or unordered
        back = await root.echo(value)
        assert back == value
        assert type(back) is type(value)
        assert await root.expected == value
        copied = await proxyables.copy(root.expected)
        assert (copied, type(copied)) == (value, type(value))
        assert await root.wrapped() == {"in": [(value, {"deep": value})]}
        assert [item async for item in root.stream()] == [value, [value]]
        assert await root.apply(lambda got: [got == value, got]) == [True, value]
        assert client.snapshot()["entries"] <= 1  # the callback: no value became a reference


@on_both_loops
async def test_nan_arrives_as_nan_in_every_number() -> None:
    async with connected(Mirror()) as (client, _):
        assert math.isnan(await client.root.echo(math.nan))
        assert (await client.root.echo(decimal.Decimal("NaN"))).is_nan()
        assert math.isnan((await client.root.echo(complex(0, math.nan))).imag)


@on_both_loops
async def test_minus_zero_keeps_its_sign() -> None:
    async with connected(Mirror()) as (client, _):
        assert math.copysign(1, await client.root.echo(-0.0)) == -1
        assert math.copysign(1, (await client.root.echo(complex(1, -0.0))).imag) == -1


@on_both_loops
async def test_bytearrays_and_memoryviews_arrive_as_bytes() -> None:
    async with connected(Mirror()) as (client, _):
        assert bytes(await client.root.echo(bytearray(b"abc"))) == b"abc"
        assert bytes(await client.root.echo(memoryview(b"abcdef")[1:3])) == b"bc"


@on_both_loops
async def test_a_zone_arrives_as_a_zone_and_not_as_an_offset() -> None:
    async with connected(Mirror()) as (client, _):
        back = await client.root.echo(MOMENT.replace(tzinfo=BERLIN))
        assert back.tzinfo.key == "Europe/Berlin"
        assert (back + datetime.timedelta(days=90)).utcoffset() == datetime.timedelta(hours=2)


@on_both_loops
async def test_dicts_keep_their_order() -> None:
    ordered = {f"k{n % 7}{n}": n for n in range(500)}
    async with connected(Mirror()) as (client, _):
        assert list(await client.root.echo(ordered)) == list(ordered)


@on_both_loops
async def test_a_copy_is_what_arrives() -> None:
    mirror = Mirror([1, 2])
    async with connected(mirror) as (client, _):
        got = await client.root.expected
        got.append(3)
        assert mirror.expected == [1, 2]


@on_both_loops
async def test_exceptions_are_values_too() -> None:
    async with connected(Mirror()) as (client, _):
        back = await client.root.echo([ValueError("no", 5)])
        assert isinstance(back[0], ValueError)
        assert back[0].args == ("no", 5)
        assert isinstance(await proxyables.copy(client.root.echo(KeyError(1))), KeyError)


@on_both_loops
async def test_a_group_as_a_value_keeps_its_members() -> None:
    async with connected(Mirror()) as (client, _):
        back = await client.root.echo(ExceptionGroup("two", [ValueError(1), KeyError("k")]))
        assert [type(each).__name__ for each in back.exceptions] == ["ValueError", "KeyError"]


@on_both_loops
async def test_subclasses_of_containers_stay_where_they_are() -> None:
    class Basket(list[int]):
        pass

    async with connected(Mirror(Basket([1, 2]))) as (client, _):
        basket = await client.root.expected
        assert type(basket) is proxyables.ProxyCursor
        assert await basket[1] == 2
        assert await proxyables.copy(basket) == [1, 2]


@on_both_loops
async def test_an_unregistered_dataclass_stays_where_it_is() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    async with connected(Mirror(Local(5))) as (client, _):
        assert await client.root.expected.x == 5
        assert type(await client.root.expected) is proxyables.ProxyCursor


@on_both_loops
async def test_a_class_marked_by_reference_stays_although_it_is_registered() -> None:
    @proxyables.by_reference
    @proxyables.by_value
    @dataclasses.dataclass
    class Kept:
        x: int

    async with connected(Mirror(Kept(5))) as (client, _):
        assert type(await client.root.expected) is proxyables.ProxyCursor


@on_both_loops
async def test_live_objects_inside_of_containers_are_references() -> None:
    async with connected(Mirror({"mirror": [Mirror(7)], 1: (Mirror(8),)})) as (client, _):
        got = await client.root.expected
        assert await got["mirror"][0].expected == 7
        assert await got[1][0].expected == 8


@on_both_loops
async def test_one_object_twice_in_a_value_is_one_object() -> None:
    shared = Mirror()
    async with connected(Mirror([shared, {"again": shared}])) as (client, _):
        got = await client.root.expected
        assert got[0] is got[1]["again"]


@on_both_loops
async def test_a_cycle_is_refused_with_advice_on_both_ways() -> None:
    cycle: list[Any] = [1]
    cycle.append({"back": cycle})
    async with connected(Mirror(cycle)) as (client, _):
        with pytest.raises(proxyables.EncodingError, match=r"contains itself.*ref\(\)"):
            await client.root.echo(cycle)
        with pytest.raises(proxyables.RemoteError, match="contains itself"):
            await client.root.expected
        assert await proxyables.ref(client.root.expected)[0] == 1


@on_both_loops
async def test_a_cycle_may_travel_as_a_reference() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)

    class Owner:
        async def first(self, value: Any) -> Any:
            return await value[1][1][0]

    async with connected(Owner()) as (client, _):
        assert await client.root.first(proxyables.ref(cycle)) == 1


@on_both_loops
async def test_nesting_up_to_the_limit_and_not_over_it() -> None:
    async with connected(Mirror()) as (client, _):
        deep: Any = ()
        for _ in range(Limits().max_depth // 2):
            deep = (deep,)
        assert await client.root.echo(deep) == deep
        for _ in range(Limits().max_depth):
            deep = (deep,)
        with pytest.raises(proxyables.EncodingError, match="nested"):
            await client.root.echo(deep)
        assert await client.root.echo(1) == 1


@on_both_loops
async def test_100_000_small_values_in_one() -> None:
    rows = [{"id": n, "name": f"n{n}", "tags": (n, n + 1)} for n in range(25_000)]
    async with connected(Mirror(rows)) as (client, _):
        assert await client.root.expected == rows


@on_both_loops
async def test_a_value_of_8_mib_both_ways() -> None:
    payload = bytes(range(256)) * (8 * 4096)
    async with connected(Mirror()) as (client, _):
        assert await client.root.echo({"blob": payload}) == {"blob": payload}


@on_both_loops
async def test_keywords_of_any_spelling_and_value() -> None:
    class Options:
        def take(self, **options: Any) -> Any:
            return options

    options = {"größe": 1, "self_": {2}, "x" * 200: None}
    async with connected(Options()) as (client, _):
        assert await client.root.take(**options) == options


@on_both_loops
async def test_numpy_arrays_keep_dtype_shape_and_content() -> None:
    numpy = pytest.importorskip("numpy")
    arrays = [
        numpy.arange(12.0).reshape(3, 4),
        numpy.array([], dtype="int8"),
        numpy.array(5),
        numpy.arange(10)[::-2],
        numpy.array([[True, False]]),
        numpy.array(["2026-01-01"], dtype="datetime64[D]"),
    ]
    async with connected(Mirror()) as (client, _):
        for sent in arrays:
            back = await client.root.echo(sent)
            assert back.dtype == sent.dtype
            assert back.shape == sent.shape
            assert (back == sent).all()


@on_both_loops
async def test_subclasses_of_numpy_arrays_stay_where_they_are() -> None:
    numpy = pytest.importorskip("numpy")

    class Own(numpy.ndarray):  # type: ignore[misc, name-defined]
        pass

    class Number(numpy.float64):  # type: ignore[misc, name-defined]
        pass

    masked = numpy.ma.array([1, 2, 3], mask=[False, True, False])
    values = [masked, numpy.ma.masked, numpy.array([1]).view(numpy.recarray)]
    values += [numpy.array([1, 2]).view(Own), Number(5)]
    with pytest.warns(PendingDeprecationWarning):
        values.append(numpy.matrix([[1, 2], [3, 4]]))
    for value in values:
        async with connected(Mirror(value)) as (client, _):
            there = await client.root.expected
            assert type(there) is proxyables.ProxyCursor
            assert await client.root.echo(there) == there
            assert await client.root.echo(value) is value
    async with connected(Mirror(masked)) as (client, _):
        there = await client.root.expected
        assert await there.sum() == 4
        assert await (there * 2).sum() == 8


@on_both_loops
async def test_an_array_whose_memory_is_a_file_travels_as_an_array(tmp_path: pathlib.Path) -> None:
    numpy = pytest.importorskip("numpy")
    mapped = numpy.memmap(tmp_path / "numbers", dtype="<i4", mode="w+", shape=(2, 2))
    mapped[1, 1] = 5
    async with connected(Mirror()) as (client, _):
        back = await client.root.echo(mapped)
        assert type(back) is numpy.ndarray
        assert back.tolist() == [[0, 0], [0, 5]]


@on_both_loops
async def test_numpy_objects_never_travel_whole() -> None:
    numpy = pytest.importorskip("numpy")
    async with connected(Mirror(numpy.array([object()]))) as (client, _):
        assert type(await client.root.expected) is proxyables.ProxyCursor


@on_both_loops
async def test_lists_and_dicts_stay_where_they_are_if_the_server_says_so() -> None:
    mirror = Mirror([1, 2])
    server = {"by_reference": (list, dict)}
    async with connected(mirror, server=server) as (client, _):
        live = await client.root.expected
        await live.append(3)
        assert mirror.expected == [1, 2, 3]
        assert await proxyables.copy(live) == [1, 2, 3]


@on_both_loops
async def test_a_copy_of_what_stays_is_that_of_a_class_without_marks() -> None:
    @proxyables.by_reference
    @proxyables.by_value
    @dataclasses.dataclass
    class Kept:
        x: int

    @proxyables.by_reference
    @proxyables.by_value
    class Pair(NamedTuple):
        x: int
        y: Kept

    async with connected(Mirror(Pair(1, Kept(2)))) as (client, _):
        x, y = await proxyables.copy(client.root.expected)
        assert x == 1
        assert await y.x == 2
        with pytest.raises(proxyables.ProxyError, match="a Kept has no form"):
            await proxyables.copy(y)
