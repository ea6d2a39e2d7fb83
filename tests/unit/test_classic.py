"""The classic dialect: what is sent is what every implementation takes; all that they send is."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest

from lenders import Borrowed, Lender, Path
from names import stable
from proxyables.errors import EncodingError, LimitExceeded, NotSupported
from proxyables.limits import Limits
from proxyables.wire.classic import Classic
from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    EXECUTE,
    ITEM,
    LOOKUP,
    OPERATE,
    REF,
    RELEASE,
    RETURN,
    SET,
    SETITEM,
    STREAM,
    THROW,
)
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value


class Lending(Lender):
    """References are strings here."""

    def lend(self, value: object) -> Any:
        return f"ref{super().lend(value)}"


def make(limits: Limits | None = None) -> tuple[Classic, Lending]:
    lender = Lending()
    return Classic(lender, limits or Limits()), lender


def shape(told: Any) -> Any:
    """Returns an instruction without its id, as (kind, data), all the way down."""
    if isinstance(told, dict) and "id" in told:
        assert list(told) == ["id", "kind", "data"]
        assert len(told["id"]) == 12
        return told["kind"], shape(told["data"])
    return [shape(each) for each in told] if isinstance(told, list) else told


def told(data: bytes) -> Any:
    return shape(msgpack.unpackb(data, strict_map_key=False))


def instruction(kind: Any, data: Any = None, **more: Any) -> dict[str, Any]:
    number = int(kind) if isinstance(kind, int) else kind
    return {"id": "x", "kind": number, "data": data, **more}


def request(*steps: Any) -> bytes:
    packed: bytes = msgpack.packb(instruction(Kind.EXECUTE, list(steps)))
    return packed


def answer(kind: Any, data: Any = None) -> Any:
    return make()[0].decode_answer(msgpack.packb(instruction(kind, data)))


# -- out ------------------------------------------------------------------------------------------


def test_a_chain_is_one_execute_with_the_reference_in_front() -> None:
    codec, _ = make()
    steps = ["a", [ITEM, 0], [ITEM, "k"], [CALL, [1]], [CONSTRUCT, []], [CALL, [], {}]]
    expected = [
        (Kind.GET, ["a"]),
        (Kind.GET, [0]),
        (Kind.GET, ["k"]),
        (Kind.APPLY, [1]),
        (Kind.CONSTRUCT, []),
        (Kind.APPLY, []),
    ]
    assert told(codec.encode_request(None, steps)) == (Kind.EXECUTE, expected)
    target = (Value.REFERENCE, "abc")
    assert told(codec.encode_request("abc", steps[:1])) == (Kind.EXECUTE, [target, expected[0]])


@pytest.mark.parametrize(
    "step",
    [
        [SET, "x", 1],
        [DEL, "x"],
        [SETITEM, 0, 1],
        [DELITEM, 0],
        [OPERATE, "add", [1]],
        [COPY],
        [REF],
        [DESCRIBE],
        [STREAM, 5],
        [CALL, [], {"a": 1}],
        [ITEM, slice(1, 2)],
        [ITEM, 1.5],
        [ITEM, None],
        [ITEM, True],
        [ITEM, 1 << 64],
        [ITEM, 10**5000],
        [CALL, [1 << 64]],
        [CALL, [-(1 << 63) - 1]],
        [CALL, [10**5000]],
        [CALL, [Path(None, [])]],
        [CALL, [Path(1, ["a"])]],
    ],
    ids=lambda step: "huge" if 10**5000 in step or step[1:] == [[10**5000]] else stable(step)[:40],
)
def test_what_has_no_classic_form_is_refused_and_lends_nothing(step: Any) -> None:
    codec, lender = make()
    with pytest.raises(NotSupported, match="the peer is classic") as caught:
        codec.encode_request(None, [step])
    assert len(str(caught.value)) < 200
    assert lender.lent == []


def test_streams_of_items_have_no_classic_form() -> None:
    with pytest.raises(NotSupported, match="streams of items"):
        make()[0].encode_items([1])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Value.NULL),
        (True, Value.BOOLEAN),
        (5, Value.NUMBER),
        (-(1 << 63), Value.NUMBER),
        ((1 << 64) - 1, Value.NUMBER),
        (1.5, Value.NUMBER),
        (math.inf, Value.NUMBER),
        ("é", Value.STRING),
        (b"\0", Value.UNKNOWN),
    ],
)
def test_scalars_are_wrapped_as_results_and_raw_as_arguments(value: Any, kind: Value) -> None:
    codec, lender = make()
    assert told(codec.encode_return(value)) == (Kind.RETURN, (kind, value))
    assert told(codec.encode_request(None, [[CALL, [value]]]))[1] == [(Kind.APPLY, [value])]
    assert lender.lent == []


@pytest.mark.parametrize("value", [bytearray(b"ab"), memoryview(b"ab")], ids=["array", "view"])
def test_other_buffers_go_as_bytes(value: Any) -> None:
    assert told(make()[0].encode_return(value)) == (Kind.RETURN, (Value.UNKNOWN, b"ab"))


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1,), {1}, object(), print], ids=stable)
def test_everything_else_is_a_reference_as_a_result(value: Any) -> None:
    codec, lender = make()
    assert told(codec.encode_return(value)) == (Kind.RETURN, (Value.REFERENCE, "ref1"))
    assert lender.lent[0] is value


@pytest.mark.parametrize("value", [[], [1, [None, "x"]], [{"a": [1]}, b"x"]], ids=repr)
def test_plain_lists_go_raw_as_arguments(value: Any) -> None:
    codec, lender = make()
    assert told(codec.encode_request(None, [[CALL, [value]]]))[1] == [(Kind.APPLY, [value])]
    assert lender.lent == []


def test_plain_maps_go_wrapped_once_as_arguments() -> None:
    codec, lender = make()
    value = {"a": {"b": [1]}}
    sent = told(codec.encode_request(None, [[CALL, [value]]]))[1]
    assert sent == [(Kind.APPLY, [(Value.OBJECT, value)])]
    assert lender.lent == []


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1},
        {1: 2},
        {"kind": 5},
        {"a": {"kind": 5}},
        [{"kind": 5}],
        [(1,)],
        [object()],
        {"a": object()},
        ByReference(5),
        1j,
    ],
    ids=stable,
)
def test_what_some_peer_would_misread_goes_as_a_reference(value: Any) -> None:
    codec, lender = make()
    sent = told(codec.encode_request(None, [[CALL, [value]]]))[1]
    assert sent == [(Kind.APPLY, [(Value.REFERENCE, "ref1")])]
    assert lender.lent == [value.value if isinstance(value, ByReference) else value]


def test_the_peers_own_object_cannot_be_returned_to_it() -> None:
    with pytest.raises(NotSupported, match="its own object"):
        make()[0].encode_return(Path("abc", []))


def test_what_cannot_be_packed_is_an_encoding_error() -> None:
    codec, _ = make(Limits(max_message=100))
    with pytest.raises(EncodingError, match="cannot encode"):
        codec.encode_return("\ud800")
    with pytest.raises(LimitExceeded, match="max_message=100"):
        codec.encode_return("x" * 200)
    with pytest.raises(NotSupported, match="64 bits"):
        codec.encode_return(1 << 70)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(EncodingError, match="contains itself"):
        codec.encode_request(None, [[CALL, [cycle]]])


def test_one_release_for_each_occurrence() -> None:
    sent = [told(data) for data in make()[0].encode_release([("a", 2), ("b", 1)])]
    assert sent == [(Kind.RELEASE, [name]) for name in ("a", "a", "b")]


def test_errors_are_told_by_their_text_and_one_cause() -> None:
    codec, _ = make()
    error = ValueError("Boom")
    assert told(codec.encode_throw(error)) == (Kind.THROW, {"message": "Boom"})
    assert told(codec.encode_throw(ValueError())) == (Kind.THROW, {"message": "ValueError"})
    error.__cause__ = KeyError("k")
    error.__cause__.__cause__ = KeyError("deeper")
    expected = {"message": "Boom", "cause": {"message": "'k'"}}
    assert told(codec.encode_throw(error)) == (Kind.THROW, expected)
    long = told(codec.encode_throw(ValueError("x" * 100_000)))[1]["message"]
    assert len(long) == Limits().max_text


# -- requests -------------------------------------------------------------------------------------


def test_a_request_becomes_steps() -> None:
    codec, lender = make()
    data = request(
        instruction(Value.REFERENCE, "abc"),
        instruction(Kind.GET, ["f"]),
        instruction(Kind.GET, [3]),
        instruction(Kind.GET, [3.0]),
        instruction(Kind.APPLY, [1, instruction(Value.REFERENCE, "cb")]),
        instruction(Kind.CONSTRUCT, None),
    )
    op, target, steps = codec.decode_request(data)
    assert (op, target) == (EXECUTE, "abc")
    assert steps[:3] == [[LOOKUP, "f"], [LOOKUP, 3], [LOOKUP, 3]]
    assert type(steps[2][1]) is int
    assert steps[3] == [CALL, [1, lender.borrowed[0]]]
    assert steps[4] == [CONSTRUCT, []]


def test_a_chain_without_a_reference_starts_at_the_root() -> None:
    assert make()[0].decode_request(request()) == [EXECUTE, None, []]


def test_what_others_send_beside_is_ignored() -> None:
    data = msgpack.packb({"kind": Kind.EXECUTE, "data": [], "metadata": {"x": 1}, "more": 1})
    assert make()[0].decode_request(data) == [EXECUTE, None, []]


def test_a_release_is_of_one_occurrence() -> None:
    data = msgpack.packb(instruction(Kind.RELEASE, ["abc"]))
    assert make()[0].decode_request(data) == [RELEASE, ["abc", 1]]


GARBAGE: list[Any] = [
    None,
    5,
    "text",
    [],
    {},
    {"data": []},
    instruction(99, []),
    instruction(None, []),
    instruction([], []),
    instruction({}, []),
    instruction("EXECUTE", []),
    instruction(float(Kind.EXECUTE), []) | {"kind": 1.5},
    instruction(Kind.RETURN, 5),
    instruction(Kind.GET, ["x"]),
    instruction(Kind.LOCAL, []),
    instruction(Kind.NEXT, []),
    instruction(Kind.SET, ["x", 1]),
    instruction(Kind.EXECUTE, None),
    instruction(Kind.EXECUTE, "text"),
    instruction(Kind.EXECUTE, {}),
    instruction(Kind.RELEASE, None),
    instruction(Kind.RELEASE, []),
    instruction(Kind.RELEASE, [5]),
    instruction(Kind.RELEASE, [None]),
    *(
        instruction(Kind.EXECUTE, [step])
        for step in [
            None,
            5,
            [],
            {},
            instruction(99, []),
            instruction([], []),
            instruction({"a": 1}, []),
            instruction(True, []),
            instruction(Kind.EXECUTE, []),
            instruction(Kind.SET, ["x", 1]),
            instruction(Kind.LOCAL, []),
            instruction(Kind.NEXT, []),
            instruction(Value.REFERENCE, 5),
            instruction(Value.REFERENCE, None),
            instruction(Kind.GET, None),
            instruction(Kind.GET, []),
            instruction(Kind.GET, "name"),
            instruction(Kind.GET, [None]),
            instruction(Kind.GET, [b"name"]),
            instruction(Kind.GET, [True]),
            instruction(Kind.GET, [1.5]),
            instruction(Kind.GET, [math.nan]),
            instruction(Kind.GET, [math.inf]),
            instruction(Kind.GET, [["name"]]),
            instruction(Kind.APPLY, 5),
            instruction(Kind.APPLY, {"a": 1}),
            instruction(Kind.APPLY, "args"),
            instruction(Kind.APPLY, [msgpack.ExtType(5, b"x")]),
            instruction(Kind.APPLY, [msgpack.Timestamp(1)]),
            instruction(Kind.APPLY, [instruction(Value.REFERENCE, 5)]),
            instruction(Kind.APPLY, [instruction(Value.REFERENCE, "")]),
            instruction(Kind.APPLY, [instruction(Value.REFERENCE, "x" * 1000)]),
            instruction(Kind.APPLY, [instruction(Value.BIGINT, "12x")]),
            instruction(Kind.APPLY, [instruction(Value.BIGINT, "9" * 30_000)]),
        ]
    ),
]


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: ascii(content)[:60])
def test_what_is_no_request_is_a_value_error(content: Any) -> None:
    codec, lender = make()
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # of many texts
        codec.decode_request(msgpack.packb(content))
    assert len(str(caught.value)) < 200
    assert lender.borrowed == []


def test_what_a_malformed_message_lends_is_counted_all_the_same() -> None:
    codec, lender = make()
    lent = [instruction(Value.REFERENCE, name) for name in ("a", "b", "c")]
    data = request(
        instruction(Value.REFERENCE, "ours"),
        instruction(Kind.APPLY, [lent[0], instruction(Value.BIGINT, "x"), [{"k": lent[1]}]]),
        lent[2],
    )
    codec.count_references(data)
    assert sorted(each.reference for each in lender.borrowed) == ["a", "b", "c"]


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: ascii(content)[:60])
def test_counting_never_fails(content: Any) -> None:
    make()[0].count_references(msgpack.packb(content))
    make()[0].count_references(msgpack.packb(content)[:-1])


def test_a_reference_is_a_target_only_in_front() -> None:
    with pytest.raises(ValueError, match="got REFERENCE"):
        make()[0].decode_request(
            request(instruction(Kind.GET, ["f"]), instruction(Value.REFERENCE, "abc"))
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x81\x90\x01",
        b"\x81\x81\x01\x02\x03",
        b"\x81\xa1\xff\x01",
        b"\xc0\xc0",
    ],
    ids=bytes.hex,
)
def test_what_is_not_one_messagepack_object_is_a_value_error(data: bytes) -> None:
    codec, _ = make()
    for decode in (codec.decode_request, codec.decode_answer):
        with pytest.raises(ValueError):  # noqa: PT011  # msgpack's text
            decode(data)


def test_limits_on_the_way_in() -> None:
    codec, _ = make(Limits(max_steps=3, max_depth=4))
    step = instruction(Kind.GET, ["a"])
    assert len(codec.decode_request(request(*[step] * 3))[2]) == 3
    with pytest.raises(LimitExceeded, match="max_steps=3"):
        codec.decode_request(request(*[step] * 5))
    deep: Any = 1
    for _ in range(6):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="max_depth=4"):
        codec.decode_request(request(instruction(Kind.APPLY, [deep])))
    for _ in range(6):
        deep = {"a": deep}
    with pytest.raises(LimitExceeded, match="max_depth=4"):
        codec.decode_answer(msgpack.packb(instruction(Kind.RETURN, deep)))


# -- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (None, None),
        (5, 5),
        ("x", "x"),
        ([1, [2]], [1, [2]]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        ({1: 2}, {1: 2}),
        ({"kind": "fruit"}, {"kind": "fruit"}),
        ({"kind": 7}, {"kind": 7}),
        (instruction(Value.NUMBER, 5), 5),
        (instruction(Value.NULL), None),
        (instruction(Value.UNDEFINED), None),
        (instruction(Value.STRING, "x"), "x"),
        (instruction(Value.SYMBOL, "x"), "x"),
        (instruction(Value.UNKNOWN, b"x"), b"x"),
        (instruction(Value.ARRAY, [1, instruction(Value.NUMBER, 2)]), [1, 2]),
        (instruction(Value.OBJECT, {"a": instruction(Value.NUMBER, 1)}), {"a": 1}),
        (
            instruction(Value.BIGINT, "123456789012345678901234567890n"),
            123456789012345678901234567890,
        ),
        (instruction(Value.BIGINT, "-5"), -5),
        (instruction(Value.BIGINT, 5), 5),
    ],
    ids=lambda each: ascii(each)[:50],
)
def test_values_are_taken_raw_and_wrapped(data: Any, value: Any) -> None:
    assert answer(Kind.RETURN, data) == [RETURN, value]


def test_a_return_without_data_and_a_bare_nil_are_none() -> None:
    codec, _ = make()
    assert codec.decode_answer(msgpack.packb({"kind": Kind.RETURN})) == [RETURN, None]
    assert codec.decode_answer(b"\xc0") == [RETURN, None]


def test_every_reference_in_an_answer_is_borrowed() -> None:
    codec, lender = make()
    data = [instruction(Value.REFERENCE, "a"), {"k": instruction(Value.REFERENCE, "b")}]
    loaded = codec.decode_answer(msgpack.packb(instruction(Kind.RETURN, data)))[1]
    assert [type(each) for each in lender.borrowed] == [Borrowed, Borrowed]
    assert [each.reference for each in lender.borrowed] == ["a", "b"]
    assert loaded == [lender.borrowed[0], {"k": lender.borrowed[1]}]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (None, {"message": "unknown error"}),
        (5, {"message": "unknown error"}),
        ("Boom", {"message": "Boom"}),
        ({"message": "Boom"}, {"message": "Boom"}),
        ({"message": 5}, {"message": ""}),
        ({}, {"message": ""}),
        ({"message": "a", "code": "E1"}, {"message": "a", "code": "E1"}),
        ({"message": "a", "cause": "b"}, {"message": "a", "cause": {"message": "b"}}),
        ({"message": "a", "cause": {"message": "b"}}, {"message": "a", "cause": {"message": "b"}}),
        ({"message": "a", "cause": None, "code": None}, {"message": "a"}),
        (instruction(Value.STRING, "Boom"), {"message": "Boom"}),
        (instruction(Value.OBJECT, {"message": "Boom"}), {"message": "Boom"}),
    ],
    ids=lambda each: ascii(each)[:50],
)
def test_errors_are_taken_in_every_form(data: Any, error: Any) -> None:
    assert answer(Kind.THROW, data) == [THROW, error]


@pytest.mark.parametrize("kind", [99, None, [], "RETURN", Kind.EXECUTE, Kind.NEXT, Value.NUMBER])
def test_what_is_no_answer_is_a_value_error(kind: Any) -> None:
    with pytest.raises(ValueError, match="expected RETURN or THROW"):
        answer(kind, 5)
