"""Programs as child processes: started in a session of their own, waited for, and cleared away.

It knows nothing of event loops: a thread waits for each process. What is done with a program's
wire, and when the program is to end, is for others to say (see processes.py).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from proxyables.errors import HandshakeFailed, Reason
from proxyables.net.stderr import Stderr

# What shells, env(1) and their like mean by these; see "Exit Status for Commands" in POSIX.
_MEANINGS = {126: "a command cannot be executed", 127: "a command was not found"}
EXIT_REASONS: Mapping[int, Reason] = {126: "not-executable", 127: "not-found"}


class Program:
    """One process whose stdin and stdout are a socket, and whose stderr goes to the log.

    When it has ended it has been waited for, and what it left behind in its process group has been
    killed.

    Attributes:
        name: What it is called in the log.
        was_signalled: Whether it was told to end, and did not exit by itself.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stderr: Stderr,
        name: str,
        on_exit: Callable[[], None],
    ) -> None:
        self.name = name
        self.was_signalled = False
        self._process = process
        self._stderr = stderr
        self._on_exit = on_exit
        stderr.start(f"{name}[{process.pid}]")
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or minus the number of the signal that ended it; None while it runs."""
        return self._process.returncode

    @property
    def last_words(self) -> str:
        """The end of what it has said on stderr, as one line; empty if it said nothing."""
        return self._stderr.last_words()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to its process group, unless it has ended."""
        if self._process.returncode is not None:
            return
        self.was_signalled = True
        _signal_group(self._process.pid, number)  # its children too: a shell is often in between

    def _wait(self) -> None:
        """Runs in a thread: there is no other way to wait for a process on every system."""
        if hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            try:
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass  # SIGCHLD is ignored in this process, or somebody reaps all its children
            else:
                # While nobody has reaped it, its number, and so its group's, is nobody else's.
                _signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stderr.finish()
        self._on_exit()


def start_program(
    words: Sequence[str],
    wire: socket.socket,
    *,
    name: str = "",
    on_exit: Callable[[], None],
) -> Program:
    """Starts a program on a wire.

    Args:
        words: The program, looked up in ``PATH``, and its arguments. No shell is involved.
        wire: What it reads and writes; the caller's to close.
        name: What it is called in the log; else it is the program's own name.
        on_exit: Called in another thread when it has been waited for.

    Raises:
        HandshakeFailed: It cannot be started.
    """
    stderr = Stderr()
    try:
        process = subprocess.Popen(
            words,
            stdin=wire.fileno(),
            stdout=wire.fileno(),
            stderr=stderr.writing,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        stderr.discard()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HandshakeFailed(
            f"cannot start {words[0]!r:.200}: {reason.lower()}",
            reason="not-found" if isinstance(error, FileNotFoundError) else "not-executable",
        ) from error
    try:
        return Program(process, stderr, name or os.path.basename(words[0]), on_exit)
    except BaseException:  # the system has no thread for us: nobody would wait for the process
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        stderr.finish()
        raise


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass  # it has just been reaped
    except PermissionError:
        pass  # it runs as another user (sudo); the end of its input is all that we have


def describe_status(code: int | None, who: str) -> str:
    """What a status means, in words: ``the child exited with status 3``.

    Args:
        code: The exit status, or minus the number of a signal; None if there is none yet.
        who: What the text calls it.
    """
    if code is None:
        return f"{who} is running"
    if code >= 0:
        meaning = _MEANINGS.get(code)
        return f"{who} exited with status {code}" + (f" ({meaning})" if meaning else "")
    try:
        return f"{who} was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"{who} was ended by signal {-code}"


__all__ = ["EXIT_REASONS", "Program", "describe_status", "start_program"]
