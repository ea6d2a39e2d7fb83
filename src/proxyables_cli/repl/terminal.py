"""The prompt on a real terminal, put together: keys, menu, toolbar, history, colours.

The prompt runs on the session's own loop, so what the other side calls here runs while somebody
types; what it prints appears above the prompt.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Always
from prompt_toolkit.input import Input
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.patch_stdout import patch_stdout
from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

from proxyables_cli.repl import colours, keys
from proxyables_cli.repl.commands import COMMANDS
from proxyables_cli.repl.completion import Arguments, Completer, Descriptions
from proxyables_cli.repl.history import open_history
from proxyables_cli.repl.interrupts import listening
from proxyables_cli.repl.keyboard import Keyboard, press_interrupt
from proxyables_cli.repl.menu import Menu
from proxyables_cli.repl.remoting import is_remote
from proxyables_cli.repl.toolbar import Toolbar

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

PROMPT = ">>> "
MORE = "... "
ESCAPE_SECONDS = 0.05
"""How long the rest of a key that begins with an Escape may take to come."""
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
        return await terminal.run()
    finally:
        await terminal.close()


class Terminal:
    """One prompt after the other, with what they share."""

    def __init__(self, session: Session, source: Input, output: Output | None) -> None:
        self._session = session
        descriptions = Descriptions()
        completer = Completer(session.scope.names, is_remote, descriptions, _arguments(session))
        self._descriptions = descriptions
        self._menu, self._toolbar = Menu(completer), Toolbar(session, completer)
        self.prompt = _prompt(session, self._menu, self._toolbar, source, output)
        for part in (self._menu, self._toolbar):
            part.attach(self.prompt.default_buffer)
        descriptions.on_change = self._menu.refresh

    async def run(self) -> int:
        session = self._session
        while session.exit_code is None:
            try:
                source = await self._read()
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            await session.enter(source)
            self._descriptions.age()
        return session.exit_code or 0

    async def close(self) -> None:
        await self._toolbar.close()
        await self._descriptions.close()

    async def _read(self) -> str:
        prompt = self.prompt
        prompt.editing_mode = EditingMode.VI if self._session.vi else EditingMode.EMACS
        self._toolbar.begin()
        for connection in self._session.connections.by_name.values():
            if not connection.peer.closed:
                self._descriptions.prefetch(connection.peer.root)
        # Ctrl-C is ours here; prompt_toolkit's handler would not put ours back.
        with patch_stdout(), listening(lambda: press_interrupt(prompt.app)):
            return await prompt.prompt_async(
                handle_sigint=False, refresh_interval=TICK if self._toolbar.is_moving else 0
            )


def _prompt(
    session: Session, menu: Menu, toolbar: Toolbar, source: Input, output: Output | None
) -> PromptSession[str]:
    depth = colours.depth(session.color)
    prompt: PromptSession[str] = PromptSession(
        PROMPT,
        lexer=PygmentsLexer(PythonLexer),
        completer=menu,
        complete_while_typing=True,
        # Without colours nobody could tell a suggestion from what was typed.
        auto_suggest=None if depth is ColorDepth.MONOCHROME else AutoSuggestFromHistory(),
        history=open_history(),
        key_bindings=keys.bindings(session.evaluator.compiler),
        bottom_toolbar=toolbar,
        multiline=True,
        prompt_continuation=MORE,
        style=colours.STYLE,
        color_depth=depth,
        include_default_pygments_style=False,
        enable_open_in_editor=True,
        tempfile_suffix=".py",
        enable_suspend=True,
        input=source,
        output=output,
    )
    # Given to the session, this would switch the menu off while typing.
    prompt.default_buffer.enable_history_search = Always()
    prompt.app.ttimeoutlen = ESCAPE_SECONDS
    return prompt


def _arguments(session: Session) -> Arguments:
    commands = {name: (command.usage, command.help) for name, command in COMMANDS.items()}

    def names() -> Iterable[tuple[str, str]]:
        return ((name, "") for name in session.scope.visible())

    def links() -> Iterable[tuple[str, str]]:
        return ((each.name, each.address) for each in session.connections.by_name.values())

    def jobs() -> Iterable[tuple[str, str]]:
        return ((str(job.number), job.source) for job in session.jobs)

    return Arguments(
        commands,
        words={"NAME": names, "JOB": jobs, "COMMAND": lambda: ((name, "") for name in commands)},
        own=dict.fromkeys(("use", "close", "reconnect"), links),
    )


__all__ = ["Terminal", "interact"]
