"""Values that are too long to be shown at once: the first page now, the others by ``%more``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

Write = Callable[[str], None]
TextOf = Callable[[Any], Awaitable[str]]

ITEMS = 20
"""Items of a stream, or of a list of remote objects, on one page."""


class TextPages:
    """A long text, page by page.

    Args:
        text: All of it.
        characters: The length of a page.
    """

    def __init__(self, text: str, characters: int) -> None:
        self._text = text
        self._characters = characters
        self._shown = 0

    async def show(self, write: Write) -> str:
        """Writes the next page; returns what is left, in words, or nothing."""
        page = self._text[self._shown : self._shown + self._characters]
        left = len(self._text) - self._shown - len(page)
        line_end = page.rfind("\n") + 1
        if left and line_end > self._characters // 2:  # rather a little less than half a line
            page = page[:line_end]
        self._shown += len(page)
        left = len(self._text) - self._shown
        if page:
            write(page.removesuffix("\n") if left else page)
        return f"{left} of {len(self._text)} characters" if left else ""

    async def close(self) -> None:
        """Nothing is held."""


class SequencePages:
    """The items of a sequence, some at a time.

    Args:
        items: All of them.
        size: Items of one page.
        text_of: Makes the text of a page from its items.
    """

    def __init__(self, items: Sequence[Any], size: int, text_of: TextOf) -> None:
        self._items = items
        self._size = size
        self._text_of = text_of
        self._shown = 0

    async def show(self, write: Write) -> str:
        """As `TextPages.show`."""
        page = self._items[self._shown : self._shown + self._size]
        write(await self._text_of(page))
        self._shown += len(page)
        left = len(self._items) - self._shown
        return f"{left} of {len(self._items)}" if left else ""

    async def close(self) -> None:
        """Nothing is held."""


class StreamPages:
    """The items of an asynchronous iterator, each written when it comes.

    Args:
        items: The iterator; it is left where it is between two pages.
        size: Items of one page; None for all.
        text_of: Makes the text of an item.
    """

    def __init__(self, items: AsyncIterator[Any], size: int | None, text_of: TextOf) -> None:
        self._items = items
        self._size = size
        self._text_of = text_of

    async def show(self, write: Write) -> str:
        """As `TextPages.show`. If cancelled, or if the stream fails, it is closed."""
        count = 0
        try:
            while self._size is None or count < self._size:
                try:
                    item = await anext(self._items)
                except StopAsyncIteration:
                    return ""
                count += 1
                write(await self._text_of(item) if item is not None else "None")
        except BaseException:
            await self.close()
            raise
        return "perhaps more items"

    async def close(self) -> None:
        """Ends the iterator, and with it the producer over there."""
        aclose = getattr(self._items, "aclose", None)
        if aclose is not None:
            await aclose()


Pages = TextPages | SequencePages | StreamPages


class More:
    """What is left of the value that was shown last.

    Args:
        write: Writes one text.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._pages: Pages | None = None

    async def begin(self, pages: Pages) -> None:
        """Shows the first page, and keeps the others in place of what was left before."""
        await self.close()
        await self._show(pages)

    async def next(self) -> bool:
        """Shows one more page; false if there is none."""
        pages, self._pages = self._pages, None
        if pages is None:
            return False
        await self._show(pages)
        return True

    async def close(self) -> None:
        """Forgets what is left."""
        pages, self._pages = self._pages, None
        if pages is not None:
            await pages.close()

    async def _show(self, pages: Pages) -> None:
        left = await pages.show(self._write)
        if left:
            self._pages = pages
            self._write(f"… {left}; %more shows the next")


__all__ = ["ITEMS", "More", "Pages", "SequencePages", "StreamPages", "TextPages"]
