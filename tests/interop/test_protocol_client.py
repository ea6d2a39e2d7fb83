"""A px client written from docs/reference/protocol.md alone, against our server.

It uses a socket, `struct`, `hmac` and MessagePack, and nothing of this package: what it needs to
know stands on that page. It blocks, so it runs in a thread beside the server's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

import proxyables

HEADER = struct.Struct("!BBHII")
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
HELLO, AUTH, EXECUTE, RETURN, THROW, RELEASE, ITEMS = range(1, 8)
GET, CALL = 1, 2
STREAM = 12
PX_PING = 0x50580100


class Client:
    """The dialling side, one exchange at a time."""

    def __init__(self, dialled: socket.socket, token: bytes) -> None:
        self.socket = dialled
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.next_id = 1
        self.calls: list[Any] = []
        self.releases: list[Any] = []
        self.frame(PING, SYN, 0, PX_PING)
        assert self.read_frame() == (PING, SYN, 0, PX_PING)
        stream = self.open()
        nonce = os.urandom(32)
        hello = {"version": 1, "software": "page", "language": "?", "pid": 0, "instance": "1"}
        hello |= {"root": "", "max_message": 1 << 20, "max_streams": 100, "nonce": nonce}
        hello |= {"demands": "token" if token else "", "unknown": True}
        kind, self.server = self.ask(stream, [HELLO, hello])
        assert kind == HELLO
        if token:
            nonces = nonce + self.server["nonce"]
            proofs = [
                hmac.new(token, b"proxyables-auth-v1:" + role + b":" + nonces, hashlib.sha256)
                for role in (b"client", b"server")
            ]
            assert self.ask(stream, [AUTH, proofs[0].digest()]) == [AUTH, proofs[1].digest()]
        self.stream = stream

    def frame(self, kind: int, flags: int, stream: int, length: int, payload: bytes = b"") -> None:
        self.socket.sendall(HEADER.pack(0, kind, flags, stream, length) + payload)

    def open(self) -> int:
        stream, self.next_id = self.next_id, self.next_id + 2
        self.received[stream] = b""
        self.frame(WINDOW_UPDATE, SYN, stream, 0)
        return stream

    def send(self, stream: int, message: Any) -> None:
        data = msgpack.packb(message)
        self.frame(DATA, 0, stream, len(data), data)

    def ask(self, stream: int, message: Any) -> Any:
        self.send(stream, message)
        return self.read(stream)

    def execute(self, *steps: Any, target: int | None = None) -> Any:
        return self.ask(self.stream, [EXECUTE, target, list(steps)])

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the server closed the connection"
            data += piece
        return data

    def read_frame(self) -> tuple[int, int, int, int]:
        version, kind, flags, stream, length = HEADER.unpack(self.exactly(12))
        assert version == 0
        if kind == DATA:
            self.received[stream] = self.received.get(stream, b"") + self.exactly(length)
        if kind == PING and flags & SYN:
            self.frame(PING, ACK, 0, length)
        if flags & SYN and kind != PING:
            assert stream % 2 == 0
            self.frame(WINDOW_UPDATE, ACK, stream, 0)
        if flags & (FIN | RST):
            self.ended.add(stream)
        return kind, flags, stream, length

    def read(self, stream: int) -> Any:
        """Returns the next message on a stream; serves whatever the server asks meanwhile."""
        while True:
            whole = self.whole(stream)
            if whole is not None:
                return whole
            self.read_frame()
            self.serve()

    def serve(self) -> None:
        """Takes what they ask: a call of any function of ours doubles its argument."""
        for theirs in [each for each in self.received if each % 2 == 0]:
            request = self.whole(theirs)
            if request is not None and request[0] == EXECUTE:
                self.calls.append(request)
                self.send(theirs, [RETURN, request[2][0][1][0] * 2])
            elif request is not None:
                self.releases.append(request)

    def whole(self, stream: int) -> Any:
        unpacker = msgpack.Unpacker()
        unpacker.feed(self.received[stream])
        try:
            message = unpacker.unpack()
        except msgpack.OutOfData:
            return None
        self.received[stream] = self.received[stream][unpacker.tell() :]
        return message


class Shop:
    name = "shop"

    def __init__(self) -> None:
        self.closed = 0

    def add(self, a: int, b: int = 1) -> int:
        return a + b

    def itself(self) -> Shop:
        return self

    def is_itself(self, other: object) -> bool:
        return other is self

    async def twice(self, function: Callable[[int], Any], value: int) -> int:
        return await function(value) + await function(value)

    def count(self, n: int) -> Iterator[int]:
        try:
            yield from range(n)
        finally:
            self.closed += 1

    def fail(self) -> None:
        raise ValueError("no")


Connect = Callable[..., Client]


def against_a_server(
    drive: Callable[[Connect, proxyables.Server], None], shop: Shop, token: str | None = None
) -> None:
    async def main() -> None:
        with contextlib.ExitStack() as sockets:
            async with proxyables.serve(shop, "tcp://127.0.0.1:0", token=token) as server:
                host, port = server.addresses[0].removeprefix("tcp://").split(":")

                def connect(token: bytes = b"") -> Client:
                    dialled = socket.create_connection((host, int(port)), timeout=10)
                    return Client(sockets.enter_context(dialled), token)

                await asyncio.to_thread(drive, connect, server)

    asyncio.run(main())


def reference_in(value: Any) -> int:
    assert isinstance(value, msgpack.ExtType)
    assert value.code == 1
    reference: int = msgpack.unpackb(value.data)[0]
    return reference


def test_values_calls_errors_and_references() -> None:
    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect()
        assert client.server["version"] == 1
        assert client.execute([GET, "name"]) == [RETURN, "shop"]
        assert client.execute([GET, "add"], [CALL, [2], {"b": 3}]) == [RETURN, 5]
        kind, told = client.execute([GET, "fail"], [CALL, []])
        assert (kind, told["type"], told["module"]) == (THROW, "ValueError", "builtins")
        kind, told = client.execute([GET, "_secret"])
        assert (kind, told["type"], told["module"]) == (THROW, "AccessDenied", "proxyables")

        kind, value = client.execute([GET, "itself"], [CALL, []])
        reference = reference_in(value)
        own = msgpack.ExtType(2, msgpack.packb(reference))
        root = msgpack.ExtType(2, msgpack.packb(0))
        chain = msgpack.ExtType(3, msgpack.packb([None, [[GET, "itself"], [CALL, []]]]))
        for given in (own, root, chain):
            assert client.execute([GET, "is_itself"], [CALL, [given]]) == [RETURN, True]
        assert client.execute([GET, "name"], target=reference) == [RETURN, "shop"]
        (peer,) = server.peers
        assert peer.snapshot() == {"entries": 1, "retains": 1}
        client.send(client.stream, [RELEASE, [reference, 1]])
        kind, told = client.execute([GET, "name"], target=reference)
        assert (kind, told["type"]) == (THROW, "ReferenceNotFound")
        assert peer.snapshot() == {"entries": 0, "retains": 0}

    against_a_server(drive, Shop())


def test_a_callback_is_called_and_given_back() -> None:
    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect()
        function = msgpack.ExtType(1, msgpack.packb([7, 0]))
        assert client.execute([GET, "twice"], [CALL, [function, 5]]) == [RETURN, 20]
        assert client.calls == [[EXECUTE, 7, [[CALL, [5]]]]] * 2
        while not client.releases:
            client.read_frame()
            client.serve()
        assert client.releases == [[RELEASE, [7, 1]]]

    against_a_server(drive, Shop())


def test_items_flow_and_stop() -> None:
    shop = Shop()

    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect()
        steps = [[GET, "count"], [CALL, [5]], [STREAM, 3]]
        client.send(client.stream, [EXECUTE, None, steps])
        answers = [client.read(client.stream) for _ in range(3)]
        assert answers == [[ITEMS, [0, 1, 2]], [ITEMS, [3, 4]], [RETURN, None]]

        endless = client.open()
        client.send(endless, [EXECUTE, None, [[GET, "count"], [CALL, [1 << 60]], [STREAM, 4096]]])
        assert client.read(endless)[0] == ITEMS
        client.frame(WINDOW_UPDATE, FIN, endless, 1 << 18)
        while (answer := client.read(endless))[0] == ITEMS:
            pass
        assert answer == [RETURN, None]
        assert shop.closed == 2
        while endless not in client.ended:
            client.read_frame()
        client.frame(WINDOW_UPDATE, RST, endless, 0)
        assert client.execute([GET, "name"]) == [RETURN, "shop"]

    against_a_server(drive, shop)


def test_a_token_is_proved_both_ways() -> None:
    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect(b"open sesame")
        assert client.execute([GET, "name"]) == [RETURN, "shop"]
        with pytest.raises(AssertionError):
            connect(b"wrong")

    against_a_server(drive, Shop(), token="open sesame")


@pytest.mark.parametrize("is_answered", [True, False])
def test_the_end_waits_until_its_answers_are_read(is_answered: bool) -> None:
    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect()
        assert client.execute([GET, "add"], [CALL, [2], {"b": 3}]) == [RETURN, 5]
        (peer,) = server.peers
        peer.loop.call_soon_threadsafe(server.close)
        frames = [HEADER.unpack(client.exactly(12))[1:] for _ in range(2)]
        assert frames[0] == (GO_AWAY, 0, 0, 0)
        kind, flags, stream, opaque = frames[1]
        assert (kind, flags, stream) == (PING, SYN, 0)
        if is_answered:
            client.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
            client.socket.settimeout(10)
            client.frame(PING, ACK, 0, opaque)
        assert client.socket.recv(1) == b""

    against_a_server(drive, Shop())


def test_the_end_is_an_orderly_go_away() -> None:
    def drive(connect: Connect, server: proxyables.Server) -> None:
        client = connect()
        (peer,) = server.peers
        peer.loop.call_soon_threadsafe(server.close)
        while (frame := client.read_frame())[0] != GO_AWAY:
            pass
        assert frame == (GO_AWAY, 0, 0, 0)
        assert client.socket.recv(1) == b""

    against_a_server(drive, Shop())
