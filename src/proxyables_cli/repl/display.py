"""How values look: silence for None, ``repr`` for what is local, a remote ``repr`` for the rest.

A remote repr is somebody else's code and text: it gets a limit of time and of size, its control
characters are escaped, and a failure of it never hides the value.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from proxyables.errors import NotSupported
from proxyables_cli.repl import tables
from proxyables_cli.repl.resolution import UserValue

_WIDTH = 100
"""Columns of a table that no terminal shows."""
REMOTE_SECONDS = 2.0
REMOTE_CHARACTERS = 2_000
PREVIEWED = 20
"""Remote objects inside one collection whose repr is fetched."""

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Display:
    """Makes the text of values.

    Args:
        is_remote: Tells cursors from other values.
        remote_repr: Asks the other side for the repr of a cursor's object.
        width: Columns at which collections are broken, asked anew each time; None never breaks.
        characters: Longer texts are cut; None never cuts.
        seconds: How long one value may take to tell its remote reprs.
    """

    def __init__(
        self,
        is_remote: Callable[[object], bool],
        remote_repr: Callable[[UserValue], Awaitable[object]],
        *,
        width: Callable[[], int] | None = None,
        characters: int | None = None,
        seconds: float = REMOTE_SECONDS,
    ) -> None:
        self._is_remote = is_remote
        self._remote_repr = remote_repr
        self._width = width
        self._characters = characters
        self._seconds = seconds

    async def text_of(self, value: UserValue) -> str:
        """The text of a value, as a prompt shows it; empty for None.

        Raises:
            Exception: What the ``__repr__`` of a local object raises.
        """
        if value is None:
            return ""
        if self._is_remote(value):
            return await self._remote_text(value)
        return self._cut(self._broken(await self._with_texts(value)))

    async def table_of(self, value: UserValue) -> str:
        """The text of a value as a table, as far as it can be one; else as `text_of`."""
        value = await self._with_texts(value)
        rows = tables.rows_of(value, wanted=True)
        width = _WIDTH if self._width is None else self._width()
        if rows is None:
            return await self.text_of(value)
        return "\n".join(tables.table_of(rows, width))

    async def _with_texts(self, value: UserValue) -> UserValue:
        """A copy of a value in which what the cursors' owners say of them stands for them."""
        cursors = self._cursors_in(value)
        if not cursors:
            return value
        texts = await asyncio.gather(*map(self._remote_text, cursors))
        named = {id(cursor): _Text(text) for cursor, text in zip(cursors, texts, strict=True)}
        return _replaced(value, named)

    async def _remote_text(self, cursor: UserValue) -> str:
        try:
            async with asyncio.timeout(self._seconds):
                told = await self._remote_repr(cursor)
        except TimeoutError:
            return f"{cursor!r} (its repr took longer than {self._seconds:g} s)"
        except NotSupported:
            return repr(cursor)  # a classic peer cannot be asked
        except Exception as error:
            # The value is there although it, or its server, does not say how it looks.
            return f"{cursor!r} (its repr raised {type(error).__name__})"
        if not isinstance(told, str):
            return repr(cursor)
        return f"remote {escaped(told, characters=REMOTE_CHARACTERS)}"

    def _cursors_in(self, value: object) -> list[UserValue]:
        found: list[UserValue] = []
        level: list[object] = [value]
        for _ in range(4):  # deeper cursors are shown by their local repr
            deeper: list[object] = []
            for each in level:
                deeper.extend(_parts(each))
            found.extend(part for part in deeper if self._is_remote(part))
            level = deeper
            if len(found) >= PREVIEWED:
                break
        return found[:PREVIEWED]

    def _broken(self, value: object) -> str:
        width = self._width() if self._width is not None else None
        rows = None if width is None else tables.rows_of(value)
        if width is not None and rows is not None:
            return "\n".join(tables.table_of(rows, width))
        text = repr(value)
        if width is None or len(text) <= width or type(value) not in (list, tuple, dict, set):
            return text
        if len(text) > 50_000:
            return text  # pprint is slow on such a text, which is cut anyway
        import pprint  # slow to import, and only prompts come here

        return pprint.pformat(value, width=width, compact=True, sort_dicts=False)

    def _cut(self, text: str) -> str:
        limit = self._characters
        if limit is None or len(text) <= limit:
            return text
        return f"{text[:limit]} … ({len(text)} characters; print() shows them all)"


def escaped(text: str, *, characters: int | None = None) -> str:
    """A text from elsewhere, fit for a terminal: lines kept, other control characters escaped."""
    if characters is not None and len(text) > characters:
        text = f"{text[:characters]} … ({len(text)} characters)"
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class _Text:
    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _parts(value: object) -> list[object]:
    if type(value) in (list, tuple):
        return list(value[:PREVIEWED])  # type: ignore[index]
    if type(value) is dict:
        return list(value.values())[:PREVIEWED]
    return []


def _replaced(value: UserValue, named: dict[int, _Text], depth: int = 4) -> UserValue:
    """A copy in which the cursors stand as their texts."""
    if id(value) in named:
        return named[id(value)]
    if depth == 0:
        return value
    if type(value) in (list, tuple):
        return type(value)(_replaced(part, named, depth - 1) for part in value)
    if type(value) is dict:
        return {key: _replaced(part, named, depth - 1) for key, part in value.items()}
    return value


__all__ = ["Display", "escaped"]
