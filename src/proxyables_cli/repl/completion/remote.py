"""What the other sides say their objects offer: asked once, shown at once, brought up to date.

Descriptions are kept for each connection by path, and for references by the name of their type: the
second account looks like the first. What is kept from before some code ran is given at once, and
asked for again behind the menu's back. Who waits for an answer never waits alone, and whoever stops
waiting stops nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import proxyables
from proxyables_cli.repl.tracing import unnoticed

MAX_KEPT = 500
"""Descriptions of one connection."""
MAX_KEYS = 200
MAX_KEY_CHARACTERS = 200
_KEYS = "keys of "
"""Begins the names of what is kept that are no descriptions."""
SECONDS = 5.0
"""How long the other side may take to describe something."""


@dataclass(slots=True)
class Description:
    """What one object offers; empty if its owner does not say."""

    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    type: str = ""
    signature: str = ""
    doc: str = ""
    is_builtin: bool = False


async def _describe(cursor: Any) -> dict[str, Any]:
    return await proxyables.describe(cursor, static=True)


async def keys_of(cursor: Any) -> list[object]:
    """The first keys of a remote dictionary."""
    found: list[object] = []
    async with contextlib.aclosing(aiter(cursor)) as keys:
        async for key in keys:
            found.append(key)
            if len(found) >= MAX_KEYS:
                break
    return [key for key in found if type(key) is int or _is_short_text(key)]


class Descriptions:
    """The descriptions of a session.

    Args:
        describe: Asks what an object offers.
        keys: Asks for the first keys of a dictionary.
        peer_of: The connection of a cursor.
        on_change: Called when something that was given from before turned out to be different.
    """

    def __init__(
        self,
        describe: Callable[[Any], Awaitable[dict[str, Any]]] = _describe,
        keys: Callable[[Any], Awaitable[list[object]]] = keys_of,
        peer_of: Callable[[Any], Any] = proxyables.peer_of,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_change = on_change
        self._describe = describe
        self._keys = keys
        self._peer_of = peer_of
        self._kept: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
        self._fresh: set[str] = set()
        self._asked: dict[str, asyncio.Task[Any]] = {}

    @property
    def asking(self) -> int:
        """How many questions wait for their answers."""
        return len(self._asked)

    def age(self) -> None:
        """Has everything asked for again when it is next wanted: code ran, it may have changed."""
        self._fresh.clear()

    def prefetch(self, cursor: Any) -> None:
        """Asks for a description that will be wanted, if there is none."""
        exact = repr(cursor)
        if _without_number(exact) not in self._of_peer(cursor):
            self._ask(cursor, exact, "", self._described)

    def known(self, cursor: Any) -> Description | None:
        """What an object offers if it is known, without waiting."""
        found: Description | None = self._before(cursor, "", self._described)
        return found

    async def of(self, cursor: Any) -> Description:
        """What an object offers: from before if it is known, else as soon as its owner says."""
        found: Description = await self._get(cursor, "", self._described, Description())
        return found

    async def keys(self, cursor: Any) -> list[object]:
        """The first keys of a dictionary; the caller has seen that it is one."""
        found: list[object] = await self._get(cursor, _KEYS, self._keys, [])
        return found

    async def close(self) -> None:
        """Stops asking."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _before(self, cursor: Any, what: str, ask: Callable[[Any], Any]) -> Any:
        """What is kept, if anything is; asked for again if code has run since then."""
        exact = repr(cursor)
        kept = self._of_peer(cursor).get(what + _without_number(exact))
        if kept is not None and what + exact not in self._fresh:
            self._ask(cursor, exact, what, ask)
        return kept

    async def _get(self, cursor: Any, what: str, ask: Callable[[Any], Any], nothing: Any) -> Any:
        kept = self._before(cursor, what, ask)
        if kept is not None:
            return kept
        task = self._ask(cursor, repr(cursor), what, ask)
        await asyncio.wait({task})
        found = None if task.cancelled() else task.result()
        return nothing if found is None else found

    def _ask(
        self, cursor: Any, exact: str, what: str, ask: Callable[[Any], Any]
    ) -> asyncio.Task[Any]:
        name = what + exact
        task = self._asked.get(name)
        if task is None:
            task = asyncio.ensure_future(self._asking(cursor, name, ask))
            self._asked[name] = task
            task.add_done_callback(lambda _: self._asked.pop(name, None))
        return task

    async def _asking(self, cursor: Any, name: str, ask: Callable[[Any], Any]) -> Any:
        kept, place = self._of_peer(cursor), _without_number(name)
        before = kept.get(place)
        try:
            with unnoticed():
                async with asyncio.timeout(SECONDS):
                    found = await ask(cursor)
        except Exception:
            # A menu is a courtesy: whatever is wrong, the next call will say it. Not asked again
            # before some code ran.
            found = before
        self._fresh.add(name)
        if found is None:
            found = [] if name.startswith(_KEYS) else Description()
        kept[place] = found
        if len(kept) > MAX_KEPT:
            del kept[next(iter(kept))]
        if before is not None and before != found:
            self.on_change()
        return found

    async def _described(self, cursor: Any) -> Description:
        return description_of(await self._describe(cursor))

    def _of_peer(self, cursor: Any) -> dict[str, Any]:
        return self._kept.setdefault(self._peer_of(cursor), {})


def description_of(told: dict[str, Any]) -> Description:
    """Reads a description; whatever in it is not as it should be is left out."""
    rows = told.get("members")
    members = {
        row["name"]: row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and _is_name(row.get("name"))
    }
    return Description(
        members,
        type=text_in(told, "type"),
        signature=text_in(told, "signature"),
        doc=text_in(told, "doc"),
        is_builtin=told.get("module") == "builtins" and told.get("kind") == "object",
    )


def text_in(row: dict[str, Any], name: str) -> str:
    """A text in a row from elsewhere; empty if it is none."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _is_name(name: object) -> bool:
    """Whether a name from elsewhere may be written into what somebody types."""
    return isinstance(name, str) and name.isidentifier()


def _is_short_text(key: object) -> bool:
    return isinstance(key, str) and len(key) <= MAX_KEY_CHARACTERS


def _without_number(text: str) -> str:
    """A cursor's repr without the number of its reference: its type, and the path from there."""
    return re.sub(r"#\d+", "", text, count=1)


__all__ = ["Description", "Descriptions", "description_of", "keys_of", "text_in"]
