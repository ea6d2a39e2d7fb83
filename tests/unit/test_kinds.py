"""The classic instruction as an object, as the first Python implementation had it."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

import proxyables
from names import stable
from proxyables import (
    EncodingError,
    ProxyError,
    ProxyInstruction,
    ProxyInstructionKinds,
    ProxyValueKinds,
    decode,
    encode,
)

MAKERS: list[tuple[Any, tuple[Any, ...], ProxyInstructionKinds, Any]] = [
    (proxyables.create_get_instruction, ("name",), ProxyInstructionKinds.GET, ["name"]),
    (proxyables.create_apply_instruction, ([1, 2],), ProxyInstructionKinds.APPLY, [1, 2]),
    (proxyables.create_construct_instruction, ([],), ProxyInstructionKinds.CONSTRUCT, []),
    (proxyables.create_execute_instruction, ([],), ProxyInstructionKinds.EXECUTE, []),
    (proxyables.create_release_instruction, ("id",), ProxyInstructionKinds.RELEASE, ["id"]),
    (proxyables.create_return_instruction, (5,), ProxyInstructionKinds.RETURN, 5),
    (proxyables.create_throw_instruction, ("no",), ProxyInstructionKinds.THROW, "no"),
    (proxyables.create_instruction_unsafe, (17, {"x": 1}), 17, {"x": 1}),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("make", "args", "kind", "data"), MAKERS, ids=lambda each: str(each)[:30])
def test_each_function_makes_its_kind(make: Any, args: Any, kind: Any, data: Any) -> None:
    first, second = make(*args), make(*args)
    assert (first.kind, first.data, first.metadata) == (kind, data, None)
    assert first.id != second.id
    assert len(first.id) == 12


def test_kinds_are_unlike_32_bit_numbers() -> None:
    numbers = [int(kind) for kind in (*ProxyInstructionKinds, *ProxyValueKinds)]
    assert len(set(numbers)) == 22
    assert all(0 < number < 1 << 32 for number in numbers)
    assert ProxyInstructionKinds.EXECUTE == 0xA01E3D98
    assert ProxyValueKinds.REFERENCE == 0x5A1B3C4D


def test_an_instruction_is_a_map_with_plain_numbers() -> None:
    made = proxyables.create_get_instruction("x")
    told = msgpack.unpackb(encode(made))
    assert told == {"kind": 0x540CA757, "data": ["x"], "id": made.id}
    made.metadata = {"trace": 1}
    assert msgpack.unpackb(encode(made))["metadata"] == {"trace": 1}


def test_instructions_inside_of_instructions_come_back() -> None:
    chain = proxyables.create_execute_instruction(
        [proxyables.create_get_instruction("f"), proxyables.create_apply_instruction([b"x", None])]
    )
    assert decode(encode(chain)) == chain


@pytest.mark.parametrize(
    "value", [None, True, -5, 2**64 - 1, 1.5, "é", b"\0", [1, [2]], {"a": {1: 2}}, {"kind": 5}]
)
def test_plain_data_comes_back(value: Any) -> None:
    assert decode(encode(value)) == value


def test_a_map_that_is_no_instruction_stays_one() -> None:
    told = {"kind": 1, "data": 2, "id": "i", "more": 3}
    assert decode(msgpack.packb(told)) == told
    assert decode(msgpack.packb({"kind": 1, "data": 2})) == ProxyInstruction(1, 2)


def test_errors_are_told_by_their_fields() -> None:
    told = decode(encode(ProxyError("no", None, {"k": 1})))
    assert told == {"message": "no", "cause": None, "extra": {"k": 1}}


@pytest.mark.parametrize("value", [object(), {1, 2}, 1 << 70, [print]], ids=stable)
def test_what_has_no_form_is_an_encoding_error(value: Any) -> None:
    with pytest.raises(EncodingError, match="cannot encode"):
        encode(value)


@pytest.mark.parametrize("data", [b"", b"\x01\x01", b"\xc1", b"\x92\x01", b"\xdd\xff\xff\xff\xff"])
def test_what_is_not_exactly_one_object_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgpack's text
        decode(data)
