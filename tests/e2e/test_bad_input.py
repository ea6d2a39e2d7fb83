"""What is not a peer, or not a decent one, over real sockets: a clear end, and nobody else hurt."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

import proxyables
from connections import on_both_loops
from proxyables import (
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    LimitExceeded,
    Limits,
    PeerProtocolError,
    RemoteError,
    Server,
)
from proxyables.wire.hello import PING
from proxyables.wire.instructions import (
    CALL,
    EXECUTE,
    GET,
    HELLO,
    ITEMS,
    RELEASE,
    RETURN,
    STREAM,
    THROW,
)
from proxyables.wire.kinds import ProxyInstructionKinds as Kind
from proxyables.wire.payloads import NESTING
from proxyables.yamux import RESET, WENT_AWAY
from raw_peers import (
    Ext,
    RawPeer,
    chain,
    classic_call,
    dialled,
    ext,
    hello,
    instruction,
    listening,
    own,
)
from watching import until


class Thing:
    pass


class API:
    value = 42

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.given: list[weakref.ref[Thing]] = []

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def same(self, value: Any) -> Any:
        return value

    def make(self) -> Thing:
        thing = Thing()
        self.given.append(weakref.ref(thing))
        return thing

    def blob(self, size: int) -> bytes:
        return bytes(size)

    async def forever(self) -> Thing | None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return self.make()  # code that does not let itself be cancelled
        finally:
            self.cancelled.set()
        return None

    def depth(self, value: Any) -> int:
        deep = 0
        while type(value) in (list, dict, tuple):
            value = value["a"] if type(value) is dict else value[0]
            deep += 1
        assert value is None or value is self or callable(value) or value == 42
        return deep

    async def apply(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    def surrogate(self) -> None:
        raise FileNotFoundError(2, "no such file", "\udcff")

    def verbose(self) -> None:
        error = ValueError("x" * 100_000)
        for _ in range(32):
            error.add_note("y" * 100_000)
        raise error


CALL_ADD = [[GET, "add"], [CALL, [1, 2]]]
QUICK = Limits(handshake_timeout=0.2, grace=0.2)


@contextlib.asynccontextmanager
async def serving(limits: Limits | None = None, **more: Any) -> AsyncIterator[tuple[Server, API]]:
    """A server; at the end it must have lost every connection so far, and serve a new one."""
    api = API()
    async with proxyables.serve(api, "tcp://127.0.0.1:0", limits=limits, **more) as server:
        yield server, api
        await until(lambda: not server.peers)
        await is_serving(server, **more)
        gc.collect()
        assert not any(thing() for thing in api.given), "still lent to nobody"


async def is_serving(server: Server, **more: Any) -> None:
    async with proxyables.connect(server.addresses[0], **more) as peer:
        assert await peer.root.add(1, 2) == 3


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "proxyables"]


# -- what is not a peer ---------------------------------------------------------------------------

NOT_PEERS = {
    "zeros and ones": b"\xff" * 40,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100f8010000f40303") + bytes(40),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "JSON": b'{"jsonrpc": "2.0", "method": "x"}',
    "Redis": b"*1\r\n$4\r\nPING\r\n",
}


@pytest.mark.parametrize("name", NOT_PEERS)
@on_both_loops
async def test_a_server_drops_who_is_no_peer(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.write(NOT_PEERS[name])
        await raw.until_over()
    (told,) = messages(caplog)
    assert "not a proxyables peer: it sent b" in told
    assert len(told) < 300


@pytest.mark.parametrize("name", NOT_PEERS)
@on_both_loops
async def test_connecting_to_what_is_no_peer_says_what_it_sent(name: str) -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.write(NOT_PEERS[name])
        await raw.until_over()

    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed, match="not a proxyables peer: it sent b") as caught:
            await proxyables.connect(address)
    assert str(caught.value).startswith(f"cannot connect to {address}: ")
    assert repr(NOT_PEERS[name][:10])[2:-1] in str(caught.value)


@on_both_loops
async def test_a_real_http_server_is_told_by_its_answer() -> None:
    async def serve(raw: RawPeer) -> None:
        request = await raw.reader.read(100)
        assert request
        await raw.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed, match=r"it sent b'HTTP/1\.1 400 Bad Request"):
            await proxyables.connect(address)


@on_both_loops
async def test_a_silent_client_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(QUICK) as (server, _), dialled(server.addresses[0]) as raw:
        async with asyncio.timeout(5):
            await raw.reader.read()
    assert messages(caplog)[0].endswith("'no answer to the hello within 0.2 s'")


@on_both_loops
async def test_connecting_to_a_silent_server_ends() -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.reader.read()

    async with listening(serve) as address, asyncio.timeout(5):
        with pytest.raises(HandshakeFailed, match=r"no answer to the hello within 0\.2 s"):
            await proxyables.connect(address, limits=QUICK)
        with pytest.raises(HandshakeFailed, match=r"no answer within 0\.1 s"):
            await proxyables.connect(address, timeout=0.1)


@on_both_loops
async def test_a_handshake_that_stops_half_way_ends_on_both_sides() -> None:
    async def serve(raw: RawPeer) -> None:
        raw.session.ping(PING)
        await raw.until_over()

    async with serving(QUICK) as (server, _), dialled(server.addresses[0]) as raw:
        raw.session.ping(PING)
        stream = raw.session.open_stream()
        await raw.send(stream, msgpack.packb([HELLO, hello()])[:20])
        await raw.until_over()
    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed, match="no answer to the hello"):
            await proxyables.connect(address, limits=QUICK)


@pytest.mark.parametrize("said", [b"", b"\0\2\0", b"\0\2\0\1\0\0\0\0PX\1\0"], ids=len)
@on_both_loops
async def test_who_leaves_during_the_handshake_is_told_of(said: bytes) -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.write(said)

    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed):
            await proxyables.connect(address)
    async with serving() as (server, _):
        for _ in range(3):
            async with dialled(server.addresses[0]) as raw:
                await raw.write(said)


@pytest.mark.parametrize("version", [0, 2, 9])
@on_both_loops
async def test_another_version_is_named_on_both_sides(
    version: int, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"protocol version {version}, this side speaks 1"

    async def serve(raw: RawPeer) -> None:
        raw.session.ping(0x5058_0000 | version << 8)
        await raw.write(b"")
        await raw.until_over()

    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed, match=text):
            await proxyables.connect(address)
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        answer = await raw.greet(version=version)
        assert answer[0] == THROW
        assert (answer[1]["type"], text in answer[1]["message"]) == ("HandshakeFailed", True)
        await raw.until_over()
    assert all(text in told for told in messages(caplog))


HELLOS: dict[str, Any] = {
    "no map": [HELLO, 5],
    "an empty map": [HELLO, {}],
    "too short": [HELLO],
    "a short nonce": [HELLO, hello(nonce=b"x")],
    "a nonce of our making": [HELLO, hello(nonce=own(0))],
    "our root": [HELLO, own(0)],
    "our root in a field": [HELLO, hello(software=own(0))],
    "a path on our root": [HELLO, hello(root=chain(None, [GET, "value"]))],
    "a reference": [HELLO, hello(root=ext(1, [1, 1, {}]))],
    "no number": [[], {}],
    "a map as number": [{}, {}],
    "deep": b"\x92" + b"\x91" * 900 + b"\x90\x01",
    "no list": {"hello": 1},
    "no MessagePack": b"\xc1",
    "another message": [RETURN, 1],
    "a request": [EXECUTE, None, CALL_ADD],
    "a release": [RELEASE, [1, 1]],
    "items": [ITEMS, []],
    "an unknown one": [99, None],
    "a key that is no string": [HELLO, hello() | {1: 2}],
    "a text that is none": msgpack.packb([HELLO, hello()]).replace(b"raw 1", b"raw\xff1"),
    "larger than a hello may be": [HELLO, hello(more=bytes(20_000))],
}


OTHER_THAN_HELLO = ("another message", "a request", "a release", "items", "an unknown one")


@pytest.mark.parametrize("name", HELLOS)
@on_both_loops
async def test_a_server_that_gets_no_hello_serves_nothing(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (server, api), dialled(server.addresses[0]) as raw:
        raw.session.ping(PING)
        stream = raw.session.open_stream()
        await raw.send(stream, HELLOS[name])
        await raw.until_over()
        told = msgpack.unpackb(raw.received[stream.id])
        assert told[0] == THROW
        is_other = name in OTHER_THAN_HELLO
        assert told[1]["type"] == ("PeerProtocolError" if is_other else "HandshakeFailed")
        assert told[1]["message"]
        assert repr(api) not in str(told)
    assert len(messages(caplog)) == 1
    assert "API" not in messages(caplog)[0]


@pytest.mark.parametrize("name", HELLOS)
@on_both_loops
async def test_a_client_that_gets_no_hello_gives_up(name: str) -> None:
    async def serve(raw: RawPeer) -> None:
        raw.session.ping(PING)
        await raw.write(b"")
        await raw.message(1)
        await raw.send(raw.session.streams[1], HELLOS[name])
        await raw.until_over()

    async with listening(serve) as address:
        with pytest.raises(HandshakeFailed, match=f"cannot connect to {address}: "):
            await proxyables.connect(address, export=API())


@pytest.mark.parametrize("said", [b"\xc1", [2], {"a": 1}, b"\x92\x02\xc5\x50\x00" + bytes(20_000)])
@on_both_loops
async def test_a_proof_that_is_malformed_is_refused_with_a_reason(said: Any) -> None:
    async with serving(token="t") as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet(demands="token")
        stream = raw.session.streams[1]
        await raw.send(stream, said)
        number, told = await raw.message(stream)
        assert (number, told["type"]) == (THROW, "HandshakeFailed")
        await raw.until_over()


@on_both_loops
async def test_nobody_has_many_messages_collected_before_the_hello() -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        raw.session.ping(PING)
        for _ in range(2):
            stream = raw.session.open_stream()
            await raw.send(stream, msgpack.packb([HELLO, hello()])[:20])
        await raw.until_over()
        number, told = msgpack.unpackb(raw.received[stream.id])
        assert (number, told["type"]) == (THROW, "HandshakeFailed")


@on_both_loops
async def test_a_request_behind_the_hello_in_one_read_is_served() -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        raw.session.ping(PING)
        first, second = raw.session.open_stream(), raw.session.open_stream()
        raw.session.send(first, msgpack.packb([HELLO, hello()]))
        raw.session.send(second, msgpack.packb([EXECUTE, None, CALL_ADD]))
        await raw.write(b"")
        assert (await raw.message(second)) == [RETURN, 3]


# -- messages that are none -----------------------------------------------------------------------


@on_both_loops
async def test_a_truncated_request_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        stream = raw.session.open_stream()
        await raw.send(stream, msgpack.packb([EXECUTE, None, CALL_ADD])[:-3])
        raw.session.finish(stream)
        answer = await _after(raw, stream)
        assert answer[1]["type"] == "PeerProtocolError"
        assert answer[1]["message"] == "truncated message"
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]
    assert "truncated message" in messages(caplog)[0]


async def _after(raw: RawPeer, stream: Any) -> Any:
    await raw.write(b"")
    answer = await raw.message(stream)
    assert answer[0] == THROW
    return answer


@on_both_loops
async def test_a_connection_that_ends_in_a_message_leaves_nothing() -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        stream = raw.session.open_stream()
        await raw.send(stream, msgpack.packb([EXECUTE, None, CALL_ADD])[:-3])
        await raw.frame(0, 0, stream.id, 100, b"only some")


@pytest.mark.parametrize("piece", [1, 700, 100_000])
@on_both_loops
async def test_a_message_over_the_limit_is_refused_however_it_comes(piece: int) -> None:
    limits = Limits(max_message=5000)
    async with serving(limits) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        stream = raw.session.open_stream()
        data = msgpack.packb([EXECUTE, None, [[GET, "same"], [CALL, [bytes(6000)]]]])
        for start in range(0, len(data), piece):
            raw.session.send(stream, data[start : start + piece])
        answer = await _after(raw, stream)
        assert answer[1]["type"] == "LimitExceeded"
        assert "is over the limit max_message=5000" in answer[1]["message"]
        await raw.until(lambda: (RESET, stream, None) in raw.events)
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]


UNLIKE = msgpack.packb([66, 0])
"""A piece of a message which, taken for one, would be an offence."""


@pytest.mark.parametrize("broken", [b"", b"\xc1"])
@on_both_loops
async def test_pieces_of_a_message_that_was_given_up_are_not_messages(broken: bytes) -> None:
    argument = ext(1, [7, 1])  # lent, and to be given back although nobody waits any more
    whole = msgpack.packb([EXECUTE, None, [[GET, "same"], [CALL, [argument]]]])
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        stream = raw.session.open_stream()
        pieces = [whole[:5] + broken, UNLIKE, UNLIKE]
        for piece in pieces if broken else [*pieces, whole, whole[:-9], whole[-9:]]:
            raw.session.send(stream, piece)
        raw.session.reset(stream)
        await raw.write(b"")
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]
        assert len(server.peers[0]._reader._partial) == 0
        assert server.peers[0].statistics()["imports"] == 0


@on_both_loops
async def test_pieces_of_an_answer_over_the_limit_are_not_answers() -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.greet()
        await raw.message(1)
        stream = raw.session.streams[1]
        for piece in (msgpack.packb([RETURN, bytes(6000)]), UNLIKE, UNLIKE):
            raw.session.send(stream, piece)
        await raw.write(b"")
        await raw.message(3)
        await raw.send(raw.session.streams[3], [RETURN, 3])
        await raw.until_over()

    async with (
        listening(serve) as address,
        proxyables.connect(address, limits=Limits(max_message=5000)) as peer,
    ):
        with pytest.raises(LimitExceeded, match="max_message=5000"):
            await peer.root.value
        assert await peer.root.value == 3
        assert len(peer._reader._partial) == 0


@pytest.mark.parametrize(
    "header", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
)
@on_both_loops
async def test_a_promise_of_gigabytes_costs_nothing_and_holds_nobody(header: bytes) -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        for _ in range(50):
            await raw.send(raw.session.open_stream(), header + b"\0")
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]


MALFORMED: dict[str, Any] = {
    "nil": None,
    "a number": 5,
    "a map": {"kind": 1},
    "an empty list": [],
    "one element": [EXECUTE],
    "no number": [None, 1],
    "a list as number": [[], 1],
    "a flag as number": [True, None, []],
    "no MessagePack": b"\xc1\xc1",
    "invalid UTF-8": b"\x93\x03\xc0\x91\x92\x01\xa1\xff",
    "an unhashable key": b"\x92\x03\x81\x90\x01",
}


MALFORMED_REQUESTS = MALFORMED | {
    "no steps": [EXECUTE, None],
    "a path, and no steps": [EXECUTE, chain(None, [GET, "forever"], [CALL, []])],
}


@pytest.mark.parametrize("name", MALFORMED_REQUESTS)
@on_both_loops
async def test_a_malformed_request_fails_alone(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, api), dialled(server.addresses[0]) as raw:
        await raw.greet()
        answer = await raw.exchange(MALFORMED_REQUESTS[name])
        assert answer[0] == THROW
        assert answer[1]["type"] in ("PeerProtocolError", "ProxyError", "AccessDenied")
        assert not answer[1]["message"].endswith(": ")
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]
        assert not api.started.is_set()
    assert len(messages(caplog)) == 1


def nested(depth: int, inside: Any, *, maps: bool = False) -> Any:
    """Returns a request whose argument is so many arrays, or maps, with `inside` at their end."""
    call = [EXECUTE, None, [[GET, "depth"], [CALL, [5]]]]
    head = msgpack.packb({"a": 5})[:-1] if maps else b"\x91"
    return msgpack.packb(call)[:-1] + head * depth + msgpack.packb(inside)


INSIDE: dict[str, Any] = {
    "nothing": None,
    "an object of ours": own(0),
    "an object of theirs": ext(1, [1, 0]),
    "a path": chain(None, "value"),
}


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("inside", INSIDE)
@on_both_loops
async def test_values_may_be_nested_as_deep_as_the_page_says(threads: int, inside: str) -> None:
    async with serving(threads=threads) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        for maps in (False, True):
            message = nested(NESTING, INSIDE[inside], maps=maps)
            assert await raw.exchange(message) == [RETURN, NESTING]


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("inside", INSIDE)
@on_both_loops
async def test_values_that_are_nested_deeper_are_taken_or_refused_alone(
    threads: int, inside: str
) -> None:
    async with serving(threads=threads) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        for depth in (600, 1000, 1020, 1021, 2000, 100_000, None):
            message = b"\x91" * 5000 if depth is None else nested(depth, INSIDE[inside])
            number, content = await raw.exchange(message)
            if number == RETURN:
                assert depth is not None
                assert content == depth < 1024
            else:
                assert content["type"] == "LimitExceeded"
                assert "nesting=500" in content["message"]
            assert await raw.execute(*CALL_ADD) == [RETURN, 3]


@pytest.mark.parametrize("threads", [0, 1])
@on_both_loops
async def test_extensions_may_hold_as_much_each(threads: int) -> None:
    value: Any = ext(1, [1, 0])
    for _ in range(20):
        value = Ext(5, b"\x91" * NESTING + msgpack.packb(value))
    async with serving(threads=threads) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        assert await raw.execute([GET, "depth"], [CALL, [value]]) == [RETURN, 20 * NESTING]


@on_both_loops
async def test_an_answer_that_is_nested_too_deep_fails_its_call_only() -> None:
    deep = b"\x92\x04" + b"\x91" * 2000 + b"\xc0"
    async with listening(answering(deep)) as address, proxyables.connect(address) as peer:
        with pytest.raises(LimitExceeded, match="nesting=500"):
            await peer.root.value
        assert not peer.closed


@on_both_loops
async def test_an_unknown_step_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        answer = await raw.execute([GET, "value"], [77, "x"])
        assert (answer[0], answer[1]["type"]) == (THROW, "ProxyError")
        assert "no such step 77" in answer[1]["message"]
        assert await raw.execute(*CALL_ADD) == [RETURN, 3]
    assert "no such step 77" in messages(caplog)[0]


@pytest.mark.parametrize("kind", [99, 0, -1, None, "GET", [], {}, 1.5, int(Kind.NEXT)], ids=str)
@on_both_loops
async def test_an_unknown_kind_fails_alone(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    whole = {"id": "x", "kind": kind, "data": []}
    step = {"id": "x", "kind": int(Kind.EXECUTE), "data": [whole]}
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        for message in (whole, step):
            answer = await raw.exchange(message)
            assert answer["kind"] == Kind.THROW
            assert "malformed message: expected" in answer["data"]["message"]
        good = await raw.exchange(classic_call((Kind.GET, ["add"]), (Kind.APPLY, [1, 2])))
        assert good["data"]["data"] == 3
    assert len(messages(caplog)) == 2


@on_both_loops
async def test_a_classic_peer_is_told_errors_that_have_no_text_for_it() -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        answer = await raw.exchange(classic_call((Kind.GET, ["surrogate"]), (Kind.APPLY, [])))
        assert answer["kind"] == Kind.THROW
        assert "no such file" in answer["data"]["message"]
        await raw.exchange(instruction(Kind.RELEASE, ["never lent"]))
        assert not raw.is_over, "classic peers may release what an error gave back already"


# -- who breaks the rules -------------------------------------------------------------------------

OFFENCES: dict[str, tuple[list[Any], str]] = {
    "an unknown message": ([[99, None]], "message 99 where a request was due"),
    "hello again": ([[HELLO, hello()]], "message 1 where a request was due"),
    "auth without need": ([[2, b"x"]], "message 2 where a request was due"),
    "an answer as a request": ([[RETURN, 5]], "message 4 where a request was due"),
    "a release of what was never lent": ([[RELEASE, [1, 1]]], "release of 1 of reference 1"),
    "a release of the root": ([[RELEASE, [0, 1]]], "release of 1 of reference 0"),
    "a release of less than nothing": ([[RELEASE, [1, -1]]], "release of -1 of reference 1"),
    "a release of a forged type": ([[RELEASE, [[1], 1]]], "reference of type list"),
    "a release by a count of another type": ([[RELEASE, [1, "1"]]], "release of '1'"),
    "a release that is none": ([[RELEASE, 5]], "malformed RELEASE"),
    "a release of half a pair": ([[RELEASE, [1]]], "malformed RELEASE"),
    "a request without steps before the answer": (
        [[EXECUTE, None, [[GET, "forever"], [CALL, []]]], [EXECUTE, None]],
        "message 3 where a request was due",
    ),
    "two requests on one stream": (
        [[EXECUTE, None, [[GET, "forever"], [CALL, []]]]] * 2,
        "a second request on stream 3 before the answer",
    ),
}


@pytest.mark.parametrize("name", OFFENCES)
@on_both_loops
async def test_an_offence_ends_that_connection_only(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, text = OFFENCES[name]
    async with serving() as (server, _), proxyables.connect(server.addresses[0]) as innocent:
        kept = await innocent.root.make()
        async with dialled(server.addresses[0]) as raw:
            await raw.greet()
            await raw.send(raw.session.open_stream(), *sent)
            await raw.until_over()
            assert (WENT_AWAY, None, 1) in raw.events
        (told,) = messages(caplog)
        assert text in told
        assert await innocent.root.add(1, 2) == 3
        assert await innocent.root.same(kept) is kept


@on_both_loops
async def test_giving_back_twice_is_an_offence_and_giving_back_once_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        answer = await raw.execute([GET, "make"], [CALL, []])
        reference = msgpack.unpackb(answer[1].data)[0]
        await raw.send(raw.session.open_stream(), [RELEASE, [reference, 1]])
        gone = await raw.execute([GET, "value"], target=reference)
        assert gone[1]["type"] == "ReferenceNotFound"
        caplog.clear()
        await raw.send(raw.session.open_stream(), [RELEASE, [reference, 1]])
        await raw.until_over()
    assert "more than were lent" in messages(caplog)[0]


ANSWERS: dict[str, tuple[list[Any], str]] = {
    "twice": ([[RETURN, 1], [RETURN, 2]], "an answer on stream 2, where nothing was asked"),
    "a request": ([[EXECUTE, None, []]], "message 3 where an answer was due"),
    "items nobody asked for": ([[ITEMS, [1]]], "message 7 where an answer was due"),
    "an unknown message": ([[99, 1]], "message 99 where an answer was due"),
    "hello": ([[HELLO, hello()]], "message 1 where an answer was due"),
}


@pytest.mark.parametrize("name", ANSWERS)
@on_both_loops
async def test_a_false_answer_ends_that_connection(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Our server calls the raw client back, on stream 2."""
    sent, text = ANSWERS[name]
    async with serving() as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        stream = raw.session.open_stream()
        await raw.send(stream, [EXECUTE, None, [[GET, "apply"], [CALL, [ext(1, [1, 1])]]]])
        assert (await raw.message(2))[:2] == [EXECUTE, 1]
        await raw.send(raw.session.streams[2], *sent)
        await raw.until_over()
    assert text in messages(caplog)[0]


# -- the same towards our client ------------------------------------------------------------------


def answering(*answers: Any, keep: bool = True) -> Callable[[RawPeer], Any]:
    """Returns a raw server that answers the first call so, and the second with RETURN 3."""

    async def serve(raw: RawPeer) -> None:
        await raw.greet()
        for said in (answers, ([RETURN, 3],)):
            await _answer_next(raw, said)
            if not keep:
                return
        await raw.until_over()

    return serve


async def _answer_next(raw: RawPeer, said: tuple[Any, ...]) -> None:
    def asked() -> list[int]:
        return [number for number, data in raw.received.items() if data]

    while not asked() and not raw.is_over:
        await raw.receive()
    for number in asked():
        raw.received[number] = b""
        if number in raw.session.streams:
            await raw.send(raw.session.streams[number], *said)


FATAL_ANSWERS = {
    "a request": [EXECUTE, None, []],
    "items": [ITEMS, [1]],
    "an unknown message": [99, 1],
}


@pytest.mark.parametrize("name", FATAL_ANSWERS)
@on_both_loops
async def test_a_server_that_breaks_the_rules_is_left(name: str) -> None:
    async with listening(answering(FATAL_ANSWERS[name])) as address:
        peer = await proxyables.connect(address)
        with pytest.raises(ConnectionLost, match="where an answer was due") as caught:
            await peer.root.value
        assert isinstance(caught.value.__cause__, PeerProtocolError)
        assert caught.value.maybe_executed
        await peer.wait_closed()
        with pytest.raises(PeerProtocolError, match="where an answer was due"):
            await peer.root.value


@pytest.mark.parametrize("name", [name for name in MALFORMED if name != "a flag as number"])
@on_both_loops
async def test_a_malformed_answer_fails_its_call_only(name: str) -> None:
    async with (
        listening(answering(MALFORMED[name])) as address,
        proxyables.connect(address) as peer,
    ):
        with pytest.raises(PeerProtocolError, match="malformed message"):
            await peer.root.value
        assert await peer.root.value == 3


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"type": "SystemExit", "module": "builtins", "message": "x", "args": [3]}, "SystemExit"),
        ({"type": "StopIteration", "module": "builtins", "message": "x"}, "StopIteration"),
        ({"type": "CancelledError", "module": "asyncio", "message": "x"}, "CancelledError"),
        ({"type": 5, "message": [], "frames": {}, "cause": 7, "group": [1]}, "RemoteError"),
        (None, "RemoteError"),
        (own(0), "RemoteError"),
    ],
)
@on_both_loops
async def test_a_hostile_error_is_only_reported(told: Any, kind: str) -> None:
    async with (
        listening(answering([THROW, told])) as address,
        proxyables.connect(address, export=API()) as peer,
    ):
        with pytest.raises(RemoteError) as caught:
            await peer.root.value
        assert type(caught.value) is RemoteError
        assert caught.value.type_name == kind
        assert await peer.root.value == 3


@on_both_loops
async def test_an_answer_over_the_limit_fails_its_call_only() -> None:
    async with (
        listening(answering([RETURN, bytes(6000)])) as address,
        proxyables.connect(address, limits=Limits(max_message=5000)) as peer,
    ):
        with pytest.raises(LimitExceeded, match="max_message=5000"):
            await peer.root.value
        assert await peer.root.value == 3


@on_both_loops
async def test_an_answer_that_names_what_is_not_ours_fails_its_call_only() -> None:
    async with (
        listening(answering([RETURN, own(99)])) as address,
        proxyables.connect(address) as peer,
    ):
        with pytest.raises(proxyables.ReferenceNotFound, match="under the reference 99"):
            await peer.root.value
        assert await peer.root.value == 3


@on_both_loops
async def test_a_path_that_our_policy_refuses_fails_the_call_that_brought_it() -> None:
    async with (
        listening(answering([RETURN, chain(None, [GET, "__class__"])])) as address,
        proxyables.connect(address, export=API()) as peer,
    ):
        with pytest.raises(proxyables.AccessDenied):
            await peer.root.value
        assert await peer.root.value == 3


@on_both_loops
async def test_a_path_in_items_is_an_offence() -> None:
    async with listening(answering([ITEMS, [chain(None, [GET, "value"])]])) as address:
        peer = await proxyables.connect(address, export=API())
        with pytest.raises(ConnectionLost, match="a path to be run here in message 7"):
            async for _ in peer.root.rows():
                pass
        await peer.wait_closed()


@on_both_loops
async def test_a_stream_that_ends_without_an_answer_fails_its_call_only() -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.greet()
        for end in (raw.session.finish, raw.session.reset, _truncated(raw)):
            await raw.until(lambda: any(raw.received.values()))
            (number,) = (each for each, data in raw.received.items() if data)
            raw.received.clear()
            end(raw.session.streams[number])
            await raw.write(b"")
        await _answer_next(raw, ([RETURN, 3],))
        await raw.until_over()

    async with listening(serve) as address, proxyables.connect(address) as peer:
        with pytest.raises(ConnectionClosed, match="closed the stream without an answer") as caught:
            await peer.root.value
        assert caught.value.maybe_executed
        with pytest.raises(ConnectionClosed, match="reset the call's stream"):
            await peer.root.value
        with pytest.raises(PeerProtocolError, match="truncated message"):
            await peer.root.value
        assert await peer.root.value == 3


def _truncated(raw: RawPeer) -> Callable[[Any], None]:
    def end(stream: Any) -> None:
        raw.session.send(stream, b"\x92\x04")
        raw.session.finish(stream)

    return end


@pytest.mark.parametrize("said", [b"", b"\x92\x04"], ids=["at once", "in the answer"])
@on_both_loops
async def test_a_server_that_vanishes_in_mid_call_fails_it(said: bytes) -> None:
    async with listening(answering(said, keep=False)) as address:
        peer = await proxyables.connect(address)
        kept = peer.root.a.b
        with pytest.raises(ConnectionLost, match="the connection was lost") as caught:
            await peer.root.value
        assert caught.value.maybe_executed
        assert not caught.value.local
        with pytest.raises(ConnectionLost):
            await kept
        await peer.wait_closed()


@on_both_loops
async def test_a_go_away_lets_calls_in_flight_end_and_refuses_new_ones() -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.greet()
        await raw.until(lambda: any(raw.received.values()))
        raw.session.go_away(0)
        await _answer_next(raw, ([RETURN, 3],))
        await raw.until_over()

    async with listening(serve) as address:
        peer = await proxyables.connect(address)
        assert await peer.root.value == 3
        with pytest.raises(ConnectionClosed, match="the peer is closing") as caught:
            await peer.root.value
        assert not caught.value.maybe_executed
        peer.close()
        await peer.wait_closed()


# -- who is gone, or does not read ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["abort", "close"])
@on_both_loops
async def test_a_client_that_vanishes_in_mid_call_has_it_cancelled(how: str) -> None:
    async with serving() as (server, api):
        async with dialled(server.addresses[0]) as raw:
            await raw.greet()
            kept = await raw.execute([GET, "make"], [CALL, []])
            assert kept[0] == RETURN
            stream = raw.session.open_stream()
            await raw.send(stream, [EXECUTE, None, [[GET, "forever"], [CALL, []]]])
            await api.started.wait()
            (peer,) = server.peers
            if how == "abort":
                raw.close()
            else:
                raw.writer.close()
        await api.cancelled.wait()
        await peer.wait_closed()
        await until(lambda: peer.snapshot()["entries"] == 0)
        await asyncio.sleep(0)
        assert peer.snapshot() == {"entries": 0, "retains": 0}
        assert peer.statistics()["calls_running"] == 0


CLIENT = """
import asyncio, sys, proxyables
async def main(address):
    peer = await proxyables.connect(address)
    kept = [await peer.root.make() for _ in range(10)]
    call = asyncio.ensure_future(peer.root.apply(lambda: asyncio.Event().wait()))
    forever = asyncio.ensure_future(peer.root.forever())
    await peer.ping()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main(sys.argv[1]))
"""


@on_both_loops
async def test_after_a_killed_client_the_servers_tables_are_empty() -> None:
    async with serving() as (server, api):
        source = str(Path(proxyables.__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CLIENT,
            server.addresses[0],
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": source},
        )
        assert process.stdout is not None
        try:
            assert await process.stdout.readline() == b"ready\n"
            (peer,) = server.peers
            assert peer.snapshot()["entries"] == 10
            assert peer.statistics()["imports"] == 1
            assert peer.statistics()["calls_running"] == 2
        finally:
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        await peer.wait_closed()
        await api.cancelled.wait()
        await asyncio.sleep(0)
        counts = peer.statistics()
        assert counts["exports"] == counts["imports"] == counts["calls_running"] == 0
        assert counts["calls_waiting"] == 0


@on_both_loops
async def test_a_client_that_does_not_read_is_cut_off() -> None:
    limits = Limits(max_write_buffer=1 << 20)
    async with serving(limits) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        (peer,) = server.peers
        for _ in range(8):
            stream = raw.session.open_stream()
            await raw.send(stream, [EXECUTE, None, [[GET, "blob"], [CALL, [1 << 19]]]])
        await peer.wait_closed()
        with pytest.raises(ConnectionLost, match="the peer does not read.*max_write_buffer"):
            await peer.root.value


@on_both_loops
async def test_a_server_that_does_not_read_is_left() -> None:
    async def serve(raw: RawPeer) -> None:
        await raw.greet()
        await gone.wait()

    gone = asyncio.Event()
    async with listening(serve) as address:
        peer = await proxyables.connect(address, limits=Limits(max_write_buffer=1 << 20))
        calls = [peer.root.f(bytes(1 << 19)) for _ in range(20)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, ConnectionLost) for each in results)
        assert "max_write_buffer" in str(results[0])
        await peer.wait_closed()
        gone.set()


@on_both_loops
async def test_who_offends_without_reading_is_cut_off_all_the_same() -> None:
    """What is queued for it would keep the connection for ever."""
    async with serving(Limits(grace=0.2)) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        (peer,) = server.peers
        for _ in range(40):
            stream = raw.session.open_stream()
            await raw.send(stream, [EXECUTE, None, [[GET, "blob"], [CALL, [250_000]]]])
        await raw.send(raw.session.open_stream(), [99, 99])
        async with asyncio.timeout(5):
            await peer.wait_closed()
        with pytest.raises(PeerProtocolError, match="message 99"):
            await peer.root.value


@on_both_loops
async def test_an_error_larger_than_they_take_is_told_briefly() -> None:
    async with serving() as (server, _):
        limits = Limits(max_message=4000)
        async with proxyables.connect(server.addresses[0], limits=limits) as peer:
            with pytest.raises(ValueError, match=r"^x+.*not told whole.*max_message=4000"):
                await peer.root.verbose()
            assert await peer.root.add(1, 2) == 3
        async with dialled(server.addresses[0]) as raw:
            await raw.greet(max_message=50)
            stream = raw.session.open_stream()
            await raw.send(stream, [EXECUTE, None, [[GET, "verbose"], [CALL, []]]])
            await raw.until(lambda: (RESET, stream, None) in raw.events)
            assert await raw.execute([GET, "value"]) == [RETURN, 42]


@on_both_loops
async def test_more_calls_than_allowed_are_refused_before_they_begin() -> None:
    async with serving(Limits(max_calls=2)) as (server, api), dialled(server.addresses[0]) as raw:
        await raw.greet()
        waiting = [[GET, "forever"], [CALL, []]]
        for _ in range(2):
            await raw.send(raw.session.open_stream(), [EXECUTE, None, waiting])
        await api.started.wait()
        api.started.clear()
        for steps in (waiting, [[GET, "same"], [CALL, [chain(None, *waiting)]]], [[STREAM, 1]]):
            answer = await raw.execute(*steps)
            assert answer[1]["type"] == "LimitExceeded"
            assert "max_calls=2" in answer[1]["message"]
        assert not api.started.is_set()


@on_both_loops
async def test_messages_that_are_never_finished_are_bounded_together(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Each takes its 20,000 bytes, and the 44 KiB of the scanner that looks for its end.
    async with serving(limits=Limits(max_read_buffer=300_000)) as (server, _):
        async with dialled(server.addresses[0]) as raw:
            await raw.greet()
            for _ in range(4):
                await raw.send(raw.session.open_stream(), b"\xc6\x00\x10\x00\x00" + bytes(20_000))
            assert (await raw.execute(*CALL_ADD))[0] == RETURN
            await raw.send(raw.session.open_stream(), b"\xc6\x00\x10\x00\x00" + bytes(20_000))
            await raw.until_over()
        assert "unfinished messages" in caplog.text
        async with proxyables.connect(server.addresses[0]) as peer:
            assert await peer.root.add(2, 3) == 5


@on_both_loops
async def test_operations_that_would_run_for_minutes_are_refused() -> None:
    async with serving() as (server, _), proxyables.connect(server.addresses[0]) as peer:
        number = proxyables.perform(peer.root.add(40, 2), "pow", 4_000_000)
        with pytest.raises(proxyables.RemoteError, match="max_integer_bits"):
            await number
        with pytest.raises(proxyables.RemoteError, match="max_message"):
            await (peer.root.add([1], [2]) * 10**9)
        assert await (peer.root.add(2, 3) ** 2) == 25
