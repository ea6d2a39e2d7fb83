"""The classic dialect's instruction as an object, its kinds, and the functions that make one.

These are the names of the first Python implementation, with the same meaning. Nothing on the
path of a call uses them: `classic` works on the maps themselves. The constants are those of the
upstream project's DSL.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import msgpack

from proxyables.errors import EncodingError, ProxyError
from proxyables.muid import make_muid


class ProxyValueKinds(enum.IntEnum):
    """What kind of value an instruction wraps."""

    FUNCTION = 0x9ED64249
    ARRAY = 0x8A58AD26
    STRING = 0x17C16538
    NUMBER = 0x1BD670A0
    BOOLEAN = 0x65F46EBF
    SYMBOL = 0xF3FB51D1
    OBJECT = 0xB8C60CBA
    BIGINT = 0x8A67A5CA
    UNKNOWN = 0x9B759FB9
    NULL = 0x77074BA4
    UNDEFINED = 0x9B61AD43
    REFERENCE = 0x5A1B3C4D


class ProxyInstructionKinds(enum.IntEnum):
    """What an instruction does."""

    LOCAL = 0x9C436708
    GET = 0x540CA757
    SET = 0xC6270703
    APPLY = 0x24BC4A3B
    CONSTRUCT = 0x40C09172
    EXECUTE = 0xA01E3D98
    THROW = 0x7A78762F
    RETURN = 0x85EE37BF
    NEXT = 0x5CB68DE8
    RELEASE = 0x1A2B3C4D


@dataclass
class ProxyInstruction:
    """One classic instruction: ``{id, kind, data[, metadata]}``."""

    kind: int
    data: Any
    id: str | None = None
    metadata: Any | None = None


def create_instruction_unsafe(kind: int, data: Any) -> ProxyInstruction:
    """Returns an instruction of any kind with a fresh id; `data` is not checked."""
    return ProxyInstruction(kind=kind, data=data, id=make_muid())


def create_get_instruction(key: str | int) -> ProxyInstruction:
    """Returns GET: the attribute or item `key` of the target."""
    return create_instruction_unsafe(ProxyInstructionKinds.GET, [key])


def create_apply_instruction(args: list[Any]) -> ProxyInstruction:
    """Returns APPLY: call the target with positional arguments."""
    return create_instruction_unsafe(ProxyInstructionKinds.APPLY, args)


def create_construct_instruction(args: list[Any]) -> ProxyInstruction:
    """Returns CONSTRUCT: make an instance of the target class."""
    return create_instruction_unsafe(ProxyInstructionKinds.CONSTRUCT, args)


def create_execute_instruction(instructions: list[ProxyInstruction]) -> ProxyInstruction:
    """Returns EXECUTE: run a chain."""
    return create_instruction_unsafe(ProxyInstructionKinds.EXECUTE, instructions)


def create_release_instruction(ref_id: str) -> ProxyInstruction:
    """Returns RELEASE: give back one occurrence of a reference."""
    return create_instruction_unsafe(ProxyInstructionKinds.RELEASE, [ref_id])


def create_return_instruction(value: Any) -> ProxyInstruction:
    """Returns RETURN: the answer of a request."""
    return create_instruction_unsafe(ProxyInstructionKinds.RETURN, value)


def create_throw_instruction(error: Any) -> ProxyInstruction:
    """Returns THROW: the failure of a request."""
    return create_instruction_unsafe(ProxyInstructionKinds.THROW, error)


def encode(data: Any) -> bytes:
    """Returns `data`, with any instructions inside, as the classic dialect writes it.

    Raises:
        EncodingError: It holds something that MessagePack has no form for.
    """
    try:
        packed: bytes = msgpack.packb(data, default=_dump, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodingError(f"cannot encode: {error}", error) from error
    return packed


def _dump(value: Any) -> Any:
    if isinstance(value, ProxyInstruction):
        told = {"kind": int(value.kind), "data": value.data, "id": value.id}
        if value.metadata is not None:
            told["metadata"] = value.metadata
        return told
    if isinstance(value, ProxyError):
        return {"message": value.message, "cause": value.cause, "extra": value.extra}
    raise TypeError(f"no form in the classic dialect for {type(value).__name__}")


def decode(data: bytes) -> Any:
    """Returns what `encode` wrote; maps that are instructions become `ProxyInstruction`.

    Raises:
        ValueError: `data` is not exactly one MessagePack object.
    """
    return msgpack.unpackb(data, object_hook=_load, raw=False, strict_map_key=False)


def _load(value: dict[Any, Any]) -> Any:
    if "kind" in value and "data" in value and value.keys() <= {"kind", "data", "id", "metadata"}:
        return ProxyInstruction(**value)
    return value
