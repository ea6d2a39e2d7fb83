"""Attacks on the secret, byte by byte: Yamux frames and MessagePack written out, proofs made here.

Nothing of the package writes what is sent, so a mistake in its own arithmetic cannot hide.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import struct
import time
from collections.abc import AsyncIterator

import msgpack
import pytest

import proxyables
from connections import on_both_loops
from proxyables.errors import AuthenticationFailed
from proxyables.peer import attempts
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from raw_peers import classic_call, hello

TOKEN = "correct horse"
PX_PING = bytes.fromhex("000200010000000050580100")
OPEN = bytes.fromhex("000100010000000100000000")  # window update + SYN, stream 1
HELLO, AUTH, EXECUTE, THROW = 1, 2, 3, 5


class Api:
    """What must not be reached."""

    calls = 0

    def touch(self) -> None:
        type(self).calls += 1


def data(message: object) -> bytes:
    """Returns one data frame of stream 1."""
    packed: bytes = msgpack.packb(message)
    return struct.pack("!BBHII", 0, 0, 0, 1, len(packed)) + packed


def proof(token: str, role: str, client: bytes, server: bytes) -> bytes:
    label = b"proxyables-auth-v1:" + role.encode() + b":"
    return hmac.new(token.encode(), label + client + server, hashlib.sha256).digest()


class Attacker:
    """A connection that sends bytes, and reads the messages of stream 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.messages: list[list[object]] = []
        self.received = b""

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def frame(self) -> tuple[int, bytes] | None:
        """Returns stream and payload of the next frame, or None at the end of the connection."""
        try:
            header = await self.reader.readexactly(12)
            _, kind, _, stream, length = struct.unpack("!BBHII", header)
            payload = await self.reader.readexactly(length) if kind == 0 else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.received += payload
        return stream, payload

    async def message(self) -> list[object]:
        """Returns the next message, or nothing at the end of the connection."""
        unpacker = msgpack.Unpacker(strict_map_key=False)
        while (frame := await self.frame()) is not None:
            stream, payload = frame
            if stream == 1 and payload:
                unpacker.feed(payload)
                for found in unpacker:
                    assert isinstance(found, list)
                    return found
        return []

    async def greet(self) -> tuple[bytes, bytes]:
        """Says HELLO; returns both nonces."""
        ours = os.urandom(32)
        await self.send(PX_PING, OPEN, data([HELLO, hello(demands="token", nonce=ours)]))
        answer = await self.message()
        assert answer[0] == HELLO, answer
        assert isinstance(answer[1], dict)
        return ours, answer[1]["nonce"]

    async def is_over(self) -> bool:
        return await self.message() == []


@contextlib.asynccontextmanager
async def attacking(address: str) -> AsyncIterator[Attacker]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Attacker(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(autouse=True)
def _nothing_is_reached() -> object:
    Api.calls = 0
    yield
    assert Api.calls == 0


@on_both_loops
async def test_the_right_proof_is_answered_by_the_servers_own() -> None:
    async with (
        proxyables.serve(Api(), ":0", token=TOKEN) as server,
        attacking(server.addresses[0]) as one,
    ):
        ours, theirs = await one.greet()
        await one.send(data([AUTH, proof(TOKEN, "client", ours, theirs)]))
        assert await one.message() == [AUTH, proof(TOKEN, "server", ours, theirs)]
        assert TOKEN.encode() not in one.received


@pytest.mark.parametrize("forged", ["guess", "role", "nonces", "empty", "short", "long", "nil"])
@on_both_loops
async def test_a_forged_proof_ends_it(forged: str) -> None:
    async with (
        proxyables.serve(Api(), ":0", token=TOKEN) as server,
        attacking(server.addresses[0]) as one,
    ):
        ours, theirs = await one.greet()
        right = proof(TOKEN, "client", ours, theirs)
        forgeries = {
            "guess": proof("guess", "client", ours, theirs),
            "role": proof(TOKEN, "server", ours, theirs),
            "nonces": proof(TOKEN, "client", theirs, ours),
            "empty": b"",
            "short": right[:-1],
            "long": right + b"\0",
            "nil": None,
        }
        call = data([EXECUTE, None, [["touch"]]])
        await one.send(data([AUTH, forgeries[forged]]), call)
        answer = await one.message()
        assert answer[0] == THROW
        assert isinstance(answer[1], dict)
        assert answer[1]["type"] == "AuthenticationFailed"
        assert await one.is_over()


@on_both_loops
async def test_what_is_sent_behind_the_hello_is_not_served() -> None:
    call = data([EXECUTE, None, [["touch"]]])
    hellos = data([HELLO, hello(demands="token")])
    streams = [
        (PX_PING, OPEN, call),
        (PX_PING, OPEN, hellos, call),
        (PX_PING, OPEN, hellos, hellos),
        (PX_PING, OPEN, data([HELLO, hello(demands="")]), call),
        (PX_PING, OPEN, data([HELLO, hello(demands="none")]), call),
    ]
    async with proxyables.serve(Api(), ":0", token=TOKEN) as server:
        for sent in streams:
            async with attacking(server.addresses[0]) as one:
                await one.send(*sent)
                while (answer := await one.message()) != []:
                    assert answer[0] in (HELLO, THROW)


CALLS = {
    "px": [EXECUTE, None, [["touch"]]],
    "classic": classic_call((Kind.GET, ["touch"]), (Kind.APPLY, [])),
}


@pytest.mark.parametrize("dialect", CALLS)
@on_both_loops
async def test_who_never_says_who_it_is_is_refused_and_left(dialect: str) -> None:
    limits = proxyables.Limits(handshake_timeout=0.3)
    async with (
        proxyables.serve(Api(), ":0", token=TOKEN, limits=limits) as server,
        attacking(server.addresses[0]) as one,
    ):
        await one.send(OPEN, data(CALLS[dialect]))
        while await one.frame():
            pass
        answer = msgpack.unpackb(one.received)  # the only one, in the only dialect that it may know
        assert answer["kind"] == Kind.THROW


@on_both_loops
async def test_a_server_that_cannot_prove_it_gets_nothing() -> None:
    """A server in the place of the real one, which mirrors, guesses, or demands nothing."""
    for lie in ("mirror", "guess", "nothing"):

        async def welcome(
            reader: asyncio.StreamReader,
            writer: asyncio.StreamWriter,
            lie: str = lie,
        ) -> None:
            one = Attacker(reader, writer)
            await one.send(PX_PING)
            said = await one.message()
            assert said[0] == HELLO
            assert isinstance(said[1], dict)
            ours, theirs = os.urandom(32), said[1]["nonce"]
            told = hello(demands="" if lie == "nothing" else "token", nonce=ours)
            await one.send(data([HELLO, told]))
            proven = await one.message()
            if proven:
                guess = proof("guess", "server", theirs, ours)
                await one.send(data([AUTH, proven[1] if lie == "mirror" else guess]))
                assert await one.is_over()
            assert TOKEN.encode() not in one.received
            writer.close()

        listener = await asyncio.start_server(welcome, "127.0.0.1", 0)
        async with listener:
            address = f":{listener.sockets[0].getsockname()[1]}"
            with pytest.raises(AuthenticationFailed):
                await proxyables.connect(address, token=TOKEN, export=Api())


@on_both_loops
async def test_who_guesses_has_to_wait_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(attempts.Attempts.__init__, "__defaults__", (lambda: now,))
    async with proxyables.serve(Api(), ":0", token=TOKEN) as server:
        address = server.addresses[0]
        for _ in range(attempts.FREE + 1):
            with pytest.raises(AuthenticationFailed, match="does not know the token"):
                await proxyables.connect(address, token="guess")
        for token in ("guess", TOKEN):  # whether it is right is not looked at
            with pytest.raises(AuthenticationFailed, match=r"try again in 1\.0 s"):
                await proxyables.connect(address, token=token)
        now += 1.1
        async with proxyables.connect(address, token=TOKEN) as peer:
            assert await peer.ping() > 0


@on_both_loops
async def test_many_guesses_at_once_are_no_more_than_a_few() -> None:
    """All have said HELLO before the first guess: the wait holds for them as well."""
    async with proxyables.serve(Api(), ":0", token=TOKEN) as server:
        refusals = []
        async with contextlib.AsyncExitStack() as stack:
            crowd = [
                await stack.enter_async_context(attacking(server.addresses[0])) for _ in range(12)
            ]
            nonces = [await one.greet() for one in crowd]
            for one, (ours, theirs) in zip(crowd, nonces, strict=True):
                await one.send(data([AUTH, proof("guess", "client", ours, theirs)]))
                answer = await one.message()
                assert isinstance(answer[1], dict)
                refusals.append(answer[1]["message"])
        looked_at = [text for text in refusals if "does not know the token" in text]
        assert len(looked_at) == attempts.FREE + 1
        assert all("try again in" in text for text in refusals[len(looked_at) :])
