"""Ctrl-C in a real terminal, on both event loops: what it ends, and that it ends nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest

from repl.processes import Terminal, command, environment, leave, serving

CONTROL_C = "\x03"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture(params=["uvloop", "asyncio"])
def terminal(address: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    words = command(address, loop=request.param)
    with Terminal(words, XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        yield terminal
        assert "proxyables_cli" not in terminal.text
        assert "asyncio/" not in terminal.text


def begin(terminal: Terminal, line: str) -> None:
    """Types a line, and waits for the "go" that it says."""
    terminal.type(f"{line}\r")
    terminal.wait("\ngo")


def press_until(terminal: Terminal, text: str) -> None:
    """Presses Ctrl-C until it shows an effect: two that come too fast for the system are one."""
    for _ in range(20):
        terminal.type(CONTROL_C)
        with contextlib.suppress(AssertionError):
            terminal.wait(text, timeout=0.5)
            return
    terminal.wait(text)


def goes_on(terminal: Terminal) -> None:
    """Sees that the session does its work, and ends it."""
    terminal.wait_prompt()
    terminal.enter("obj.add(20, 3)", "\n23")
    leave(terminal)


def test_a_call_is_cancelled_over_there(terminal: Terminal) -> None:
    before = terminal.enter("print('n', obj.cancelled)", "n ")
    begin(terminal, "obj.sleep(60, print)")  # said from over there: the call runs
    terminal.type(CONTROL_C)
    terminal.wait("cancelled after ")
    terminal.wait_prompt()
    assert before != terminal.enter("print('n', obj.cancelled)", "n ")
    goes_on(terminal)


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(60)",
        "[0 for _ in iter(int, 1)]",
        "while True: pass\r",
        "import subprocess; subprocess.run(['sleep', '60'])",
    ],
)
def test_local_code_is_interrupted(terminal: Terminal, source: str) -> None:
    begin(
        terminal,
        f"exec({source!r}, print('go'))" if "while" in source else f"print('go'); {source}",
    )
    if "sleep" in source:
        # Python sleeps through a signal that comes in the moment before the system call.
        terminal.until(lambda: _state(terminal.pid) == "S", 10)
    terminal.type(CONTROL_C)
    terminal.wait("KeyboardInterrupt")
    goes_on(terminal)


def test_code_that_swallows_it_once(terminal: Terminal) -> None:
    lines = (
        "async def stubborn():",
        "    try:",
        "        await obj.sleep(60, print)",
        "    except BaseException:",
        "        await obj.sleep(60, lambda word: print('aga' 'in'))",
    )
    terminal.type(f"\x1b[200~{chr(10).join(lines)}\n\x1b[201~")
    terminal.enter("", ">>>")
    begin(terminal, "await stubborn()")
    terminal.type(CONTROL_C)
    terminal.wait("again")
    terminal.type(CONTROL_C)
    terminal.wait("cancelled after ")
    goes_on(terminal)


def test_twice_at_once(terminal: Terminal) -> None:
    begin(terminal, "obj.sleep(60, print)")
    terminal.type(CONTROL_C * 2)
    terminal.wait("cancelled after ")
    goes_on(terminal)


def test_a_second_one_while_the_first_takes_effect(terminal: Terminal) -> None:
    for number in range(60):
        terminal.type(f"obj.sleep(60, lambda word: print(word, {number}, 'on'))\r")
        terminal.wait(f"\ngo {number} on")
        terminal.type(CONTROL_C)
        time.sleep(number * 0.0001)
        terminal.type(CONTROL_C)
        # The terminal throws away what it has not shown yet, so a text of ours may be lost.
        terminal.until(lambda: terminal.text.endswith(">>>"), 10)
        terminal.type("\r")  # a prompt behind which nothing is echoed
        terminal.wait_prompt()
    assert b"Traceback" not in terminal.received
    assert b"KeyboardInterrupt" not in terminal.received
    goes_on(terminal)


def test_a_paste_whose_end_the_terminal_threw_away(terminal: Terminal) -> None:
    # Ctrl-C empties what the terminal holds, the mark that ends a paste for one.
    terminal.type("\x1b[200~half of a paste")
    time.sleep(0.3)  # it is read, and not drawn before it is whole
    terminal.type(CONTROL_C)
    goes_on(terminal)


def test_what_a_cell_does_with_the_signal_ends_with_it(terminal: Terminal) -> None:
    begin(terminal, "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL) and print('go')")
    terminal.wait_prompt()
    terminal.type("some text")
    terminal.wait("some text")
    terminal.type(CONTROL_C)
    goes_on(terminal)


def test_a_callback_that_does_not_end_while_a_call_waits(terminal: Terminal) -> None:
    terminal.enter("def stuck(word): print('go'); [0 for _ in iter(int, 1)]\r", ">>>")
    begin(terminal, "obj.sleep(60, stuck)")
    press_until(terminal, "cancelled after ")
    goes_on(terminal)


def test_text_at_the_prompt_is_cleared(terminal: Terminal) -> None:
    terminal.type("some text")
    terminal.wait("some text")
    terminal.type(CONTROL_C)
    terminal.wait_prompt()
    for count in (3, 4):
        terminal.type(CONTROL_C)
        terminal.until(lambda count=count: terminal.text.count(">>>") == count, 10)
    goes_on(terminal)


def test_a_callback_that_does_not_end_while_somebody_types(terminal: Terminal) -> None:
    terminal.enter("def stuck(word): print('go', flush=True); [0 for _ in iter(int, 1)]\r", ">>>")
    terminal.enter("obj.later(stuck, 0.1)", "registered")
    # Nothing can be drawn by now, so what it prints is not waited for.
    before = _ticks(terminal.pid)
    terminal.until(lambda: _ticks(terminal.pid) > before + 40, 20)
    press_until(terminal, "\ngo")
    goes_on(terminal)


STUBBORN = """\
async def stubborn(wait):
    told = []
    while True:
        try:
            told or told.append(print('go'))
            await wait()
        except BaseException:
            pass
"""


@pytest.mark.parametrize(
    ("line", "loop"),
    [
        ("await stubborn(lambda: asyncio.sleep(60))", "uvloop"),
        ("task = asyncio.ensure_future(stubborn(lambda: asyncio.sleep(60)))", "asyncio"),
        ("%bg await stubborn(lambda: asyncio.sleep(60))", "uvloop"),
        # When the connection is closed, it does not even let go of the loop.
        ("%bg await stubborn(lambda: obj.sleep(0.5))", "asyncio"),
    ],
)
def test_what_no_cancelling_ends_does_not_keep_a_session(
    address: str, tmp_path: Path, line: str, loop: str
) -> None:
    with Terminal(command(address, loop=loop), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_prompt()
        terminal.type(f"\x1b[200~{STUBBORN}\x1b[201~")
        terminal.enter("", ">>>")
        begin(terminal, line)
        if line.startswith("await"):
            press_until(terminal, "in the background as job 1")
        terminal.wait_prompt()
        terminal.type("\x04")
        assert terminal.finish(timeout=20) == 0
        assert "goes on: it ends with the session" in terminal.text


def test_drawing_is_not_interrupted(terminal: Terminal) -> None:
    for _ in range(6):
        terminal.type("x = 1 + (2 * obj.add(" * 30)
        terminal.poll()
        for _ in range(6):
            os.kill(terminal.pid, signal.SIGINT)
            time.sleep(0.004)
    terminal.type("# the end")
    # By a prompt: between two of them the terminal itself echoes, and Ctrl-C ends nothing there.
    terminal.until(lambda: re.search(r"(>>>|\.\.\.) .*# the end$", terminal.text), 20)
    terminal.type(CONTROL_C)
    goes_on(terminal)


def test_a_job_that_does_not_end(terminal: Terminal) -> None:
    before = _ticks(terminal.pid)
    terminal.type("%bg [0 for _ in iter(int, 1)]\r")
    terminal.until(lambda: _ticks(terminal.pid) > before + 60, 20)
    press_until(terminal, "KeyboardInterrupt")
    goes_on(terminal)


def _ticks(pid: int) -> int:
    """The processor time that a process has used, in hundredths of a second."""
    return int(_told(pid)[11])


def _state(pid: int) -> str:
    """One letter: R while a process runs, S while it sleeps in a system call."""
    return _told(pid)[0]


def _told(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_a_dumb_terminal(address: str) -> None:
    with Terminal(command(address), TERM="dumb") as terminal:
        terminal.wait_prompt()
        terminal.enter("obj.add(2, 3)", "\n5")
        terminal.type("half a li")
        terminal.wait("half a li")
        terminal.type(CONTROL_C)
        terminal.wait_prompt()
        begin(terminal, "obj.sleep(60, print)")  # said from over there: the call runs
        terminal.type(CONTROL_C)
        terminal.wait("cancelled after ")
        terminal.wait_prompt()
        assert b"\x1b" not in terminal.received
        leave(terminal)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_no_number_of_interrupts_ends_a_session(address: str, loop: str) -> None:
    # Mostly they come while a cell begins or ends, and something else takes Ctrl-C over.
    with Popen(
        command(address, plain=True, loop=loop),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("print('begun')\n" + "obj.sleep(0.002)\n" * 400)
        process.stdin.flush()
        assert process.stdout.readline() == ">>> begun\n"
        for _ in range(1500):
            process.send_signal(signal.SIGINT)
            time.sleep(0.001)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("\nprint('the end')\n")
            process.stdin.close()
        assert "the end" in process.stdout.read()
        assert process.wait(10) == 0
