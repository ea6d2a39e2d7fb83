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

The child is started and waited for by the standard library's `subprocess` (see programs.py),
whichever loop runs: under uvloop's own machinery a child inherits stray copies of the wire, and
its end goes unnoticed.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence

from proxyables.net.descriptors import attach_descriptors
from proxyables.net.programs import EXIT_REASONS, describe_status, start_program
from proxyables.net.stdio import claim_stdio
from proxyables.net.transports import drive_socket
from proxyables.peer.forks import FORKS

# Seconds: after the end of its input the child gets GRACE to exit, after SIGTERM it gets
# TERMINATION until SIGKILL.
GRACE = 5.0
TERMINATION = 2.0


class Child:
    """A child process, from its start until it has been waited for.

    Its end is certain: when the wire ends, or the loop does, the child is asked, then told, then
    killed, and in every case waited for. Nothing outlives `wait_closed`.

    Attributes:
        transport: This side's end of the wire.
    """

    def __init__(
        self, words: Sequence[str], wire: socket.socket, *, name: str, grace: float
    ) -> None:
        self.transport: asyncio.Transport
        self._grace = grace
        self._is_unwired = asyncio.Event()
        self._is_ours = True
        self.loop = asyncio.get_running_loop()
        self._exited = self.loop.create_future()
        self._program = start_program(words, wire, name=name, on_exit=self._tell_exit)
        self._keeper = self.loop.create_task(self._keep())
        FORKS.owned.add(self)

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return self._program.name

    @property
    def was_signalled(self) -> bool:
        """Whether the child had to be terminated, and did not exit by itself."""
        return self._program.was_signalled

    @property
    def returncode(self) -> int | None:
        """The exit status, or minus the number of the signal that ended it; None while it runs."""
        return self._program.returncode

    @property
    def last_words(self) -> str:
        """The end of what it has said on stderr, as one line; empty if it said nothing."""
        return self._program.last_words

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

    def disown(self) -> None:
        """Leaves the child to the process that this one was forked from; see `peer.forks`."""
        self._is_ours = False
        self._on_exit()
        self._keeper.cancel()

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
        if self._is_ours:
            self._program.signal(number)

    def _tell_exit(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._on_exit)
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
            child = Child(words, theirs, name=name, grace=grace)
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


def describe_exit(child: Child, who: str = "the child") -> str:
    """What became of a child, for an error: ``the child exited with status 3: no such file``.

    Args:
        child: The child; what it said last is told as well.
        who: What the text calls it.
    """
    said = child.last_words
    return describe_status(child.returncode, who) + (f": {said}" if said else "")


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
