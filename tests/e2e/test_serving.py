"""What a server allows: how many connections, for how long a call; and what it tells of them."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

import proxyables
import recording
from proxyables.errors import HandshakeFailed, RemoteError
from proxyables.limits import Limits
from proxyables.net.endpoints import connect, serve
from proxyables.wire.hello import PING
from proxyables.wire.instructions import HELLO
from proxyables.yamux import NORMAL, Session
from proxyables.yamux.frames import GO_AWAY, HEADER
from raw_peers import hello
from recording import Run, eventually

run = recording.run  # the fixture


class Adder:
    """Counts how often it is made."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def add(self, a: int, b: int) -> int:
        return a + b


# --- how many connections ------------------------------------------------------------------------


@pytest.mark.parametrize("instance", ["shared", "connection"])
def test_one_connection_more_is_told_so(
    run: Run, instance: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        Adder.made = 0
        what = Adder() if instance == "shared" else Adder
        async with serve(what, ":0", instance=instance, max_connections=2) as server:
            (where,) = server.addresses
            async with connect(where) as first, connect(where):
                made = Adder.made
                for _ in range(3):
                    with pytest.raises(HandshakeFailed, match="max_connections=2") as caught:
                        await connect(where)
                    assert caught.value.reason == "busy"
                assert await first.root.add(2, 3) == 5
                assert len(server.peers) == 2
                assert Adder.made == made  # nothing is made for who does not get in
            await eventually(lambda: not server.peers)
            async with connect(where) as again:
                assert await again.root.add(2, 3) == 5

    run(main())
    told = {(each.levelno, each.getMessage().partition(": ")[2]) for each in caplog.records}
    why = "connections: 3 is over the limit max_connections=2"
    assert told == {
        (logging.WARNING, f"'turned away: {why}'"),
        (logging.WARNING, f"'the peer is busy: {why}'"),
    }


def test_whoever_comes_at_once_is_counted_before_its_object_is_made(run: Run) -> None:
    may_be_made = asyncio.Event()

    async def make() -> Adder:
        await may_be_made.wait()
        return Adder()

    async def main() -> None:
        async with serve(make, ":0", instance="connection", max_connections=1) as server:
            (where,) = server.addresses
            first = asyncio.ensure_future(connect(where))
            await eventually(lambda: len(server._arrivals) == 1)
            with pytest.raises(HandshakeFailed, match="max_connections=1"):
                await connect(where)
            may_be_made.set()
            peer = await first
            assert await peer.root.add(2, 3) == 5
            peer.close()
            await peer.wait_closed()

    run(main())


def test_silent_strangers_over_the_limit_cost_little(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyables.net.server.MOST_REFUSED", 2)

    async def main() -> None:
        async with serve(Adder(), ":0", max_connections=1) as server:
            (where,) = server.addresses
            port = int(where.rpartition(":")[2])
            async with connect(where) as peer:
                strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
                await eventually(lambda: len(server._refused) == 2)
                with pytest.raises(HandshakeFailed) as caught:
                    await connect(where)  # there is no room even to tell it so
                assert caught.value.reason == "closed"
                assert await peer.root.add(2, 3) == 5
                for stranger in strangers:
                    stranger.close()
                await eventually(lambda: not server._refused)
            await eventually(lambda: not server.peers)

    run(main())


def test_closing_ends_those_that_are_being_refused_too(run: Run) -> None:
    async def main() -> None:
        async with serve(Adder(), ":0", max_connections=1) as server:
            (where,) = server.addresses
            port = int(where.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)):
                await eventually(lambda: len(server.peers) == 1)
                with socket.create_connection(("127.0.0.1", port)):
                    await eventually(lambda: len(server._refused) == 1)
                    server.close()
                    await server.wait_closed()

    run(main())


# --- what a server tells of its connections ------------------------------------------------------


def test_who_was_introduced_a_moment_ago_hears_the_end(run: Run) -> None:
    """All that it said was there when it was accepted, so it is a peer before its arrival ends."""

    async def main() -> None:
        theirs = Session(client=True)
        theirs.ping(PING)
        theirs.send(theirs.open_stream(), msgpack.packb([HELLO, hello()]))
        greeting = b"".join(theirs.data_to_send())
        with socket.socket() as sock:
            async with serve(Adder(), "tcp://127.0.0.1:0") as server:
                host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
                sock.connect((host, int(port)))
                sock.sendall(greeting)
                while not any(peer.info for peer in server.peers):
                    await server.changed()
            sock.settimeout(5)
            said = b"".join(iter(lambda: sock.recv(4096), b""))
        assert said.endswith(HEADER.pack(0, GO_AWAY, 0, 0, NORMAL))

    run(main())


def test_whoever_comes_second_waits_for_the_start_too(run: Run) -> None:
    async def make() -> Adder:
        await asyncio.sleep(0.01)
        return Adder()

    async def main() -> None:
        server = serve(make, ":0", factory=True)
        started = await asyncio.gather(server, server)
        assert started == [server, server]
        for where in [server.addresses[0]] * 2:
            async with connect(where) as peer:
                assert await peer.root.add(2, 3) == 5
        server.close()
        with pytest.raises(RuntimeError, match="the server is closed"):
            await server
        await server.wait_closed()

    run(main())


def test_changes_are_told(run: Run) -> None:
    seen: list[tuple[int, int]] = []

    async def watch(server: proxyables.Server) -> None:
        while server.peers or not seen:
            await server.changed()
            known = [peer for peer in server.peers if peer.info is not None]
            seen.append((len(server.peers), len(known)))

    async def main() -> None:
        async with serve(Adder(), ":0") as server:
            watching = asyncio.ensure_future(watch(server))
            async with connect(server.addresses[0]) as peer:
                assert await peer.root.add(2, 3) == 5
            await watching
            waiting = asyncio.ensure_future(server.changed())
        await waiting  # the end is a change
        await server.changed()  # and nothing comes after it

    run(main())
    assert seen == [(1, 0), (1, 1), (0, 0)]


def test_a_server_that_accepts_no_more_ends_with_its_last_connection(run: Run) -> None:
    async def main() -> None:
        server = await serve(Adder(), ":0")
        (where,) = server.addresses
        async with connect(where) as peer:
            server.stop_accepting()
            server.stop_accepting()
            with pytest.raises(HandshakeFailed, match="connection refused"):
                await connect(where)
            assert await peer.root.add(2, 3) == 5
        await server.wait_closed()
        unused = await serve(Adder(), ":0")
        unused.stop_accepting()
        await unused.wait_closed()

    run(main())


# --- how long a call may take --------------------------------------------------------------------


class Slow:
    """Every kind of call that takes too long."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.may_return = threading.Event()

    async def wait(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def numbers(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1

    def block(self) -> str:
        self.may_return.wait()
        return "unheard"

    def call_back(self, callback: Any) -> Any:
        return callback()

    async def quick(self) -> str:
        await asyncio.sleep(0)
        return "done"


def test_a_call_that_takes_too_long_is_cancelled(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        limits = Limits(call_timeout=0.1)
        async with serve(slow, ":0", limits=limits) as server, connect(server.addresses[0]) as peer:
            assert await peer.root.quick() == "done"
            with pytest.raises(TimeoutError, match="longer than 0.1 s") as caught:
                await peer.root.wait()
            assert isinstance(caught.value, RemoteError)
            received = []
            with pytest.raises(TimeoutError, match="call_timeout"):
                async for number in peer.root.numbers():
                    received.append(number)
            assert received == [1]
            assert slow.cancelled == 2
            with pytest.raises(TimeoutError), proxyables.deadline(0.01):  # the earlier one counts
                await peer.root.wait()
            await eventually(lambda: slow.cancelled == 3)

    run(main())


def test_a_worker_that_takes_too_long_is_left_behind(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        limits = Limits(call_timeout=0.1)
        async with (
            serve(slow, ":0", limits=limits, threads=2) as server,
            connect(server.addresses[0]) as peer,
        ):
            try:
                with pytest.raises(TimeoutError, match="longer than 0.1 s"):
                    await peer.root.block()

                async def never() -> None:
                    await asyncio.Event().wait()

                # What the method waits for ends with it: the worker is free again.
                with pytest.raises(TimeoutError):
                    await peer.root.call_back(never)
                assert await peer.root.call_back(lambda: 7) == 7
            finally:
                slow.may_return.set()

    run(main())


# --- binding first -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/adder", "unix:{}/p.sock"])
def test_sockets_outlive_the_server_that_they_were_given_to(
    run: Run, tmp_path: Path, where: str
) -> None:
    """As a supervisor does it: it binds, and one server after the other accepts."""
    where = where.format(tmp_path)

    async def main() -> None:
        binder = serve(None, where)
        await binder.bind()
        await binder.bind()
        early: asyncio.Future[Any] | None = None
        for _ in range(2):
            given = [[sock.dup() for sock in each] for each in binder.sockets]
            async with serve(Adder(), where, sockets=given) as server:
                (shown,) = server.addresses
                if early is not None:
                    async with await early as peer:  # it waited for the second server
                        assert await peer.root.add(2, 3) == 5
                async with connect(shown) as peer:
                    assert await peer.root.add(2, 3) == 5
            early = early or asyncio.ensure_future(connect(shown))
        binder.close()
        await binder.wait_closed()
        with pytest.raises(HandshakeFailed):
            await connect(shown)

    run(main())


def test_sockets_that_do_not_fit(run: Run) -> None:
    with pytest.raises(ValueError, match="sockets are for 2 addresses, got 1"):
        serve(None, ":0", ":0", sockets=[[]])

    async def main() -> None:
        sock = socket.socket()
        with pytest.raises(OSError, match="must listen"):
            await serve(None, ":0", sockets=[[sock]])
        assert sock.fileno() < 0
        with socket.create_server(("127.0.0.1", 0)) as other:
            server = serve(None, ":0", f":{other.getsockname()[1]}")
            with pytest.raises(OSError, match="in use"):
                await server.bind()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.bind()

    run(main())
