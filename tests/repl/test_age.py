"""The line that tells how long a cell has been running, on a real terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repl.processes import Terminal, command, leave, serving

AGE = re.compile(r"running \d+\.\d s, Ctrl-C cancels$")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def loop() -> str:
    return "auto"


@pytest.fixture
def terminal(address: str, tmp_path: Path, loop: str) -> Iterator[Terminal]:
    words = command(address, loop=loop)
    with Terminal(words, XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        yield terminal
        terminal.wait_prompt()
        leave(terminal)


def shows(terminal: Terminal) -> bool:
    return AGE.search(terminal.text) is not None


def lines_of(terminal: Terminal) -> list[str]:
    return terminal.text.splitlines()


def run(terminal: Terminal, cell: str) -> None:
    """Runs a cell until its age is shown."""
    terminal.type(f"{cell}\r")
    terminal.until(lambda: shows(terminal), 10)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_it_comes_grows_and_goes(terminal: Terminal) -> None:
    run(terminal, "obj.sleep(2.5)")
    first = AGE.search(terminal.text)
    terminal.until(lambda: AGE.search(terminal.text) not in (None, first), 10)
    terminal.wait("'slept'")
    terminal.wait_prompt()
    assert lines_of(terminal)[-3:] == [">>> obj.sleep(2.5)", "'slept'", ">>>"]


def test_a_quick_cell_has_none(terminal: Terminal) -> None:
    terminal.enter("obj.sleep(0.3)", "'slept'")
    terminal.enter("import time; time.sleep(1.2)", "1.2)")
    assert b"running" not in terminal.received


def test_what_is_printed_meanwhile_stands_alone(terminal: Terminal) -> None:
    run(terminal, "await obj.later(print, 1.6); print('one'); obj.sleep(2.4); print('two')")
    terminal.wait("called back")
    terminal.until(lambda: shows(terminal), 10)
    terminal.wait_prompt()
    assert lines_of(terminal)[-4:-1] == ["one", "called back", "two"]


def test_half_a_line_is_left_to_be_ended(terminal: Terminal) -> None:
    terminal.type("import sys; print('half', end=''); await asyncio.sleep(1.5); print(' a line')\r")
    terminal.wait("half a line")
    terminal.wait_prompt()
    assert b"running" not in terminal.received
    run(terminal, "await asyncio.sleep(1.3); print('to', file=sys.stderr); await asyncio.sleep(1)")
    terminal.wait_prompt()
    assert lines_of(terminal)[-2:] == ["to", ">>>"]


def test_a_program_that_the_cell_starts_finds_an_empty_line(terminal: Terminal) -> None:
    terminal.enter("import subprocess, sys", "sys")
    run(
        terminal,
        "await asyncio.sleep(1.5); subprocess.run(['echo', 'said'], stdout=sys.stdout).returncode",
    )
    terminal.wait_prompt()
    assert lines_of(terminal)[-3:-1] == ["said", "0"]


def test_it_is_cancelled(terminal: Terminal) -> None:
    run(terminal, "obj.sleep(60)")
    terminal.type("\x03")
    terminal.wait("cancelled after")
    terminal.wait_prompt()
    assert "running" not in terminal.text


def test_windows_of_any_width(terminal: Terminal) -> None:
    terminal.resize(40)
    run(terminal, "obj.sleep(4)")
    terminal.resize(20)
    terminal.until(lambda: re.search(r"^running \d\.\d s, Ctrl$", terminal.text, re.M), 10)
    terminal.resize(60)
    terminal.until(lambda: shows(terminal), 10)
    terminal.wait_prompt()
    assert lines_of(terminal)[-3:] == [">>> obj.sleep(4)", "'slept'", ">>>"]


def test_the_streams_are_those_from_before(terminal: Terminal) -> None:
    terminal.enter("import io, sys; kept = sys.stdout; sys.stdout = io.StringIO()", "StringIO")
    terminal.enter("sys.stdout = sys.__stdout__", "__stdout__")
    terminal.enter("print('still', file=kept); print('here')", "still\nhere")


@pytest.mark.parametrize(
    ("options", "changes"), [({"plain": True}, {}), ({}, {"TERM": "dumb"})], ids=["plain", "dumb"]
)
def test_plain_terminals_have_none(
    address: str, tmp_path: Path, options: dict[str, bool], changes: dict[str, str]
) -> None:
    words = command(address, **options)
    with Terminal(words, XDG_STATE_HOME=str(tmp_path), **changes) as terminal:
        terminal.wait_prompt()
        terminal.enter("obj.sleep(1.6)", "'slept'")
        assert b"running" not in terminal.received
        leave(terminal)


def test_an_editor_and_a_secret_have_the_terminal_for_themselves(
    address: str, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf 'editing'; sleep 1.6; echo; echo '1 + 1' >\"$1\"\n")
    editor.chmod(0o700)
    changes = {"EDITOR": str(editor), "XDG_STATE_HOME": str(tmp_path)}
    with Terminal(command(address), **changes) as terminal:
        terminal.wait_prompt()
        terminal.enter("%edit", "\n2")
        terminal.type("%secret word\r")
        terminal.wait("\nword:")
        asked = time.monotonic()
        terminal.until(lambda: time.monotonic() - asked > 1.5, 10)
        terminal.type("hush\r")
        terminal.wait("word:\n>>>")
        assert b"running" not in terminal.received
        leave(terminal)


# ---- what is typed meanwhile


@pytest.mark.parametrize("seconds", ["0.5", "1.5"])
def test_keys_are_kept_for_the_next_prompt(terminal: Terminal, seconds: str) -> None:
    terminal.type(f"print('go'); obj.sleep({seconds})\r")
    terminal.wait("\ngo")
    terminal.type("obj.add(20, 3)\robj.va")
    terminal.until(lambda: lines_of(terminal)[-1] == ">>> obj.va", 10)
    assert lines_of(terminal)[-3:-1] == [">>> obj.add(20, 3)", "23"]
    terminal.enter("lue", "\n1")


def test_control_d_leaves_at_the_next_prompt(address: str, tmp_path: Path) -> None:
    for loop in ("uvloop", "asyncio"):
        with Terminal(command(address, loop=loop), XDG_STATE_HOME=str(tmp_path)) as terminal:
            terminal.wait_prompt()
            terminal.type("print('go'); obj.sleep(0.7)\r")
            terminal.wait("\ngo")
            terminal.type("\x04")
            assert terminal.finish() == 0
            assert "'slept'" in terminal.text


def test_control_d_after_text_leaves_nothing(terminal: Terminal) -> None:
    terminal.type("print('go'); obj.sleep(0.7)\r")
    terminal.wait("\ngo")
    terminal.type("1 + 1\x04")
    terminal.wait(">>> 1 + 1")
    terminal.enter("0", "\n11")


def test_control_d_ends_what_a_cell_reads(terminal: Terminal) -> None:
    terminal.type("print('go'); obj.sleep(0.5); __import__('sys').stdin.read()\r")
    terminal.wait("\ngo")
    terminal.type("lines\r\x04")
    terminal.wait("'lines\\n'")
