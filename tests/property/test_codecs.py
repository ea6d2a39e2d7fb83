"""Both dialects: what goes in comes out; garbage is a documented error; chunking never matters."""

from __future__ import annotations

import array
import datetime
import pathlib
import zoneinfo
from typing import Any, TypeAlias

import msgpack
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from lenders import Lender, Path
from proxyables import Limits
from proxyables.errors import HandshakeFailed, ReferenceNotFound, RemoteError
from proxyables.wire.assembly import Assembler
from proxyables.wire.classic import Classic
from proxyables.wire.compact import Compact
from proxyables.wire.exceptions import dump_exception, load_exception
from proxyables.wire.hello import load_hello
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    EXECUTE,
    GET,
    ITEM,
    ITEMS,
    LOOKUP,
    RELEASE,
    RETURN,
    SET,
    THROW,
)
from proxyables.wire.kinds import ProxyInstructionKinds, ProxyValueKinds

Strategy: TypeAlias = st.SearchStrategy[Any]
DOCUMENTED = (ValueError, ReferenceNotFound)

many = settings(max_examples=60, deadline=None)
LIMITS = Limits(max_depth=20, max_message=1 << 20)


def compact() -> Compact:
    return Compact(Lender(), LIMITS)


def classic() -> Classic:
    return Classic(Lender(), LIMITS)


# -- what travels by value ------------------------------------------------------------------------

words = st.sampled_from([1, 31, 63, 64, 65, 300]).flatmap(
    lambda bits: st.integers(-(1 << bits), (1 << bits) - 1)
)
surrogates = st.text(st.characters(min_codepoint=0xD700, max_codepoint=0xE0FF), max_size=4)
offsets = st.timedeltas(
    min_value=datetime.timedelta(hours=-23, minutes=-59),
    max_value=datetime.timedelta(hours=23, minutes=59),
)
zones = st.none() | offsets.map(datetime.timezone)
named = st.sampled_from(["Europe/Berlin", "America/New_York", "UTC"]).map(zoneinfo.ZoneInfo)
small = st.none() | st.integers(-(1 << 70), 1 << 70)

plain: Strategy = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=40),
)
hashable: Strategy = st.one_of(
    plain,
    words,
    surrogates,
    st.complex_numbers(allow_nan=False),
    st.builds(range, words, words, words.filter(bool)),
    st.dates(),
    st.times(timezones=zones),
    st.datetimes(timezones=zones | named),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.lists(st.text("abc. ", max_size=4), max_size=3).map(lambda p: pathlib.PurePosixPath(*p)),
    st.builds(
        lambda drive, parts: pathlib.PureWindowsPath(drive, *parts),
        st.sampled_from(["", "c:", "c:\\", "\\", "\\\\host\\share\\"]),
        st.lists(st.text("abc.", min_size=1, max_size=4), max_size=3),
    ),
    st.sampled_from([..., NotImplemented]),
)
leaves: Strategy = st.one_of(
    hashable,
    st.builds(slice, small, small, small),
    st.lists(st.floats(allow_nan=False), max_size=5).map(lambda x: array.array("d", x)),
    st.lists(st.integers(0, 255), max_size=5).map(lambda x: array.array("B", x)),
)
keys: Strategy = st.recursive(
    hashable,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
values: Strategy = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=8,
)
classic_scalars: Strategy = plain | st.integers(-(1 << 63), (1 << 64) - 1)
classic_values: Strategy = st.recursive(
    classic_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5).filter(lambda key: key != "kind"), inner, max_size=4),
    ),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of equal types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(*keys) and same(one[keys[0]], other[keys[1]])
            for keys in zip(one, other, strict=True)
        )
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, array.array):
        return one.typecode == other.typecode and bool(one == other)
    return bool(one == other) and repr(one) == repr(other)


@many
@given(values)
def test_values_cross_the_px_dialect(value: Any) -> None:
    codec = compact()
    assert same(codec.decode(codec.encode_return(value)), [RETURN, value])
    assert same(codec.decode(codec.encode_return(value)), [RETURN, value]), "and a second time"


@many
@given(
    of_numpy.arrays(
        st.one_of(
            of_numpy.scalar_dtypes(),
            of_numpy.datetime64_dtypes(),
            of_numpy.unicode_string_dtypes(max_len=5),
            of_numpy.byte_string_dtypes(max_len=5),
        ),
        of_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_arrays_cross_the_px_dialect(value: Any) -> None:
    codec = compact()
    loaded = codec.decode(codec.encode_return(value))[1]
    assert (loaded.dtype, loaded.shape) == (value.dtype, value.shape)
    assert loaded.tobytes() == value.tobytes()
    turned = value.T
    loaded = codec.decode(codec.encode_return(turned))[1]
    numpy.testing.assert_array_equal(loaded, turned)


@many
@given(
    st.none() | st.integers(0, (1 << 63) - 1),
    st.lists(
        st.one_of(
            st.tuples(st.just(GET), st.text(max_size=10)),
            st.tuples(st.just(ITEM), values),
            st.tuples(st.just(SET), st.text(max_size=10), values),
            st.tuples(st.just(CALL), st.lists(values, max_size=3)),
            st.tuples(
                st.just(CALL), st.just([]), st.dictionaries(st.text(max_size=5), values, max_size=3)
            ),
        ).map(list),
        max_size=5,
    ),
)
def test_requests_cross_the_px_dialect(target: int | None, steps: list[Any]) -> None:
    codec = compact()
    message = codec.decode_request(codec.encode_request(target, steps))
    assert same(message, [EXECUTE, target, steps])
    assert codec.chains == []


@many
@given(classic_values)
def test_arguments_cross_the_classic_dialect(value: Any) -> None:
    codec = classic()
    for op in (CALL, CONSTRUCT):
        message = codec.decode_request(codec.encode_request("r", ["f", [op, [value]]]))
        assert same(message, [EXECUTE, "r", [[LOOKUP, "f"], [op, [value]]]])


@many
@given(classic_scalars)
def test_results_cross_the_classic_dialect(value: Any) -> None:
    codec = classic()
    assert same(codec.decode_answer(codec.encode_return(value)), [RETURN, value])


@many
@given(st.lists(st.tuples(st.integers(1, 1 << 40), st.integers(1, 50)), max_size=20))
def test_releases_cross_both_dialects(counts: list[tuple[int, int]]) -> None:
    told: list[Any] = []
    codec = compact()
    for data in codec.encode_release(counts):
        op, numbers = codec.decode_request(data)
        assert op == RELEASE
        told += zip(numbers[::2], numbers[1::2], strict=True)
    assert told == counts
    old = classic()
    released = [
        old.decode_request(data)
        for data in old.encode_release([(str(number), count % 5) for number, count in counts])
    ]
    expected = [str(number) for number, count in counts for _ in range(count % 5)]
    assert released == [[RELEASE, [number, 1]] for number in expected]


@many
@given(st.text(max_size=20), st.lists(classic_scalars, max_size=3), st.text(max_size=5))
def test_exceptions_cross_both_dialects(text: str, args: list[Any], note: str) -> None:
    error = ValueError(text, *args)
    error.add_note(note)
    error.__cause__ = KeyError(text)
    codec = compact()
    op, told = codec.decode_answer(codec.encode_throw(error))
    loaded = load_exception(told, LIMITS)
    assert op == THROW
    assert isinstance(loaded, ValueError)
    assert same(loaded.args, error.args)
    assert str(loaded) == str(error)
    assert loaded.__notes__[0] == note
    assert isinstance(loaded.__cause__, KeyError)
    op, told = classic().decode_answer(classic().encode_throw(error))
    assert op == THROW
    assert load_exception(told, LIMITS).message == (str(error) or "ValueError")


# -- garbage --------------------------------------------------------------------------------------

wire: Strategy = st.recursive(
    st.one_of(
        plain,
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.integers(0, 30),
        st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
        st.sampled_from([int(kind) for kind in (*ProxyInstructionKinds, *ProxyValueKinds)]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(plain | st.sampled_from(["kind", "data", "id"]), inner, max_size=4),
        st.fixed_dictionaries({"kind": inner, "data": inner}),
        st.builds(
            lambda code, inside: msgpack.ExtType(code, msgpack.packb(inside)),
            st.integers(1, 26),
            inner,
        ),
    ),
    max_leaves=10,
)
px_like = st.lists(wire, min_size=1, max_size=4).map(msgpack.packb) | st.builds(
    lambda op, rest: msgpack.packb([op, *rest]), st.integers(0, 9), st.lists(wire, max_size=3)
)
kinds = st.sampled_from([int(kind) for kind in (*ProxyInstructionKinds, *ProxyValueKinds)])
steps_like = st.fixed_dictionaries({"kind": kinds | wire, "data": wire, "id": wire})
classic_like = st.fixed_dictionaries(
    {"kind": kinds | wire, "data": wire | st.lists(steps_like, max_size=4)}
).map(msgpack.packb)


@st.composite
def spoiled(draw: st.DrawFn, messages: Strategy) -> bytes:
    """Valid messages with some bytes changed, cut out, or put in."""
    data = bytearray(draw(messages))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 3))
        data[place : place + length] = draw(st.binary(max_size=3))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


valid_px = values.map(lambda value: compact().encode_return(value)) | st.lists(
    values, max_size=3
).map(lambda args: compact().encode_request(None, ["f", [CALL, [*args, Path(1, [])]]]))
valid_classic = classic_values.map(
    lambda value: classic().encode_request("r", ["f", [CALL, [value]]])
) | classic_scalars.map(lambda value: classic().encode_return(value))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | px_like | spoiled(valid_px) | spoiled(px_like))
def test_garbage_in_the_px_dialect_is_a_documented_error_or_a_message(data: bytes) -> None:
    codec = compact()
    try:
        message = codec.decode(data)
    except DOCUMENTED as error:
        assert len(str(error)) < 10_000
    else:
        assert type(message) is list
        assert type(message[0]) is int
        if message[0] == THROW:
            assert isinstance(load_exception(message[1], LIMITS), RemoteError)
    codec.chains = []
    assert codec.decode(codec.encode_return((1,))) == [RETURN, (1,)]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | classic_like | spoiled(valid_classic) | spoiled(classic_like))
def test_garbage_in_the_classic_dialect_is_a_documented_error_or_a_message(data: bytes) -> None:
    codec = classic()
    for decode, kinds in (
        (codec.decode_request, (EXECUTE, RELEASE)),
        (codec.decode_answer, (RETURN, THROW)),
    ):
        try:
            message = decode(data)
        except DOCUMENTED as error:
            assert len(str(error)) < 10_000
        else:
            assert message[0] in kinds
            if message[0] == THROW:
                assert isinstance(load_exception(message[1], LIMITS), RemoteError)


@many
@given(px_like | st.binary(max_size=40))
def test_garbage_before_the_handshake_looks_nothing_up(data: bytes) -> None:
    lender = Lender()
    codec = Compact(lender, LIMITS)
    try:
        message = codec.decode_plain(data)
        load_hello(message[1])
    except (ValueError, HandshakeFailed):
        pass
    assert lender.borrowed == []
    assert codec.chains == []


FIELDS = ["type", "module", "message", "args", "notes", "frames", "cause", "context", "suppress"]
FIELDS += ["group", "filename", "state"]
NAMES = ["ValueError", "OSError", "UnicodeDecodeError", "SyntaxError", "ExceptionGroup", "KeyError"]
NAMES += ["AccessDenied", "SystemExit", "ImportError", "StopIteration", "Far"]
told_errors: Strategy = st.deferred(
    lambda: st.dictionaries(
        st.sampled_from(FIELDS),
        st.one_of(
            st.sampled_from([*NAMES, "builtins", "proxyables", ""]),
            wire,
            told_errors,
            st.lists(told_errors, max_size=2),
        ),
        max_size=6,
    )
)


@settings(max_examples=150, deadline=None)
@given(told_errors | wire, st.sampled_from(NAMES))
def test_any_map_gives_an_exception_that_can_be_raised_and_told_again(told: Any, name: str) -> None:
    if isinstance(told, dict):
        told = told | {"type": name, "module": "builtins"}
    loaded = load_exception(told, LIMITS)
    with pytest.raises(RemoteError):
        raise loaded
    assert not isinstance(loaded, (StopIteration, SystemExit))
    assert isinstance(repr(loaded), str)
    assert isinstance(str(loaded), str)
    again = dump_exception(loaded, LIMITS)
    assert again["type"] == loaded.type_name


# -- pieces ---------------------------------------------------------------------------------------


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cuts into pieces of these sizes, again and again until the data is used up."""
    pieces = []
    place = turn = 0
    while place < len(data):
        pieces.append(data[place : place + sizes[turn % len(sizes)]])
        place += len(pieces[-1])
        turn += 1
    return pieces


cuts = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@many
@given(st.lists(valid_px | valid_classic, max_size=6), st.binary(max_size=1), cuts)
def test_where_the_pieces_are_cut_never_matters(
    messages: list[bytes], tail: bytes, sizes: list[int]
) -> None:
    tail = b"\x92\x04" if tail else b""
    assembler = Assembler(1 << 20)
    whole: list[bytes] = []
    for piece in cut(b"".join(messages) + tail, sizes):
        whole += assembler.feed(piece)
    assert whole == messages
    assert assembler.size == len(tail)
    assert Assembler(1 << 20).feed(b"".join(messages) + tail) == messages


@many
@given(st.integers(4000, 4200), st.integers(1, 300), cuts)
def test_long_messages_are_cut_like_short_ones(size: int, count: int, sizes: list[int]) -> None:
    messages = [msgpack.packb([RETURN, bytes(size)])] * 3 + [msgpack.packb([ITEMS, [1] * count])]
    assembler = Assembler(1 << 20)
    whole: list[bytes] = []
    for piece in cut(b"".join(messages), [100 * each for each in sizes]):
        whole += assembler.feed(piece)
    assert whole == messages
    assert assembler.size == 0


@many
@given(st.binary(max_size=80) | spoiled(valid_px), cuts, st.integers(1, 60))
def test_garbage_in_pieces_is_the_same_garbage(data: bytes, sizes: list[int], limit: int) -> None:
    def fed(pieces: list[bytes]) -> tuple[list[bytes], int, bool]:
        assembler = Assembler(limit)
        whole: list[bytes] = []
        for piece in pieces:
            try:
                whole += assembler.feed(piece)
            except ValueError:
                return whole, 0, True
            assert assembler.size <= limit
        return whole, assembler.size, False

    at_once, in_pieces = fed([data]), fed(cut(data, sizes))
    assert at_once[2] == in_pieces[2]
    if not at_once[2]:
        assert at_once == in_pieces
    assert all(len(message) <= limit for message in in_pieces[0])
