"""What a dialect is to the peer, and what the tables of references are to a dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from .instructions import Message, Step, WireValue

Reference: TypeAlias = int | str
"""The id of an exported object: an integer in the px dialect, a string in the classic one."""


class References(Protocol):
    """The peer's tables, as far as encoding and decoding need them."""

    def lend(self, value: object) -> Reference:
        """Exports `value` once more; returns its reference.

        Raises:
            AccessDenied: The policy does not let `value` out.
            LimitExceeded: Too many objects are exported already.
        """

    def tell_type(self, value: object) -> list[Any]:
        """Returns ``[type number]``, and behind it the description of a type not told before."""

    def borrow(self, reference: Reference, kind: int, description: Any) -> object:
        """Counts one more occurrence of the other side's object; returns its cursor."""

    def own(self, reference: Reference) -> object:
        """Returns the object that we exported under `reference`; 0 is the root.

        Raises:
            ReferenceNotFound: There is none.
        """

    def is_quiet(self, kind: type) -> bool:
        """Whether hashing and comparing our objects of exactly this type runs no code of theirs."""

    def check_key(self, value: object) -> None:
        """Refuses, or lets a value that came, or what a path gave, be hashed.

        Raises:
            AccessDenied: A method that would run is not for this peer.
        """

    def path_to(self, value: object) -> tuple[Reference | None, list[Step]] | None:
        """Returns the target and steps of a cursor of *this* connection, None for all else."""


class Chain:
    """A chain of the sender's that we have to run on our side before its value can be used.

    It holds the object that it starts from: the sender may give that back right behind the message.
    """

    __slots__ = ("source", "steps")

    def __init__(self, source: object, steps: list[Step]) -> None:
        self.source = source
        self.steps = steps


class ByReference:
    """Wraps a value that must travel as a reference, whatever the rule says (`proxyables.ref`)."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Dialect(Protocol):
    """Messages as bytes. One object per connection; no method does I/O or runs user code."""

    chains: list[Chain]
    """What the last decoded message wants to be run first, innermost first; cleared by the peer."""
    holds_own: bool
    """Whether a message that came had objects of ours; whoever saw to these sets it back."""
    largest: int
    """Bytes of the largest message that the other side takes."""

    def encode_request(
        self, target: Reference | None, steps: list[Step], metadata: WireValue = None
    ) -> bytes: ...
    def encode_release(self, counts: Sequence[tuple[Reference, int]]) -> list[bytes]: ...
    def encode_return(self, value: object) -> bytes: ...
    def encode_throw(self, error: BaseException) -> bytes: ...
    def encode_items(self, items: list[Any]) -> bytes: ...
    def decode_request(self, data: bytes) -> Message: ...
    def decode_answer(self, data: bytes) -> Message: ...
    def count_references(self, data: bytes) -> None:
        """Borrows everything that a message lends which cannot be decoded; never raises."""
