"""The prompt on a real terminal, put together: keys, menu, toolbar, history, colours.

The prompt runs on the session's own loop, so what the other side calls here runs while somebody
types; what it prints appears above the prompt.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Always
from prompt_toolkit.input import Input
from prompt_toolkit.output import ColorDepth, Output

from proxyables_cli.repl import colours, keys
from proxyables_cli.repl.above import printing_above
from proxyables_cli.repl.age import Age
from proxyables_cli.repl.commands import COMMANDS
from proxyables_cli.repl.history import open_history
from proxyables_cli.repl.interrupts import listening
from proxyables_cli.repl.keyboard import Keyboard, press_interrupt
from proxyables_cli.repl.menu import Menu
from proxyables_cli.repl.redrawing import draw_less
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.settings import SETTINGS
from proxyables_cli.repl.toolbar import Toolbar

if TYPE_CHECKING:
    from proxyables_cli.repl.completion.arguments import Arguments
    from proxyables_cli.repl.session import Session

PROMPT = ">>> "
MORE = "... "
ESCAPE_SECONDS = 0.05
"""How long the rest of a key that begins with an Escape may take to come."""
COLOUR_SECONDS = 0.15
"""How long the first prompt is there before colours are loaded."""
TICK = 1.0
"""Seconds between two drawings of times that pass."""


async def interact(
    session: Session, *, source: Input | None = None, output: Output | None = None
) -> int:
    """Prompts until Ctrl-D; returns the exit code.

    Args:
        session: What runs the inputs.
        source: The keys; those of the terminal if None.
        output: What is drawn on; the terminal if None.
    """
    terminal = Terminal(session, source or Keyboard(sys.stdin), output)
    try:
        with session.telling_background_errors():
            return await terminal.run()
    finally:
        await terminal.close()


class Terminal:
    """One prompt after the other, with what they share."""

    def __init__(self, session: Session, source: Input, output: Output | None) -> None:
        self._session = session
        self._menu, self._toolbar = Menu(), Toolbar(session)
        self._preparing: asyncio.Task[None] | None = None
        assert session.descriptions is not None  # the root's was asked for before we are here
        self._descriptions = session.descriptions
        self._descriptions.on_change = self._menu.refresh
        self._prompt = _prompt(session, self._menu, source, output)
        size = self._prompt.app.output.get_size
        self._age = Age(lambda: size().columns)
        self._prompt.completer = self._menu
        self._prompt.bottom_toolbar = self._toolbar
        for part in (self._menu, self._toolbar):
            part.attach(self._prompt.default_buffer)

    async def run(self) -> int:
        """Prompts until the session ends; returns its exit code."""
        session = self._session
        self._prompt.app.after_render += self._equip
        while session.exit_code is None:
            try:
                source = await self._read()
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            with self._age.shown():
                await session.enter(source)
            self._descriptions.age()
        return session.exit_code or 0

    async def close(self) -> None:
        """Stops what goes on beside the prompt."""
        await self._toolbar.close()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait({self._preparing})

    async def _read(self) -> str:
        prompt = self._prompt
        prompt.editing_mode = EditingMode.VI if self._session.vi else EditingMode.EMACS
        self._toolbar.begin()
        # Ctrl-C is ours here; prompt_toolkit's handler would not put ours back. Nor may it take the
        # prompt away, and what is typed meanwhile, for an error of somebody's callback.
        with printing_above(), listening(lambda: press_interrupt(prompt.app)) as interrupt:
            if isinstance(prompt.app.input, Keyboard):
                prompt.app.input.before_reading = interrupt  # what was typed behind it
            return await prompt.prompt_async(
                handle_sigint=False,
                set_exception_handler=False,
                refresh_interval=TICK if self._toolbar.is_moving else 0,
            )

    def _equip(self, app: Application[str]) -> None:
        """Loads, once the first prompt is there, what only matters when somebody types."""
        from proxyables_cli.repl.completion.completer import Completer

        app.after_render -= self._equip
        completer = Completer(
            self._session.scope.names,
            is_remote,
            self._descriptions,
            _arguments(self._session),
        )
        self._menu.completer = self._toolbar.completer = completer
        if app.current_buffer.text:
            app.current_buffer.start_completion()
        self._preparing = asyncio.ensure_future(self._prepare(app))

    async def _prepare(self, app: Application[str]) -> None:
        await keys.look_up(app)
        # The thread would slow down whoever types at once; their question goes out before.
        await asyncio.sleep(COLOUR_SECONDS)
        self._prompt.lexer = await colours.lexer()
        if app.current_buffer.text:  # there is something to be coloured
            app.invalidate()


def _prompt(
    session: Session, menu: Menu, source: Input, output: Output | None
) -> PromptSession[str]:
    depth = colours.depth(session.color)
    prompt: PromptSession[str] = PromptSession(
        PROMPT,
        complete_while_typing=True,
        validate_while_typing=False,  # nothing is validated, but each time all is drawn again
        # Without colours nobody could tell a suggestion from what was typed.
        auto_suggest=None if depth is ColorDepth.MONOCHROME else AutoSuggestFromHistory(),
        history=open_history(),
        key_bindings=keys.bindings(session.evaluator.compiler, menu),
        multiline=True,
        prompt_continuation=MORE,
        style=colours.STYLE,
        color_depth=depth,
        include_default_pygments_style=False,
        tempfile_suffix=".py",
        enable_suspend=True,
        input=source,
        output=output,
    )
    draw_less(prompt.default_buffer)
    # Given to the session, this would switch the menu off while typing.
    prompt.default_buffer.enable_history_search = Always()
    prompt.app.ttimeoutlen = ESCAPE_SECONDS
    return prompt


def _arguments(session: Session) -> Arguments:
    from proxyables_cli.repl.completion.arguments import Arguments

    commands = {name: (command.usage, command.help) for name, command in COMMANDS.items()}

    def names() -> Iterable[tuple[str, str]]:
        return ((name, "") for name in session.scope.visible())

    def links() -> Iterable[tuple[str, str]]:
        return ((each.name, each.address) for each in session.connections.by_name.values())

    def jobs() -> Iterable[tuple[str, str]]:
        return ((str(job.number), job.source) for job in session.jobs)

    def settings() -> Iterable[tuple[str, str]]:
        return ((name, setting.help) for name, setting in SETTINGS.items())

    return Arguments(
        commands,
        words={"NAME": names, "JOB": jobs, "COMMAND": lambda: ((name, "") for name in commands)},
        own={**dict.fromkeys(("use", "close", "reconnect"), links), "config": settings},
    )


__all__ = ["Terminal", "interact"]
