"""The px dialect: MessagePack arrays, values raw, extension types for what MessagePack lacks.

Here is its way in, `packing` has the way out. `msgpack` does the walking in both, so that a message
of plain values costs no Python-level call per value; one extension comes to `_load`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgpack import unpackb

from proxyables.errors import AccessDenied, LimitExceeded, ReferenceNotFound
from proxyables.limits import KIB, Limits

from .counting import Count
from .dialect import Chain, References
from .exceptions import load_exception, safe_text
from .instructions import Message
from .packing import Packing
from .payloads import Malformed, Opaque
from .pending import Own, Pending, Settlement, is_unsettled
from .values import (
    BIGINT,
    CHAIN,
    CHOSEN,
    CLASSES,
    EXCEPTION,
    OWN,
    REFERENCE,
    load_bigint,
    load_value,
)

if TYPE_CHECKING:
    from .hashes import Hashes

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


class Compact(Packing):
    """The px dialect of one connection.

    Args:
        references: The tables of the connection.
        limits: This side's bounds.
    """

    __slots__ = (
        "_count",
        "_described",
        "_hashes",
        "_hook",
        "_quiet",
        "_uncounted",
        "_unsettled",
        "_unwatched",
        "chains",
        "holds_own",
    )

    def __init__(self, references: References, limits: Limits) -> None:
        super().__init__(references, limits)
        self._described = 0
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
