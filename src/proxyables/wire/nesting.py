"""How deep containers are that were put into each other by reference, over many messages.

A message bounds the nesting of what it holds, but it may name a container of ours, and what it
makes around that be named by the next one. Hashing a tuple takes the stack of the thread for each
level, and Python does not look where it ends. A container that is in another twice is hashed,
compared and shown twice, those inside of it four times, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from proxyables.errors import LimitExceeded

MOST_DEPTH = 1000
"""Levels that may be hashed: as many as Python lets its own functions have."""
HASHED = (tuple, frozenset, slice)
SHOWN = (*HASHED, list, dict, set)


class Nesting:
    """Looks at the containers of one message, or at one that an operation goes through.

    Args:
        most: Containers that may be gone through where they are no more than a fourth of that.
        shown: Whether lists, maps and sets are gone through as well, as by ``repr``; what hashes
            ends there.
    """

    __slots__ = ("_kinds", "_known", "_most", "_slots")

    def __init__(self, most: int, *, shown: bool = False) -> None:
        self._most = most
        self._kinds = SHOWN if shown else HASHED
        self._known: dict[int, tuple[int, int]] = {}  # levels, and what is gone through
        self._slots = 0

    def check(self, value: object) -> None:
        """Refuses a container that is nested too deep, or holds the same ones too often.

        What was looked at must stay as long as this.

        Raises:
            RecursionError: It is too deep.
            LimitExceeded: Too many would be gone through.
        """
        kinds, known = self._kinds, self._known
        if not issubclass(type(value), kinds):  # isinstance would ask the object itself
            return
        waiting: list[tuple[object, list[Any] | None]] = [(value, None)]
        level = 0
        while waiting:
            each, inner = waiting.pop()
            if inner is not None:
                level -= 1
                self._note(each, inner)
            elif id(each) not in known:
                level += 1
                if level > MOST_DEPTH:  # not all the way down first
                    self._refuse_depth(each)
                known[id(each)] = (0, 0)  # a list may hold itself
                inner = self._inside(each)
                self._slots += len(inner)
                waiting.append((each, inner))
                waiting.extend((part, None) for part in inner)

    def _note(self, value: object, inner: list[Any]) -> None:
        of_parts = [self._known[id(part)] for part in inner]
        depth = 1 + max((depth for depth, _ in of_parts), default=0)
        weight = 1 + sum(weight for _, weight in of_parts)
        if depth > MOST_DEPTH:
            self._refuse_depth(value)
        if weight > self._most + 4 * self._slots:
            raise LimitExceeded("max_containers", self._most, weight, "value")
        self._known[id(value)] = (depth, weight)

    @staticmethod
    def _refuse_depth(value: object) -> NoReturn:
        raise RecursionError(f"a {type(value).__name__} is nested deeper than {MOST_DEPTH}")

    def _inside(self, value: Any) -> list[Any]:
        """Returns the containers in `value`; asks no method of a class of anybody's."""
        kind = type(value)
        parts: Any
        if issubclass(kind, slice):
            parts = (value.start, value.stop, value.step)
        elif issubclass(kind, dict):
            parts = (*dict.keys(value), *dict.values(value))
        elif issubclass(kind, set):
            parts = tuple(set.__iter__(value))
        else:
            base: Any = next(base for base in (tuple, list, frozenset) if issubclass(kind, base))
            return self._holders(base.__iter__(value), base.__iter__(value))
        return self._holders(parts, parts)

    def _holders(self, parts: Iterable[Any], again: Iterable[Any]) -> list[Any]:
        kinds = {kind for kind in set(map(type, parts)) if issubclass(kind, self._kinds)}
        return [part for part in again if type(part) in kinds] if kinds else []
