"""The prompt on a real terminal: editing, history, colours, completion.

The prompt runs on the session's own loop, so what the other side calls here runs while somebody
types; what it prints appears above the prompt.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.completion import Completer as MenuCompleter
from prompt_toolkit.completion import Completion as MenuItem
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, has_selection
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.patch_stdout import patch_stdout
from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

import proxyables
from proxyables_cli.repl.commands import COMMANDS
from proxyables_cli.repl.compiling import Compiler, Completeness
from proxyables_cli.repl.completion import Completer
from proxyables_cli.repl.display import escaped
from proxyables_cli.repl.remoting import is_remote

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

PROMPT = ">>> "
MORE = "... "
INDENT = "    "
MENU_ROWS = 200

_SECRET = re.compile(r"(token|secret|passw(or)?d|api_?key)\s*=|%secret\b", re.IGNORECASE)


async def interact(session: Session) -> int:
    """Prompts until Ctrl-D; returns the exit code."""
    completer = Completer(
        session.scope.names,
        is_remote,
        proxyables.describe,
        {name: command.help for name, command in COMMANDS.items()},
    )
    compiler = session.evaluator.compiler
    prompt: PromptSession[str] = PromptSession(
        PROMPT,
        lexer=PygmentsLexer(PythonLexer),
        completer=_Menu(completer),
        complete_while_typing=True,
        history=_history(),
        key_bindings=_keys(compiler),
        multiline=True,
        prompt_continuation=MORE,
        include_default_pygments_style=False,
        enable_open_in_editor=True,
        enable_suspend=True,
    )
    while session.exit_code is None:
        try:
            # Ctrl-C is a key here; prompt_toolkit's handler would not put ours back.
            with patch_stdout():
                source = await prompt.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        await session.enter(source)
        completer.forget()
    return session.exit_code or 0


class _Menu(MenuCompleter):
    """Completion for prompt_toolkit. A key is echoed before its menu is asked for."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[MenuItem]:
        return ()  # only asynchronous prompts are made here

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[MenuItem, None]:
        text = document.text_before_cursor
        line = document.current_line_before_cursor
        found = await self._completer.complete(text if text.startswith("%") else line)
        typed = re.search(r"%?\w*$", line)
        length = 0 if typed is None else len(typed[0])
        for each in found[:MENU_ROWS]:
            if each.text.startswith("%") != line.lstrip().startswith("%"):
                continue
            yield MenuItem(
                each.text,
                start_position=-length,
                display=escaped(each.text, characters=60),
                display_meta=escaped(f"{each.meta}".replace("\n", " "), characters=60),
            )


def _keys(compiler: Compiler) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=~has_selection & ~completion_is_selected)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        document = buffer.document
        at_end = document.text_after_cursor.strip() == ""
        if at_end and _is_whole(compiler, document.text):
            buffer.text = document.text.rstrip()
            buffer.validate_and_handle()
            return
        before = document.current_line_before_cursor
        indent = before[: len(before) - len(before.lstrip())]
        if before.rstrip().endswith(":"):
            indent += INDENT
        buffer.insert_text(f"\n{indent}")

    @keys.add("enter", filter=completion_is_selected)
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _is_whole(compiler: Compiler, source: str) -> bool:
    text = source.strip()
    if not text or text.startswith("%") or text.endswith("?"):
        return True
    return compiler.completeness(source) is not Completeness.INCOMPLETE


class _PrivateHistory(FileHistory):
    """A history that leaves out what begins with a space or looks like a secret."""

    def store_string(self, string: str) -> None:
        if string.strip() and not string.startswith(" ") and not _SECRET.search(string):
            super().store_string(string)


def _history() -> History:
    """The history's file, readable by nobody else; in memory if there can be none."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
        directory = base / "proxyables"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "history"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return InMemoryHistory()
    return _PrivateHistory(path)


__all__ = ["interact"]
