"""The line between a supervising process and one that serves: a socket, and a word in each line.

The process that serves says ``ready`` when it accepts and ``alive`` as often as is wanted. It may
``ask`` what the others tell of themselves, and gets the ``others``, a list of snapshots. The
supervisor says ``tell`` to have a process's own snapshot, which it has ``told`` then. The end of
the line, from either side, says that the other is to stop or has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from proxyables_cli.daemon.handover import Handover

if TYPE_CHECKING:
    from proxyables.watch.siblings import Snapshot

READY, ALIVE, ASK, TELL, TOLD, OTHERS = "ready", "alive", "ask", "tell", "told", "others"
LONGEST = 1 << 24
"""Bytes of a line; a snapshot has a few hundred for each connection and call, of which it tells
some hundreds."""
PATIENCE = 0.8
"""Seconds until a report is made without those of the others."""


class Line(asyncio.Protocol):
    """The end of a process that serves; to its server it is the `Siblings`.

    Args:
        handed: What the process was started with.
        on_end: Called when the supervisor wants this process to stop, or has ended.
    """

    def __init__(self, handed: Handover, on_end: Callable[[], None]) -> None:
        self.number = handed.number
        self.count = handed.count
        self.pid = os.getppid()
        self.tell: Callable[[], Snapshot] | None = None
        self._patience = handed.patience
        self._on_end = on_end
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._others: asyncio.Future[list[Snapshot]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._received + data).split(b"\n")
        self._received = rest
        for line in lines:
            word, _, content = line.decode().partition(" ")
            if word == TELL:
                # Not in here: whatever goes wrong with it would end the line, and the process.
                asyncio.get_running_loop().call_soon(self._tell)
            elif word == OTHERS and self._others is not None:
                self._others.set_result(json.loads(content))
                self._others = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()

    def tell_ready(self) -> None:
        """Tells the supervisor that every listener accepts."""
        self._say(READY)

    async def keep_telling(self) -> None:
        """Tells the supervisor that the loop still turns; for ever."""
        if not self._patience:
            await asyncio.Event().wait()
        while True:
            self._say(ALIVE)
            await asyncio.sleep(self._patience / 2)

    async def ask(self) -> Sequence[Snapshot]:
        """Returns what the others tell; nothing if the supervisor has no time for it."""
        if self._others is None:
            self._others = asyncio.get_running_loop().create_future()
            self._say(ASK)
        answer = self._others  # of one question, whoever asks in the meantime
        await asyncio.wait([answer], timeout=PATIENCE)
        return answer.result() if answer.done() else ()

    def close(self) -> None:
        """Ends the line; the process is about to end too."""
        self._transport.close()

    def _tell(self) -> None:
        if self.tell is not None:
            self._say(TOLD, self.tell())

    def _say(self, word: str, content: Any = None) -> None:
        self._transport.write(written(word, content))


async def open_line(handed: Handover, on_end: Callable[[], None]) -> Line:
    """Takes the line over that was handed to this process."""
    line = Line(handed, on_end)
    sock = socket.socket(fileno=handed.line)
    sock.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=sock)
    return line


def written(word: str, content: Any = None) -> bytes:
    """Writes a line; JSON has no line ends in it."""
    told = word if content is None else f"{word} {json.dumps(content)}"
    return told.encode() + b"\n"


__all__ = [
    "ALIVE",
    "ASK",
    "LONGEST",
    "OTHERS",
    "READY",
    "TELL",
    "TOLD",
    "Line",
    "open_line",
    "written",
]
