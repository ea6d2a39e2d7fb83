"""The px dialect on its way out: messages as bytes, live objects as references.

How it works: `msgpack` does the walking, so that a message of plain values costs no Python-level
call per value. Whatever it does not know comes to `_dump`. Extensions whose payload is MessagePack
again are packed with a packer of their own per depth, because a packer cannot be entered twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from msgpack import ExtType, Packer

from proxyables.errors import EncodingError, LimitExceeded
from proxyables.limits import KIB, Limits

from .dialect import ByReference, Reference, References
from .exceptions import dump_exception
from .instructions import EXECUTE, ITEMS, RELEASE, RETURN, THROW, Message, Step, WireValue
from .values import BIGINT, CHAIN, DUMPERS, EXCEPTION, OWN, REFERENCE, dump_bigint, find_dumper

_PACKER_BYTES = 1024
"""With what a packer's buffer begins. It grows by itself; msgpack begins with 256 KiB, which is six
times what all the rest of an idle connection takes."""
_KEPT_BYTES = 64 * KIB
"""A packer that has written more is replaced: its buffer never becomes smaller again."""


class Packing:
    """The outgoing half of `Compact`.

    Args:
        references: The tables of the connection.
        limits: This side's bounds.
    """

    __slots__ = (
        "_depth",
        "_is_flat",
        "_largest",
        "_lenient",
        "_limits",
        "_packers",
        "_references",
        "_usual",
        "pack",
        "shows_frames",
    )

    def __init__(self, references: References, limits: Limits) -> None:
        self._references = references
        self._limits = limits
        self._depth = 0
        self._lenient = False
        self._is_flat = False
        self._packers: list[Any] = [self._make_packer()]
        self.pack = self._packers[0].pack
        self.shows_frames = True
        """Whether the tracebacks of our exceptions are told."""
        self.largest = limits.max_message

    @property
    def largest(self) -> int:
        """Bytes of the largest message that the other side takes."""
        return self._largest

    @largest.setter
    def largest(self, size: int) -> None:
        self._largest = size
        self._usual = min(size, _KEPT_BYTES)  # one comparison for what is too large in either way

    def encode_request(
        self, target: Reference | None, steps: list[Step], metadata: WireValue = None
    ) -> bytes:
        """Returns ``[EXECUTE, target, steps]``, and `metadata` behind them if there are any.

        Raises:
            EncodingError: A value cannot cross, or contains itself.
            LimitExceeded: The message is larger than the peer takes.
        """
        if metadata is not None:
            return self._encode([EXECUTE, target, steps, metadata])
        message = [EXECUTE, target, steps]
        pack = self.pack
        try:  # as in `_encode`: requests and results are worth a call less
            data: bytes = pack(message)
        except (ValueError, BufferError) as error:
            data = self._encode_again(message, error)
        if len(data) > self._usual:
            self._check_size(len(data))
        return data

    def encode_return(self, value: object) -> bytes:
        """Returns ``[RETURN, value]``; raises as `encode_request` does."""
        pack = self.pack
        try:
            data: bytes = pack([RETURN, value])
        except (ValueError, BufferError) as error:
            data = self._encode_again([RETURN, value], error)
        if len(data) > self._usual:
            self._check_size(len(data))
        return data

    def encode_items(self, items: list[Any]) -> bytes:
        """Returns ``[ITEMS, items]``; raises as `encode_request` does.

        Items are in order, so none can be a path that the other side would have to run first.
        """
        self._is_flat = True
        try:
            return self._encode([ITEMS, items])
        finally:
            self._is_flat = False

    def encode_throw(self, error: BaseException) -> bytes:
        """Returns ``[THROW, map]``. Never raises for what the exception carries."""
        self._renew()  # a message that failed half-way is not noticed by its size
        return self._encode([THROW, self._dump_exception(error)])

    def encode_release(self, counts: Sequence[tuple[Reference, int]]) -> list[bytes]:
        """Returns messages that give back `counts` occurrences of each reference."""
        chunks = [counts[start : start + 4096] for start in range(0, len(counts), 4096)]
        return [
            self._encode([RELEASE, [number for pair in chunk for number in pair]])
            for chunk in chunks
        ]

    def encode_plain(self, message: Message) -> bytes:
        """Returns a message that holds no references (HELLO, AUTH)."""
        return self._encode(message)

    def _encode(self, message: Message) -> bytes:
        try:
            data: bytes = self.pack(message)
        except (ValueError, BufferError) as error:
            data = self._encode_again(message, error)
        if len(data) > self._usual:
            self._check_size(len(data))
        return data

    def _check_size(self, size: int) -> None:
        """Lets go of the buffers that a large message has left; refuses one that is too large."""
        if size > _KEPT_BYTES:
            self._renew()
        if size > self._largest:
            raise LimitExceeded("max_message", self._largest, size, "message")

    def _encode_again(self, message: Message, error: Exception) -> bytes:
        """Packs a message that has a lone surrogate in a string, as Python's file names may.

        msgpack's fast path for strings is the strict one, so only the message that needs the
        other way pays for it.
        """
        if not isinstance(error, UnicodeEncodeError):
            self._refuse(error)
        strict, self._packers, self._lenient = self._packers, [], True
        try:
            data: bytes = self._packer().pack(message)
        except (ValueError, BufferError) as error:
            self._refuse(error)
        finally:
            self._packers, self._lenient = strict, False
        return data

    @staticmethod
    def _refuse(error: Exception) -> NoReturn:
        if isinstance(error, (LimitExceeded, EncodingError)):
            raise error
        if "recursion limit" in str(error):
            message = "the value contains itself or is nested too deep; pass it with ref()"
            raise EncodingError(message, error) from error
        if isinstance(error, BufferError):
            message = f"a memoryview with gaps cannot be sent ({error}); give bytes(view)"
            raise EncodingError(message, error) from error
        raise EncodingError(f"cannot encode: {error}", error) from error

    def _make_packer(self) -> Any:
        errors = "surrogatepass" if self._lenient else None
        return Packer(
            default=self._dump,
            strict_types=True,
            unicode_errors=errors,
            buf_size=_PACKER_BYTES,
        )

    def _renew(self) -> None:
        self._packers = [self._make_packer()]
        self.pack = self._packers[0].pack

    def _packer(self) -> Any:
        depth = self._depth
        while len(self._packers) <= depth:
            self._packers.append(self._make_packer())
        return self._packers[depth]

    def _pack_inside(self, payload: Any) -> bytes:
        if self._depth >= self._limits.max_depth:
            message = (
                f"the value contains itself or is nested deeper than {self._limits.max_depth}; "
                "pass it with ref()"
            )
            raise EncodingError(message)
        self._depth += 1
        try:
            packed: bytes = self._packer().pack(payload)
        finally:
            self._depth -= 1
        return packed

    def _dump(self, value: Any) -> ExtType:
        """Called by msgpack for each value that it does not know."""
        kind = type(value)
        row = DUMPERS.get(kind) or find_dumper(value)
        if row is not None:
            payload = row[1](value)
            if payload is not None:
                return ExtType(row[0], self._pack_inside(payload))
        elif kind is int:  # more than 64 bits
            return ExtType(BIGINT, dump_bigint(value, self._limits.max_integer_bits))
        elif issubclass(kind, BaseException):  # isinstance would ask the object itself
            return ExtType(EXCEPTION, self._pack_inside(self._dump_exception(value)))
        elif kind is ByReference:
            value = value.value
        return self._dump_reference(value)

    def _dump_reference(self, value: object) -> ExtType:
        path = self._references.path_to(value)
        if path is None:
            reference = self._references.lend(value)
            payload = [reference, *self._references.tell_type(value)]
            return ExtType(REFERENCE, self._pack_inside(payload))
        target, steps = path
        if steps:
            if self._is_flat:
                raise EncodingError("cannot stream a path that was not awaited; await it first")
            return ExtType(CHAIN, self._pack_inside([target, steps]))
        return ExtType(OWN, self._pack_inside(0 if target is None else target))

    def _dump_exception(self, error: BaseException) -> dict[str, Any]:
        return dump_exception(error, self._limits, frames=self.shows_frames)
