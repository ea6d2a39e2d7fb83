"""Why two sides did not meet, as the one word that `HandshakeFailed` has for it."""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import proxyables
from connections import on_both_loops
from proxyables import HandshakeFailed, Limits
from proxyables.errors import Reason
from proxyables.wire.hello import PING
from proxyables.wire.instructions import AUTH, THROW
from raw_peers import RawPeer, hello, listening

QUICK = Limits(handshake_timeout=0.2, grace=0.2)


async def silence(raw: RawPeer) -> None:
    await raw.reader.read()


async def leave(raw: RawPeer) -> None:
    await raw.write(b"")


async def leave_after_ping(raw: RawPeer) -> None:
    raw.session.ping(PING)
    await raw.write(b"")


async def speak_http(raw: RawPeer) -> None:
    await raw.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await raw.until_over()


async def speak_version_9(raw: RawPeer) -> None:
    raw.session.ping(0x5058_0900)
    await raw.write(b"")
    await raw.until_over()


async def tell_version_9(raw: RawPeer) -> None:
    await raw.greet(version=9)
    await raw.until_over()


async def tell_no_nonce(raw: RawPeer) -> None:
    await raw.greet(nonce=b"")
    await raw.until_over()


async def answer_with_garbage(raw: RawPeer) -> None:
    await begin(raw)
    await raw.send(raw.session.streams[1], [99])
    await raw.until_over()


async def answer_with_auth(raw: RawPeer) -> None:
    await begin(raw)
    await raw.send(raw.session.streams[1], [AUTH, hello()])
    await raw.until_over()


async def refuse(raw: RawPeer) -> None:
    await begin(raw)
    refusal = {"type": "HandshakeFailed", "message": "not you"}
    await raw.send(raw.session.streams[1], [THROW, refusal])
    await raw.until_over()


async def be_busy(raw: RawPeer) -> None:
    await begin(raw)
    refusal = {"type": "LimitExceeded", "message": "too many"}
    await raw.send(raw.session.streams[1], [THROW, refusal])
    await raw.until_over()


async def give_up(raw: RawPeer) -> None:
    await begin(raw)
    raw.session.reset(raw.session.streams[1])
    await raw.write(b"")
    await raw.until_over()


async def begin(raw: RawPeer) -> None:
    raw.session.ping(PING)
    await raw.write(b"")
    await raw.message(1)


MEETINGS: dict[Callable[[RawPeer], Awaitable[None]], Reason] = {
    silence: "timeout",
    leave: "closed",
    leave_after_ping: "closed",
    speak_http: "not-a-peer",
    speak_version_9: "version",
    tell_version_9: "version",
    tell_no_nonce: "malformed",
    answer_with_garbage: "malformed",
    answer_with_auth: "malformed",
    refuse: "refused",
    be_busy: "busy",
    give_up: "closed",
}


@pytest.mark.parametrize("serve", MEETINGS, ids=lambda serve: serve.__name__)
@on_both_loops
async def test_who_is_there_and_is_no_peer(serve: Callable[[RawPeer], Awaitable[None]]) -> None:
    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed) as caught:
            await proxyables.connect(address, limits=QUICK)
    assert caught.value.reason == MEETINGS[serve]


@on_both_loops
async def test_a_time_out_of_the_caller() -> None:
    async with listening(silence) as address:
        with pytest.raises(HandshakeFailed, match="no answer within") as caught:
            await proxyables.connect(address, timeout=0.05)
    assert caught.value.reason == "timeout"


@on_both_loops
async def test_nobody_is_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for address in (
            f"tcp://127.0.0.1:{unused.getsockname()[1]}",
            "tcp://nobody.invalid:1",
            "unix:/nowhere/socket",
        ):
            with pytest.raises(HandshakeFailed) as caught:
                await proxyables.connect(address)
            assert caught.value.reason == "unreachable"


@on_both_loops
async def test_programs_that_do_not_run(tmp_path: Path) -> None:
    no_program = tmp_path / "text"
    no_program.write_text("no program")
    for words, reason in {
        "/nowhere/program": "not-found",
        "no-such-program-anywhere": "not-found",
        str(no_program): "not-executable",
        f"{sys.executable} -c ''": "closed",
        f"{sys.executable} -c 'print(10**40, flush=True); input()'": "not-a-peer",
    }.items():
        with pytest.raises(HandshakeFailed) as caught:
            await proxyables.connect(f"exec:{words}")
        assert caught.value.reason == reason, words


def test_the_reason_survives_pickling() -> None:
    error = HandshakeFailed("no", OSError(5, "io"), reason="version")
    loaded = pickle.loads(pickle.dumps(error))
    assert (loaded.reason, loaded.message) == ("version", "no")
    assert HandshakeFailed().reason == "unreachable"
