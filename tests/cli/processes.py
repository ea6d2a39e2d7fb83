"""Running the command as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import proxyables_cli

SOURCE = Path(proxyables_cli.__file__).resolve().parents[1]
COMMAND = (sys.executable, "-W", "error", "-m", "proxyables_cli")
PATIENCE = 30

SHOP = '''
import os, subprocess, sys, time, asyncio

print("importing", flush=True)

class Account:
    def __init__(self, balance):
        self.balance = balance
    def deposit(self, amount, note=None):
        self.balance += amount
        return {"balance": self.balance, "note": note}

class Shop:
    """A shop for the tests."""
    def __init__(self):
        self.accounts = {"ada": Account(10)}
        self.items = [1, 2, {"a": b"\\x00\\xff"}]
        self.level = 1
    def add(self, a, b):
        """Adds."""
        return a + b
    def echo(self, *args, **kwargs):
        return [list(args), kwargs] if kwargs else list(args)
    def fail(self):
        raise ValueError("no such\\nluck \\x1b[31m")
    def chat(self):
        print("printed by the object")
        os.write(1, b"written by C code\\n")
        subprocess.run(["sh", "-c", "echo printed by a child; read line; echo got=$line="])
        return "quiet"
    async def slow(self, seconds):
        await asyncio.sleep(seconds)
        return "done"
    async def announced(self, seconds):
        print("running", flush=True)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        return "done"
    async def numbers(self):
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            print("stopped", flush=True)
    def announced_block(self, seconds):
        print("running", flush=True)
        time.sleep(seconds)
    def die(self):
        os._exit(3)

shop = Shop()

def make():
    return Shop()

async def make_slowly():
    return Shop()

def make_nothing():
    raise RuntimeError("out of clay")
'''


class Result:
    """What one process left behind."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.bytes = out
        self.out = out.decode(errors="backslashreplace")
        self.err = err.decode(errors="backslashreplace")

    def __repr__(self) -> str:
        return f"<exit {self.code}, out {self.out!r}, err {self.err!r}>"

    @property
    def line(self) -> str:
        """The one line on standard error; there must be no more."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self
        assert lines[0].startswith("proxyables: "), self
        return lines[0].removeprefix("proxyables: ")


class Cli:
    """Runs the command in a directory of its own."""

    def __init__(self, directory: Path, bytecode: Path) -> None:
        self.directory = directory
        self._started: list[subprocess.Popen[bytes]] = []
        kept = {"PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT"}
        self.env = {name: text for name, text in os.environ.items() if name in kept}
        self.env |= {"PYTHONPATH": str(SOURCE), "XDG_RUNTIME_DIR": str(directory)}
        # Compiled once for all processes of a run, and nothing is left in the source tree.
        self.env["PYTHONPYCACHEPREFIX"] = str(bytecode)

    def __call__(
        self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> Result:
        made = subprocess.run(
            [*COMMAND, *words],
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=self.env | (env or {}),
            timeout=PATIENCE,
            check=False,
        )
        return Result(made.returncode, made.stdout, made.stderr)

    def shell(self, script: str) -> Result:
        """Runs a line of shell in which ``$P`` is the command."""
        env = self.env | {"P": " ".join(COMMAND)}
        made = subprocess.run(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.directory,
            env=env,
            timeout=PATIENCE,
            check=False,
        )
        return Result(made.returncode, made.stdout, made.stderr)

    def start(self, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Starts a process with pipes on all three descriptors, or another for its output."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.env,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Ends what still runs of the processes that were started."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


class Server:
    """A ``serve`` process that has said that it is ready."""

    def __init__(self, cli: Cli, words: Sequence[str]) -> None:
        self.process = cli.start("serve", *words)
        self.lines: list[str] = []
        self.addresses: list[str] = []
        assert self.process.stderr is not None
        while not (self.lines and "proxyables: try: " in self.lines[-1]):
            line = self.process.stderr.readline().decode()
            assert line, f"the server ended: {self.lines}"
            self.lines.append(line)
            if " on " in line and "serving" in line:
                self.addresses.append(line.split(" on ", 1)[1].strip())

    @property
    def address(self) -> str:
        return self.addresses[0]

    def stop(self, number: int = signal.SIGTERM) -> Result:
        """Sends a signal and waits for the end."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Result:
        """Waits for the end; what was read before the ready line is part of the result."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return Result(self.process.returncode, out, "".join(self.lines).encode() + err)


Starter = Callable[..., Server]


def until(condition: Callable[[], bool]) -> None:
    """Waits for what a process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
