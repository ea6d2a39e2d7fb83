"""The px dialect: MessagePack arrays, values raw, extension types for what MessagePack lacks.

How it works: `msgpack` does the walking in both directions, so that a message of plain values
costs no Python-level call per value. Whatever it does not know comes to `_dump`, one extension
to `_load`. Extensions whose payload is MessagePack again are packed with a packer of their own
per depth, because a packer cannot be entered twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from msgpack import ExtType, Packer, unpackb

from proxyables.errors import AccessDenied, EncodingError, LimitExceeded, ReferenceNotFound
from proxyables.limits import KIB, Limits

from .counting import Count
from .dialect import ByReference, Chain, Reference, References
from .exceptions import dump_exception, load_exception, safe_text
from .instructions import EXECUTE, ITEMS, RELEASE, RETURN, THROW, Message, Step, WireValue
from .payloads import Malformed, Opaque
from .pending import Own, Pending, Settlement, is_unsettled
from .values import (
    BIGINT,
    CHAIN,
    CHOSEN,
    CLASSES,
    DUMPERS,
    EXCEPTION,
    OWN,
    REFERENCE,
    dump_bigint,
    find_dumper,
    load_bigint,
    load_value,
)

if TYPE_CHECKING:
    from .hashes import Hashes

_PACKER_BYTES = 1024
"""With what a packer's buffer begins. It grows by itself; msgpack begins with 256 KiB, which is six
times what all the rest of an idle connection takes."""
_KEPT_BYTES = 64 * KIB
"""A packer that has written more is replaced: its buffer never becomes smaller again."""
_SURROGATES = "surrogatepass"
"""Costs nothing here, and the sender may have needed it."""
# What a message holds that is to be seen to once all of it has been decoded.
_QUIET = 1  # objects of ours; hashing them runs nothing
_LOUD = 2  # such that are not in their place yet
_AS_NUMBER = 1
"""What becomes of a timestamp, which is not used: msgpack's own class hashes in Python, and as the
sender likes."""
_SMALL = 4 * KIB
"""Bytes of a message in which no values can do harm by having one hash."""
_MAX_QUIET = 1024


class Compact:
    """The px dialect of one connection.

    Args:
        references: The tables of the connection.
        limits: This side's bounds.
    """

    __slots__ = (
        "_count",
        "_depth",
        "_described",
        "_hashes",
        "_hook",
        "_is_flat",
        "_largest",
        "_lenient",
        "_limits",
        "_packers",
        "_quiet",
        "_references",
        "_uncounted",
        "_unsettled",
        "_unwatched",
        "_usual",
        "chains",
        "holds_own",
        "pack",
        "shows_frames",
    )

    def __init__(self, references: References, limits: Limits) -> None:
        self._references = references
        self._limits = limits
        self._depth = 0
        self._described = 0
        self._lenient = False
        self._is_flat = False
        self._packers: list[Any] = [self._make_packer()]
        self.pack = self._packers[0].pack
        self._hook = self._load  # bound once
        self._uncounted = limits.max_containers
        """Bytes of a message up to which it cannot hold too many containers."""
        self._unwatched = min(_SMALL, self._uncounted)
        self._count: Count | None = None
        self._hashes: Hashes | None = None
        self._unsettled = 0
        self.holds_own = False
        """Whether an object of ours in the message is not in its place yet."""
        self._quiet: set[type] = set()
        """Types whose instances are in their place at once."""
        self.chains: list[Chain] = []
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

    # -- out ------------------------------------------------------------------------------------

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

    # -- in -------------------------------------------------------------------------------------

    def decode(self, data: bytes) -> Message:
        """Returns the message in `data`, which must be exactly one.

        Raises:
            ValueError: `data` is no message, or its values are malformed, or it is incomplete.
            LimitExceeded: A value in it is over a limit.
            ReferenceNotFound: It names an object of ours that is not exported.
            AccessDenied: It has an object of ours hashed, which the policy denies.
        """
        message: Message
        self._unsettled = 0
        try:
            if len(data) > self._unwatched:
                message = self._unpack_watched(data)
            else:  # as in `_unpack`, without the call
                message = unpackb(
                    data,
                    ext_hook=self._hook,
                    strict_map_key=False,
                    unicode_errors=_SURROGATES,
                    timestamp=_AS_NUMBER,
                )
            if self._unsettled and type(message) is list and not self.chains:
                if self._unsettled == _LOUD:
                    message = self.settle(message, {})
                self.holds_own = True
        except (ValueError, ReferenceNotFound, AccessDenied):
            raise
        except Exception as error:
            # A key that cannot be hashed; and code of ours that hashes a key which is an object of
            # ours, or makes an instance of a registered class: it may raise anything.
            raise Malformed(f"{type(error).__name__}: {safe_text(error, 200)}") from error
        if type(message) is not list or len(message) < 2 or type(message[0]) is not int:
            raise Malformed("not a message of this dialect")
        return message

    def _unpack(self, data: bytes) -> Any:
        # Not a partial: its keywords, which it merges for each call, take as long as the rest.
        if self._count is None:
            return unpackb(
                data,
                ext_hook=self._hook,
                strict_map_key=False,
                unicode_errors=_SURROGATES,
                timestamp=_AS_NUMBER,
            )
        return unpackb(
            data,
            ext_hook=self._hook,
            list_hook=self._count,
            object_hook=self._count,
            strict_map_key=False,
            unicode_errors=_SURROGATES,
            timestamp=_AS_NUMBER,
        )

    def _unpack_watched(self, data: bytes) -> Any:
        if len(data) > self._uncounted:
            self._count = Count(self._uncounted)
        from .hashes import Hashes  # small messages need none

        self._hashes = Hashes()
        try:
            return self._unpack(data)
        finally:
            self._count = self._hashes = None

    def count_references(self, data: bytes) -> None:
        """Borrows everything that a message lends which cannot be decoded.

        Its sender counts all of it, so it has to be given back; what stands behind the fault, too.
        """
        with contextlib.suppress(ValueError):  # as far as it is MessagePack
            self._borrow_all(data, Count(self._uncounted))

    def _borrow_all(self, data: bytes, count: Count) -> None:
        def look(number: int, payload: bytes) -> None:
            count(None)
            if number == REFERENCE:
                # Extensions inside of it, which belong to no reference, stay what they are: bytes.
                with contextlib.suppress(ValueError, TypeError):  # no reference, or one too many
                    inside = unpackb(
                        payload,
                        strict_map_key=False,
                        unicode_errors=_SURROGATES,
                        timestamp=_AS_NUMBER,
                    )
                    self._load_reference(inside, len(payload))
            elif number != BIGINT and self._depth < self._limits.max_depth:
                self._depth += 1
                try:
                    with contextlib.suppress(ValueError):
                        self._borrow_all(payload, count)
                finally:
                    self._depth -= 1

        # As pairs: maps would hash their keys.
        unpackb(
            data,
            ext_hook=look,
            list_hook=count.drop,
            object_pairs_hook=count.drop,
            strict_map_key=False,
            unicode_errors=_SURROGATES,
        )

    @staticmethod
    def decode_plain(data: bytes) -> Message:
        """Returns a message that holds no references (HELLO, AUTH); raises as `decode` does.

        Extensions stay what they are: bytes. Whoever has not said yet who he is must not have
        anything looked up, counted or run.
        """
        message: Message = unpackb(data)
        if type(message) is not list or len(message) < 2 or type(message[0]) is not int:
            raise Malformed("not a message of this dialect")
        return message

    decode_request = decode
    decode_answer = decode

    def _load(self, number: int, data: bytes) -> Any:
        """Called by msgpack for each extension."""
        if self._count is not None:
            self._count(None)
        if number == REFERENCE:
            return self._load_reference(self._unpack_inside(data), len(data))
        if number == BIGINT:
            value = load_bigint(data, self._limits.max_integer_bits)
            if self._hashes is not None:
                self._hashes.check(value)
            return value
        payload = self._unpack_inside(data)
        if number == OWN:
            return self._load_own(payload)
        if number == CHAIN:
            return self._load_chain(payload)
        if number == EXCEPTION:
            return load_exception(payload, self._limits)
        if (self._unsettled == _LOUD or self.chains) and is_unsettled(payload):
            return Pending(number, payload)
        value = load_value(number, payload)
        if self._hashes is not None:
            if number in CHOSEN or type(value) is Opaque:
                self._hashes.check(value)
            elif number in CLASSES and type(payload[-1]) in (list, dict):
                # Of its fields: the class's own code is for keys only.
                given = payload[-1]
                self._hashes.check(tuple(given.values() if type(given) is dict else given))
        return value

    def _load_own(self, payload: Any) -> object:
        value = self._references.own(self._check_id(payload))
        kind = type(value)
        if kind in self._quiet:
            self._unsettled = self._unsettled or _QUIET
            return value
        if not self._references.is_quiet(kind):
            self._unsettled = _LOUD
            return Own(value)
        self._unsettled = self._unsettled or _QUIET
        if len(self._quiet) >= _MAX_QUIET:
            self._quiet.clear()
        self._quiet.add(kind)
        return value

    def settle(self, value: Any, outcomes: Mapping[int, Any]) -> Any:
        """Returns a message, or a part of one, with everything in its place.

        Args:
            value: What was decoded.
            outcomes: What the paths in it gave, by the `id` of their `Chain`.

        Raises:
            ValueError: A value is malformed.
            AccessDenied: An object of ours would have to be hashed, which the policy denies.
        """
        from .nesting import Nesting  # few messages come with what was lent

        nesting = Nesting(self._uncounted)
        return Settlement(self._references.check_key, outcomes, nesting).settle(value)

    def _unpack_inside(self, data: bytes) -> Any:
        if self._depth >= self._limits.max_depth:
            raise LimitExceeded("max_depth", self._limits.max_depth, self._depth + 1, "value")
        self._depth += 1
        try:
            return self._unpack(data)
        finally:
            self._depth -= 1

    @staticmethod
    def _check_id(reference: Any) -> int:
        if type(reference) is not int or not 0 <= reference < 1 << 63:
            raise Malformed("malformed reference")  # not shown: it may be an object of ours
        return reference

    def _load_reference(self, payload: Any, size: int) -> object:
        if type(payload) is not list or len(payload) not in (2, 3):
            raise Malformed("malformed reference")
        description = None
        if len(payload) == 3:
            # Descriptions are kept as long as the connection. All of them together take no more
            # than one message may; an object of a type that is not described is used all the same.
            self._described += size
            if self._described <= self._limits.max_message:
                description = payload[2]
        kind = self._check_id(payload[1])
        return self._references.borrow(self._check_id(payload[0]), kind, description)

    def _load_chain(self, payload: Any) -> Chain:
        if type(payload) is not list or len(payload) != 2 or type(payload[1]) is not list:
            raise Malformed("malformed chain")
        target = 0 if payload[0] is None else self._check_id(payload[0])
        chain = Chain(self._references.own(target), payload[1])
        self.chains.append(chain)
        return chain
