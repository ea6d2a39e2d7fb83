"""Serves the demo object and types the lines of ``tour.pxs`` at a prompt on it.

What the terminal would show is printed. The exit code is 0 if every line was answered and both
processes ended in order.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "proxyables_cli"]
PROMPT = b">>> "
PATIENCE = 30.0
TOUR = Path(__file__).with_name("tour.pxs")


class Terminal:
    """A program on a pseudo-terminal of its own, whose screen goes to our standard output."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "dumb"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        """Types at the keyboard; the terminal echoes it."""
        os.write(self._ours, text.encode())

    def show_until(self, awaited: bytes) -> bool:
        """Shows what comes until a text stands at its end; False if the program ended first."""
        shown = b""
        deadline = time.monotonic() + PATIENCE
        while not shown.endswith(awaited):
            ready, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
            if not ready:
                raise TimeoutError(f"the prompt did not come within {PATIENCE:g} s")
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # Linux says EIO when the last process on a terminal is gone
                read = b""
            if not read:
                return False
            shown += read
            sys.stdout.write(read.decode(errors="replace").replace("\r\n", "\n"))
            sys.stdout.flush()
        return True

    def close(self) -> int:
        """Waits for the program's end and returns its exit code."""
        code = self.process.wait(timeout=PATIENCE)
        os.close(self._ours)
        return code


def main() -> int:
    """Runs the session."""
    serve = [*COMMAND, "serve", "proxyables.demo:obj", "--tcp", "127.0.0.1:0"]
    print("$ proxyables serve proxyables.demo:obj --tcp 127.0.0.1:0")
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        ready, hint = server.stderr.readline(), server.stderr.readline()
        print(ready + hint, end="")
        if " on tcp://" not in ready:
            return 1
        address = ready.split(" on ")[1].strip()
        print(f"\n$ proxyables repl {address}")
        answered = session(address)
        server.send_signal(signal.SIGINT)
        code = server.wait(timeout=PATIENCE)
    print(f"\nthe server ended with status {code}")
    return 0 if answered and code == 0 else 1


def session(address: str) -> bool:
    """Types the tour at a prompt; tells whether all of it was answered."""
    lines = [line for line in TOUR.read_text().splitlines() if not line.startswith("#")]
    terminal = Terminal([*COMMAND, "repl", "--plain", address])
    for line in lines:
        if not terminal.show_until(PROMPT):
            terminal.close()
            return False
        terminal.type(f"{line}\n")
    alive = terminal.show_until(PROMPT)
    terminal.type("\x04")
    terminal.show_until(b"\0")
    return terminal.close() == 0 and alive


if __name__ == "__main__":
    sys.exit(main())
