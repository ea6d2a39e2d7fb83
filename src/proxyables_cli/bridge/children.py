"""Programs at the end of a bridge."""

from __future__ import annotations

import logging
import signal
import socket
import threading

from proxyables.net.addresses import Address, ExecAddress, SshAddress
from proxyables.net.programs import describe_status, start_program
from proxyables.net.ssh import ssh_words
from proxyables_cli.bridge.relay import End
from proxyables_cli.exits import Failure

log = logging.getLogger("proxyables")

TERMINATION = 2.0
"""Seconds that a program gets to exit when it is terminated, before it is killed."""


class ChildEnd(End):
    """A program, whose stdin and stdout are one socket.

    Raises:
        HandshakeFailed: It cannot be started.
    """

    def __init__(self, address: ExecAddress | SshAddress) -> None:
        if isinstance(address, SshAddress):
            words, name, self._who = ssh_words(address), f"ssh {address.host}", "ssh"
        else:
            words, name, self._who = address.words, "", "the child"
        self._exited = threading.Event()
        ours, theirs = socket.socketpair()
        wire = ours.detach()
        super().__init__(str(address), wire, wire)
        with theirs:
            self._program = start_program(words, theirs, name=name, on_exit=self._on_exit)

    @property
    def status(self) -> int | None:
        code = self._program.returncode
        return 128 - code if code is not None and code < 0 else code

    def read(self) -> bytes:
        try:
            return super().read()
        except Failure:
            return b""  # it has ended without reading all that it was sent; its status tells

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program and all that it has started, unless it has ended."""
        self._program.signal(number)

    def finish(self, patience: float) -> None:
        """Takes the wire away, and waits for the program's end: it is certain."""
        self.hang_up()
        for seconds, number in (
            (patience, signal.SIGTERM),
            (TERMINATION, signal.SIGKILL),
            (None, signal.SIGKILL),
        ):
            if self._exited.wait(seconds):
                break
            self.signal(number)
        if (self._program.returncode or 0) < 0 and not self._program.was_signalled:
            program, told = self._program, describe_status(self._program.returncode, self._who)
            log.warning("%s[%d]: %s", program.name, program.pid, told)

    def _on_exit(self) -> None:
        if not self.is_gone():
            # A daemon that it has left behind has the other end, and may keep it for ever.
            self.hang_up()
        self._exited.set()


def open_child(address: Address) -> ChildEnd:
    """Starts the program of an address.

    Raises:
        HandshakeFailed: It cannot be started.
    """
    assert isinstance(address, (ExecAddress, SshAddress))  # the caller has seen to it
    return ChildEnd(address)


__all__ = ["ChildEnd", "open_child"]
