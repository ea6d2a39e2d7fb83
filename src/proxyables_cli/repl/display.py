"""How values look: silence for None, ``repr`` for what is local, a remote ``repr`` for the rest.

A remote repr is somebody else's code and text: it gets a limit of time and of size, its control
characters are escaped, and a failure of it never hides the value.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from proxyables.errors import NotSupported
from proxyables_cli.exits import escaped
from proxyables_cli.repl import tables
from proxyables_cli.repl.pages import ITEMS, Pages, SequencePages, StreamPages, TextPages
from proxyables_cli.repl.resolution import UserValue

_WIDTH = 100
"""Columns of a table that no terminal shows."""
REMOTE_SECONDS = 2.0
REMOTE_CHARACTERS = 2_000
NESTED_CHARACTERS = 200
"""Characters of one remote repr: alone, and as one of several inside a collection."""
PREVIEWED = ITEMS
"""Remote objects inside one collection whose repr is fetched."""

_STREAM = re.compile(r"<(async_)?generator object ")

Reprs = Callable[[Sequence[UserValue], int], Awaitable[Sequence[str | Exception]]]


class Display:
    """Makes the text of values.

    Args:
        is_remote: Tells cursors from other values.
        reprs: Asks the other sides for the reprs of cursors' objects, each of so many characters.
        width: Columns at which collections are broken, asked anew each time; None never breaks.
        characters: Longer texts are shown in pages; None shows everything.
        seconds: How long one value may take to tell its remote reprs.
    """

    def __init__(
        self,
        is_remote: Callable[[object], bool],
        reprs: Reprs,
        *,
        width: Callable[[], int] | None = None,
        characters: int | None = None,
        seconds: float = REMOTE_SECONDS,
    ) -> None:
        self._is_remote = is_remote
        self._reprs = reprs
        self._width = width
        self.characters = characters
        self.seconds = seconds

    async def pages_of(self, value: UserValue) -> Pages:
        """A value as a prompt shows it, page by page; without a prompt there is one page.

        The items of an asynchronous iterator, here or over there, are shown as they come, and are
        used up by that.

        Raises:
            Exception: What the ``__repr__`` of a local object raises.
        """
        limit = self.characters
        if self._is_remote(value):
            text = await self._remote_text(value)
            if _STREAM.match(text.removeprefix("remote ")):
                return self._stream_of(aiter(value))
            return TextPages(text, REMOTE_CHARACTERS * 2)
        if hasattr(type(value), "__anext__"):
            return self._stream_of(value)
        if limit is None:
            text = await self.text_of(value)
            return TextPages(text, len(text))
        rows = tables.rows_of(value)
        if rows is not None and len(rows) > tables.MAX_ROWS:
            return SequencePages(rows, tables.MAX_ROWS, self._table_of_rows)
        if type(value) in (list, tuple, dict) and len(value) > ITEMS and self._cursors_in(value):
            if type(value) is dict:
                return SequencePages(list(value.items()), ITEMS, self._dict_of)
            return SequencePages(value, ITEMS, self.text_of)
        return TextPages(await self.text_of(value), limit)

    def _stream_of(self, items: UserValue) -> StreamPages:
        return StreamPages(items, None if self.characters is None else ITEMS, self.text_of)

    async def text_of(self, value: UserValue) -> str:
        """The whole text of a value; empty for None.

        Raises:
            Exception: What the ``__repr__`` of a local object raises.
        """
        if value is None:
            return ""
        if self._is_remote(value):
            return await self._remote_text(value)
        return self._broken(await self._with_texts(value))

    async def table_of(self, value: UserValue) -> str:
        """The text of a value as a table, as far as it can be one; else as `text_of`."""
        value = await self._with_texts(value)
        rows = tables.rows_of(value, wanted=True)
        if rows is None:
            return await self.text_of(value)
        return "\n".join(tables.table_of(rows, self.columns()))

    async def _table_of_rows(self, rows: Sequence[tables.Row]) -> str:
        shown = await self._with_texts(list(rows))
        return "\n".join(tables.table_of(shown, self.columns()))

    async def _dict_of(self, items: Sequence[tuple[UserValue, UserValue]]) -> str:
        return await self.text_of(dict(items))

    def columns(self) -> int:
        """How wide lines may be."""
        return _WIDTH if self._width is None else self._width()

    async def _with_texts(self, value: UserValue) -> UserValue:
        """A copy of a value in which what the cursors' owners say of them stands for them."""
        cursors = self._cursors_in(value)
        if not cursors:
            return value
        texts = await self._remote_texts(cursors, NESTED_CHARACTERS)
        named = {id(cursor): _Text(text) for cursor, text in zip(cursors, texts, strict=True)}
        return _replaced(value, named)

    async def _remote_text(self, cursor: UserValue) -> str:
        return (await self._remote_texts([cursor], REMOTE_CHARACTERS))[0]

    async def _remote_texts(self, cursors: Sequence[UserValue], characters: int) -> list[str]:
        told: Sequence[str | Exception]
        try:
            async with asyncio.timeout(self.seconds):
                told = await self._reprs(cursors, characters)
        except TimeoutError as error:
            told = [error] * len(cursors)
        return [self._remote_or_why(*each) for each in zip(cursors, told, strict=True)]

    def _remote_or_why(self, cursor: UserValue, told: str | Exception) -> str:
        """The value is there although it, or its server, does not say how it looks."""
        if isinstance(told, str):
            return f"remote {escaped(told)}"
        if isinstance(told, NotSupported):
            return repr(cursor)  # a classic peer cannot be asked
        if isinstance(told, TimeoutError):
            return f"{cursor!r} (its repr took longer than {self.seconds:g} s)"
        return f"{cursor!r} (its repr raised {type(told).__name__})"

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
        text = escaped(repr(value))  # what stands for a type of theirs, say
        if width is None or len(text) <= width or type(value) not in (list, tuple, dict, set):
            return text
        if len(text) > 50_000:
            return text  # pprint is slow on such a text, which is cut anyway
        import pprint  # slow to import, and only prompts come here

        return escaped(pprint.pformat(value, width=width, compact=True, sort_dicts=False))


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


__all__ = ["Display"]
