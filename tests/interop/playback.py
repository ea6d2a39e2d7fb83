"""The other end of one of our connections: it plays one side of a recorded session.

A playback says what the recorded side said, frame for frame, and before each thing it says waits
until our side has said what came before it. Only what differs each time is adapted: the ids of
references that our side gave, and the numbers of the streams that our side opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgpack

from interop.recordings import (
    ACK,
    DATA,
    FIN,
    HEADER,
    PING,
    SYN,
    WINDOW_UPDATE,
    Frame,
    Message,
    Recording,
    is_whole,
    load_pair,
    references,
)
from proxyables.peer.peer import Peer
from proxyables.wire.kinds import ProxyInstructionKinds as Kind

# How each implementation half-closes a stream after our FIN; the TypeScript one does not.
_FIN_TYPES = {"py": DATA, "go": WINDOW_UPDATE}


class Party(asyncio.Protocol):
    """A classic peer, as far as frames go: a Yamux of the tests' own, without windows.

    Args:
        software: Whose habits it has.
        client: Whether it dialled.

    Attributes:
        log: All frames in order; True for those of the side under test.
        answers: What came on streams that this side opened, by stream.
        executes, releases: Requests that came, on streams that the other side opened.
        lost: True when the connection has ended.
    """

    def __init__(self, software: str, *, client: bool) -> None:
        self.software = software
        self.client = client
        self.log: list[tuple[bool, Frame]] = []
        self.answers: dict[int, list[Message]] = defaultdict(list)
        self.executes: list[Message] = []
        self.releases: list[Message] = []
        self.lost = False
        self._changed = asyncio.Event()
        self._unparsed = b""
        self._partial: dict[int, bytes] = defaultdict(bytes)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        data = self._unparsed + data
        while len(data) >= HEADER.size:
            version, *fields = HEADER.unpack_from(data)
            assert version == 0
            end = HEADER.size + (fields[3] if fields[0] == DATA else 0)
            if len(data) < end:
                break
            self._on_frame(Frame(*fields, data[HEADER.size : end]))
            data = data[end:]
        self._unparsed = data
        self._changed.set()

    def _on_frame(self, frame: Frame) -> None:
        self.log.append((True, frame))
        if frame.type == PING and frame.flags & SYN:
            # The Python implementation forgets what the ping carried.
            self.send(Frame(PING, ACK, 0, 0 if self.software == "py" else frame.length))
        elif frame.type == DATA:
            self._on_data(frame)
        elif frame.flags & FIN and not self.is_mine(frame.stream):
            self._on_fin(frame.stream)

    def _on_fin(self, stream: int) -> None:
        if self.software in _FIN_TYPES:
            self.send(Frame(_FIN_TYPES[self.software], FIN, stream, 0))

    def _on_data(self, frame: Frame) -> None:
        stream = frame.stream
        self._partial[stream] += frame.payload
        if not is_whole(self._partial[stream]):
            return
        data = self._partial.pop(stream)
        message = Message(not self.client, stream, data, (len(data),))
        if self.is_mine(stream):
            self.answers[stream].append(message)
        elif message.content["kind"] == Kind.RELEASE:
            self.releases.append(message)
        else:
            self.executes.append(message)

    def is_mine(self, stream: int) -> bool:
        """Whether this side opened the stream."""
        return bool(stream & 1) == self.client

    def finished(self, *, ours: bool) -> set[int]:
        """The streams that the side under test (`ours`), or this one, has half-closed."""
        return {frame.stream for who, frame in self.log if who == ours and frame.flags & FIN}

    def send(self, *frames: Frame) -> None:
        """Sends frames in one write."""
        self.log += [(False, frame) for frame in frames]
        self._transport.write(b"".join(frame.raw for frame in frames))

    async def until(self, condition: Callable[[], Any]) -> None:
        """Waits for what the other side does."""
        while not condition():
            assert not self.lost, "the connection has ended"
            self._changed.clear()
            await self._changed.wait()

    def answer_releases(self) -> None:
        """Answers the RELEASEs that came, as this implementation does."""
        recording = load_pair("go", self.software)["release_on_gc"]
        sent = recording.messages()
        asked = next(i for i, m in enumerate(sent) if m.content.get("kind") == Kind.RELEASE)
        while self.releases:
            stream = self.releases.pop(0).stream
            data = sent[asked + 1].data
            self.send(Frame(DATA, 0, stream, len(data), data))

    def close(self) -> None:
        self._transport.close()


class Playback(Party):
    """Plays one side of a recording.

    Attributes:
        heard: What our side said, beside what the recorded side had said in its place.
    """

    def __init__(self, recording: Recording, *, client: bool) -> None:
        super().__init__(recording.client if client else recording.server, client=client)
        self._recording = recording
        self.heard: list[tuple[Message, Message]] = []
        self._ids: dict[bytes, bytes] = {}
        self._streams: dict[int, int] = {}
        self._acked: set[int] = set()
        self._read: dict[int, int] = defaultdict(int)
        self._acks = {
            frame.stream: frame
            for from_client, frame in recording.frames
            if from_client == client and frame.flags & ACK
        }

    async def play(self) -> None:
        """Says all that the recorded side said."""
        for from_client, step in self._recording.steps():
            mine = from_client == self.client
            if isinstance(step, Message):
                if mine:
                    self._say(step)
                else:
                    await self._hear(step)
            elif mine and self.is_mine(step.stream):
                self.send(step)  # on the other side's streams, ACK and FIN follow its own frames

    def adapted(self, message: Message) -> Message:
        """Returns a message of the recorded side with the ids that our side gave in this run."""
        data = message.data
        for recorded, given in self._ids.items():
            data = data.replace(recorded, given)
        return message._replace(data=data)

    def _say(self, message: Message) -> None:
        data = self.adapted(message).data
        stream = self._streams.get(message.stream, message.stream)
        pieces = []
        for size in [*message.pieces[:-1], len(data)]:
            pieces.append(data[:size])
            data = data[size:]
        self.send(*(Frame(DATA, 0, stream, len(piece), piece) for piece in pieces if piece))

    async def _hear(self, recorded: Message) -> None:
        if self.is_mine(recorded.stream):
            answers, place = self.answers[recorded.stream], self._read[recorded.stream]
            await self.until(lambda: len(answers) > place)
            self._read[recorded.stream] += 1
            said = answers[place]
        else:
            is_release = recorded.content["kind"] == Kind.RELEASE
            requests = self.releases if is_release else self.executes
            await self.until(lambda: requests)
            said = requests.pop(0)
            self._accept(recorded.stream, said.stream)
        self.heard.append((recorded, said))
        old, new = references(recorded.content), references(said.content)
        if len(old) == len(new):
            self._ids.update(zip(map(msgpack.packb, old), map(msgpack.packb, new), strict=True))

    def _accept(self, recorded: int, stream: int) -> None:
        self._streams[recorded] = stream
        if self._acks and stream not in self._acked:
            self._acked.add(stream)
            ack = self._acks.get(recorded) or next(iter(self._acks.values()))
            self.send(ack._replace(stream=stream))


# -- with one of our peers at the other end -------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(export: object, party: Party) -> AsyncIterator[Peer]:
    """Our server, and a client of another implementation, over a socket pair."""
    async with _joined(Peer(client=False, export=export), party) as peer:
        yield peer
        assert peer.statistics()["imports"] == 0


@contextlib.asynccontextmanager
async def calling(party: Party) -> AsyncIterator[Peer]:
    """Our client, and a server of another implementation, over a socket pair."""
    async with _joined(Peer(client=True), party) as peer:
        await peer.handshake()
        assert peer.is_classic
        yield peer


@contextlib.asynccontextmanager
async def _joined(peer: Peer, party: Party) -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    for end, protocol in zip(socket.socketpair(), (party, peer), strict=True):
        await loop.create_connection(lambda protocol=protocol: protocol, sock=end)  # type: ignore[misc]
    try:
        yield peer
    finally:
        party.close()
        await peer.wait_closed()
    assert peer.statistics()["exports"] == peer.statistics()["imports"] == 0
