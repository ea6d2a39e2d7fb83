"""What is dead, silent, slow, unused or closing ends in its time, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import socket
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import proxyables
from connections import on_both_loops
from faults import FaultProxy, faulty
from proxyables import (
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    Limits,
)
from proxyables.net.server import Server
from proxyables.wire.hello import PING
from proxyables.wire.instructions import CALL, EXECUTE, GET
from proxyables.yamux import PINGED, WENT_AWAY
from proxyables.yamux.frames import DATA, HEADER, SYN, WINDOW_UPDATE
from proxyables.yamux.frames import PING as PING_FRAME
from proxyables.yamux.session import KEEPALIVE_OPAQUE
from raw_peers import RawPeer, dialled
from watching import until

QUICK = Limits(keepalive=0.1, keepalive_timeout=0.3)
SILENCE = 0.1 + 0.3
LATEST = 0.75 * 0.1
"""How much later a dead peer may be noticed, from the time between looks."""
SLACK = 2.0
"""Seconds that a machine under load may take for what takes milliseconds."""
HELLO_PING = HEADER.pack(0, PING_FRAME, SYN, 0, PING)
WAIT = [[GET, "wait_on_the_loop"], [CALL, []]]
OPENING = HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0)


class API:
    def __init__(self) -> None:
        self.started = 0
        self.go = threading.Event()
        self.may_end = asyncio.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def big(self, size: int) -> bytes:
        return bytes(size)

    def many(self, size: int) -> Iterator[bytes]:
        while True:
            yield bytes(size)

    def block(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    def wait_on_a_worker(self) -> str:
        self.started += 1
        assert self.go.wait(10)
        return "done"

    async def wait_on_the_loop(self) -> str:
        self.started += 1
        await self.may_end.wait()
        return "done"

    async def stubborn(self) -> None:
        self.started += 1
        while not self.may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.may_end.wait()

    def make(self) -> API:
        return API()


@contextlib.asynccontextmanager
async def serving(**more: Any) -> AsyncIterator[tuple[Server, API]]:
    """A server on TCP; in the end it is free of peers."""
    api = API()
    async with proxyables.serve(api, "tcp://127.0.0.1:0", **more) as server:
        yield server, api
        api.go.set()
        api.may_end.set()
    assert server.peers == []


@contextlib.asynccontextmanager
async def through_a_proxy(
    limits: Limits, *, theirs: Limits | None = None, **more: Any
) -> AsyncIterator[tuple[proxyables.Peer, Server, API, FaultProxy]]:
    """A client whose bytes to and from the server go through a proxy."""
    theirs = limits if theirs is None else theirs
    async with (
        serving(limits=theirs, **more) as (server, api),
        faulty(server.addresses[0]) as proxy,
        proxyables.connect(proxy.address, limits=limits) as peer,
    ):
        yield peer, server, api, proxy


def now() -> float:
    return asyncio.get_running_loop().time()


def logged(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    told = [each.getMessage() for each in caplog.records if each.name == "proxyables"]
    return [each for each in told if text in each]


# -- keep-alive -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["wait_on_a_worker", "wait_on_the_loop"])
@on_both_loops
async def test_pings_go_out_and_are_answered_while_exported_code_runs(method: str) -> None:
    limits = Limits(keepalive=0.05, keepalive_timeout=10)
    async with (
        serving(limits=limits, threads=1) as (server, api),
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        stream = raw.session.open_stream()
        await raw.send(stream, [EXECUTE, None, [[GET, method], [CALL, []]]])
        await until(lambda: api.started)
        for _ in range(3):
            raw.events.clear()
            raw.session.ping(7)
            await raw.write(b"")
            await raw.until(lambda: (PINGED, None, KEEPALIVE_OPAQUE) in raw.events)
        api.go.set()
        api.may_end.set()
        assert (await raw.message(stream))[1] == "done"


@pytest.mark.parametrize("threads", [0, 1])
@on_both_loops
async def test_a_method_that_runs_long_is_no_dead_peer(threads: int) -> None:
    """On the loop it stops the server's pings as well: its time-outs must not count that time."""
    patient = Limits(keepalive=0.1, keepalive_timeout=10)
    async with (
        serving(limits=QUICK, threads=threads) as (server, _),
        proxyables.connect(server.addresses[0], limits=patient if not threads else QUICK) as peer,
    ):
        assert await peer.root.block(2 * SILENCE) == "done"
        assert await peer.root.add(1, 2) == 3
        assert not peer.closed


@pytest.mark.parametrize("way", ["up", "down", "up down"])
@on_both_loops
async def test_a_peer_that_is_not_heard_any_more_is_given_up_by_both_sides(way: str) -> None:
    async with through_a_proxy(QUICK) as (peer, server, api, proxy):
        (their_peer,) = server.peers
        calls = [asyncio.ensure_future(peer.root.wait_on_the_loop()) for _ in range(20)]
        calls.append(asyncio.ensure_future(peer.ping()))
        await until(lambda: api.started == 20)
        link = await proxy.link()
        for name in way.split():
            getattr(link, name).silence()
        started = now()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        pings = {type(errors.pop())}
        assert {type(error) for error in errors} == {ConnectionLost}
        assert len({id(error) for error in errors}) == 20
        if "down" in way:  # else they may hear the end that the other side has made
            assert all("silent for 0.4 s" in str(error) for error in errors)
        assert all(error.maybe_executed for error in errors)  # type: ignore[union-attr]
        assert pings <= {ConnectionLost, float}
        await their_peer.wait_closed()
        assert now() - started < SILENCE + LATEST + SLACK
        assert server.peers == []


@on_both_loops
async def test_a_peer_that_answers_late_but_in_time_is_kept() -> None:
    async with through_a_proxy(QUICK) as (peer, _, _, proxy):
        link = await proxy.link()
        link.up.delay = link.down.delay = 0.05
        await asyncio.sleep(2 * SILENCE)  # nothing but pings
        assert await peer.root.add(1, 2) == 3


# -- connecting -----------------------------------------------------------------------------------


@on_both_loops
async def test_connecting_has_a_time_out_where_nobody_accepts(tmp_path: Path) -> None:
    with contextlib.ExitStack() as sockets:
        unix = sockets.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "full"))
        tcp = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        unix.listen(0)
        for listener in (unix, tcp):
            for _ in range(4):
                waiting = sockets.enter_context(socket.socket(listener.family))
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(listener.getsockname())
        for address in (f"unix:{tmp_path}/full", f"tcp://127.0.0.1:{tcp.getsockname()[1]}"):
            started = now()
            with pytest.raises(HandshakeFailed, match=r"no answer within 0\.2 s"):
                await proxyables.connect(address, timeout=0.2)
            assert 0.19 <= now() - started < SLACK


@on_both_loops
async def test_a_server_that_accepts_and_says_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(HandshakeFailed, match=r"no answer within 0\.2 s"):
            await proxyables.connect(address, timeout=0.2)
        with pytest.raises(HandshakeFailed, match=r"no answer to the hello within 0\.2 s"):
            await proxyables.connect(address, timeout=None, limits=Limits(handshake_timeout=0.2))


# -- who is slow on purpose -----------------------------------------------------------------------

BEGINNINGS = {
    "nothing": b"",
    "half of the first ping": HELLO_PING[:6],
    "the first ping": HELLO_PING,
    "half of HELLO's frame": HELLO_PING + OPENING + HEADER.pack(0, DATA, 0, 1, 200) + b"\x92\1",
    "half of HELLO": HELLO_PING + OPENING + HEADER.pack(0, DATA, 0, 1, 2) + b"\x92\1",
}


@on_both_loops
async def test_a_hello_that_does_not_come_whole_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(limits=Limits(handshake_timeout=0.2)) as (server, _):

        async def begin(data: bytes) -> float:
            async with dialled(server.addresses[0]) as raw:
                started = now()
                await raw.write(data)
                await end_of(raw)
                return now() - started

        took = await asyncio.gather(*map(begin, BEGINNINGS.values()))
        assert all(seconds < 0.2 + SLACK for seconds in took), dict(
            zip(BEGINNINGS, took, strict=True)
        )
    assert len(logged(caplog, "no answer to the hello within 0.2 s")) == len(BEGINNINGS)


async def end_of(raw: RawPeer) -> None:
    """Waits for the end without an answer to anything: not even to the ping that is a hello."""
    with contextlib.suppress(ConnectionError):
        while await raw.reader.read(65536):
            pass


async def dribble(raw: RawPeer, data: bytes) -> None:
    """Writes a byte now and then, until the other side has enough of it."""
    for byte in data:
        if raw.is_over or raw.writer.transport.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            raw.writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
    pytest.fail("it was listened to")


@on_both_loops
async def test_a_hello_that_drips_is_not_waited_for() -> None:
    async with (
        serving(limits=Limits(handshake_timeout=0.2)) as (server, _),
        dialled(server.addresses[0]) as raw,
    ):
        dripping = asyncio.ensure_future(
            dribble(raw, HELLO_PING + OPENING + HEADER.pack(0, DATA, 0, 1, 4000) + bytes(4000))
        )
        await end_of(raw)
        await dripping


UNFINISHED = {
    "half a header": bytes(6),
    "a header without its data": HEADER.pack(0, DATA, 0, 3, 5000),
    "half of a frame": HEADER.pack(0, DATA, 0, 3, 5000) + b"\x93\3" + b"\0" * 100,
    "half of a message": HEADER.pack(0, DATA, 0, 3, 2) + b"\x93\3",
    "the head of a long text": HEADER.pack(0, DATA, 0, 3, 7) + b"\x93\3\xdb\0\1\0\0",
}


@on_both_loops
async def test_what_has_begun_has_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(stall_timeout=0.3, keepalive=0.05)  # which is answered all the time
    async with serving(limits=limits) as (server, _):

        async def begin(data: bytes) -> float:
            async with dialled(server.addresses[0]) as raw:
                await raw.greet()
                assert raw.session.open_stream().id == 3
                started = now()
                await raw.write(data)
                if data[8:12] in (b"\0\0\0\2", b"\0\0\0\7"):  # the session is in order, and answers
                    await raw.until_over()
                else:
                    await end_of(raw)
                return now() - started

        took = await asyncio.gather(*map(begin, UNFINISHED.values()))
        told = dict(zip(UNFINISHED, took, strict=True))
        assert all(0.29 <= seconds < 0.3 * 1.5 + SLACK for seconds in took), told
    reason = "cut off: a message that had begun did not go on for 0.3 s"
    assert len(logged(caplog, reason)) == len(UNFINISHED)


@on_both_loops
async def test_drops_of_a_message_do_not_count_as_going_on() -> None:
    limits = Limits(stall_timeout=0.3, keepalive=0.05)
    async with serving(limits=limits) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        raw.session.open_stream()
        await raw.write(HEADER.pack(0, DATA, 0, 3, 60_000))
        await dribble(raw, bytes(2000))


@on_both_loops
async def test_a_client_cuts_a_server_off_that_does_not_go_on() -> None:
    limits = Limits(stall_timeout=0.2, keepalive=0)
    async with through_a_proxy(limits, theirs=Limits()) as (peer, _, _, proxy):
        link = await proxy.link()
        call = asyncio.ensure_future(peer.root.big(200_000))
        passed = link.down.passed
        link.down.rate = 100_000
        await until(lambda: link.down.passed - passed > 10_000)
        link.down.stall()
        with pytest.raises(ConnectionLost, match="did not go on") as caught:
            await call
        assert caught.value.maybe_executed


@on_both_loops
async def test_a_message_may_take_its_time_on_a_slow_link() -> None:
    async with through_a_proxy(Limits(stall_timeout=0.3)) as (peer, _, _, proxy):
        link = await proxy.link()
        link.down.rate = 50_000
        started = now()
        assert await peer.root.big(60_000) == bytes(60_000)
        assert now() - started > 1


@on_both_loops
async def test_what_we_hold_back_ourselves_is_not_stalled() -> None:
    """An item larger than the window cannot come whole while the loop does not ask for more."""
    limits = Limits(stall_timeout=0.1)
    async with (
        serving() as (server, _),
        proxyables.connect(server.addresses[0], limits=limits) as peer,
    ):
        number = 0
        async for item in peer.root.many(2_000_000):
            assert len(item) == 2_000_000
            number += 1
            if number == 3:
                break
            await asyncio.sleep(0.4)
        assert await peer.root.add(1, 2) == 3


# -- who is not used ------------------------------------------------------------------------------

IDLE = Limits(idle_timeout=0.3, keepalive=0.05)


@on_both_loops
async def test_an_unused_connection_is_closed_by_a_go_away() -> None:
    async with serving(limits=IDLE) as (server, _), dialled(server.addresses[0]) as raw:
        await raw.greet()
        assert await raw.execute([GET, "add"], [CALL, [1, 2]]) == [4, 3]
        started = now()
        await raw.until_over()
        assert 0.28 <= now() - started < 0.3 * 1.5 + SLACK
        assert (WENT_AWAY, None, 0) in raw.events
        assert (PINGED, None, KEEPALIVE_OPAQUE) in raw.events  # they do not count as use


@pytest.mark.parametrize("whose", ["client", "server"])
@on_both_loops
async def test_either_side_closes_what_is_not_used_whatever_is_held(whose: str) -> None:
    limits = {"client": Limits(), "server": Limits(), whose: IDLE}
    async with (
        serving(limits=limits["server"]) as (server, _),
        proxyables.connect(server.addresses[0], limits=limits["client"]) as peer,
    ):
        held = await peer.root.make()
        await peer.wait_closed()
        with pytest.raises(ConnectionClosed) as caught:
            await held.add(1, 2)
        assert type(caught.value) is ConnectionClosed
        assert not caught.value.maybe_executed
        assert caught.value.local is (whose == "client")
        if whose == "client":
            assert "closed after 0.3 s without a call" in str(caught.value)


@on_both_loops
async def test_calls_in_either_direction_are_use() -> None:
    async with (
        serving(limits=IDLE) as (server, _),
        proxyables.connect(server.addresses[0], export=API()) as peer,
    ):
        (theirs,) = server.peers
        end = now() + 1.0
        for end_of in itertools.cycle((peer, theirs)):
            assert await end_of.root.add(1, 2) == 3
            if now() > end:
                break
            await asyncio.sleep(0.05)
        assert not peer.closed


@pytest.mark.parametrize("whose", ["client", "server"])
@on_both_loops
async def test_a_call_that_runs_is_use_for_as_long_as_it_does(whose: str) -> None:
    limits = {"client": Limits(), "server": Limits(), whose: IDLE}
    async with (
        serving(limits=limits["server"]) as (server, api),
        proxyables.connect(server.addresses[0], limits=limits["client"]) as peer,
    ):
        call = asyncio.ensure_future(peer.root.wait_on_the_loop())
        await asyncio.sleep(0.8)
        assert await peer.root.add(1, 2) == 3
        api.may_end.set()
        assert await call == "done"
        await peer.wait_closed()


# -- who is closing -------------------------------------------------------------------------------


@on_both_loops
async def test_closing_ends_within_its_grace_although_a_call_does_not() -> None:
    async with (
        serving(limits=Limits(grace=0.2)) as (server, api),
        proxyables.connect(server.addresses[0], limits=Limits(grace=30)) as peer,
    ):
        methods = (peer.root.stubborn, peer.root.wait_on_the_loop)
        calls = [asyncio.ensure_future(method()) for method in methods]
        await until(lambda: api.started == 2)
        started = now()
        server.close()
        await server.wait_closed()
        assert 0.19 <= now() - started < 0.2 + SLACK
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {ConnectionClosed}
        api.may_end.set()
        await asyncio.sleep(0)


@on_both_loops
async def test_closing_ends_within_its_grace_although_nobody_reads() -> None:
    async with (
        serving(limits=Limits(grace=0.2)) as (server, _),
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(40):
            await raw.send(raw.session.open_stream(), big_request())
        await until(lambda: server.peers[0].statistics()["calls_served"] == 40)
        started = now()
        server.close()
        await server.wait_closed()
        assert 0.19 <= now() - started < 0.2 + SLACK


def big_request() -> list[Any]:
    return [EXECUTE, None, [[GET, "big"], [CALL, [1_000_000]]]]


@on_both_loops
async def test_an_offence_does_not_prolong_the_end() -> None:
    async with (
        serving(limits=Limits(grace=1.0)) as (server, _),
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(40):
            await raw.send(raw.session.open_stream(), big_request())
        await until(lambda: server.peers[0].statistics()["calls_served"] == 40)
        started = now()
        server.close()
        await asyncio.sleep(0.8)
        await raw.write(b"\xff" * 12)
        await server.wait_closed()
        assert now() - started < 1.5  # it would take 1.8 s if the grace began anew


@on_both_loops
async def test_an_end_that_comes_early_leaves_no_timer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "proxyables")  # a record would hold the peer
    async with (
        serving(limits=Limits(grace=60)) as (server, api),
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        await raw.send(raw.session.open_stream(), [EXECUTE, None, WAIT])
        await until(lambda: api.started)
        (peer,) = server.peers
        peer.close()
        await raw.write(b"\xff" * 12)
        await peer.wait_closed()
        gone = weakref.ref(peer)
        del peer
        await until(lambda: gc.collect() >= 0 and gone() is None)


@on_both_loops
async def test_closing_ends_within_its_grace_whatever_is_still_asked() -> None:
    async with (
        serving(limits=Limits(grace=0.3)) as (server, api),
        dialled(server.addresses[0]) as raw,
    ):
        await raw.greet()
        waiting, asking = raw.session.open_stream(), raw.session.open_stream()
        await raw.send(waiting, [EXECUTE, None, WAIT])
        add = [EXECUTE, None, [[GET, "add"], [CALL, [1, 2]]]]
        assert await raw.exchange(add, asking) == [4, 3]
        started = now()
        server.close()
        with pytest.raises(AssertionError, match="the connection was closed"):
            while True:
                await raw.exchange(add, asking)
        await server.wait_closed()
        assert now() - started < 0.3 + SLACK
        assert api.started == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the options have other names elsewhere")
@on_both_loops
async def test_the_system_probes_classic_peers_over_tcp() -> None:
    limits = Limits(keepalive=20, keepalive_timeout=12)
    async with proxyables.serve(API(), "tcp://127.0.0.1:0", limits=limits) as server:
        address = server.addresses[0]
        host, port = address.removeprefix("tcp://").split(":")
        _reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0))  # a px peer begins with a ping
        async with proxyables.connect(address) as px:
            while len(server.peers) < 2 or not all(peer.info for peer in server.peers):
                await asyncio.sleep(0.001)
            assert await px.ping() > 0
            found = {}
            for peer in server.peers:
                sock = peer.writer.transport.get_extra_info("socket")
                found[peer.is_classic] = [
                    sock.getsockopt(level, name)
                    for level, name in [
                        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
                    ]
                ]
            assert found[True] == [1, 20, 4, 3, 32_000]
            assert found[False][0] == 0
        writer.close()
        await writer.wait_closed()
