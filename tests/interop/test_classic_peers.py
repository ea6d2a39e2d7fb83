"""How we treat peers of the other implementations where no recording shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import msgpack
import pytest

from interop.conduct import LARGEST_FRAME, check_conduct
from interop.playback import Party, calling, serving
from interop.recordings import ACK, DATA, RST, SYN, WINDOW_UPDATE, Frame
from proxyables import (
    ConnectionClosed,
    EncodingError,
    NotSupported,
    ProxyCursor,
    RemoteError,
    assign,
    contains,
    copy,
    delete,
    describe,
    perform,
    ref,
    release,
)
from proxyables.peer.peer import Peer
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.kinds import ProxyValueKinds as Value
from proxyables.yamux import INITIAL_WINDOW

LARGE = "x" * (3 * INITIAL_WINDOW)


def bounded(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return run


def instruction(kind: int, data: Any) -> dict[str, Any]:
    return {"id": "m6caobn1kq00", "kind": kind, "data": data}


def say(party: Party, stream: int, kind: int, data: Any) -> None:
    """Has the other implementation send one instruction."""
    packed = msgpack.packb(instruction(kind, data))
    party.send(Frame(DATA, 0, stream, len(packed), packed))


async def fetch(peer: Peer, party: Party, number: int = 0) -> ProxyCursor:
    """Returns a cursor on an object of the other implementation."""

    async def get() -> Any:
        return await peer.root.thing

    call = asyncio.create_task(get())
    await party.until(lambda: party.executes)
    reference = instruction(Value.REFERENCE, f"m6caobn1{number:04}")
    say(party, party.executes.pop().stream, Kind.RETURN, reference)
    found = await call
    assert isinstance(found, ProxyCursor)
    return found


# -- what has no classic form ---------------------------------------------------------------------


async def _iterate(path: ProxyCursor) -> None:
    async for _ in path:
        raise AssertionError


async def _enter(path: ProxyCursor) -> None:
    async with path:
        raise AssertionError


async def _call(path: ProxyCursor) -> None:
    await path


IMPOSSIBLE: dict[str, Callable[[ProxyCursor, ProxyCursor], Coroutine[Any, Any, Any]]] = {
    "keyword": lambda root, own: _call(root.f(lambda: 1, x=1)),
    "assign": lambda root, own: assign(root.x, 5),
    "assign item": lambda root, own: assign(root.x["k"], 5),
    "delete": lambda root, own: delete(root.x),
    "delete item": lambda root, own: delete(root.x["k"]),
    "own object": lambda root, own: _call(root.f(lambda: 1, own)),
    "own root": lambda root, own: _call(root.f(root)),
    "cursor": lambda root, own: _call(root.f(own.g(1))),
    "large": lambda root, own: _call(root.f(lambda: 1, 2**64)),
    "large, negative": lambda root, own: _call(root.f(-(2**63) - 1)),
    "large, in a list": lambda root, own: _call(root.f(lambda: 1, [[2**64]])),
    "large, in a dict": lambda root, own: _call(root.f({"k": 2**70})),
    "large position": lambda root, own: _call(root.x[2**64]),
    "slice": lambda root, own: _call(root.x[1:2]),
    "key": lambda root, own: _call(root.x[1, 2]),
    "operator": lambda root, own: _call(root.x + 1),
    "len": lambda root, own: perform(root.x, "len"),
    "in": lambda root, own: contains(root.x, 1),
    "copy": lambda root, own: copy(root.x),
    "ref": lambda root, own: _call(ref(root.x)),
    "describe": lambda root, own: describe(root.x),
    "async for": lambda root, own: _iterate(root.x),
    "async with": lambda root, own: _enter(root.x),
}


@pytest.mark.parametrize("form", IMPOSSIBLE)
@bounded
async def test_what_has_no_form_is_refused_here(form: str) -> None:
    party = Party("py", client=False)
    async with calling(party) as peer:
        own = await fetch(peer, party)
        await peer.ping()
        before = len(party.log)
        with pytest.raises(NotSupported, match="classic"):
            await IMPOSSIBLE[form](peer.root, own)
        await peer.ping()
        assert len(party.log) == before + 2, "the ping and its answer, and nothing else"
        assert peer.snapshot() == {"entries": 0, "retains": 0}
        assert peer.statistics()["calls_waiting"] == 0
        release(own)


@bounded
async def test_what_cannot_be_encoded_leaves_nothing_behind() -> None:
    party = Party("py", client=False)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    async with calling(party) as peer:
        for value in (["\ud800"], "\ud800", deep, memoryview(b"abcd")[::2]):
            with pytest.raises(EncodingError):
                await peer.root.f(lambda: 1, value)
        await peer.ping()
        assert not party.executes
        assert peer.snapshot() == {"entries": 0, "retains": 0}


# -- what each implementation needs ---------------------------------------------------------------


async def start_large_call(peer: Peer, party: Party) -> tuple[asyncio.Task[int], int]:
    """Asks with more than a window holds; returns the call, and its stream when it is open."""

    async def ask() -> Any:
        return await peer.root.size(LARGE)

    call = asyncio.create_task(ask())
    await party.until(lambda: any(frame.flags & SYN and frame.stream for _, frame in party.log))
    stream = next(frame.stream for _, frame in party.log if frame.flags & SYN and frame.stream)
    return call, stream


async def finish(call: asyncio.Task[int], party: Party, stream: int) -> None:
    await party.until(lambda: party.executes)
    assert party.executes[0].content["data"][1]["data"] == [LARGE]
    say(party, stream, Kind.RETURN, instruction(Value.NUMBER, len(LARGE)))
    assert await call == len(LARGE)
    check_conduct(party)


@bounded
async def test_python_server_gets_all_without_credit() -> None:
    party = Party("py", client=False)  # shows itself by its answer to the hello
    async with calling(party) as peer:
        call, stream = await start_large_call(peer, party)
        await finish(call, party, stream)


@bounded
async def test_rust_server_gets_all_once_it_has_shown_itself() -> None:
    party = Party("rust", client=False)
    async with calling(party) as peer:
        call, stream = await start_large_call(peer, party)
        party.send(Frame(WINDOW_UPDATE, ACK, stream, INITIAL_WINDOW))
        await finish(call, party, stream)


@bounded
async def test_window_of_go_server_is_obeyed_to_the_byte() -> None:
    party = Party("go", client=False)
    async with calling(party) as peer:
        call, stream = await start_large_call(peer, party)
        party.send(Frame(WINDOW_UPDATE, ACK, stream, 0))
        window = INITIAL_WINDOW
        for delta in (1, 65_537, 3 * INITIAL_WINDOW):
            await peer.ping()  # all that was to come before it has come
            assert sum(len(frame.payload) for ours, frame in party.log if ours) == window
            party.send(Frame(WINDOW_UPDATE, 0, stream, delta))
            window += delta
        await finish(call, party, stream)


class Answers:
    large = LARGE

    def refuse(self) -> None:
        raise ValueError("no")


@bounded
async def test_python_client_gets_all_without_credit() -> None:
    party = Party("go", client=True)  # the answer to the hello does not show it: its SYN does
    async with serving(Answers(), party):
        party.send(Frame(DATA, SYN, 1, 0))
        say(party, 1, Kind.EXECUTE, [instruction(Kind.GET, ["large"])])
        await party.until(lambda: party.answers[1])
        assert party.answers[1][0].content["data"]["data"] == LARGE
    check_conduct(party)
    assert max(len(frame.payload) for _, frame in party.log) <= LARGEST_FRAME


@bounded
async def test_payload_with_syn_is_taken() -> None:
    party = Party("go", client=True)
    async with serving(Answers(), party):
        request = instruction(Kind.EXECUTE, [instruction(Kind.APPLY, [])])
        payload = msgpack.packb(request)
        party.send(Frame(DATA, SYN, 1, len(payload), payload))
        await party.until(lambda: party.answers[1])
        assert "not callable" in party.answers[1][0].content["data"]["message"]


@pytest.mark.parametrize(("software", "streams"), [("py", [1, 3, 5]), ("go", [1, 1, 1])])
@bounded
async def test_streams_are_reused_but_for_python(software: str, streams: list[int]) -> None:
    party = Party(software, client=False)
    async with calling(party) as peer:
        held = [await fetch(peer, party, number) for number in range(3)]
        used = [frame.stream for ours, frame in party.log if ours and frame.type == DATA]
        assert used == streams
        del held
    check_conduct(party)


@bounded
async def test_stream_is_retired_after_a_throw() -> None:
    party = Party("go", client=False)
    async with calling(party) as peer:
        for expected in (1, 3):

            async def ask() -> None:
                await peer.root.f()

            call = asyncio.create_task(ask())
            await party.until(lambda: party.executes)
            stream = party.executes.pop().stream
            assert stream == expected
            say(party, stream, Kind.THROW, "in plain text" if stream == 1 else None)
            with pytest.raises(RemoteError, match="in plain text" if stream == 1 else "unknown"):
                await call
        await peer.ping()
        ended = [frame.stream for ours, frame in party.log if ours and frame.flags & RST]
        assert ended == [1, 3]
    check_conduct(party)


@pytest.mark.parametrize("software", ["py", "go", "ts"])
@bounded
async def test_many_releases_need_few_streams(software: str) -> None:
    party = Party(software, client=False)
    async with calling(party) as peer:
        held = [await fetch(peer, party, number) for number in range(200)]
        del held
        released = set()
        while len(released) < 200:
            await party.until(lambda: party.releases)
            await peer.ping()
            assert len(party.releases) <= 32
            released |= {message.content["data"][0] for message in party.releases}
            party.answer_releases()
        await peer.ping()
        assert not party.releases
        assert peer.statistics()["streams"] <= 1
    check_conduct(party)


@bounded
async def test_reset_of_a_release_does_not_stop_the_others() -> None:
    party = Party("go", client=False)
    async with calling(party) as peer:
        held = [await fetch(peer, party, number) for number in range(100)]
        del held
        for _ in range(100):
            await party.until(lambda: party.releases)
            party.send(Frame(WINDOW_UPDATE, RST, party.releases.pop().stream, 0))
        await peer.ping()
        assert not party.releases
        assert peer.statistics()["imports"] == 0


@bounded
async def test_closing_drains_and_says_nothing() -> None:
    party = Party("py", client=False)
    async with calling(party) as peer:

        async def ask() -> Any:
            return await peer.root.f()

        call = asyncio.create_task(ask())
        await party.until(lambda: party.executes)
        peer.close()
        with pytest.raises(ConnectionClosed):
            await peer.root.f()
        say(party, 1, Kind.RETURN, instruction(Value.NUMBER, 5))
        assert await call == 5
        await peer.wait_closed()
    assert not party.executes[1:]
    check_conduct(party)  # a go-away would end a Python peer


# -- what arrives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argument",
    [msgpack.ExtType(5, b"x"), msgpack.Timestamp(1), {msgpack.ExtType(5, b"x"): 1}],
    ids=["ext", "timestamp", "ext as a key"],
)
@bounded
async def test_extension_types_are_refused(argument: Any) -> None:
    party = Party("go", client=True)
    async with serving(Answers(), party) as peer:
        party.send(Frame(WINDOW_UPDATE, SYN, 1, 0))
        steps = [instruction(Kind.GET, ["refuse"]), instruction(Kind.APPLY, [argument])]
        say(party, 1, Kind.EXECUTE, steps)
        await party.until(lambda: party.answers[1])
        assert "malformed" in party.answers[1][0].content["data"]["message"]
        assert not peer.closed


@pytest.mark.parametrize(
    ("data", "message", "cause"),
    [
        ({"message": "m", "cause": {"message": "c"}}, "m", "c"),
        ({"message": "m", "cause": "c", "extra": {}}, "m", "c"),
        ({"message": "m", "cause": None}, "m", None),
        (instruction(Value.STRING, "m"), "m", None),
        ({"message": 5}, "", None),
    ],
    ids=["map", "text", "nil", "wrapped", "no text"],
)
@bounded
async def test_throw_takes_every_form(data: Any, message: str, cause: str | None) -> None:
    party = Party("go", client=False)
    async with calling(party) as peer:

        async def ask() -> None:
            await peer.root.f()

        call = asyncio.create_task(ask())
        await party.until(lambda: party.executes)
        say(party, 1, Kind.THROW, data)
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.message == message
        found = caught.value.__cause__
        assert (found.message if isinstance(found, RemoteError) else None) == cause
