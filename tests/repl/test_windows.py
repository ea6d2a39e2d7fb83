"""Terminals of every kind: narrow ones, resized ones, those without colours, stopped ones."""

from __future__ import annotations

import re
import shlex
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from repl.processes import Terminal, command, leave, proxyables, serving

_COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[1-7]|9[0-7]|38;5|38;2)[0-9;]*m")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


def typed(*words: str) -> list[str]:
    """The command as somebody would type it."""
    return [sys.executable, "-m", "proxyables_cli", "repl", *words]


def test_a_window_changes_its_width(address: str, tmp_path: Path) -> None:
    with Terminal(command(address), columns=100, XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type("obj.add(20, ")
        terminal.until(lambda: "add(a, b=0)" in terminal.below, 10)
        for columns in (40, 120, 12, 60):
            terminal.resize(columns)
            terminal.until(lambda: "add(" in terminal.below, 10)
        terminal.enter("3)", "\n23")
        wide = "[{'name': 'a' * 30, 'text': 'b' * 20}] * 2"
        assert len(terminal.enter(wide, "aaa").splitlines()[-2]) <= 60
        terminal.type("obj.sleep(0.5, lambda word: print('go'))\r")
        terminal.wait("\ngo")
        terminal.resize(80)
        terminal.wait("'slept'")
        terminal.enter("obj.add(40, 2)", "\n42")
        leave(terminal)


def test_forty_columns(address: str, tmp_path: Path) -> None:
    with Terminal(command(address), columns=40, XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type("obj.")
        terminal.until(lambda: "accounts" in terminal.below, 10)
        terminal.type("add(1, 2)")
        terminal.enter(" + 40 + 400 + 4_000 + 40_000 + 400_000", "444443")
        terminal.enter("obj.fail('x' * 100)", "ValueError: xxx")
        leave(terminal)


def test_ten_thousand_rows(address: str, tmp_path: Path) -> None:
    with Terminal(command(address), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        shown = terminal.enter("[{'n': n, 'text': 'x' * 20} for n in range(10_000)]", "xxx")
        assert len(shown.splitlines()) < 200
        assert len(terminal.received) < 200_000
        terminal.enter("len(_)", "\n10000")
        leave(terminal)


@pytest.mark.parametrize(
    ("options", "environment", "coloured"),
    [
        ({}, {}, True),
        ({}, {"NO_COLOR": "1"}, False),
        ({"color": "never"}, {}, False),
        ({"color": "always"}, {"NO_COLOR": "1"}, True),
    ],
)
def test_colours(
    address: str,
    tmp_path: Path,
    options: dict[str, str],
    environment: dict[str, str],
    coloured: bool,
) -> None:
    words = command(address, **options)
    with Terminal(words, XDG_STATE_HOME=str(tmp_path), **environment) as terminal:
        terminal.wait_prompt()
        terminal.type("lambda: 'text'")
        if coloured:  # which may be loaded later than somebody as fast as this types
            terminal.until(lambda: _COLOUR.search(terminal.received) is not None, 10)
        terminal.enter("", "function")
        assert (_COLOUR.search(terminal.received) is not None) == coloured
        leave(terminal)


def test_the_terminal_is_left_as_it_was(address: str, tmp_path: Path) -> None:
    with Terminal(["/bin/sh"], PS1="$ ", XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        before = terminal.modes
        assert before[3] & termios.ICANON
        terminal.type(f"{shlex.join(typed(address))}\r")
        terminal.until(lambda: terminal.is_at_prompt, 15)
        assert not terminal.modes[3] & termios.ICANON
        terminal.type("obj.")
        terminal.until(lambda: "accounts" in terminal.below, 10)
        terminal.type("\x03")
        terminal.until(lambda: terminal.is_at_prompt, 10)
        terminal.type("\x04")
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        assert terminal.modes == before
        assert _last(terminal, b"\x1b[?2004") == b"l"
        assert b"\x1b[?1049" not in terminal.received
        terminal.type("exit 3\r")
        assert terminal.finish() == 3


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_cell_reads_lines(address: str, tmp_path: Path, loop: str) -> None:
    with Terminal(command(address, loop=loop), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type("input('how many? ') + '!'\r")
        terminal.wait("\nhow many?")
        terminal.type("3\r")
        terminal.wait("'3!'")
        terminal.wait_prompt()
        leave(terminal)


def test_it_is_stopped_and_goes_on(address: str, tmp_path: Path) -> None:
    shell = ["/bin/bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, PS1="$ ", XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        terminal.type(f"{shlex.join(typed(address))}\r")
        terminal.until(lambda: terminal.is_at_prompt, 15)
        terminal.type("obj.add(20,")
        terminal.wait(">>> obj.add(20,")
        terminal.type("\x1a")
        terminal.wait("Stopped")
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        terminal.type("echo in the $((1 + 1))nd shell\r")
        terminal.wait("in the 2nd shell")
        terminal.type("fg\r")
        terminal.until(lambda: terminal.text.endswith(">>> obj.add(20,"), 10)
        terminal.enter(" 3)", "\n23")
        terminal.type("print('go'); obj.sleep(0.2)\r")
        terminal.wait("\ngo")
        terminal.type("\x1a")  # while a cell runs
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        terminal.type("fg\r")
        terminal.wait("'slept'")
        terminal.wait_prompt()
        terminal.type("\x04")
        terminal.until(lambda: terminal.text.endswith("$"), 10)
        terminal.type("exit\r")
        assert terminal.finish() == 0


def test_an_editor(address: str, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf 'obj.add(40, 2)\\n' >\"$1\"\n")
    editor.chmod(0o700)
    changes = {"EDITOR": str(editor), "XDG_STATE_HOME": str(tmp_path)}
    with Terminal(command(address), **changes) as terminal:
        terminal.wait_prompt()
        terminal.type("x\x18\x05")
        terminal.wait(">>> obj.add(40, 2)")
        terminal.enter("", "\n42")
        leave(terminal)


def test_vi_by_the_command_line(address: str, tmp_path: Path) -> None:
    with Terminal(typed("--vi", address), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type("obj.add(20, 4)\x1b")
        terminal.until(lambda: "normal" in terminal.below, 10)
        terminal.type("F4r3")
        terminal.wait("obj.add(20, 3)")
        terminal.enter("", "\n23")
        terminal.enter("%config vi off", "vi")
        assert "insert" not in terminal.below
        leave(terminal)


def test_options_that_do_not_exist() -> None:
    refused = proxyables("repl", "--color", "sometimes", ":1", "-c", "1")
    assert refused.returncode == 2
    assert "--color takes one of auto, always, never" in refused.stderr


def _last(terminal: Terminal, mode: bytes) -> bytes:
    """What was said last of a mode: ``h`` for on, ``l`` for off."""
    at = terminal.received.rindex(mode) + len(mode)
    return bytes(terminal.received[at : at + 1])
