"""The processes that serve for a supervising one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from proxyables_cli.daemon import handover, line

LOOK_PATIENCE = 0.5
"""Seconds that a process gets to tell of itself; one whose loop is blocked does not."""
PATIENCE = 5.0
"""Seconds that a process gets beyond the grace of its calls, before it is killed."""


class ServingProcess:
    """One of them.

    Args:
        number: Which of them, from 1.
        process: The process.
        reader: Where it is heard.
        writer: Where it is spoken to.
        on_ask: Called when it wants to know what the others tell.

    Attributes:
        number: Which of them, from 1.
        pid: The process's number.
        is_ready: Whether it has said that it accepts.
    """

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_ask: Callable[[ServingProcess], None],
    ) -> None:
        self.number = number
        self.pid = process.pid
        self.is_ready = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._on_ask = on_ask
        self._has_left = False
        self._heard = asyncio.Event()
        self._look: asyncio.Future[None] | None = None
        self._told: dict[str, Any] | None = None
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        """Takes what it says, until it has ended."""
        try:
            while said := await self._reader.readline():
                word, _, content = said.decode().strip().partition(" ")
                if word == line.READY:
                    self.is_ready = True
                elif word == line.ASK:
                    self._on_ask(self)
                elif word == line.TOLD:
                    self._told = json.loads(content)
                    self._end_look()
                self._heard.set()
        except (ValueError, ConnectionError):
            pass  # it is not of our making what it says, or it is gone: its end tells more
        finally:
            self._has_left = True
            self._end_look()
            self._heard.set()

    def _end_look(self) -> None:
        if self._look is not None and not self._look.done():
            self._look.set_result(None)
        self._look = None

    async def until_ready(self) -> bool:
        """Waits until it accepts; False if it has ended before."""
        while not (self.is_ready or self._has_left):
            self._heard.clear()
            await self._heard.wait()
        return self.is_ready

    async def until_silent(self, seconds: float) -> None:
        """Waits until it has said nothing for so long; for ever if it has ended, or for 0."""
        while seconds and not self._has_left:
            self._heard.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._heard.wait()
            except TimeoutError:
                return
        await asyncio.Event().wait()

    async def look(self) -> dict[str, Any]:
        """Returns its snapshot: a new one, or if it does not answer now the last that it told."""
        if self._look is None and not self._has_left:
            # One that has not answered yet is not asked again: its line would fill up.
            self._look = asyncio.get_running_loop().create_future()
            self._writer.write(line.written(line.TELL))
        look = self._look
        answers = False
        if look is not None:
            await asyncio.wait([look], timeout=LOOK_PATIENCE)
            answers = look.done() and not self._has_left
        told = self._told or {"status": None, "durations": []}
        return {**told, "worker": self.number, "pid": self.pid, "answers": answers}

    def tell_others(self, snapshots: Sequence[dict[str, Any]]) -> None:
        """Answers what it has asked."""
        self._writer.write(line.written(line.OTHERS, snapshots))

    async def wait(self) -> int:
        """Waits for its end; returns its exit code, 128 + N if signal N ended it."""
        code = await self._process.wait()
        self._writer.close()
        self._hearing.cancel()
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
        count: How many there are to be at a time.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        sockets: Sequence[Sequence[socket.socket]],
        grace: float,
        patience: float = 0.0,
        count: int = 1,
    ) -> None:
        self.sockets = sockets
        self.patience = patience
        self._addresses = addresses
        self._grace = grace
        self._count = count
        self._all: set[ServingProcess] = set()
        self._looks: set[asyncio.Task[None]] = set()

    async def start(self, number: int = 1) -> ServingProcess:
        """Starts one more, with the command line that this process was started with.

        Args:
            number: Which one it is to be.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *sys.orig_argv[1:],
                    env=handover.environment(
                        self._addresses, self.sockets, theirs, self.patience, number, self._count
                    ),
                    pass_fds=[sock.fileno() for each in [*self.sockets, [theirs]] for sock in each],
                )
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=line.LONGEST)
            except BaseException:
                ours.close()
                raise
        child = ServingProcess(number, process, reader, writer, self._on_ask)
        self._all.add(child)
        return child

    def _on_ask(self, asking: ServingProcess) -> None:
        task = asyncio.create_task(self._tell_others(asking))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _tell_others(self, asking: ServingProcess) -> None:
        others = [child for child in self._all if child is not asking and child.is_ready]
        asking.tell_others(await asyncio.gather(*(child.look() for child in others)))

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
