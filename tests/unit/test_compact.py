"""The px dialect: every value comes back as what it was; what is malformed is refused."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import itertools
import math
import pathlib
import sys
import time
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack
import numpy
import pytest

import proxyables
from lenders import Borrowed, Lender, Path
from names import stable
from proxyables.errors import EncodingError, LimitExceeded, ReferenceNotFound, RemoteError
from proxyables.limits import Limits
from proxyables.wire.compact import Compact
from proxyables.wire.dialect import ByReference, Chain
from proxyables.wire.instructions import CALL, EXECUTE, ITEMS, RELEASE, RETURN, THROW
from proxyables.wire.payloads import Opaque
from proxyables.wire.registration import REGISTRATION
from proxyables.wire.values import ENUM, load_value

UTC = datetime.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**300,
    -(10**300),
    1.5,
    -0.0,
    math.inf,
    "",
    "héllo\0",
    "\ud800 alone",
    b"",
    b"\x00\xff",
    [],
    [1, [2, [3]]],
    {},
    {"a": 1, 2: b"x", None: 3, 1.5: 4, (1, "t"): 5, b"k": 6, frozenset({1}): 7},
    (),
    (1, (2, [3, (4,)])),
    set(),
    {1, "a", (2, 3)},
    frozenset({1, frozenset({2})}),
    complex(1, -2),
    range(1, 10, 3),
    slice(None, 5, None),
    slice(1, (2, 3), -1),
    ...,
    NotImplemented,
    datetime.date(2024, 2, 29),
    datetime.time(1, 2, 3, 4, fold=1),
    datetime.time(1, 2, tzinfo=UTC),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
    datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
    datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))),
    datetime.timedelta(days=-1, seconds=5, microseconds=7),
    decimal.Decimal("1.2300"),
    decimal.Decimal("-Infinity"),
    fractions.Fraction(-3, 7),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("/a/b"),
    pathlib.PureWindowsPath("c:\\a"),
]


def make(limits: Limits | None = None) -> tuple[Compact, Lender]:
    lender = Lender()
    return Compact(lender, limits or Limits()), lender


def cross(value: Any, limits: Limits | None = None) -> Any:
    codec, _ = make(limits)
    message = codec.decode(codec.encode_return(value))
    assert message[0] == RETURN
    return message[1]


@pytest.mark.parametrize("value", VALUES, ids=stable)
def test_values_come_back_as_what_they_were(value: Any) -> None:
    loaded = cross(value)
    assert type(loaded) is type(value)
    assert loaded == value
    assert repr(loaded) == repr(value)


def test_nan_crosses() -> None:
    assert math.isnan(cross(math.nan))
    assert cross(decimal.Decimal("NaN")).is_nan()


def test_zones_and_folds_are_kept() -> None:
    moment = cross(datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN))
    assert moment.tzinfo.key == "Europe/Berlin"
    assert moment.utcoffset() == datetime.timedelta(hours=1)


def test_a_zone_that_this_machine_lacks_keeps_its_offset() -> None:
    codec, _ = make()
    data = msgpack.packb([2024, 1, 2, 3, 4, 5, 6, 0, ["Mars/Olympus", 3600.0]])
    loaded = codec.decode(msgpack.packb([RETURN, msgpack.ExtType(13, data)]))[1]
    assert loaded.utcoffset() == datetime.timedelta(hours=1)


@pytest.mark.parametrize("value", [bytearray(b"ab"), memoryview(b"ab")], ids=["array", "view"])
def test_other_buffers_of_bytes_arrive_as_bytes(value: Any) -> None:
    assert cross(value) == b"ab"


def test_concrete_paths_arrive_as_pure_ones() -> None:
    assert cross(pathlib.Path("/a")) == pathlib.PurePosixPath("/a")
    assert type(cross(pathlib.Path("/a"))) is pathlib.PurePosixPath


@pytest.mark.parametrize(
    "value",
    [
        numpy.arange(12, dtype="f8").reshape(3, 4),
        numpy.arange(12).reshape(3, 4).T,
        numpy.array([], dtype="i2"),
        numpy.array("2024-01-02", dtype="M8[D]"),
        numpy.array(["a", "bc"]),
        numpy.array([True, False]),
    ],
    ids=lambda value: f"{value.dtype}-{value.shape}",
)
def test_numpy_arrays_cross_with_dtype_and_shape(value: Any) -> None:
    loaded = cross(value)
    assert loaded.dtype == value.dtype
    assert loaded.shape == value.shape
    assert (loaded == value).all()
    loaded.flags.writeable = True


def test_numpy_scalars_cross() -> None:
    loaded = cross(numpy.float32(1.5))
    assert type(loaded) is numpy.float32
    assert loaded == 1.5


def test_numpy_objects_stay_here() -> None:
    codec, lender = make()
    value = numpy.array([object()])
    codec.encode_return(value)
    assert lender.lent[0] is value


@pytest.mark.parametrize("typecode", "bBhHiIlLqQfd")
def test_array_arrays_cross(typecode: str) -> None:
    value = array.array(typecode, [1, 2, 3])
    loaded = cross(value)
    assert loaded == value
    assert loaded.typecode == typecode


def test_arrays_of_the_other_byte_order_are_swapped() -> None:
    codec, _ = make()
    other = ">" if sys.byteorder == "little" else "<"
    content = array.array("i", [1, 2])
    content.byteswap()
    data = msgpack.packb([0, f"{other}i", [2], content.tobytes()])
    assert codec.decode(msgpack.packb([RETURN, msgpack.ExtType(23, data)]))[1].tolist() == [1, 2]


def test_objects_go_as_references_and_are_described_once() -> None:
    codec, lender = make()
    thing = object()
    loaded = codec.decode(codec.encode_return([thing, thing]))[1]
    assert lender.lent == [thing, thing]
    assert all(isinstance(each, Borrowed) for each in loaded)
    assert (loaded[0].reference, loaded[0].kind) == (1, 7)
    assert loaded[0].description == {"name": "object"}


def test_what_is_live_inside_containers_goes_as_references() -> None:
    codec, lender = make()
    thing = object()
    loaded = codec.decode(codec.encode_return({"k": [(thing, 1)]}))[1]
    assert isinstance(loaded["k"][0][0], Borrowed)
    assert lender.lent == [thing]


def test_by_reference_overrules_the_rule() -> None:
    codec, lender = make()
    value = [1, 2]
    assert isinstance(codec.decode(codec.encode_return(ByReference(value)))[1], Borrowed)
    assert lender.lent[0] is value


def test_the_other_sides_own_object_comes_back_as_itself() -> None:
    codec, lender = make()
    lender.lent.append("mine")
    loaded = codec.decode(codec.encode_return([Path(1, []), Path(None, [])]))[1]
    assert loaded == ["mine", "root"]


def test_chains_are_collected_innermost_first() -> None:
    codec, lender = make()
    lender.lent += ["one", "two", "three"]
    inner = Path(None, ["a"])
    outer = Path(3, [[CALL, [inner]]])
    message = codec.decode(codec.encode_request(None, ["f", [CALL, [outer]]]))
    assert message[0] == EXECUTE
    assert [chain.source for chain in codec.chains] == ["root", "three"]
    assert type(message[2][1][1][0]) is Chain


def test_releases_are_batched() -> None:
    codec, _ = make()
    counts = [(n, n) for n in range(1, 5001)]
    messages = [codec.decode(data) for data in codec.encode_release(counts)]
    assert [message[0] for message in messages] == [RELEASE, RELEASE]
    assert messages[0][1][:4] == [1, 1, 2, 2]
    assert sum(len(message[1]) for message in messages) == 10_000


def test_items_and_errors_have_messages_of_their_own() -> None:
    codec, _ = make()
    assert codec.decode(codec.encode_items([1, (2,)])) == [ITEMS, [1, (2,)]]
    op, told = codec.decode(codec.encode_throw(ValueError("Boom")))
    assert op == THROW
    assert (told["type"], told["module"], told["message"]) == ("ValueError", "builtins", "Boom")


def test_exceptions_travel_as_values() -> None:
    loaded = cross([KeyError("k")])[0]
    assert isinstance(loaded, KeyError)
    assert isinstance(loaded, RemoteError)


@pytest.mark.parametrize("depth", [65, 2000])
def test_values_nested_too_deep_are_refused_before_anything_is_sent(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = (value,) if depth == 65 else [value]
    with pytest.raises(EncodingError, match="contains itself or is nested"):
        cross(value)
    assert cross(5) == 5


def test_cycles_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(EncodingError, match=r"ref\(\)"):
        cross(cycle)
    codec, _ = make()
    loop: list[Any] = []
    loop.append((loop,))
    with pytest.raises(EncodingError, match="contains itself"):
        codec.encode_return(loop)
    assert codec.decode(codec.encode_return((1,)))[1] == (1,)


def test_limits_on_the_way_out() -> None:
    with pytest.raises(LimitExceeded, match="max_integer_bits=64"):
        cross(1 << 70, Limits(max_integer_bits=64))
    with pytest.raises(LimitExceeded, match="max_message=100"):
        cross(bytes(200), Limits(max_message=100))
    codec, _ = make()
    codec.largest = 50
    with pytest.raises(LimitExceeded, match="max_message=50"):
        codec.encode_return(bytes(60))


def ext(number: int, payload: Any) -> bytes:
    data = payload if isinstance(payload, bytes) else msgpack.packb(payload)
    packed: bytes = msgpack.packb([RETURN, msgpack.ExtType(number, data)])
    return packed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\x80",
        b"\x90",
        b"\x91\x04",
        b"\x92\x04",
        b"\x92\x04\x01\x01",
        b"\x92\x04\xdd\xff\xff\xff\xff",
        b"\x92\x04\xdf\xff\xff\xff\xff",
        b"\x92\x04\xc6\xff\xff\xff\xff",
        b"\x92\x04\xc9\xff\xff\xff\xff\x05",
        b"\x92\x04\xa1\xff",
        b"\x92\x04\x81\x90\x01",
        b"\x91" * 5000,
        ext(1, 5),
        ext(1, [1]),
        ext(1, [-1, 1]),
        ext(1, ["a", 1]),
        ext(1, [1, 1, {}, 4]),
        ext(2, "x"),
        ext(2, True),
        ext(3, [None]),
        ext(3, [None, 5]),
        ext(5, 5),
        ext(6, [[1]]),
        ext(7, {"a": 1}),
        ext(8, b"short"),
        ext(9, [1, 2, 0]),
        ext(9, [1.5, 2, 3]),
        ext(10, [1]),
        ext(11, [2024, 13, 1]),
        ext(11, [2024, 1]),
        ext(12, [25, 0, 0, 0, 0, None]),
        ext(13, [2024, 1, 1, 0, 0, 0, 0, 0, 1e9]),
        ext(13, [2024, 1, 1, 0, 0, 0, 0, 0, ["../../etc/passwd", None, 3]]),
        ext(14, [10**10, 0, 0]),
        ext(14, [1.5, 0, 0]),
        ext(15, "abc"),
        ext(15, "1e999999999"),
        ext(16, [1, 0]),
        ext(17, b"short"),
        ext(18, ["mac", "/a"]),
        ext(18, ["posix", 5]),
        ext(23, [1, "<f8", [3], b"12345678"]),
        ext(23, [1, "|O", [1], b"12345678"]),
        ext(23, [1, "<f8", [-1], b"12345678"]),
        ext(23, [1, "zz", [1], b"12345678"]),
        ext(23, [0, "<q", [2], b"12345678"]),
        ext(23, [0, "<u", [2], b"12345678"]),
        ext(24, "Nothing"),
    ],
    ids=lambda data: data[:16].hex(),
)
def test_what_is_malformed_is_a_value_error(data: bytes) -> None:
    codec, _ = make()
    with pytest.raises(ValueError):  # noqa: PT011  # the text is msgpack's
        codec.decode(data)
    assert codec.decode(codec.encode_return(1)) == [RETURN, 1]


def test_limits_on_the_way_in() -> None:
    codec, _ = make(Limits(max_integer_bits=64))
    with pytest.raises(LimitExceeded, match="max_integer_bits"):
        codec.decode(ext(4, bytes(100)))
    payload = msgpack.packb(1)
    for _ in range(100):
        payload = msgpack.packb(msgpack.ExtType(5, payload))
    with pytest.raises(LimitExceeded, match="max_depth"):
        codec.decode(b"\x92\x04" + payload)


def test_unknown_extensions_become_opaque() -> None:
    codec, _ = make()
    loaded = codec.decode(ext(99, [1, 2]))[1]
    assert loaded == Opaque("extension 99", [1, 2])
    assert "extension 99" in repr(loaded)


@pytest.mark.parametrize(
    ("number", "content"),
    [
        (19, ["far\x1b[2J\n\u202e", "RED\x1b", 1]),
        (20, ["far\x1b[2J\n\u202e", {"x\x1b": "\x1b"}]),
        (21, ["far\x1b[2J\n\u202e", ["x\x1b"], [1]]),
    ],
)
def test_what_stands_for_an_unknown_type_does_not_steer_a_terminal(
    number: int, content: object
) -> None:
    codec, _ = make()
    loaded = codec.decode(ext(number, content))[1]
    assert loaded.type_name == "far\x1b[2J\n\u202e"
    assert repr(loaded).isprintable()
    assert r"far\x1b[2J\n\u202e" in repr(loaded)


def test_an_unknown_object_of_ours_is_named() -> None:
    codec, _ = make()
    with pytest.raises(ReferenceNotFound):
        codec.decode(ext(2, 17))


@proxyables.by_value
class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


@proxyables.by_value
class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@proxyables.by_value(name="tests.Point")
class Point(NamedTuple):
    x: int
    y: Any = 0


@proxyables.by_value
@dataclasses.dataclass
class Order:
    name: str
    lines: list[Any]
    total: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.total = len(self.lines)


@proxyables.by_value
@dataclasses.dataclass
class Price:
    cents: int
    notes: list[str]

    def __post_init__(self) -> None:
        if self.cents < 0:
            raise ValueError("a negative price")
        self.cents *= 100
        self.notes.append("made")
        self.is_checked = True


@proxyables.by_value
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    name: str
    since: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name + "!")


@proxyables.by_value
@dataclasses.dataclass
class Sum:
    total: int

    def __init__(self, a: int, b: int) -> None:
        self.total = a + b


@proxyables.by_value
@dataclasses.dataclass(frozen=True)
class Scaled:
    size: int
    factor: dataclasses.InitVar[int]

    def __post_init__(self, factor: int) -> None:
        object.__setattr__(self, "size", self.size * factor)


@proxyables.by_value
@dataclasses.dataclass
class Fault(Exception):
    code: int

    def __init__(self, *args: Any, error: int) -> None:
        self.code = error


@pytest.mark.parametrize(
    "value",
    [
        Price(5, ["new"]),
        Firm(name="a"),
        Sum(1, 2),
        Scaled(2, 3),
        Fault(error=5),
        Colour.RED,
        Colour.BLUE,
        Rights.READ,
        Rights.READ | Rights.WRITE,
        Point(1, Point(2)),
        Order("o", [Point(1)]),
    ],
    ids=repr,
)
def test_registered_classes_travel_by_value(value: Any) -> None:
    loaded = cross([value])[0]
    assert type(loaded) is type(value)
    assert loaded == value
    if isinstance(value, enum.Enum):
        assert loaded is value
    assert cross([loaded])[0] == value


def test_what_a_constructor_checks_holds_for_what_comes() -> None:
    codec, _ = make()
    told = [REGISTRATION.names[Price], {"cents": -1, "notes": []}]
    with pytest.raises(ValueError, match="a negative price"):
        codec.decode(ext(20, told))
    assert cross(Price(1, [])).is_checked


def test_a_field_without_a_value_is_named() -> None:
    @proxyables.by_value(name="tests.Unset")
    @dataclasses.dataclass
    class Unset:
        x: int = dataclasses.field(init=False)

    codec, _ = make()
    with pytest.raises(EncodingError, match=r"Unset\.x has no value"):
        codec.encode_return([object(), Unset()])


def test_a_side_without_the_class_gets_an_opaque() -> None:
    codec, _ = make()
    assert codec.decode(ext(19, ["far.Colour", "RED", 1]))[1] == Opaque(
        "far.Colour", {"name": "RED", "value": 1}
    )
    assert codec.decode(ext(20, ["far.Order", {"name": "o"}]))[1].fields == {"name": "o"}
    assert codec.decode(ext(21, ["far.Point", ["x"], [1]]))[1].fields == {"x": 1}


@pytest.mark.parametrize(
    "payload",
    [
        [19, ["far.Colour", "RED", 1]],
        [21, ["far.Point", ["x"], [1]]],
        [20, ["far.Order", {"name": "o", "rows": [[1], {"a": 2}]}]],
        [99, [1, [2, {"a": [3]}]]],
    ],
    ids=repr,
)
def test_an_opaque_is_a_key_and_an_element_and_found_again(payload: list[Any]) -> None:
    codec, _ = make()
    inner = msgpack.packb(payload[1])
    key = msgpack.ExtType(payload[0], inner)
    for held in ({key: 1}, msgpack.ExtType(6, msgpack.packb([key, key])), [key]):
        loaded = codec.decode(msgpack.packb([4, held], strict_types=True))[1]
        same = codec.decode(msgpack.packb([4, key]))[1]
        assert len(loaded) == 1
        assert same in loaded
        assert type(next(iter(loaded))) is Opaque
    assert hash(same) != hash(Opaque(same.type_name, "other"))


@pytest.mark.parametrize("number", [20, 99])
def test_opaques_that_all_have_one_hash_are_refused(number: int) -> None:
    codec, _ = make()
    numbers = [1 + place * ((1 << 61) - 1) for place in range(4)]
    keys = []
    for chosen in itertools.islice(itertools.product(numbers, repeat=8), 500):
        payload = ["far.Order", {"x": list(chosen)}] if number == 20 else list(chosen)
        keys.append(msgpack.ExtType(number, msgpack.packb(payload)))
    with pytest.raises(ValueError, match="different values have the same hash"):
        codec.decode(ext(6, keys))


def test_an_opaque_with_what_cannot_be_hashed_cannot_be_a_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Opaque("far.Order", {"name": bytearray(b"x")}))


def test_an_offset_keeps_the_name_that_it_was_given() -> None:
    hour = datetime.timedelta(hours=1)
    for zone in (datetime.timezone(hour, "CET"), datetime.timezone(hour), datetime.UTC):
        for value in (datetime.datetime(2024, 7, 2, tzinfo=zone), datetime.time(1, tzinfo=zone)):
            loaded = cross(value)
            assert loaded == value
            assert repr(loaded.tzinfo) == repr(zone)
    nameless = cross(datetime.time(1, tzinfo=datetime.timezone(hour, "x" * 65)))
    assert nameless.tzname() == "UTC+01:00"
    codec, _ = make()
    for zone in ([1, "x" * 65], ["x", "x"], [90_000, "x"], [[], "x"], [math.nan, "x"]):
        with pytest.raises(ValueError, match="time zone"):
            codec.decode(ext(12, [1, 2, 3, 4, 0, zone]))


def test_what_would_be_refused_over_there_is_refused_here_and_named() -> None:
    codec, _ = make()
    gaps = memoryview(bytes(10))[::2]
    for value in (gaps, [{"x": gaps}], (1, gaps), ["\ud800", (gaps,)]):
        with pytest.raises(EncodingError, match="memoryview with gaps"):
            codec.encode_return(value)
        with pytest.raises(EncodingError, match="memoryview with gaps"):
            codec.encode_request(None, ["f", [CALL, [value]]])
    for text in ("1E+2000000", "1E-2000000", "1" * 100_001):
        with pytest.raises(EncodingError, match="Decimal"):
            codec.encode_return([decimal.Decimal(text)])
        assert type(cross(ValueError(decimal.Decimal(text))).args[0]) is str
    for value in (decimal.Decimal("1E+1000000"), decimal.Decimal("NaN123"), memoryview(b"abc")):
        assert str(cross(value)) == str(bytes(value) if isinstance(value, memoryview) else value)


def test_unregistered_classes_stay_here() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    class Tint(enum.Enum):
        RED = 1

    codec, lender = make()
    values = [Local(1), Tint.RED, collections.namedtuple("P", "x")(1)]
    codec.encode_return(values)
    assert lender.lent == values


def test_by_reference_overrules_by_value() -> None:
    @proxyables.by_reference
    @proxyables.by_value(name="tests.Kept")
    @dataclasses.dataclass
    class Kept:
        x: int

    codec, lender = make()
    codec.encode_return(Kept(1))
    assert lender.lent == [Kept(1)]
    # What a peer sends under that name is a value over there, and made one here.
    told = ext(20, ["tests.Kept", {"x": 2}])
    assert codec.decode(told)[1] == Kept(2)


def test_paths_longer_than_those_of_any_system_do_not_travel() -> None:
    codec, _ = make()
    for text in ("a" * 32_769, "a/" * 2_100 + "b"):
        path = pathlib.PurePosixPath(text)
        with pytest.raises(EncodingError, match="at most 32768 and 2048 travel"):
            codec.encode_return(path)
        for flavour in ("posix", "windows"):
            with pytest.raises(ValueError, match="malformed path"):
                codec.decode(ext(18, [flavour, text]))
    for text in ("a" * 32_768, "a/" * 2_048 + "b"):
        path = pathlib.PurePosixPath(text)
        assert codec.decode(codec.encode_return(path))[1] == path


def test_the_last_mark_counts() -> None:
    @proxyables.by_value(name="tests.Marked")
    @dataclasses.dataclass
    class Marked:
        x: int

    codec, lender = make()
    for mark, is_lent in [(proxyables.by_reference, True), (proxyables.by_value, False)] * 2:
        mark(Marked)
        lender.lent.clear()
        codec.encode_return([Marked(1)])
        assert bool(lender.lent) is is_lent


def test_a_mark_is_of_exactly_that_class() -> None:
    @proxyables.by_reference
    @dataclasses.dataclass
    class Base:
        x: int

    @proxyables.by_value(name="tests.Travelling")
    @dataclasses.dataclass
    class Travelling(Base):
        pass

    @dataclasses.dataclass
    class Unmarked(Travelling):
        pass

    codec, lender = make()
    assert codec.decode(codec.encode_return(Travelling(1)))[1] == Travelling(1)
    codec.encode_return([Base(2), Unmarked(3)])
    assert lender.lent == [Base(2), Unmarked(3)]


class FailureError(Exception):
    pass


@pytest.mark.parametrize(
    "cls",
    [
        *(list, datetime.date, decimal.Decimal, pathlib.PurePosixPath, array.array),
        *(numpy.ndarray, numpy.float64, ValueError, FailureError),
    ],
)
def test_what_travels_whatever_is_said_cannot_be_by_reference(cls: type) -> None:
    with pytest.raises(TypeError, match=f"{cls.__name__} always travels by value"):
        proxyables.by_reference(cls)


@pytest.mark.parametrize("cls", [int, list, object, type("Plain", (), {}), 5])
def test_only_classes_that_are_data_can_be_by_value(cls: Any) -> None:
    with pytest.raises(TypeError, match="by_value takes"):
        proxyables.by_value(cls)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"tests\.Point"):
        proxyables.by_value(name="tests.Point")(collections.namedtuple("Other", "z"))
    for wrong in (5, Point(1), "list"):
        with pytest.raises(TypeError, match="by_reference takes a class"):
            proxyables.by_reference(wrong)


MODULE = __name__


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (19, [f"{MODULE}.Colour", "GREEN", 1]),
        (19, [f"{MODULE}.Colour", "__class__", 1]),
        (19, [5, "RED", 1]),
        (19, [f"{MODULE}.Rights", None, "x"]),
        (20, [f"{MODULE}.Order", {"name": "o"}]),
        (20, [f"{MODULE}.Order", {"name": "o", "lines": [], "total": 1, "more": 2}]),
        (20, [f"{MODULE}.Order", []]),
        (21, ["tests.Point", ["x", "z"], [1, 2]]),
        (21, ["tests.Point", ["x", "y"], [1]]),
    ],
)
def test_fields_that_do_not_fit_are_malformed(number: int, payload: Any) -> None:
    codec, _ = make()
    with pytest.raises(ValueError, match="malformed"):
        codec.decode(ext(number, payload))


def test_a_large_message_leaves_no_buffer_behind() -> None:
    codec = Compact(Lender(), Limits())
    codec.encode_return((1, (2,)))
    kept = codec.pack
    assert len(codec.encode_return(bytes(60_000))) > 60_000
    assert codec.pack is kept, "what most messages need stays"
    for large in (bytes(100_000), (bytes(100_000),)):
        kept = codec.pack
        codec.encode_return(large)
        assert codec.pack is not kept
    kept = codec.pack
    with pytest.raises(LimitExceeded):
        codec.encode_return([bytes(100_000), 1 << 100_000])
    codec.encode_throw(ValueError())
    assert codec.pack is not kept, "the one that failed half-way may be large as well"
    assert codec.decode(codec.encode_return((1,))) == [RETURN, (1,)]


def test_descriptions_take_no_more_than_a_message() -> None:
    lender = Lender()
    codec = Compact(lender, Limits(max_message=1000))
    for number in range(5):
        told = msgpack.packb([number, number, {"doc": "x" * 300}])
        codec.decode(msgpack.packb([RETURN, msgpack.ExtType(1, told)]))
    assert [each.description is None for each in lender.borrowed] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    "inside",
    [
        msgpack.packb([msgpack.ExtType(2, b"\x01"), 2]),  # an object of ours that is none
        msgpack.packb([msgpack.ExtType(3, b"\x92\xc0\x90"), 2]),  # a path that is to run here
        b"\x81\x90\xc0",  # a map whose key cannot be hashed
        b"\xc1",
    ],
    ids=bytes.hex,
)
def test_what_is_counted_looks_nothing_up(inside: bytes) -> None:
    lender = Lender()
    codec = Compact(lender, Limits())
    good = msgpack.ExtType(1, msgpack.packb([7, 1]))
    data = msgpack.packb([RETURN, [msgpack.ExtType(1, inside), good, msgpack.ExtType(1, b"\xc1")]])
    codec.count_references(data)
    assert [each.reference for each in lender.borrowed] == [7]
    assert not codec.chains


CROWDS: dict[str, Callable[[int], Any]] = {
    "lists": lambda many: [[] for _ in range(many)],
    "maps": lambda many: [{} for _ in range(many)],
    "extensions": lambda many: [set() for _ in range(many // 2)],
    "inside of an extension": lambda many: ([[] for _ in range(many)],),
    "inside of each other": lambda many: [[[], {"k": 1}] for _ in range(many // 3)],
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_containers_are_counted(crowd: str) -> None:
    codec = Compact(Lender(), Limits(max_containers=5000))
    few = codec.encode_return([CROWDS[crowd](4900), "x" * 10_000])
    many = codec.encode_return([CROWDS[crowd](5100), "x" * 10_000])
    for _ in range(2):  # each message is counted by itself
        assert len(codec.decode(few)) == 2
        with pytest.raises(LimitExceeded, match="max_containers"):
            codec.decode(many)
        codec.count_references(many)


def test_a_crowd_of_strings_is_none() -> None:
    codec = Compact(Lender(), Limits(max_containers=100))
    assert codec.decode(codec.encode_return(["ab"] * 5000))[1] == ["ab"] * 5000


PRIME = 2**61 - 1
"""What an integer's hash is the remainder of."""


def _hashed_alike(many: int) -> dict[str, list[Any]]:
    """Returns keys, of each kind that a sender can choose, of which all have one hash."""
    numbers = [PRIME * (2**64 + place) for place in range(many)]
    return {
        "integers": numbers,
        "tuples": [(1, (number,)) for number in numbers],
        "sets": [frozenset({number}) for number in numbers],
        "fractions": [fractions.Fraction(number) for number in numbers],
        "decimals": [decimal.Decimal(number) for number in numbers],
        "UUIDs": [uuid.UUID(int=number) for number in numbers],
        "ranges": [range(0, 2 * number, number) for number in numbers],
        "complex numbers": [complex(1000003 * n, -n) for n in range(2, many + 2)],
        "of all kinds": [
            kind(n) for n in numbers[: many // 2] for kind in (decimal.Decimal, lambda n: -n)
        ],
    }


ALIKE = tuple(_hashed_alike(2))


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("container", [dict.fromkeys, set, frozenset, list])
def test_many_values_that_have_one_hash_are_refused(
    kind: str, container: Callable[[list[Any]], Any]
) -> None:
    codec = Compact(Lender(), Limits())
    assert len({hash(each) for each in _hashed_alike(2)[kind]}) == 1
    few = container(_hashed_alike(50)[kind])
    assert codec.decode(codec.encode_return([few, "x" * 5000]))[1][0] == few
    started = time.process_time()
    with pytest.raises(ValueError, match="the same hash"):
        codec.decode(codec.encode_return(container(_hashed_alike(1000)[kind])))
    assert time.process_time() - started < 2


def test_values_that_have_one_hash_inside_of_what_is_registered_are_refused() -> None:
    codec = Compact(Lender(), Limits())
    sizes = [Point((PRIME * (2**64 + place),), 0) for place in range(1000)]
    with pytest.raises(ValueError, match="the same hash"):
        codec.decode(codec.encode_return(dict.fromkeys(sizes)))


def test_objects_of_ours_that_have_one_hash_are_refused_as_keys() -> None:
    lender = Lender()
    codec = Compact(lender, Limits())
    lender.lent = [(PRIME * (2**64 + place), lender) for place in range(200)]
    keys = b"".join(codec.encode_return(Path(place + 1, []))[2:] + b"\x01" for place in range(200))
    with pytest.raises(ValueError, match="the same hash"):
        codec.decode(b"\x92\x04\xde\x00\xc8" + keys)


def test_equal_values_and_those_of_different_hashes_are_any_number() -> None:
    codec = Compact(Lender(), Limits())
    minus = [decimal.Decimal(-1), decimal.Decimal(-2)]  # these two have the same hash
    values = [*minus * 2000, {(place, 1.5): 2**70 + place for place in range(2000)}]
    assert codec.decode(codec.encode_return(values))[1] == values


def test_timestamps_are_no_keys_with_a_hash_of_the_senders_choice() -> None:
    codec = Compact(Lender(), Limits())
    stamps = {msgpack.Timestamp(place, 5): place for place in range(1000)}
    found = codec.decode(msgpack.packb([RETURN, stamps]))[1]
    assert {type(each) for each in found} == {float}


@pytest.mark.parametrize("kind", [enum.Flag, enum.IntFlag])
def test_combinations_of_flags_are_not_kept_without_end(kind: type[enum.Flag]) -> None:
    told = {f"BIT_{place}": 1 << place for place in range(20)}
    made: Any = proxyables.by_value(kind("Many", told), name=f"tests.Many{kind.__name__}")

    def load(value: int) -> Any:
        return load_value(ENUM, [f"tests.Many{kind.__name__}", None, value])

    assert load(3) == made(3)
    refused = 0
    for value in range(1, 10_000):
        try:
            assert load(value).value == value
        except ValueError:
            refused += 1
    assert refused > 5000
    assert len(made._value2member_map_) <= 4096
    assert load(3) == made(3)
    with pytest.raises(ValueError, match="malformed member"):
        load(1 << 60_000)
