"""What keys do at the prompt, beyond what prompt_toolkit has for Emacs and vi."""

from __future__ import annotations

import asyncio
import string

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import (
    Condition,
    completion_is_selected,
    emacs_insert_mode,
    has_completions,
    has_focus,
    has_selection,
    vi_insert_mode,
    vi_navigation_mode,
)
from prompt_toolkit.key_binding import KeyBindings, KeyBindingsBase, KeyPressEvent

from proxyables_cli.repl.compiling import Compiler, Completeness, command_of
from proxyables_cli.repl.menu import Menu

INDENT = "    "

TYPED = f"{string.ascii_lowercase}.(_"
"""Keys that are about to be typed at any prompt."""
_LEAVES_BLOCK = ("return", "pass", "break", "continue", "raise")

_in_cell = has_focus(DEFAULT_BUFFER)
_editing = _in_cell & (emacs_insert_mode | vi_insert_mode)


def bindings(compiler: Compiler, menu: Menu) -> KeyBindings:
    """Makes the bindings of a session's prompt."""
    keys = KeyBindings()
    _add_enter(keys, compiler)
    _add_arrows(keys)
    _add_tab(keys, menu)
    _add_indentation(keys)
    _add_editor(keys)
    return keys


async def look_up(app: Application[str]) -> None:
    """Looks up what the keys of names do, which prompt_toolkit keeps: later that would be done
    between a key and its echo. In pieces, as somebody may type already."""
    # Not public, as nothing is that knows all bindings; without, keys are looked up as they come.
    known = getattr(app.key_processor, "_bindings", None)
    if isinstance(known, KeyBindingsBase):
        for key in TYPED:
            known.get_bindings_for_keys((key,))
            known.get_bindings_starting_with_keys((key,))
            await asyncio.sleep(0)


def _add_enter(keys: KeyBindings, compiler: Compiler) -> None:
    not_chosen = ~has_selection & ~completion_is_selected

    @keys.add("enter", filter=_in_cell & vi_navigation_mode)
    @keys.add("enter", filter=_editing & not_chosen)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if _runs(buffer.document, compiler):
            buffer.text = buffer.text.rstrip()
            buffer.validate_and_handle()
        else:
            _new_line(buffer)

    @keys.add("enter", filter=_in_cell & completion_is_selected)
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    @keys.add("escape", "enter", filter=_in_cell & emacs_insert_mode)
    def _line_anyway(event: KeyPressEvent) -> None:
        _new_line(event.current_buffer)


def _add_arrows(keys: KeyBindings) -> None:
    """Up and Down are for the lines of the cell and the history, unless the menu was entered."""
    menu_waits = Condition(_menu_waits)

    @keys.add("up", filter=_editing & ~completion_is_selected)
    def _up(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None
        event.current_buffer.auto_up(count=event.arg)

    @keys.add("down", filter=_editing & ~completion_is_selected & ~menu_waits)
    def _down(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None
        event.current_buffer.auto_down(count=event.arg)

    @keys.add("down", filter=_editing & menu_waits)
    def _enter_menu(event: KeyPressEvent) -> None:
        event.current_buffer.complete_next()


def _add_tab(keys: KeyBindings, menu: Menu) -> None:
    """prompt_toolkit has a Tab do nothing that comes before the menu does."""

    @keys.add("tab", filter=_editing & ~has_completions)
    def _enter_menu(event: KeyPressEvent) -> None:
        menu.enter()


def _menu_waits() -> bool:
    """Whether Down can only mean the menu: nothing of the cell or the history is below."""
    buffer = get_app().current_buffer
    state = buffer.complete_state
    looks_back = buffer.history_search_text is not None  # until the text is changed
    if state is None or looks_back or not buffer.document.on_last_line:
        return False
    return bool(state.completions) and state.current_completion is None


def _add_indentation(keys: KeyBindings) -> None:
    in_indentation = Condition(_in_indentation)

    @keys.add("tab", filter=_editing & in_indentation)
    def _indent(event: KeyPressEvent) -> None:
        column = event.current_buffer.document.cursor_position_col
        event.current_buffer.insert_text(INDENT[column % len(INDENT) :])

    @keys.add("backspace", filter=_editing & in_indentation & ~has_selection)
    def _outdent(event: KeyPressEvent) -> None:
        column = event.current_buffer.document.cursor_position_col
        event.current_buffer.delete_before_cursor((column - 1) % len(INDENT) + 1 if column else 1)

    @keys.add("s-tab", filter=_editing & in_indentation)
    def _outdent_too(event: KeyPressEvent) -> None:
        column = event.current_buffer.document.cursor_position_col
        if column:
            event.current_buffer.delete_before_cursor((column - 1) % len(INDENT) + 1)


def _add_editor(keys: KeyBindings) -> None:
    """Unlike those of prompt_toolkit, these leave the running to Enter: a call may be dear."""

    @keys.add("c-x", "c-e", filter=_in_cell & emacs_insert_mode & ~has_selection)
    @keys.add("v", filter=_in_cell & vi_navigation_mode)
    def _edit(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()


def _in_indentation() -> bool:
    """Whether only blanks stand before the cursor, in a line after the first."""
    document = get_app().current_buffer.document
    before = document.current_line_before_cursor
    return document.cursor_position_row > 0 and (not before or before.isspace())


def _runs(document: Document, compiler: Compiler) -> bool:
    """Whether Enter means that the cell is to run: it is whole, and the cursor in its last line."""
    if document.text_after_cursor.strip() and not document.on_last_line:
        return False
    if not document.text.strip() or command_of(document.text) is not None:
        return True
    return compiler.completeness(document.text) is not Completeness.INCOMPLETE


def _new_line(buffer: Buffer) -> None:
    buffer.complete_state = None
    buffer.insert_text(f"\n{indent_after(buffer.document.text_before_cursor)}", fire_event=False)


def indent_after(text: str) -> str:
    """The indentation of the line that follows a text: that of its last line, one step more after
    a colon, one less after what leaves a block."""
    line = text.rsplit("\n", 1)[-1]
    indent = line[: len(line) - len(line.lstrip())]
    code = line.split("#")[0].rstrip()
    if code.endswith((":", "(", "[", "{")):
        return indent + INDENT
    if code.strip().split(" ", 1)[0] in _LEAVES_BLOCK:
        return indent.removesuffix(INDENT)
    return indent


__all__ = ["INDENT", "bindings", "indent_after", "look_up"]
