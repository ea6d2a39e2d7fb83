"""The classic dialect: one MessagePack map per instruction, as the other implementations speak it.

Facts here were measured on the implementations in Python, TypeScript, Go, Rust and Zig; the
recorded sessions under `tests/interop/vectors` hold them in place. Where they differ, what
is sent is what all of them take, and everything that any of them sends is taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgpack

from proxyables.errors import EncodingError, LimitExceeded, NotSupported
from proxyables.limits import Limits
from proxyables.muid import make_muid

from .counting import Count
from .dialect import ByReference, Chain, Reference, References
from .exceptions import safe_text
from .hashes import MOST
from .instructions import (
    CALL,
    CONSTRUCT,
    EXECUTE,
    ITEM,
    LOOKUP,
    RELEASE,
    RETURN,
    THROW,
    Message,
    Step,
    WireValue,
)
from .kinds import ProxyInstructionKinds as Kind
from .kinds import ProxyValueKinds as Value
from .payloads import Malformed

# Plain ints: comparing with an IntEnum member costs a Python-level call less.
_EXECUTE, _RELEASE = int(Kind.EXECUTE), int(Kind.RELEASE)
_RETURN, _THROW = int(Kind.RETURN), int(Kind.THROW)
_GET, _APPLY, _CONSTRUCT = int(Kind.GET), int(Kind.APPLY), int(Kind.CONSTRUCT)
_REFERENCE = int(Value.REFERENCE)
_VALUE_KINDS = frozenset(int(kind) for kind in Value)
_KINDS = _VALUE_KINDS | frozenset(int(kind) for kind in Kind)
_WRAPPED = {
    type(None): int(Value.NULL),
    bool: int(Value.BOOLEAN),
    int: int(Value.NUMBER),
    float: int(Value.NUMBER),
    str: int(Value.STRING),
    bytes: int(Value.UNKNOWN),
    bytearray: int(Value.UNKNOWN),
    memoryview: int(Value.UNKNOWN),
}
_CALLS = {_APPLY: CALL, _CONSTRUCT: CONSTRUCT}
_SMALL = 4096
"""Bytes of a message in which no keys can do harm by having one hash."""
_INT64 = range(-(1 << 63), 1 << 64)


def _instruction(kind: int, data: Any) -> dict[str, Any]:
    return {"id": make_muid(), "kind": kind, "data": data}


class Classic:
    """The classic dialect of one connection.

    Args:
        references: The tables of the connection.
        limits: This side's bounds.
    """

    __slots__ = ("_limits", "_references", "chains", "holds_own", "largest")

    def __init__(self, references: References, limits: Limits) -> None:
        self._references = references
        self._limits = limits
        self.holds_own = False  # there is no classic form for an object of ours
        self.chains: list[Chain] = []  # there is no classic form for a chain to run here first
        self.largest = limits.max_message

    # -- out ------------------------------------------------------------------------------------

    def encode_request(
        self, target: Reference | None, steps: list[Step], metadata: WireValue = None
    ) -> bytes:
        """Returns EXECUTE. Metadata are left out: these peers know none of ours.

        Raises:
            NotSupported: A step has no classic form; nothing was sent.
            EncodingError: A value cannot cross; nothing was sent.
        """
        chain = [] if target is None else [_instruction(_REFERENCE, target)]
        chain += [self._dump_step(step) for step in steps]
        return self._pack(_instruction(_EXECUTE, chain))

    def encode_release(self, counts: Sequence[tuple[Reference, int]]) -> list[bytes]:
        """Returns one RELEASE for each occurrence that is given back."""
        return [
            self._pack(_instruction(_RELEASE, [reference]))
            for reference, count in counts
            for _ in range(count)
        ]

    def encode_return(self, value: object) -> bytes:
        """Returns RETURN with the value wrapped, a reference if it is not a plain scalar.

        Raises:
            NotSupported: It is an integer of more than 64 bits: a reference to a number would be
                of no use to anybody.
        """
        kind = _WRAPPED.get(type(value))
        if kind is None:
            return self._pack(_instruction(_RETURN, self._dump_reference(value)))
        return self._pack(_instruction(_RETURN, _instruction(kind, value)))

    def encode_throw(self, error: BaseException) -> bytes:
        """Returns THROW ``{message[, cause]}``; there is no place for the type."""
        return self._pack(_instruction(_THROW, self._dump_error(error)))

    def encode_items(self, items: list[Any]) -> bytes:
        """Raises NotSupported: no classic peer can ask for items."""
        raise NotSupported("the classic dialect has no streams of items")

    def _dump_error(self, error: BaseException) -> dict[str, Any]:
        told: dict[str, Any] = {"message": safe_text(error, self._limits.max_text)}
        if not told["message"]:
            told["message"] = type(error).__name__
        if error.__cause__ is not None:
            # Links deeper than one are not told: no implementation shows more.
            told["cause"] = {"message": safe_text(error.__cause__, self._limits.max_text)}
        return told

    def _dump_step(self, step: Step) -> dict[str, Any]:
        if isinstance(step, str):
            return _instruction(_GET, [step])
        op = step[0]
        if op == ITEM:
            return _instruction(_GET, [self._dump_key(step[1])])
        if op in (CALL, CONSTRUCT):
            if len(step) > 2 and step[2]:
                names = ", ".join(sorted(step[2]))
                raise NotSupported(f"the peer is classic: it takes no keyword arguments ({names})")
            kind = _APPLY if op == CALL else _CONSTRUCT
            return _instruction(kind, [self._dump_argument(value) for value in step[1]])
        raise NotSupported(f"the peer is classic: it has no form for {_describe(step)}")

    @staticmethod
    def _dump_key(key: object) -> int | str:
        if type(key) in (int, str) and (isinstance(key, str) or key in _INT64):
            return key  # type: ignore[return-value]
        raise NotSupported(
            f"the peer is classic: an item key is a whole number or a string, not {_clip(key)}"
        )

    def _dump_argument(self, value: Any) -> Any:
        kind = type(value)
        if kind is int and value not in _INT64:
            raise NotSupported(f"the peer is classic: {_clip(value)} is more than 64 bits")
        if kind in _WRAPPED or (kind is list and self._is_plain(value)):
            return value
        if kind is dict and self._is_plain(value):
            # Only the outermost map is wrapped: Python peers unwrap no deeper.
            return _instruction(int(Value.OBJECT), value)
        return self._dump_reference(value)

    def _is_plain(self, value: Any, depth: int = 0) -> bool:
        """Whether `value` is data through and through, in a form that every peer takes whole."""
        if depth > self._limits.max_depth:
            raise EncodingError("the value contains itself or is nested too deep")
        kind = type(value)
        if kind is list:
            return all(self._is_plain(item, depth + 1) for item in value)
        if kind is dict:
            return all(
                type(key) is str and key != "kind" and self._is_plain(item, depth + 1)
                for key, item in value.items()
            )
        return kind in _WRAPPED

    def _dump_reference(self, value: object) -> dict[str, Any]:
        if type(value) is ByReference:
            value = value.value
        if self._references.path_to(value) is not None:
            raise NotSupported(
                "the peer is classic: it has no form for passing its own object, or a cursor "
                "that was not awaited, back to it"
            )
        return _instruction(_REFERENCE, self._references.lend(value))

    def _pack(self, instruction: dict[str, Any]) -> bytes:
        try:
            data: bytes = msgpack.packb(instruction)
        except OverflowError as error:
            raise NotSupported("the peer is classic: an integer has more than 64 bits") from error
        except (ValueError, BufferError) as error:  # a lone surrogate, a memoryview with gaps
            raise EncodingError(f"cannot encode: {error}", error) from error
        if len(data) > self.largest:
            raise LimitExceeded("max_message", self.largest, len(data), "message")
        return data

    # -- in -------------------------------------------------------------------------------------

    def decode_request(self, data: bytes) -> Message:
        """Returns the EXECUTE or RELEASE in `data`, in the form of `instructions`.

        Raises:
            ValueError: It is malformed, or no request.
        """
        kind, content = self._open(self._unpack(data))
        if kind == _RELEASE:
            if not isinstance(content, list) or not content or not isinstance(content[0], str):
                raise Malformed("RELEASE takes the id of a reference")
            return [RELEASE, [content[0], 1]]
        if kind != _EXECUTE or not isinstance(content, list):
            raise Malformed(f"expected EXECUTE or RELEASE, got {_name(kind)}")
        if len(content) > self._limits.max_steps + 1:
            raise LimitExceeded("max_steps", self._limits.max_steps, len(content), "chain")
        target: Reference | None = None
        steps: list[Step] = []
        for place, instruction in enumerate(content):
            kind, step = self._open(instruction)
            if kind == _REFERENCE and place == 0 and isinstance(step, str):
                target = step
            else:
                steps.append(self._load_step(kind, step))
        return [EXECUTE, target, steps]

    def decode_answer(self, data: bytes) -> Message:
        """Returns the RETURN or THROW in `data`, in the form of `instructions`.

        A bare nil is the answer of a TypeScript peer to RELEASE.
        """
        answer = self._unpack(data)
        if answer is None:
            return [RETURN, None]
        kind, content = self._open(answer)
        if kind == _RETURN:
            return [RETURN, self._load_value(content)]
        if kind == _THROW:
            return [THROW, _load_error(content)]
        raise Malformed(f"expected RETURN or THROW, got {_name(kind)}")

    def count_references(self, data: bytes) -> None:
        """Borrows everything that a message lends which cannot be decoded: its sender counts it."""
        try:
            message = self._unpack(data)
        except ValueError:
            return
        waiting = [message]
        if isinstance(message, dict) and message.get("kind") == _EXECUTE:
            content = message.get("data")
            waiting = content if isinstance(content, list) else []
            if waiting and isinstance(waiting[0], dict) and waiting[0].get("kind") == _REFERENCE:
                del waiting[0]  # the target, which is ours
        while waiting:
            each = waiting.pop()
            if isinstance(each, list):
                waiting += each
            elif isinstance(each, dict) and each.get("kind") == _REFERENCE:
                with contextlib.suppress(ValueError):
                    self._load_value(each)
            elif isinstance(each, dict):
                waiting += each.values()

    def _unpack(self, data: bytes) -> Any:
        hooks: dict[str, Any] = {}
        if len(data) > self._limits.max_containers:
            count = Count(self._limits.max_containers)
            hooks = {"list_hook": count, "object_pairs_hook": lambda pairs: count(_table(pairs))}
        elif len(data) > _SMALL:
            hooks = {"object_pairs_hook": _table}
        try:
            return msgpack.unpackb(data, strict_map_key=False, **hooks)
        except TypeError as error:  # a key that cannot be hashed
            raise Malformed(str(error)) from error

    @staticmethod
    def _open(instruction: Any) -> tuple[Any, Any]:
        if not isinstance(instruction, dict) or "kind" not in instruction:
            raise Malformed(f"expected an instruction, got {_clip(instruction)}")
        return instruction["kind"], instruction.get("data")

    def _load_step(self, kind: Any, content: Any) -> Step:
        if kind == _GET:
            key = content[0] if isinstance(content, list) and content else None
            if type(key) is float and key.is_integer():
                key = int(key)  # JavaScript has one kind of number
            if type(key) not in (str, int):
                raise Malformed(f"GET takes a name or a position, got {_clip(key)}")
            return [LOOKUP, key]
        op = _CALLS.get(kind) if type(kind) is int else None
        if op is None or not isinstance(content, (list, type(None))):
            raise Malformed(f"expected GET, APPLY or CONSTRUCT, got {_name(kind)}")
        return [op, [self._load_value(value) for value in content or ()]]

    def _load_value(self, value: Any, depth: int = 0) -> Any:
        if depth > self._limits.max_depth:
            raise LimitExceeded("max_depth", self._limits.max_depth, depth, "value")
        if type(value) is list:
            return [self._load_value(item, depth + 1) for item in value]
        if type(value) is not dict:
            if type(value) not in _WRAPPED:
                raise Malformed(f"the classic dialect has no {type(value).__name__}")
            return value
        kind = value.get("kind")
        if type(kind) is not int or kind not in _VALUE_KINDS:
            return {
                self._load_value(key, depth + 1): self._load_value(item, depth + 1)
                for key, item in value.items()
            }
        data = value.get("data")
        if kind == _REFERENCE:
            if not isinstance(data, str) or not 0 < len(data) <= self._limits.max_name:
                raise Malformed(f"malformed reference {_clip(data)}")
            return self._references.borrow(data, 0, None)
        if kind == Value.BIGINT and isinstance(data, str):
            return _load_bigint(data, self._limits)
        return self._load_value(data, depth + 1)


def _table(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Returns a map; its keys are texts and numbers, so that few can have one hash."""
    if len(pairs) > MOST and any(type(key) is msgpack.Timestamp for key, _ in pairs):
        raise Malformed("the classic dialect has no Timestamp")
    return dict(pairs)


def _load_bigint(text: str, limits: Limits) -> int:
    digits = limits.max_integer_bits * 3 // 10
    if len(text) > digits + 2:
        raise LimitExceeded("max_integer_bits", limits.max_integer_bits, len(text) * 4, "integer")
    try:
        return int(text.removesuffix("n"))
    except ValueError:
        raise Malformed(f"malformed integer {_clip(text)}") from None


def _load_error(content: Any) -> dict[str, Any]:
    """Returns the exception map for what THROW carries: a map, a string or nil."""
    if isinstance(content, dict) and "kind" in content and "data" in content:
        content = content["data"]
    if isinstance(content, dict):
        message = content.get("message")
        told: dict[str, Any] = {"message": message if isinstance(message, str) else ""}
        if content.get("code"):
            told["code"] = content["code"]
        cause = content.get("cause")
        if cause:
            told["cause"] = {"message": cause} if isinstance(cause, str) else cause
        return told
    return {"message": content if isinstance(content, str) else "unknown error"}


def _describe(step: list[Any]) -> str:
    names = {4: "setting", 5: "deleting", 6: "setting an item", 7: "deleting an item"}
    names |= {8: "operators", 9: "copy", 10: "ref", 11: "describe", 12: "streams of items"}
    return names.get(step[0], f"step {step[0]}")


def _name(kind: object) -> str:
    if type(kind) is int and kind in _KINDS:
        member = Kind(kind) if kind in Kind._value2member_map_ else Value(kind)
        return member.name
    return f"unknown kind {_clip(kind)}"


def _clip(value: object) -> str:
    if type(value) is int and value.bit_length() > 128:  # Python refuses to print the very long
        return f"an integer of {value.bit_length()} bits"
    text = repr(value) if isinstance(value, (str, bytes, int, float, type(None))) else ""
    return (text or type(value).__name__)[:40]
