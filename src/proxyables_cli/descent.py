"""What an object offers, and what the objects offer that it holds: for ``ls -R``.

Only attributes are followed: reading one runs nothing over there, unlike a property. Numbers,
texts and containers are no objects to look into. Which attributes hold the same object is told by
their references, so a cycle ends where it began.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

MOST_OBJECTS = 200
DEEPEST = 8

_BUILTIN = "builtins"
_PLAIN = frozenset(
    {"bool", "bytes", "bytearray", "complex", "dict", "float", "frozenset", "int", "list"}
    | {"NoneType", "range", "set", "str", "tuple"}
)

Member = dict[str, Any]


@dataclass(slots=True)
class Level:
    """One object, as it was told of.

    Attributes:
        path: Where it is; ``.`` is the exported object.
        members: Rows as `proxyables.describe` gives them; one that holds an object which has a
            path already has that as ``same_as``.
        is_truncated: There are more members.
        is_deepest: What its attributes hold was not looked at.
    """

    path: str
    members: list[Member]
    is_truncated: bool = False
    is_deepest: bool = False


@dataclass(slots=True)
class Descent:
    """Goes down from one object, breadth first.

    Attributes:
        is_cut: There were more objects than `MOST_OBJECTS`.
    """

    is_cut: bool = False
    _paths: dict[Any, str] = field(default_factory=dict)

    async def levels(self, start: Any, path: str) -> AsyncIterator[Level]:
        """Yields the object that a cursor names, then those below it.

        Raises:
            RemoteError: The first one cannot be reached; what is below and cannot is left out.
        """
        import proxyables

        root = await proxyables.ref(start)
        self._paths[root] = path or "."
        waiting = deque([(root, await proxyables.describe(root), path, 0)])
        while waiting:
            cursor, told, path, depth = waiting.popleft()
            level = Level(path or ".", told["members"], bool(told.get("truncated")))
            followed = [each for each in level.members if _may_hold_an_object(each)][:MOST_OBJECTS]
            level.is_deepest = depth >= DEEPEST and bool(followed)
            if not (level.is_deepest or self.is_cut):
                for member, held in await _held(cursor, followed):
                    name = f"{path}.{member['name']}" if path else str(member["name"])
                    if held[0] in self._paths:
                        member["same_as"] = self._paths[held[0]]
                    elif len(self._paths) >= MOST_OBJECTS:
                        self.is_cut = True
                    else:
                        self._paths[held[0]] = name
                        waiting.append((*held, name, depth + 1))
            yield level


def _may_hold_an_object(member: Member) -> bool:
    return member["kind"] == "attribute" and member.get("type") not in _PLAIN


async def _held(cursor: Any, members: list[Member]) -> list[tuple[Member, tuple[Any, Any]]]:
    """Asks, all at once, for what attributes hold; what is plain or refused is left out."""
    answers = await asyncio.gather(*(_ask(cursor, str(each["name"])) for each in members))
    return [
        (member, answer)
        for member, answer in zip(members, answers, strict=True)
        if answer is not None
    ]


async def _ask(cursor: Any, name: str) -> tuple[Any, Any] | None:
    import proxyables

    try:
        held = await proxyables.ref(getattr(cursor, name))
        told = await proxyables.describe(held)
    except proxyables.RemoteError:  # a slot without a value, or what the policy hides
        return None
    return None if told["module"] == _BUILTIN else (held, told)


__all__ = ["DEEPEST", "MOST_OBJECTS", "Descent", "Level"]
