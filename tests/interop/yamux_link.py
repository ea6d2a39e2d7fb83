"""Our Yamux session on a socket, with as little around it as reading and writing streams takes."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from proxyables.yamux import (
    ACKED,
    BARE,
    DATA_RECEIVED,
    DEAD,
    FINISHED,
    OPENED,
    PINGED,
    PONGED,
    RESET,
    WENT_AWAY,
    WRITABLE,
    Config,
    Session,
    Stream,
    YamuxError,
)

TICK_SECONDS = 0.01


class Ended(Exception):
    """The stream was reset, or the connection lost, before what was asked for had happened."""


class Happening(asyncio.Event):
    """Wakes everyone who waits, each time that something happens."""

    def note(self) -> None:
        self.set()
        self.clear()


class Channel:
    """One stream: credit is given for what is read, and for nothing else."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self.link = link
        self.stream = stream
        self.arrived = 0
        self.reset = False
        self.changed = Happening()
        self._data: deque[bytes] = deque()
        stream.owner = self
        stream.auto_credit = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self.stream.remote_closed or self.reset or self.link.lost

    def feed(self, data: bytes) -> None:
        """Takes what the session handed out."""
        self._data.append(data)
        self.arrived += len(data)

    async def read(self, size: int | None = None) -> tuple[int, str]:
        """Reads so many bytes, or all up to the end; returns their number and their SHA-256.

        Raises:
            Ended: The stream was reset, or there are fewer.
        """
        digest = hashlib.sha256()
        got = 0
        while size is None or got < size:
            data = await self.take(None if size is None else size - got)
            if data is None:
                if size is not None or self.reset or self.link.lost:
                    raise Ended(f"{got} bytes had come of {size}")
                break
            digest.update(data)
            got += len(data)
        return got, digest.hexdigest()

    async def take(self, most: int | None = None) -> bytes | None:
        """Returns the next bytes, at most so many; None at the end."""
        while not self._data:
            if self.ended:
                return None
            await self.changed.wait()
        data = self._data.popleft()
        if most is not None and len(data) > most:
            self._data.appendleft(data[most:])
            data = data[:most]
        self.link.session.credit(self.stream, len(data))
        self.link.flush()
        return data

    async def write(self, data: bytes) -> str:
        """Sends all of it; returns its SHA-256.

        Raises:
            Ended: The stream ended before all had left.
        """
        pace = self.link.pace
        for start in range(0, len(data), pace or max(len(data), 1)):
            async with self.link.turn:
                self.send(data[start : start + pace] if pace else data)
                await self.drained()
                if pace:
                    await self.link.ping()
        return hashlib.sha256(data).hexdigest()

    def send(self, data: bytes) -> None:
        """Gives the data to the session, and does not wait for credit."""
        if self.reset or self.link.lost:
            raise Ended("there is nobody to send to")
        self.link.session.send(self.stream, data)
        self.link.flush()

    async def drained(self) -> None:
        """Waits until nothing is parked."""
        while self.stream.parked:
            if self.reset or self.link.lost:
                raise Ended(f"{self.stream.parked} bytes were parked still")
            await self.changed.wait()

    def finish(self) -> None:
        """Says that no more comes from here."""
        self.link.session.finish(self.stream)
        self.link.flush()

    def abort(self) -> None:
        """Resets the stream."""
        self.link.session.reset(self.stream)
        self.link.flush()

    async def echo(self) -> None:
        """Gives everything back, then ends as the peer did."""
        while (data := await self.take()) is not None:
            await self.write(data)
        if not self.reset and not self.link.lost:
            self.finish()

    async def until(self, **wanted: Any) -> None:
        """Waits until the attributes are so, of this or of the stream."""
        while any(
            getattr(self if hasattr(self, name) else self.stream, name) != value
            for name, value in wanted.items()
        ):
            assert not self.link.lost, f"the link was lost while {wanted} was awaited"
            await self.changed.wait()


class Link(asyncio.Protocol):
    """One session over one transport.

    Args:
        client: Whether this side is the Yamux client.
        config: Of the session. Without one there is no keep-alive.
        clock: Of the session, for windows that grow.
        pace: Bytes after which an answer to a ping is awaited, so that no more is ever under way;
            0 sends as the windows allow. For yamux-js, which loses frames that two reads cut.
    """

    def __init__(
        self,
        *,
        client: bool,
        config: Config | None = None,
        clock: Callable[[], float] | None = None,
        pace: int = 0,
    ) -> None:
        self.session = Session(client=client, config=config or Config(keepalive=0), clock=clock)
        self.pace = pace
        self.turn: Any = asyncio.Lock() if pace else _Open()
        self.happened = Happening()
        self.connected = asyncio.Event()
        self.lost = False
        self.dead = False
        self.offence: YamuxError | None = None
        self.pings: list[int] = []
        self.pongs: list[int] = []
        self.went_away: list[int] = []
        self.acks: dict[int, int | None] = {}
        self.echoing = False
        self._echoes: set[asyncio.Task[None]] = set()
        self._opened: deque[Channel] = deque()
        self._opaque = itertools.count(1)
        self._ticks: asyncio.TimerHandle | None = None

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport  # uvloop's are no asyncio.Transport
        self.connected.set()
        self._tick()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.session.receive_data(data)
        except YamuxError as error:
            self.offence = error
            events = error.events
        for kind, stream, payload in events:
            self._take(kind, stream, payload)
        self.flush()
        if self.offence is not None:
            self.transport.close()
        self.happened.note()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._ticks is not None:
            self._ticks.cancel()
        for stream in list(self.session.streams.values()):
            stream.owner.changed.note()
        self.happened.note()

    # ---- what tests call

    def flush(self) -> None:
        """Writes what is queued; what this side did may be what somebody waits for."""
        if self.session.outgoing and not self.transport.is_closing():
            self.transport.writelines(self.session.data_to_send())
            self.happened.note()

    def open(self) -> Channel:
        """Opens a stream."""
        channel = Channel(self, self.session.open_stream())
        self.flush()
        return channel

    async def accept(self) -> Channel:
        """Waits for the next stream that the peer opens."""
        await self.until(lambda: bool(self._opened))
        return self._opened.popleft()

    async def ping(self) -> None:
        """Waits for the answer to a ping: everything sent before has been read by then."""
        opaque = next(self._opaque)
        self.session.ping(opaque)
        self.flush()
        await self.until(lambda: opaque in self.pongs)
        self.pongs.remove(opaque)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds."""
        while not condition():
            if self.lost:
                raise Ended(f"the link was lost; offence: {self.offence!r}")
            await self.happened.wait()

    async def closed(self) -> None:
        """Waits until the connection is lost."""
        while not self.lost:
            await self.happened.wait()

    async def close(self) -> None:
        """Closes the connection, if it is not closed yet, and ends every echo."""
        if self.connected.is_set():
            self.transport.abort()
            await self.closed()
        await asyncio.gather(*self._echoes, return_exceptions=True)

    # ----

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        held_back = bool(self.session.outgoing)  # by a test, which flushes when it wants
        if self.session.tick(loop.time()):
            self.dead = True
            self.happened.note()
        if not held_back:
            self.flush()
        self._ticks = loop.call_later(TICK_SECONDS, self._tick)

    def _take(self, kind: int, stream: Any, payload: Any) -> None:
        if kind == OPENED:
            channel = Channel(self, stream)
            if self.echoing:
                task = asyncio.get_running_loop().create_task(channel.echo())
                self._echoes.add(task)
            else:
                self._opened.append(channel)
        elif kind == DATA_RECEIVED:
            stream.owner.feed(payload)
        elif kind == RESET:
            stream.owner.reset = True
        elif kind == ACKED:
            self.acks[stream.id] = payload
        elif kind == PINGED:
            self.pings.append(payload)
        elif kind == PONGED:
            self.pongs.append(payload)
        elif kind == WENT_AWAY:
            self.went_away.append(payload)
        else:
            assert kind in (FINISHED, WRITABLE, DEAD, BARE)
        if stream is not None:
            stream.owner.changed.note()


class _Open:
    """A turn that everybody has at once."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...
