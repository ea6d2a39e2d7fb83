"""Sessions in a real terminal: a pseudo-terminal, and a screen that draws what arrives."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repl.processes import Terminal, command, leave, serving


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def terminal(address: str, tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(command(address), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        yield terminal


def test_a_session(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.enter("obj.add(2, 3)", "\n5").endswith(">>>")
    terminal.enter("obj.accounts[0]", "remote <Account of ada>")
    terminal.enter("_.balance + 1", "\n11")
    text = terminal.enter("obj.fail('what')", "ValueError: what")
    assert "Traceback (here):" in text
    assert 'File "<repl:4>", line 1' in text
    assert "proxyables_cli" not in text
    terminal.enter("undefined", "NameError")
    terminal.enter("x = ", "SyntaxError")
    terminal.enter("%ls", "Adds two numbers.")
    terminal.enter(" secret_looking = 1", ">>>")
    leave(terminal)
    history = tmp_path / "proxyables" / "history"
    assert stat.S_IMODE(os.stat(history).st_mode) == 0o600
    kept = history.read_text()
    assert "obj.add(2, 3)" in kept
    assert "secret" not in kept


def test_blocks_and_pastes(terminal: Terminal) -> None:
    terminal.type("for row in obj.rows():\r")
    terminal.wait("...")
    terminal.type("print(row.upper())\r")
    terminal.enter("", "THREE")
    terminal.type("\x1b[200~x = 1\ny = x + 1\n\x1b[201~")
    terminal.wait("y = x + 1")
    terminal.enter("", ">>>")
    terminal.enter("x, y", "(1, 2)")
    leave(terminal)


def test_callbacks_print_above_the_prompt(terminal: Terminal) -> None:
    terminal.enter("obj.later(print, 0.3)", "registered")
    terminal.type("obj.add(20,")
    terminal.wait("called back\n")
    terminal.wait(">>> obj.add(20,")
    terminal.enter(" 3)", "\n23")
    leave(terminal)


def test_a_lost_connection_is_opened_again_by_itself(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    with (
        serving(path) as (address, server),
        Terminal(command(address), XDG_STATE_HOME=str(tmp_path), columns=200) as terminal,
    ):
        terminal.wait_prompt()
        terminal.type("print('go'); obj.sleep()\r")
        terminal.wait("\ngo")
        server.kill()
        server.wait()
        terminal.wait("is lost; trying to open it again")
        terminal.wait("ConnectionLost: ")
        terminal.wait_prompt()
        # Fails at once.
        terminal.enter("old = obj; obj.add(1, 1)", "obj cannot be reached: its connection is not")
        terminal.enter("%reconnect", "cannot connect")
        with serving(path):
            terminal.wait("again; what it gave before is gone")
            terminal.wait_prompt()
            terminal.enter("obj.add(1, 1)", "\n2")
            terminal.enter("old.add(1, 1)", f"old belonged to the previous server at {address}")
            terminal.enter("%reconnect", "connected to")
            terminal.enter("obj.add(1, 2)", "\n3")
            leave(terminal)


def test_a_server_that_refuses_is_not_asked_again(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    with (
        serving(path) as (address, server),
        Terminal(command(address), XDG_STATE_HOME=str(tmp_path), columns=200) as terminal,
    ):
        terminal.wait_prompt()
        server.kill()
        server.wait()
        terminal.wait("is lost; trying to open it again")
        with serving(path, token="secret"):
            terminal.wait("a token is demanded, and none was given; not trying any more")
            terminal.wait_prompt()
            leave(terminal)


def test_a_connection_that_is_being_opened_again_can_be_closed(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    with (
        serving(path) as (address, server),
        Terminal(command(address), XDG_STATE_HOME=str(tmp_path), columns=200) as terminal,
    ):
        terminal.wait_prompt()
        server.kill()
        server.wait()
        terminal.wait("is lost; trying to open it again")
        terminal.wait_prompt()
        terminal.enter("%close", "closed unix:")
        terminal.enter("obj", "NameError")
        leave(terminal)


def test_a_lost_child_is_not_started_again_by_itself(tmp_path: Path) -> None:
    child = "proxyables.serve(type('A', (), {'die': lambda self: os._exit(3)})(), 'stdio:')"
    serve = f"import os, asyncio, proxyables; asyncio.run({child}.serve_forever())"
    address = f"exec:{shlex.join([sys.executable, '-c', serve])}"
    with Terminal(command(address), XDG_STATE_HOME=str(tmp_path), columns=600) as terminal:
        terminal.wait_prompt()
        terminal.type("obj.die()\r")
        terminal.wait("is lost; %reconnect")
        terminal.wait_prompt()
        leave(terminal)


def test_rows_are_a_table(terminal: Terminal) -> None:
    rows = '[{"name": "ada", "age": 36}, {"name": "bob", "age": 7}]'
    shown = terminal.enter(rows, "bob")
    lines = [line for line in shown.splitlines() if line.startswith(("name", "ada", "bob"))]
    assert [line.split() for line in lines] == [
        ["name", "age"],
        ["ada", "36"],
        ["bob", "7"],
    ]
    assert "ada" in terminal.enter("%table obj.accounts[0:1]", "owner")
    assert '"opened": 2024' in terminal.enter("%json obj.accounts[0].notes", "}")
    terminal.enter("_['opened'] + 1", "\n2025")
    leave(terminal)


def test_jobs_run_in_the_background(terminal: Terminal) -> None:
    terminal.enter("before = obj.cancelled", ">>>")
    terminal.enter("%bg obj.sleep(60, print)", "job 1 runs; %cancel 1 ends it")
    terminal.wait("\ngo")
    terminal.enter("%jobs", "obj.sleep(60, print)")
    terminal.enter("%cancel 7", "no job is called '7'; running: 1")
    terminal.enter("%cancel 1", "job 1 cancelled after")
    terminal.enter("obj.cancelled - before", "\n1")  # over there, too
    terminal.enter("%bg obj.fail('not today')", "job 2 raised after")
    terminal.wait("ValueError: not today")
    terminal.wait_prompt()
    terminal.enter("%bg answer = obj.add(40, 2)", "job 3 done after")
    terminal.enter("answer", "\n42")
    terminal.enter("%bg obj.sleep()", "job 4 runs")
    leave(terminal)  # which cancels what is left, without a word
    assert "job 4 cancelled" not in terminal.text


STAYS = """stays = True
soon = asyncio.get_running_loop().call_soon  # when the cell waits
async def stay():
    soon(print, 'here')
    while stays:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            soon(print, 'again')
"""


def test_a_cell_that_was_left_alone_is_a_job(terminal: Terminal) -> None:
    terminal.type(f"\x1b[200~{STAYS}\x1b[201~")
    terminal.enter("", ">>>")
    terminal.type("await stay()\r")
    terminal.wait("\nhere")
    for count in range(1, 4):
        terminal.type("\x03")
        terminal.until(lambda count=count: terminal.text.count("again") == count + 1, 10)
    terminal.wait("it does not end; it goes on in the background as job 1")
    terminal.wait_prompt()
    assert "s  await stay()" in terminal.enter("%jobs", "\n1  ")
    terminal.enter("stays = False", ">>>")
    terminal.enter("%cancel 1", "job 1 done after")
    leave(terminal)


def test_completion_menu(terminal: Terminal) -> None:
    terminal.type("obj.acc")
    terminal.until(lambda: "accounts" in terminal.below, 10)
    terminal.type("\x03")
    terminal.wait_prompt()
    leave(terminal)


def test_exit_codes(terminal: Terminal) -> None:
    terminal.type("raise SystemExit(3)\r")
    assert terminal.finish() == 3


@pytest.mark.parametrize("word", ["exit", "%quit", "exit()"])
def test_ways_out(address: str, tmp_path: Path, word: str) -> None:
    with Terminal(command(address), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type(f"{word}\r")
        assert terminal.finish() == 0
