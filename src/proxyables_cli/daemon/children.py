"""The processes that serve for a supervising one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence

from proxyables_cli.daemon import handover

PATIENCE = 5.0
"""Seconds that a process gets beyond the grace of its calls, before it is killed."""


class ServingProcess:
    """One of them.

    Attributes:
        pid: Its number.
        is_ready: Whether it has said that it accepts.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.pid = process.pid
        self.is_ready = False
        self._process = process
        self._reader = reader
        self._writer = writer

    async def until_ready(self) -> bool:
        """Waits until it accepts; False if it has ended before."""
        self.is_ready = await self._reader.readline() == handover.READY
        return self.is_ready

    async def until_silent(self, seconds: float) -> None:
        """Waits until it has said nothing for so long; for ever if it has ended, or for 0."""
        line = handover.ALIVE
        while seconds and line:
            try:
                async with asyncio.timeout(seconds):
                    line = await self._reader.readline()
            except TimeoutError:
                return
        await asyncio.Event().wait()

    async def wait(self) -> int:
        """Waits for its end; returns its exit code, 128 + N if signal N ended it."""
        code = await self._process.wait()
        self._writer.close()
        return 128 - code if code < 0 else code

    async def stop(self, grace: float) -> None:
        """Has it end: cleanly if it is ready and ends in time, else at once.

        Args:
            grace: Seconds that its calls get.
        """
        if self.is_ready:
            self._writer.close()  # which tells it
        else:
            self.kill()
        try:
            async with asyncio.timeout(grace + PATIENCE):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """Ends it at once, if it has not ended. Safe in a signal's handler."""
        if self._process.returncode is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it has not ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)


class Children:
    """All of them.

    Args:
        addresses: Where they serve.
        sockets: Those that listen for each address, which they all share.
        grace: Seconds that calls in flight get at the end.
        patience: Seconds of silence after which one is taken for stuck; 0 if that is not watched.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        sockets: Sequence[Sequence[socket.socket]],
        grace: float,
        patience: float = 0.0,
    ) -> None:
        self.sockets = sockets
        self.patience = patience
        self._addresses = addresses
        self._grace = grace
        self._all: set[ServingProcess] = set()

    async def start(self) -> ServingProcess:
        """Starts one more, with the command line that this process was started with."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *sys.orig_argv[1:],
                    env=handover.environment(self._addresses, self.sockets, theirs, self.patience),
                    pass_fds=[sock.fileno() for each in [*self.sockets, [theirs]] for sock in each],
                )
                reader, writer = await asyncio.open_unix_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
        child = ServingProcess(process, reader, writer)
        self._all.add(child)
        return child

    async def wait(self, child: ServingProcess) -> int:
        """Waits for the end of one; returns its exit code."""
        code = await child.wait()
        self._all.discard(child)
        return code

    async def stop(self, child: ServingProcess) -> None:
        """Has one end; see `ServingProcess.stop`."""
        await child.stop(self._grace)
        self._all.discard(child)

    async def stop_all(self) -> None:
        """Has all end, at the same time."""
        await asyncio.gather(*(self.stop(child) for child in list(self._all)))

    def kill_all(self) -> None:
        """Ends all at once. Safe in a signal's handler."""
        for child in list(self._all):
            child.kill()

    def send_signal(self, number: int) -> None:
        """Sends a signal to each."""
        for child in self._all:
            child.send_signal(number)


__all__ = ["Children", "ServingProcess"]
