"""Real processes for the tests: a server, and sessions on pipes and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pyte

SOURCES = Path(__file__).resolve().parents[2] / "src"

SERVER = '''
import asyncio, sys, proxyables

class Account:
    def __init__(self, owner, balance):
        self.owner, self.balance = owner, balance
        self.notes = {"opened": 2024}
    def __repr__(self):
        return f"<Account of {self.owner}>"
    def deposit(self, amount):
        """Puts money in."""
        self.balance += amount
        return self.balance

class Slow:
    def __repr__(self):
        import time
        raise ValueError("no repr")

class API:
    """What the tests use."""
    def __init__(self):
        self.accounts = [Account("ada", 10), Account("bob", 20)]
        self.value = 1
        self.cancelled = 0
        self.callbacks = []
        self.slow_repr = Slow()
    def __repr__(self):
        return "<API over there>"
    def add(self, a, b=0):
        """Adds two numbers."""
        return a + b
    def fail(self, text="no"):
        raise ValueError(text)
    def rows(self):
        yield from ("one", "two", "three")
    def text(self):
        return "\\x1b[31mred"
    async def sleep(self, seconds=60.0, started=None):
        try:
            if started is not None:
                await started("go")
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "slept"
    async def later(self, callback, seconds):
        async def call():
            await asyncio.sleep(seconds)
            await callback("called back")
        self.callbacks.append(asyncio.create_task(call()))
        return "registered"
    def on(self, callback):
        self.callbacks.append(callback)
    async def fire(self, word):
        for callback in self.callbacks:
            await callback(word)
        return len(self.callbacks)

async def main():
    async with proxyables.serve(API(), sys.argv[1], token=sys.argv[2] or None) as server:
        print(server.addresses[0], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
'''


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "PYTHONPATH": str(SOURCES), "PYTHONWARNINGS": "error", **changes}


@contextmanager
def serving(
    address: str = "tcp://127.0.0.1:0", *, token: str = ""
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process; ends when its input does."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, address, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def serving_target(target: str, *options: str) -> Iterator[str]:
    """A server of what ``proxyables serve`` finds; gives its address."""
    words = [sys.executable, "-m", "proxyables_cli", "serve", target, "--tcp", ":0", *options]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split(" on ")[-1].strip()
        finally:
            process.terminate()


LAUNCHER = """
import json, sys
from proxyables_cli import exits, stdout
from proxyables_cli.repl import start
try:
    code = start.run(**json.loads(sys.argv[1]))
except (Exception, KeyboardInterrupt) as error:
    code = exits.report(error, debug=False)
stdout.discard()
sys.exit(code)
"""


def command(*addresses: str, **options: Any) -> list[str]:
    """The command line of a session without that of ``proxyables``, which is slow to load."""
    return [sys.executable, "-c", LAUNCHER, json.dumps({"addresses": addresses, **options})]


def run(words: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command on pipes, to its end."""
    return subprocess.run(
        words,
        input=given,
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
        check=False,
    )


def proxyables(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the real command line on pipes, to its end."""
    return run([sys.executable, "-m", "proxyables_cli", *words], given)


class Terminal:
    """A process on a pseudo-terminal of its own, and the screen that it draws.

    Args:
        words: The program.
        columns: The width of the screen.
        rows: Its height.
        changes: Changes to the environment.
    """

    def __init__(
        self, words: Sequence[str], *, columns: int = 100, rows: int = 40, **changes: str
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(words[0], list(words), environment(**{"TERM": "xterm-256color", **changes}))
        self.received = bytearray()
        """All that the process has written."""
        self.resize(columns, rows)
        self.exit_code: int | None = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What was drawn down to the cursor, what has scrolled away included, without blank lines
        at its end."""
        columns = range(self.screen.columns)
        gone = ["".join(line[x].data for x in columns) for line in self.screen.history.top]
        return self._text_of([*gone, *self.screen.display[: self.screen.cursor.y + 1]])

    @property
    def below(self) -> str:
        """What is on the screen below the cursor: the menu, and the toolbar."""
        return self._text_of(self.screen.display[self.screen.cursor.y + 1 :])

    @staticmethod
    def _text_of(lines: list[str]) -> str:
        return "\n".join(line.rstrip() for line in lines).rstrip()

    def resize(self, columns: int, rows: int = 40) -> None:
        """Changes the size of the window; the process is told."""
        self.screen.resize(rows, columns)
        ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._fd)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def enter(self, line: str, wait_for: str, *, timeout: float = 10.0) -> str:
        """Types a line and waits for a text and for the next prompt; gives the new text."""
        before = self.text
        self.type(line + "\r")
        self.until(lambda: wait_for in self._after(before) and self.is_at_prompt, timeout)
        return self._after(before)

    def _after(self, before: str) -> str:
        text = self.text
        length = 0
        for old, new in zip(before, text, strict=False):
            if old != new:
                break
            length += 1
        return text[length:]

    @property
    def is_at_prompt(self) -> bool:
        return self.text.splitlines()[-1:] == [">>>"]

    def wait(self, text: str, *, timeout: float = 10.0) -> None:
        self.until(lambda: text in self.text, timeout)

    def wait_prompt(self, *, timeout: float = 15.0) -> None:
        self.until(lambda: self.is_at_prompt, timeout)

    def until(self, done: object, timeout: float) -> None:
        assert callable(done)
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            assert left > 0, f"not on the screen in time:\n{self.text}"
            if not self._read(min(left, 0.2)) and not done():
                self._reap()
                raise AssertionError(
                    f"the process ended ({self.exit_code}); the screen:\n{self.text}"
                )

    def poll(self) -> None:
        """Draws what has come, without waiting."""
        self._read(0)

    def _read(self, timeout: float) -> bool:
        readable, _, _ = select.select([self._fd], [], [], timeout)
        if readable:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # Linux: the other end of a terminal is closed
                return False
            if not data:
                return False
            self.received += data
            self._stream.feed(data)
            if b"\x1b[6n" in data:  # prompt_toolkit asks where the cursor is
                row, column = self.screen.cursor.y + 1, self.screen.cursor.x + 1
                os.write(self._fd, f"\x1b[{row};{column}R".encode())
        return True

    def finish(self, *, timeout: float = 10.0) -> int:
        """Waits for the process to end; gives its exit code."""
        deadline = time.monotonic() + timeout
        while self._read(0.1):
            assert time.monotonic() < deadline, f"still running; the screen:\n{self.text}"
        self._reap()
        assert self.exit_code is not None
        return self.exit_code

    def _reap(self) -> None:
        if self.exit_code is None:
            _, status = os.waitpid(self.pid, 0)
            self.exit_code = os.waitstatus_to_exitcode(status)


def leave(terminal: Terminal) -> None:
    """Ends a session that is at its prompt, by Ctrl-D."""
    terminal.type("\x04")
    assert terminal.finish() == 0
