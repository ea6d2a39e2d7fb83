"""Values that travel whole: what MessagePack lacks, as extension types.

Each extension type has one row in `DUMPERS` (by exact type) and one in `LOADERS` (by number).
Loading runs no code of the sender's choosing: constructors of this table's own types only, with
arguments whose shape was checked. The numbers are part of the protocol.

What few connections carry (decimals, fractions, paths, UUIDs, arrays, what is registered) is
imported when the first one comes: it takes longer to import than this whole room.

Any field may hold an object of ours instead of what belongs there, so types are compared exactly:
`isinstance` and all operators would run its code.
"""

from __future__ import annotations

import datetime
import enum
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from proxyables.errors import EncodingError, LimitExceeded

from .payloads import Malformed, Opaque, fields, module_of, want, whole
from .registration import REGISTRATION, is_named_tuple

if TYPE_CHECKING:
    import array
    import decimal
    import fractions
    import pathlib
    import uuid

# Extension numbers, 1 to 3 and 22 belong to `compact`.
REFERENCE: Final = 1
OWN: Final = 2
CHAIN: Final = 3
BIGINT: Final = 4
TUPLE: Final = 5
SET: Final = 6
FROZENSET: Final = 7
COMPLEX: Final = 8
RANGE: Final = 9
SLICE: Final = 10
DATE: Final = 11
TIME: Final = 12
DATETIME: Final = 13
TIMEDELTA: Final = 14
DECIMAL: Final = 15
FRACTION: Final = 16
UUID: Final = 17
PATH: Final = 18
ENUM: Final = 19
DATACLASS: Final = 20
NAMEDTUPLE: Final = 21
EXCEPTION: Final = 22
ARRAY: Final = 23
SINGLETON: Final = 24

CHOSEN: Final = frozenset(
    {TUPLE, FROZENSET, COMPLEX, RANGE, SLICE, TIME, DATETIME, TIMEDELTA, DECIMAL, FRACTION, UUID}
    | {ARRAY, BIGINT}
)
"""What a sender can choose to have a certain hash. The others hash texts and bytes, or nothing."""
CLASSES: Final = frozenset({DATACLASS, NAMEDTUPLE})
"""What has the hash of its fields."""

_COMPLEX = struct.Struct("!dd")
_SINGLETONS: dict[str, object] = {"Ellipsis": ..., "NotImplemented": NotImplemented}
_MAX_EXPONENT = 1_000_000
_MAX_DIGITS = 100_000
_MAX_ZONE = 64
# What a payload of valid MessagePack but of the wrong content raises while it is loaded.
_BAD_PAYLOAD = (ValueError, TypeError, OverflowError, ArithmeticError)


# -- integers -------------------------------------------------------------------------------------


def dump_bigint(value: int, max_bits: int) -> bytes:
    """Returns two's complement, big-endian, as short as it can be."""
    bits = value.bit_length()
    if bits > max_bits:
        raise LimitExceeded("max_integer_bits", max_bits, bits, "integer")
    return value.to_bytes(bits // 8 + 1, "big", signed=True)


def load_bigint(data: bytes, max_bits: int) -> int:
    """The reverse of `dump_bigint`."""
    if len(data) * 8 > max_bits + 8:
        raise LimitExceeded("max_integer_bits", max_bits, len(data) * 8, "integer")
    return int.from_bytes(data, "big", signed=True)


# -- dates and times ------------------------------------------------------------------------------


def _dump_zone(zone: datetime.tzinfo | None, moment: Any) -> Any:
    """Returns None, or an offset in seconds.

    Or ``[key, offset]`` for a zone of the IANA database, ``[offset, name]`` for one that was named.
    """
    if zone is None:
        return None
    if type(zone) is datetime.timezone:
        fixed, *names = zone.__getinitargs__()  # type: ignore[attr-defined]  # for pickle
        has_name = names and len(names[0]) <= _MAX_ZONE
        return [fixed.total_seconds(), names[0]] if has_name else fixed.total_seconds()
    offset = moment.utcoffset()
    seconds = None if offset is None else offset.total_seconds()
    # Dear to import; where nobody has, nobody has made one.
    zoneinfo = sys.modules.get("zoneinfo")
    known = None if zoneinfo is None else vars(zoneinfo).get("ZoneInfo")  # or it is half imported
    is_named = known is not None and isinstance(zone, known)
    key = getattr(zone, "key", None) if is_named else None
    return seconds if key is None else [key, seconds]


def _load_zone(value: Any) -> datetime.tzinfo | None:
    key = None
    if type(value) is list:
        key, value = fields(value, 2, "time zone")
        if type(value) is str:
            want(len(value) <= _MAX_ZONE, "time zone")
            return datetime.timezone(_load_offset(key), value)
        want(type(key) is str and len(key) <= _MAX_ZONE, "time zone")
    if key is not None:
        from .zones import find_zone  # dear, and seldom needed

        zone = find_zone(key)
        if zone is not None:
            return zone
        # This machine has no such zone: the offset that came with it keeps the moment.
    if value is None:
        return None
    return datetime.timezone(_load_offset(value))


def _load_offset(value: Any) -> datetime.timedelta:
    want(type(value) in (int, float) and abs(value) < 86_400, "time zone")
    return datetime.timedelta(seconds=value)


def _dump_time(value: datetime.time) -> Any:
    clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return [*clock, _dump_zone(value.tzinfo, value)]


def _load_time(value: Any) -> datetime.time:
    *clock, fold, zone = fields(value, 6, "time")
    hour, minute, second, microsecond, fold = _all_whole([*clock, fold], "time")
    return datetime.time(hour, minute, second, microsecond, _load_zone(zone), fold=fold)


def _dump_datetime(value: datetime.datetime) -> Any:
    date = [value.year, value.month, value.day]
    clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return [*date, *clock, _dump_zone(value.tzinfo, value)]


def _load_datetime(value: Any) -> datetime.datetime:
    *moment, zone = fields(value, 9, "datetime")
    year, month, day, hour, minute, second, microsecond, fold = _all_whole(moment, "datetime")
    clock = (hour, minute, second, microsecond)
    return datetime.datetime(year, month, day, *clock, _load_zone(zone), fold=fold)


def _load_date(value: Any) -> datetime.date:
    return datetime.date(*_all_whole(fields(value, 3, "date"), "date"))


def _load_timedelta(value: Any) -> datetime.timedelta:
    return datetime.timedelta(*_all_whole(fields(value, 3, "timedelta"), "timedelta"))


def _all_whole(values: list[Any], what: str) -> list[int]:
    return [whole(each, what) for each in values]


# -- numbers --------------------------------------------------------------------------------------


def _dump_decimal(value: decimal.Decimal) -> str:
    text = str(value)
    if len(text) > _MAX_DIGITS or (value.is_finite() and abs(value.adjusted()) > _MAX_EXPONENT):
        raise EncodingError(
            f"a Decimal of {len(text)} characters, or with an exponent as in {text[-20:]}: at most "
            f"{_MAX_DIGITS} and {_MAX_EXPONENT} travel"
        )
    return text


def _load_decimal(value: Any) -> decimal.Decimal:
    import decimal

    want(type(value) is str and len(value) <= _MAX_DIGITS, "decimal")
    try:
        number = decimal.Decimal(value)
    except decimal.InvalidOperation:
        raise Malformed("malformed decimal") from None
    if number.is_finite():
        # Arithmetic that mixes exponents a billion apart would take all memory.
        want(abs(number.adjusted()) <= _MAX_EXPONENT, "decimal")
    return number


def _load_fraction(value: Any) -> fractions.Fraction:
    import fractions

    over, under = fields(value, 2, "fraction")
    want(type(over) is int and type(under) is int and under != 0, "fraction")
    return fractions.Fraction(over, under)


def _load_range(value: Any) -> range:
    start, stop, step = _all_whole(fields(value, 3, "range"), "range")
    return range(start, stop, step)


# -- what has a room of its own --------------------------------------------------------------------


def _load_enum(value: Any) -> object:
    from .registered import load_enum

    return load_enum(value)


def _load_dataclass(value: Any) -> object:
    from .registered import load_dataclass

    return load_dataclass(value)


def _load_named_tuple(value: Any) -> object:
    from .registered import load_named_tuple

    return load_named_tuple(value)


def _dump_array(value: array.array[Any]) -> Any:
    from .arrays import dump_array

    return dump_array(value)


def _load_array(value: Any) -> Any:
    from .arrays import load_array

    return load_array(value)


def _dump_path(value: pathlib.PurePath) -> Any:
    from .paths import dump_path

    return dump_path(value)


def _load_path(value: Any) -> pathlib.PurePath:
    from .paths import load_path

    return load_path(value)


# -- the rest -------------------------------------------------------------------------------------


def _load_slice(value: Any) -> slice:
    return slice(*fields(value, 3, "slice"))


def _load_singleton(value: Any) -> object:
    want(type(value) is str and value in _SINGLETONS, "singleton")
    return _SINGLETONS[value]


def _load_uuid(value: Any) -> uuid.UUID:
    import uuid

    want(type(value) is bytes and len(value) == 16, "uuid")
    return uuid.UUID(bytes=value)


def _load_complex(value: Any) -> complex:
    want(type(value) is bytes and len(value) == _COMPLEX.size, "complex")
    return complex(*_COMPLEX.unpack(value))


def _load_list(value: Any) -> list[Any]:
    want(type(value) is list, "container")
    items: list[Any] = value
    return items


DUMPERS: Final[dict[type, tuple[int, Callable[[Any], Any]]]] = {
    tuple: (TUPLE, list),
    set: (SET, list),
    frozenset: (FROZENSET, list),
    complex: (COMPLEX, lambda value: _COMPLEX.pack(value.real, value.imag)),
    range: (RANGE, lambda value: [value.start, value.stop, value.step]),
    slice: (SLICE, lambda value: [value.start, value.stop, value.step]),
    datetime.date: (DATE, lambda value: [value.year, value.month, value.day]),
    datetime.time: (TIME, _dump_time),
    datetime.datetime: (DATETIME, _dump_datetime),
    datetime.timedelta: (TIMEDELTA, lambda value: [value.days, value.seconds, value.microseconds]),
    type(...): (SINGLETON, lambda value: "Ellipsis"),
    type(NotImplemented): (SINGLETON, lambda value: "NotImplemented"),
}
"""By exact type: the extension's number, and what is packed as its payload. `row_of` adds the
rows of a module of `_SELDOM` when it meets the first value from there."""

_PATH_DUMPERS: Final[dict[str, tuple[int, Callable[[Any], Any]]]] = dict.fromkeys(
    ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath"), (PATH, _dump_path)
)
_SELDOM: Final[dict[str, dict[str, tuple[int, Callable[[Any], Any]]]]] = {
    "array": {"array": (ARRAY, _dump_array)},
    "decimal": {"Decimal": (DECIMAL, _dump_decimal)},
    "fractions": {"Fraction": (FRACTION, lambda value: [value.numerator, value.denominator])},
    "uuid": {"UUID": (UUID, lambda value: value.bytes)},
    "pathlib": _PATH_DUMPERS,
    "pathlib._local": _PATH_DUMPERS,  # of Python 3.13
}
"""By module and class, rows of `DUMPERS`. Who has a value from there has imported the module."""

LOADERS: Final[dict[int, Callable[[Any], Any]]] = {
    TUPLE: lambda value: tuple(_load_list(value)),
    SET: lambda value: set(_load_list(value)),
    FROZENSET: lambda value: frozenset(_load_list(value)),
    COMPLEX: _load_complex,
    RANGE: _load_range,
    SLICE: _load_slice,
    DATE: _load_date,
    TIME: _load_time,
    DATETIME: _load_datetime,
    TIMEDELTA: _load_timedelta,
    DECIMAL: _load_decimal,
    FRACTION: _load_fraction,
    UUID: _load_uuid,
    PATH: _load_path,
    ENUM: _load_enum,
    DATACLASS: _load_dataclass,
    NAMEDTUPLE: _load_named_tuple,
    ARRAY: _load_array,
    SINGLETON: _load_singleton,
}
"""By extension number: from the unpacked payload to the value."""


def load_value(number: int, payload: Any) -> Any:
    """Returns the value of an extension; an `Opaque` where its number is not known.

    Raises:
        Malformed: The payload has not the content that the number promises.
    """
    load = LOADERS.get(number)
    if load is None:
        return Opaque(f"extension {number}", payload)
    try:
        return load(payload)
    except _BAD_PAYLOAD as error:
        raise Malformed(f"malformed value (extension {number}): {error}") from error


def has_form(value: object) -> bool:
    """Whether `value` travels by value, if only the rule lets it."""
    row = DUMPERS.get(type(value)) or find_dumper(value)
    if row is not None:
        return row[1](value) is not None
    return value is None or issubclass(type(value), (memoryview, BaseException))


def is_value_type(kind: type) -> bool:
    """Whether what is of exactly this type travels by value, whatever is marked."""
    return (
        kind.__module__ == "builtins"
        or issubclass(kind, BaseException)
        or row_of(kind) is not None
        or _is_numpy(kind)
    )


def find_dumper(value: object) -> tuple[int, Callable[[Any], Any]] | None:
    """Returns the row for a value whose exact type is not in `DUMPERS`, if there is one."""
    kind = type(value)
    if kind in REGISTRATION.names:
        from .registered import dump_dataclass, dump_enum, dump_named_tuple

        if issubclass(kind, enum.Enum):
            return (ENUM, dump_enum)
        if is_named_tuple(kind):
            return (NAMEDTUPLE, dump_named_tuple)
        return (DATACLASS, dump_dataclass)
    if _is_numpy(kind):
        from .arrays import dump_numpy

        return (ARRAY, dump_numpy)
    return row_of(kind)


def _is_numpy(kind: type) -> bool:
    if module_of(kind) != "numpy":
        return False
    from .arrays import is_numpy

    return is_numpy(kind)


def row_of(kind: type) -> tuple[int, Callable[[Any], Any]] | None:
    """Returns the row of exactly this type in `DUMPERS`, also if it has not been met before."""
    row = DUMPERS.get(kind)
    if row is not None:
        return row
    name = module_of(kind)
    if name not in _SELDOM or name not in sys.modules:
        return None
    held = vars(sys.modules[name])  # which may be a module of the user's own that has that name
    DUMPERS.update({held[each]: row for each, row in _SELDOM[name].items() if each in held})
    return DUMPERS.get(kind)
