"""A proxy between two peers that does to their bytes what networks do.

It stalls them, delays them, lets few through at a time, cuts the connection, resets it, or loses
one direction for ever without a word. It never reorders, loses or changes one of those bytes that
it forwards. Faults are given by hand, to one direction of one link, or drawn from a seeded chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

_READ_BYTES = 64 * 1024
_READS_HELD = 16
_LINGER_NOT = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing discards what is unsent, and says RST."""


class Way:
    """One direction of a link.

    What is read from the source waits here until it is due, in order and bounded, so that the
    source feels a stall.

    Args:
        source: Where the bytes come from.
        sink: Where they go.

    Attributes:
        delay: Seconds that every byte takes, however many are on the way.
        rate: Bytes a second that pass; 0 is no limit.
        piece: Bytes that are written at once; `slowly` is how many of those to come this is for.
        is_silent: Whether everything is swallowed: whoever sends is not told.
        passed: Bytes that were forwarded so far.
    """

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._source = source
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._coming: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_READS_HELD)
        self._flows = asyncio.Event()
        self._flows.set()
        self.delay = 0.0
        self.rate = 0.0
        self.piece = 1
        self.slowly = 0
        self.is_silent = False
        self.passed = 0

    def stall(self) -> None:
        """Nothing passes until `go_on`."""
        self._flows.clear()

    def go_on(self) -> None:
        """Ends a stall."""
        self._flows.set()

    def dribble(self, size: int) -> None:
        """The next `size` bytes pass one at a time."""
        self.slowly = size

    def silence(self) -> None:
        """From now on everything is lost, the end of the stream included."""
        self.is_silent = True

    def heal(self) -> None:
        """Ends every fault that can be ended; what was swallowed is gone."""
        self.delay = self.rate = self.slowly = 0
        self.go_on()

    async def run(self) -> None:
        """Forwards until the source ends, and says so to the sink.

        Raises:
            OSError: One of the two sides broke the connection.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read())
            both.create_task(self._write())

    async def _read(self) -> None:
        data = b"-"
        while data:
            data = await self._loop.sock_recv(self._source, _READ_BYTES)
            await self._coming.put((self._loop.time() + self.delay, data))

    async def _write(self) -> None:
        data = b"-"
        while data:
            due, data = await self._coming.get()
            await asyncio.sleep(max(0, due - self._loop.time()))
            await self._forward(data)
        await self._flows.wait()
        if not self.is_silent:
            self._sink.shutdown(socket.SHUT_WR)

    async def _forward(self, data: bytes) -> None:
        place = 0
        while place < len(data):
            dribbles = self.slowly > 0
            size = 1 if dribbles else len(data) - place
            self.slowly -= dribbles
            if self.rate:
                size = min(size, max(1, int(self.rate / 100)))
                await asyncio.sleep(size / self.rate)
            await self._flows.wait()
            if not self.is_silent:
                await self._loop.sock_sendall(self._sink, data[place : place + size])
                self.passed += size
            place += size
            if dribbles:
                await asyncio.sleep(0)  # else they lie at the reader's in one piece again


class Link:
    """One connection through the proxy.

    Attributes:
        up: From the client to the server.
        down: From the server to the client.
        is_over: Whether both directions have ended, or the link was cut.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._sockets = (client, server)
        self.up = Way(client, server)
        self.down = Way(server, client)
        self.is_over = False
        self._is_reset = False
        self._is_cut = False
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not in the task: one that is cancelled before its first step comes to no "finally".
        self._task.add_done_callback(self._close)

    def cut(self) -> None:
        """Closes both sides, as if the process between them had been ended."""
        self._is_cut = True
        self._task.cancel()

    def reset(self) -> None:
        """Closes both sides with RST; what they have not read yet is lost. On TCP only."""
        self._is_reset = True
        self.cut()

    def heal(self) -> None:
        """Ends every fault of both directions that can be ended."""
        self.up.heal()
        self.down.heal()

    async def wait_over(self) -> None:
        """Waits until both sockets are closed."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self.up.run())
                both.create_task(self.down.run())
        except* OSError:
            # The group forgets over the error that it was cancelled as well.
            if not self._is_cut and (self.up.is_silent or self.down.is_silent):
                await asyncio.Event().wait()  # the news of it is lost as well
            self._is_reset = True

    def _close(self, task: asyncio.Task[None]) -> None:
        self.is_over = True
        for sock in self._sockets:
            if self._is_reset and sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            sock.close()


class FaultProxy:
    """Listens where clients are to dial, and dials the server for each of them; see `faulty`.

    Attributes:
        address: What clients dial.
        links: Every connection so far, the newest last.
        on_link: Called with each new link before it has carried a byte.
    """

    def __init__(self, target: str, address: str, listener: socket.socket) -> None:
        self.address = address
        self.links: list[Link] = []
        self.on_link: Callable[[Link], None] = lambda _link: None
        self._target = target
        self._listener = listener
        self._linked = asyncio.Event()

    async def run(self) -> None:
        """Accepts clients until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            client.setblocking(False)
            try:
                server = await _dial(self._target)
            except OSError:
                client.close()
                continue
            except BaseException:
                client.close()
                raise
            for sock in (client, server):
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            self.on_link(link)
            self.links.append(link)
            self._linked.set()

    async def link(self, number: int = -1) -> Link:
        """Returns one of the links; waits for the first."""
        await self._linked.wait()
        return self.links[number]

    async def end(self) -> None:
        """Cuts what is left."""
        for link in self.links:
            link.cut()
            await link.wait_over()


@contextlib.asynccontextmanager
async def faulty(target: str, *, path: str | None = None) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the server at `target`, a ``tcp://`` or ``unix:`` address.

    Args:
        path: Listen on this Unix socket; without it, on a TCP port of the system's choice.
    """
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        address = f"unix:{path}"
    listener.setblocking(False)
    proxy = FaultProxy(target, address, listener)
    running = asyncio.get_running_loop().create_task(proxy.run())
    try:
        yield proxy
    finally:
        running.cancel()
        await asyncio.wait([running])
        listener.close()
        await proxy.end()
        if path is not None:
            os.unlink(path)


async def _dial(target: str) -> socket.socket:
    if target.startswith("unix:"):
        sock, place = socket.socket(socket.AF_UNIX), target.removeprefix("unix:")
    else:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        sock, place = socket.socket(socket.AF_INET), (host, int(port))  # type: ignore[assignment]
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


class Fault(NamedTuple):
    """Something that can be done to a link: what, to which directions, and how much of it."""

    name: str
    ways: str = "up down"
    amount: float = 0

    @property
    def breaks(self) -> bool:
        """Whether the connection cannot outlive it."""
        return self.name in ("cut", "reset", "silence")

    def befall(self, link: Link) -> None:
        """Has the link suffer it."""
        if self.name in ("cut", "reset", "heal"):
            getattr(link, self.name)()
            return
        for way in (getattr(link, name) for name in self.ways.split()):
            match self.name:
                case "delay":
                    way.delay = self.amount
                case "rate":
                    way.rate = self.amount
                case "dribble":
                    way.dribble(int(self.amount))
                case "stall" | "silence":
                    getattr(way, self.name)()
                case name:
                    raise ValueError(f"expected the name of a fault, got {name!r}")


def draw_fault(chance: random.Random, *, breaking: bool) -> Fault:
    """Draws a fault; one that ends the connection only if `breaking`."""
    ways = chance.choice(["up", "down", "up down"])
    lasting = [
        Fault("stall", ways),
        Fault("delay", ways, chance.choice([0.001, 0.01, 0.03])),
        Fault("rate", ways, chance.choice([1e5, 1e6])),
        Fault("dribble", ways, chance.choice([1, 13, 100, 300])),
        Fault("heal"),
    ]
    ends = [Fault("cut"), Fault("reset"), Fault("silence", ways)]
    return chance.choice(ends if breaking else lasting)
