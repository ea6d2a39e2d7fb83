"""The menu of completions under the cursor.

A key is echoed before its menu is asked for. Who goes on typing leaves a menu that is still waited
for: the wait ends, and the next one begins with what is typed then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completion
from prompt_toolkit.completion import Completer as MenuCompleter
from prompt_toolkit.document import Document

from proxyables_cli.exits import printable

if TYPE_CHECKING:
    from proxyables_cli.repl.completion.candidate import Candidate
    from proxyables_cli.repl.completion.completer import Completer

ROWS = 200
"""Candidates of one menu."""
CHARACTERS = 60
"""The width of a column of the menu."""


class Menu(MenuCompleter):
    """Completion for prompt_toolkit.

    Attributes:
        completer: What finds the candidates; None, and there are none, until the first prompt has
            been drawn.
    """

    def __init__(self) -> None:
        self.completer: Completer | None = None
        self._buffer: Buffer | None = None
        self._moved = asyncio.Event()
        self._enters = False

    def attach(self, buffer: Buffer) -> None:
        """Watches the text that is completed."""
        self._buffer = buffer
        buffer.on_text_changed += self._on_text
        buffer.on_completions_changed += self._on_completions

    def refresh(self) -> None:
        """Shows the menu anew, because what it shows has changed."""
        buffer = self._buffer
        if buffer is None or not buffer.text:
            return
        state = buffer.complete_state
        if state is None or state.current_completion is not None:
            return  # closed, or entered: not to be pulled away under anybody's eyes
        buffer.complete_state = None
        buffer.start_completion()

    def enter(self) -> None:
        """Enters the menu as soon as it is there, unless somebody types on."""
        if self._buffer is not None:
            self._enters = True
            self._buffer.start_completion()  # does nothing if that has been done

    def _on_text(self, buffer: Buffer) -> None:
        self._moved.set()
        self._enters = False

    def _on_completions(self, buffer: Buffer) -> None:
        state = buffer.complete_state
        if self._enters and state is not None and state.completions:
            self._enters = False
            buffer.complete_next()

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return ()  # only asynchronous prompts are made here

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        for each in (await self._found(document.text_before_cursor))[:ROWS]:
            yield Completion(
                each.text,
                start_position=-each.replaces,
                display=printable(each.shown or each.text, clip=CHARACTERS),
                display_meta=printable(each.meta, clip=CHARACTERS),
            )

    async def _found(self, text: str) -> list[Candidate]:
        """The candidates; none if the text changes before they are there."""
        if self.completer is None:
            return []
        self._moved.clear()
        search = asyncio.ensure_future(self.completer.complete(text))
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait({search, moved}, return_when=asyncio.FIRST_COMPLETED)
            # It fails on local objects whose own machinery raises: they have no menu.
            return search.result() if search.done() and search.exception() is None else []
        finally:
            search.cancel()
            moved.cancel()


__all__ = ["Menu"]
