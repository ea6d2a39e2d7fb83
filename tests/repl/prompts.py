"""Sessions in this very process: keys go into a pipe, and a screen draws what the prompt draws."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pyte
import pytest
from prompt_toolkit.application.current import get_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

import proxyables
from proxyables_cli.repl import terminal
from proxyables_cli.repl.completion.remote import Descriptions
from proxyables_cli.repl.session import Session

SECONDS = 20.0
"""How long anything may take until the test has failed."""


class Screen(io.TextIOBase):
    """A terminal that what is written to it appears on; it says where its cursor is when asked."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.columns, self.rows = columns, rows
        self.drawn = asyncio.Event()
        self.reply: Callable[[str], None] = lambda text: None
        self.modes: dict[str, bool] = {}
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> int:
        self._stream.feed(text.replace("\n", "\r\n"))
        for mode in ("1049", "2004", "1000", "25"):
            at = max(text.rfind(f"\x1b[?{mode}h"), text.rfind(f"\x1b[?{mode}l"))
            if at >= 0:
                self.modes[mode] = text[at + 3 + len(mode)] == "h"
        if "\x1b[6n" in text:
            self.reply(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")
        self.drawn.set()
        return len(text)

    def isatty(self) -> bool:
        return True

    def resize(self, columns: int) -> None:
        self.columns = columns
        self._screen.resize(self.rows, columns)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def line(self) -> str:
        """The line that the cursor is in."""
        return self.lines[self._screen.cursor.y]

    @property
    def column(self) -> int:
        return int(self._screen.cursor.x)

    @property
    def toolbar(self) -> str:
        return self.lines[-1]

    @property
    def menu(self) -> list[str]:
        """The lines between the cursor and the toolbar, without what only aligns their columns."""
        below = self.lines[self._screen.cursor.y + 1 : -1]
        return [re.sub(" {2,}", "  ", line.strip()) for line in below if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def style_at(self, text: str, line: int = -1) -> Any:
        """How the first character of a text looks."""
        return self._screen.buffer[line % self.rows][self.lines[line].index(text)]


class Prompt:
    """A session that prompts."""

    def __init__(self, session: Session, screen: Screen, keys: PipeInput) -> None:
        self.session, self.screen = session, screen
        self._keys = keys
        self.task: asyncio.Task[int] = asyncio.ensure_future(
            terminal.interact(session, source=keys, output=_output(screen))
        )

    def type(self, keys: str) -> None:
        self._keys.send_text(keys)

    async def until(self, done: Callable[[], object]) -> None:
        """Waits until the screen is as it should be."""
        try:
            async with asyncio.timeout(SECONDS):
                while not done():
                    self.screen.drawn.clear()
                    drawn = asyncio.ensure_future(self.screen.drawn.wait())
                    await asyncio.wait({drawn, self.task}, return_when=asyncio.FIRST_COMPLETED)
                    drawn.cancel()
                    if self.task.done() and not done():
                        pytest.fail(f"the session ended: {self.task!r}\n{self.screen.text}")
        except TimeoutError:
            pytest.fail(f"not on the screen in time:\n{self.screen.text}", pytrace=False)

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.screen.text)

    async def at(self, line: str) -> None:
        """Waits until the cursor is in a line of this text."""
        await self.until(lambda: self.screen.line == line)

    async def enter(self, line: str, shown: str) -> None:
        """Types a line; waits for what it shows, and for the next prompt."""
        self.type(f"{line}\r")
        await self.until(lambda: shown in self.screen.text and self.screen.line == ">>>")

    async def ends(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.task


def _output(screen: Screen) -> Vt100_Output:
    return Vt100_Output(
        screen,
        lambda: Size(rows=screen.rows, columns=screen.columns),
        term="xterm-256color",
    )


@contextlib.asynccontextmanager
async def prompting(
    address: str,
    state: Path,
    *,
    columns: int = 80,
    rows: int = 24,
    vi: bool = False,
    color: str = "auto",
) -> AsyncIterator[Prompt]:
    """A prompt on the object at an address; leaves it at the end.

    Args:
        address: Where the object is.
        state: The directory of the history.
        columns: The width of the screen.
        rows: Its height.
        vi: Keys are those of vi.
        color: As on the command line.
    """
    screen = Screen(columns, rows)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("XDG_STATE_HOME", str(state))
        patch.delenv("NO_COLOR", raising=False)
        keys = stack.enter_context(create_pipe_input())
        screen.reply = keys.send_text
        # The session that there is anyway: the thread that prints above prompts sees no other.
        patch.setattr(get_app_session(), "_output", _output(screen))
        stack.enter_context(contextlib.redirect_stdout(screen))
        stack.enter_context(contextlib.redirect_stderr(screen))
        session = Session(prompts=True)
        session.vi, session.color = vi, color
        session.descriptions = Descriptions()
        with session.scope.as_main():
            await session.connections.open(address)
            prompt = Prompt(session, screen, keys)
            try:
                await prompt.at(">>>")
                yield prompt
                if not prompt.task.done():
                    await _leave(prompt)
            finally:
                prompt.task.cancel()
                await asyncio.wait({prompt.task})
                await session.jobs.close()
                await session.descriptions.close()
                await session.connections.close_all()


async def _leave(prompt: Prompt) -> None:
    if prompt.screen.line != ">>>" or prompt.session.vi:
        prompt.type("\x03")
        await prompt.at(">>>")
    prompt.type("\x04")
    assert await prompt.ends() == 0
    assert not any(prompt.screen.modes.get(mode) for mode in ("1049", "2004", "1000"))


@contextlib.asynccontextmanager
async def serving(obj: object, directory: Path) -> AsyncIterator[str]:
    """Serves an object on a socket in a directory."""
    async with proxyables.serve(obj, f"unix:{directory}/s") as server:
        yield server.addresses[0]
