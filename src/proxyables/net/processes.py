"""Child processes whose stdin and stdout are the wire (``exec:``).

The wire is one socket pair, not two pipes: one descriptor that carries both directions, so the
loop drives it like every other socket, at full speed, on asyncio and uvloop alike. Programs
cannot tell as long as they read and write what they were given; what fails is opening
``/dev/stdin`` anew. stderr is a pipe, whose lines go to the log (see stderr.py).

The child runs in a session of its own. Ctrl-C in a terminal goes to the foreground process group,
and a child in that group would die before the calls in flight have ended; it is to end because
the wire does. A mere process group of its own would not do: a program that asks for a password on
the terminal (ssh) would be stopped there in the background for good, where without a terminal it
says so and exits.

The process that was started is the child. When it ends, whatever it has left behind in its process
group is killed: a shell's background jobs, a server's workers. What means to outlive it leaves the
group, as daemons do.

The child is started and waited for by the standard library's `subprocess`, whichever loop runs:
under uvloop's own machinery a child inherits stray copies of the wire, and its end goes unnoticed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence

from proxyables.errors import HandshakeFailed, Reason
from proxyables.net.descriptors import attach_descriptors
from proxyables.net.stderr import Stderr
from proxyables.net.stdio import claim_stdio
from proxyables.net.transports import drive_socket

# Seconds: after the end of its input the child gets GRACE to exit, after SIGTERM it gets
# TERMINATION until SIGKILL.
GRACE = 5.0
TERMINATION = 2.0

# What shells, env(1) and their like mean by these; see "Exit Status for Commands" in POSIX.
_MEANINGS = {126: "a command cannot be executed", 127: "a command was not found"}
EXIT_REASONS: Mapping[int, Reason] = {126: "not-executable", 127: "not-found"}


class Child:
    """A child process, from its start until it has been waited for.

    Its end is certain: when the wire ends, or the loop does, the child is asked, then told, then
    killed, and in every case waited for. Nothing outlives `wait_closed`.

    Attributes:
        transport: This side's end of the wire.
        name: What it is called in the log.
        was_signalled: Whether the child had to be terminated, and did not exit by itself.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stderr: Stderr, *, name: str, grace: float
    ) -> None:
        self.was_signalled = False
        self.transport: asyncio.Transport
        self.name = name
        self._process = process
        self._stderr = stderr
        self._grace = grace
        self._is_unwired = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._exited = loop.create_future()
        stderr.start(f"{name}[{process.pid}]")
        self._waiter = threading.Thread(target=self._wait, args=(loop,), daemon=True)
        self._waiter.start()
        self._keeper = loop.create_task(self._keep())

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

    async def wait_closed(self) -> None:
        """Waits until the wire is gone and the child has been reaped.

        Cancelling this does not change what happens to the child.
        """
        await asyncio.wait([self._keeper])

    async def finish(self, *, patience: float) -> None:
        """Waits until the child has been reaped, with less grace than it was promised.

        Args:
            patience: Seconds until it is terminated.
        """
        for seconds, number in ((patience, signal.SIGTERM), (TERMINATION, signal.SIGKILL)):
            done, _ = await asyncio.wait([self._keeper], timeout=seconds)
            if done:
                return
            self._signal(number)
        await self.wait_closed()

    def on_wire_lost(self) -> None:
        """Begins the child's end."""
        self._is_unwired.set()

    async def _keep(self) -> None:
        try:
            await self._is_unwired.wait()
            for seconds, number in ((self._grace, signal.SIGTERM), (TERMINATION, signal.SIGKILL)):
                done, _ = await asyncio.wait([self._exited], timeout=seconds)
                if done:
                    return
                self._signal(number)
        finally:
            # Also where the loop ends with the wire still up: no child is left behind.
            self._signal(signal.SIGKILL)
            await asyncio.wait([self._exited])

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is not None:
            return
        self.was_signalled = True
        _signal_group(self._process.pid, number)  # its children too: a shell is often in between

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
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
        try:
            loop.call_soon_threadsafe(self._on_exit)
        except RuntimeError:
            pass  # the loop is closed, and nobody waits any more

    def _on_exit(self) -> None:
        if not self._exited.done():
            self._exited.set_result(None)


async def start_child(
    words: Sequence[str], protocol: asyncio.Protocol, *, name: str = "", grace: float = GRACE
) -> Child:
    """Starts a program and gives the protocol its stdin and stdout.

    ``protocol.connection_lost`` is called as soon as the wire is gone, while the child may still
    have its grace before it: nobody is to wait for bad news. `Child.wait_closed` waits for both.

    Args:
        words: The program, looked up in ``PATH``, and its arguments. No shell is involved.
        protocol: What the wire is given to.
        name: What the child is called in the log; else it is the program's name.
        grace: Seconds that the child gets to exit after the end of its input.

    Raises:
        HandshakeFailed: The program cannot be started.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child = _start(words, theirs, name=name or os.path.basename(words[0]), grace=grace)
    except BaseException:
        ours.close()
        raise
    try:
        child.transport = await drive_socket(ours, _Wire(child, protocol))
    except BaseException:
        child.on_wire_lost()
        await child.finish(patience=0)
        raise
    return child


def _start(words: Sequence[str], wire: socket.socket, *, name: str, grace: float) -> Child:
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
        return Child(process, stderr, name=name, grace=grace)
    except BaseException:  # the system has no thread for us: nobody would wait for the child
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


def describe_exit(child: Child, who: str = "the child") -> str:
    """What became of a child, for an error: ``the child exited with status 3: no such file``.

    Args:
        child: The child; what it said last is told as well.
        who: What the text calls it.
    """
    said = child.last_words
    return _describe_status(child.returncode, who) + (f": {said}" if said else "")


def _describe_status(code: int | None, who: str) -> str:
    if code is None:
        return f"{who} is running"
    if code >= 0:
        meaning = _MEANINGS.get(code)
        return f"{who} exited with status {code}" + (f" ({meaning})" if meaning else "")
    try:
        return f"{who} was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"{who} was ended by signal {-code}"


class _Wire(asyncio.Protocol):
    """Stands between the wire and the protocol, and only sees the end.

    Everything else goes to the protocol's own bound methods, at no cost.
    """

    def __init__(self, child: Child, protocol: asyncio.Protocol) -> None:
        self.connection_made = protocol.connection_made  # type: ignore[method-assign]
        self.data_received = protocol.data_received  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self._child = child
        self._protocol = protocol

    def connection_lost(self, exc: Exception | None) -> None:
        self._child.on_wire_lost()
        self._protocol.connection_lost(exc)


__all__ = [
    "EXIT_REASONS",
    "GRACE",
    "Child",
    "attach_descriptors",
    "claim_stdio",
    "describe_exit",
    "start_child",
]
