"""Completion: what could stand at the cursor, from descriptions, without running anything.

Locally no property is read: attributes are found by `inspect.getattr_static`. Remotely a path is
followed only through what descriptions call attributes and classes; a method is not called and a
property not read, so behind those there are no completions.
"""

from __future__ import annotations

import asyncio
import builtins
import inspect
import keyword
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import GetSetDescriptorType, ModuleType
from typing import Any

_TARGET = re.compile(r"((?:[^\W\d]\w*\s*\.\s*)*)([^\W\d]\w*)?$")
_OPAQUE = frozenset({"method", "property"})
MAX_CACHED = 500
SECONDS = 5.0
"""How long the other side may take to describe something."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One candidate.

    Attributes:
        text: What is written in place of the prefix.
        kind: ``method``, ``attribute``, ``name`` and so on; empty if unknown.
        meta: The signature, or the first line of the documentation.
    """

    text: str
    kind: str = ""
    meta: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What the text before the cursor asks for: names in `path` that begin with `prefix`."""

    path: tuple[str, ...]
    prefix: str


def target_of(text: str) -> Target | None:
    """Finds the dotted path at the end of a text; None if nothing can be completed there.

    A path behind a call, an item or a literal is not one: it could only be known by running it.
    """
    match = _TARGET.search(text)
    if match is None:
        return None
    dotted, prefix = match[1], match[2] or ""
    before = text[: match.start()].rstrip()
    if before.endswith(".") or (dotted and before.endswith((")", "]", '"', "'"))):
        return None
    if not dotted and not prefix:
        return None
    return Target(tuple(part.strip() for part in dotted.split(".")[:-1]), prefix)


class Completer:
    """Finds completions in a scope.

    Args:
        names: The scope's names.
        is_remote: Tells cursors from other values.
        describe: Asks the other side what an object offers.
        commands: The names of the ``%`` commands, with a line about each.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        is_remote: Callable[[object], bool],
        describe: Callable[[Any], Awaitable[dict[str, Any]]],
        commands: Mapping[str, str],
    ) -> None:
        self._names = names
        self._is_remote = is_remote
        self._describe = describe
        self._commands = commands
        self._described: dict[tuple[str, ...], list[dict[str, Any]]] = {}

    def forget(self) -> None:
        """Drops what was described: code ran, so the objects may have changed."""
        self._described.clear()

    async def complete(self, text: str) -> list[Completion]:
        """The candidates at the end of `text`; waits for the other side if it must be asked.

        Names that begin with an underscore are offered when one has been typed.
        """
        command = re.match(r"%(\w*)$", text)
        if command is not None:
            found = [
                Completion(f"%{name}", "command", line) for name, line in self._commands.items()
            ]
            return _matching(found, text)
        target = target_of(text)
        if target is None:
            return []
        if not target.path:
            return _matching(self._global(), target.prefix)
        first = self._names.get(target.path[0], _MISSING)
        if self._is_remote(first):
            members = await self._remote(target.path)
            return _matching(map(_of_member, members), target.prefix)
        return _matching(_local(first, target.path[1:]), target.prefix)

    def _global(self) -> list[Completion]:
        mine = [Completion(name, "name") for name in self._names if not name.startswith("__")]
        words = [Completion(word, "keyword") for word in keyword.kwlist]
        return [*mine, *words, *(Completion(name, "builtin") for name in dir(builtins))]

    async def _remote(self, path: tuple[str, ...]) -> list[dict[str, Any]]:
        """The members of the remote object at a path whose first name holds a cursor."""
        if path in self._described:
            return self._described[path]
        if len(path) > 1:
            owners = await self._remote(path[:-1])
            row = next((row for row in owners if row.get("name") == path[-1]), None)
            if row is None or row.get("kind") in _OPAQUE:
                return []
        cursor = self._names[path[0]]
        for name in path[1:]:
            cursor = getattr(cursor, name)
        try:
            async with asyncio.timeout(SECONDS):
                told = await self._describe(cursor)
        except Exception:
            return []  # a menu is a courtesy: whatever is wrong, the next call will say it
        members = [row for row in told.get("members", ()) if _is_name(row.get("name"))]
        if len(self._described) < MAX_CACHED:
            self._described[path] = members
        return members


_MISSING = object()


def _is_name(name: object) -> bool:
    """Whether a name from elsewhere may be written into what somebody types."""
    return isinstance(name, str) and name.isidentifier()


def _local(value: object, path: Iterable[str]) -> list[Completion]:
    for name in path:
        value = _static(value, name)
    if value is _MISSING:
        return []
    return [Completion(name, "attribute") for name in _static_names(value)]


def _static(owner: object, name: str) -> object:
    value = inspect.getattr_static(owner, name, _MISSING)
    # What a descriptor would give is only known by running it.
    return _MISSING if hasattr(type(value), "__get__") and not callable(value) else value


def _static_names(value: object) -> list[str]:
    names: set[str] = set()
    if isinstance(value, (type, ModuleType)):
        names.update(vars(value))
    else:
        own = inspect.getattr_static(value, "__dict__", None)
        if type(own) is GetSetDescriptorType:  # the interpreter's own; another could be anything
            names.update(own.__get__(value))
    bases = inspect.getmro(value) if isinstance(value, type) else type(value).__mro__
    for base in bases:
        names.update(vars(base))
    return sorted(names)


def _of_member(row: dict[str, Any]) -> Completion:
    signature, doc = row.get("signature"), row.get("doc")
    meta = signature if isinstance(signature, str) else doc if isinstance(doc, str) else ""
    kind = row.get("kind")
    return Completion(row["name"], kind if isinstance(kind, str) else "", meta)


def _matching(found: Iterable[Completion], prefix: str) -> list[Completion]:
    hidden = not prefix.startswith("_")
    return [
        each
        for each in found
        if each.text.startswith(prefix) and not (hidden and each.text.startswith("_"))
    ]


__all__ = ["Completer", "Completion", "Target", "target_of"]
