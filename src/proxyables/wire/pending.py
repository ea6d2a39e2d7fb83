"""What is not in its place yet while a message is decoded, and putting it there.

A map's key and a set's element are hashed as soon as they are in their place, and hashing an object
of ours runs its code. So such an object stays wrapped until all around it has been decoded and
somebody has been asked whether it may be hashed. So does one that looks like a part of the message,
such as a list: it is the very same behind all of this. A path that is to be followed here first is
in its place when it has been. Every value that has one of these inside waits with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .dialect import Chain
from .instructions import CALL, EXECUTE
from .values import FROZENSET, SET, load_value

if TYPE_CHECKING:
    from .nesting import Nesting


class Own:
    """An object of ours that is not in its place yet."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Pending:
    """An extension that cannot be loaded before what is in its payload is in its place."""

    __slots__ = ("number", "payload")

    def __init__(self, number: int, payload: Any) -> None:
        self.number = number
        self.payload = payload


_UNSETTLED = frozenset({Own, Chain, Pending})


def is_unsettled(value: Any) -> bool:
    """Whether anything in `value` is not in its place yet."""
    kind = type(value)
    if kind is list:
        return any(map(is_unsettled, value))  # one frame a level, or half of `NESTING` would do
    if kind is dict:
        return any(map(is_unsettled, value)) or any(map(is_unsettled, value.values()))
    return kind in _UNSETTLED


def lengthen_calls(message: Any) -> None:
    """Gives the calls in a request that has objects of ours their long form.

    With that, whoever carries them out looks at what each is given; the short form is for all that
    needs no look.
    """
    if type(message[0]) is int and message[0] == EXECUTE and len(message) > 2:
        for step in message[2] if type(message[2]) is list else ():
            if type(step) is list and len(step) == 2 and type(step[0]) is int and step[0] == CALL:
                step.append({})


class Settlement:
    """Puts everything in its place; containers are built anew.

    Args:
        check_key: Refuses what may not be hashed.
        outcomes: What the paths gave, by the `id` of their `Chain`.
        nesting: Refuses what is too deep to be hashed.
    """

    __slots__ = ("_check_key", "_hashes", "_nesting", "_outcomes")

    def __init__(
        self,
        check_key: Callable[[object], None],
        outcomes: Mapping[int, Any],
        nesting: Nesting,
    ) -> None:
        self._check_key = check_key
        from .hashes import Hashes  # few messages have to be settled

        self._hashes = Hashes()
        self._nesting = nesting
        self._outcomes = outcomes

    def settle(self, value: Any) -> Any:
        """Returns `value` with everything in it in its place.

        Raises:
            Malformed: The payload of an extension is.
            RecursionError, LimitExceeded: An object of ours is nested too deep.
            Exception: What `check_key` raises.
        """
        kind = type(value)
        if kind is list:
            return list(map(self.settle, value))
        if kind is dict:
            return dict(zip(map(self._key, value), map(self.settle, value.values()), strict=True))
        if kind is Own or kind is Chain:
            found = value.value if kind is Own else self._outcomes[id(value)]
            self._nesting.check(found)  # whoever gets it may hash it
            return found
        if kind is Pending:
            return self._load(value.number, self.settle(value.payload))
        return value

    def _load(self, number: int, payload: Any) -> Any:
        if number in (SET, FROZENSET) and type(payload) is list:
            for each in payload:
                self._check_key(each)
                self._hashes.check(each)
        return load_value(number, payload)

    def _key(self, key: Any) -> Any:
        if type(key) is str:
            return key
        settled = self.settle(key)
        self._check_key(settled)
        self._hashes.check(settled)
        return settled
