"""`serve` and `connect` over every kind of address: real peers, real children, broken servers."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import proxyables
import recording
from proxyables.errors import (
    AuthenticationFailed,
    ConnectionClosed,
    HandshakeFailed,
    NotSupported,
    RemoteError,
)
from proxyables.limits import Limits
from proxyables.net import dialing
from proxyables.net.addresses import TcpAddress, parse
from proxyables.net.endpoints import DialledPeer, Server, connect, serve
from recording import Run, eventually

run = recording.run  # the fixture

SOURCES = str(Path(proxyables.__file__).parent.parent)


class Counter:
    """What most tests export."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.count = 0

    def add(self, n: int = 1) -> int:
        self.count += n
        return self.count

    async def wait(self) -> None:
        await asyncio.Event().wait()


CHILD = """
import asyncio, os, subprocess, sys
from proxyables.net.endpoints import serve
from proxyables.net.stdio import claim_stdio
claim_stdio()
print("printed before")
class API:
    def add(self, a, b):
        print("printed by a method")
        os.system("echo printed by a child")
        return a + b
    def pid(self): return os.getpid()
async def main():
    server = await serve(API(), "stdio:")
    await server.serve_forever()
asyncio.run(main())
print("ended cleanly", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def _sources_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    monkeypatch.setenv("PYTHONUNBUFFERED", "")


def child_address(program: str, *options: str) -> str:
    return f"exec:{shlex.join([sys.executable, *options, '-c', program])}"


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- the ways to be reached ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:0", ":0", "localhost:0", "unix:{}", "unix:@{}"])
def test_serve_and_connect(run: Run, tmp_path: Path, where: str) -> None:
    name = f"{tmp_path}/p.sock" if "@" not in where else f"proxyables-{os.getpid()}"

    async def main() -> None:
        async with serve(Counter(), where.format(name)) as server:
            (address,) = server.addresses
            assert str(parse(address)) == address
            async with connect(address) as peer:
                assert await peer.root.add(2) == 2
                assert len(server.peers) == 1
                assert peer.address == address
            peer = await connect(parse(address))
            assert await peer.root.add(n=3) == 5
            peer.close()
            await peer.wait_closed()
            await eventually(lambda: server.peers == [])

    run(main())
    assert not os.path.exists(name)


def test_entering_again_dials_again(run: Run) -> None:
    async def main() -> None:
        async with serve(Counter(), ":0") as server:
            connecting = connect(server.addresses[0])
            async with connecting as outer, connecting as inner:
                assert inner is not outer
                assert await inner.root.add() + await outer.root.add() == 3
            await eventually(lambda: server.peers == [])

            is_inside, is_over = asyncio.Event(), asyncio.Event()

            async def stay() -> None:
                async with connecting as peer:
                    is_inside.set()
                    await is_over.wait()
                    assert await peer.root.add() == 3

            staying = asyncio.ensure_future(stay())
            async with connecting as peer:
                await is_inside.wait()
            assert peer.closed
            is_over.set()
            await staying

    run(main())


def test_several_addresses_at_once(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        where = [":0", f"unix:{tmp_path}/a", TcpAddress("127.0.0.1", 0)]
        async with serve(Counter(), *where) as server:
            assert len(set(server.addresses)) == 3
            for place, address in enumerate(server.addresses, 1):
                async with connect(address) as peer:
                    assert await peer.root.add() == place

    run(main())


def test_the_other_side_may_call_back(run: Run) -> None:
    class Caller:
        async def call(self) -> Any:
            return await proxyables.current_peer().root.add(5)

    async def main() -> None:
        async with (
            serve(Caller(), ":0") as server,
            connect(server.addresses[0], export=Counter()) as peer,
        ):
            assert await peer.root.call() == 5

    run(main())


def test_a_child(
    run: Run, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(child_address(CHILD, "-W", "error"), timeout=20) as peer:
            assert await peer.root.add(2, 3) == 5
            pid = await peer.root.pid()
            assert isinstance(peer, DialledPeer)
            assert peer.child is not None
            assert peer.child.pid == pid
        assert is_gone(pid)
        assert peer.child.returncode == 0

    run(main())
    assert capfd.readouterr() == ("", "")
    for text in ("printed before", "printed by a method", "printed by a child", "ended cleanly"):
        assert f"]: {text}" in caplog.text


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("redirect", ["</dev/null", "<&-", "2>&-", ">/dev/null", ">{}", "<{}"])
def test_a_stdio_server_with_odd_descriptors_ends_cleanly(
    tmp_path: Path, redirect: str, loop: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    program = CHILD.replace("asyncio.run(main())", f"import {loop}; {loop}.run(main())")
    done = subprocess.run(
        [
            "sh",
            "-c",
            f'"$@" {redirect.format(tmp_path / "file")}',
            "sh",
            sys.executable,
            "-c",
            program,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if redirect != "2>&-":
        assert b"ended cleanly" in done.stderr


def test_a_stdio_server_over_pipes(run: Run) -> None:
    """Two pipes, as other languages start their children; `exec:` itself uses one socket."""

    async def main() -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, stdin=-1, stdout=-1, stderr=-1
        )
        assert child.stdin is not None
        assert child.stderr is not None
        proxy = await proxyables.Proxyable.ImportFrom((child.stdout, child.stdin))
        assert await proxy.add(2, 3) == 5
        peer: Any = proxyables.peer_of(proxy)
        peer.close()
        await peer.wait_closed()
        assert b"ended cleanly" in await child.stderr.read()
        assert await child.wait() == 0

    run(main())


def test_an_inherited_connection(run: Run) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        server = await serve(Counter(), f"fd:{theirs.detach()}")
        forever = asyncio.ensure_future(server.serve_forever())
        async with connect(f"fd:{ours.detach()}") as peer:
            assert await peer.root.add() == 1
            assert not forever.done()
        await forever  # its only connection has ended
        await server.wait_closed()

    run(main())


def test_an_inherited_listener(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        async with serve(Counter(), f"fd:{sock.detach()}") as server:
            assert server.addresses == [f"tcp://127.0.0.1:{port}"]
            async with connect(server.addresses[0]) as peer:
                assert await peer.root.add() == 1

    run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -nodes -days 2 -subj /CN=localhost -newkey ec "
        "-pkeyopt ec_paramgen_curve:prime256v1 -addext subjectAltName=DNS:localhost "
        f"-keyout {path} -out {path}.crt"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return str(path)


def test_a_tls_context(run: Run, certificate: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with serve(Counter(), "localhost:0", ssl=server_side) as server:
            address = server.addresses[0]
            async with connect(address, ssl=client_side) as peer:
                assert await peer.root.add() == 1
            with pytest.raises(
                HandshakeFailed, match=f"cannot connect to {address}: .*certificate"
            ):
                await connect(address, ssl=ssl.create_default_context())
            with pytest.raises(HandshakeFailed, match=f"cannot connect to {address}: "):
                await connect(address, timeout=1)  # no TLS at all
        assert server.peers == []

    run(main())


def test_tls_with_somebody_silent(run: Run, certificate: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            address = f":{mute.getsockname()[1]}"
            with pytest.raises(HandshakeFailed, match="no answer within 0.1 s"):
                await connect(address, ssl=ssl.create_default_context(), timeout=0.1)
        async with serve(Counter(), ":0", ssl=server_side) as server:
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            with socket.create_connection(("127.0.0.1", port)):
                await eventually(lambda: server._arrivals)
                server.close()  # while it waits for the client's first words
                await server.wait_closed()

    run(main())


# --- connecting fails ----------------------------------------------------------------------------


def test_nobody_listens(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def main() -> None:
        with pytest.raises(
            HandshakeFailed, match=f"^cannot connect to tcp://127.0.0.1:{port}: connection refused$"
        ) as caught:
            await connect(f":{port}")
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        with pytest.raises(HandshakeFailed, match=r"localhost:\d+: connection refused$"):
            await connect(f"localhost:{port}")
        path = tmp_path / "p.sock"
        with pytest.raises(
            HandshakeFailed, match=f"^cannot connect to unix:{path}: no such file or directory$"
        ) as caught:
            await connect(f"unix:{path}")
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        with pytest.raises(HandshakeFailed, match="unix:@no-such-name-here: connection refused"):
            await connect("unix:@no-such-name-here")
        with pytest.raises(HandshakeFailed, match=r"cannot connect to tcp://nobody\.invalid:1: "):
            await connect("nobody.invalid:1", timeout=30)
        with pytest.raises(HandshakeFailed, match="cannot connect to fd:999: .*no such descriptor"):
            await connect("fd:999")

    run(main())


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def rude(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await reader.read()


@pytest.mark.parametrize(
    ("behaviour", "timeout", "reason"),
    [
        (silent, 0.1, "no answer within 0.1 s"),
        (rude, 5, "closed the connection during the handshake|reset|lost"),
        (web, 5, "not a proxyables peer"),
    ],
)
def test_a_listener_that_is_no_peer(
    run: Run, behaviour: Behaviour, timeout: float, reason: str
) -> None:
    async def main() -> None:
        writers = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await behaviour(reader, writer)

        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        message = f"cannot connect to tcp://127.0.0.1:{port}: .*({reason})"
        with pytest.raises(HandshakeFailed, match=message) as caught:
            await connect(f":{port}", timeout=timeout)
        assert (behaviour is silent) == isinstance(caught.value.__cause__, TimeoutError)
        for writer in writers:
            writer.close()
        listener.close()
        await listener.wait_closed()
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    run(main())


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
def test_a_cancelled_connect_leaves_nothing(run: Run, tmp_path: Path, steps: int) -> None:
    async def main() -> None:
        async with serve(Counter(), ":0", f"unix:{tmp_path}/p") as server:
            for address in (*server.addresses, child_address("import time; time.sleep(60)")):
                connecting = asyncio.ensure_future(connect(address))
                for _ in range(steps):
                    await asyncio.sleep(0)
                connecting.cancel()
                (result,) = await asyncio.gather(connecting, return_exceptions=True)
                if isinstance(result, proxyables.Peer):
                    result.close()
                    await result.wait_closed()

    run(main())
    gc.collect()


def test_a_child_that_is_not_found(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(
            HandshakeFailed, match="^cannot start '/no/such': no such file"
        ) as caught:
            await connect("exec:/no/such thing")
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        with pytest.raises(HandshakeFailed, match="^cannot start '/etc': permission denied"):
            await connect("exec:/etc")

    run(main())


def test_a_child_that_exits_too_soon(run: Run) -> None:
    async def main() -> None:
        message = r"cannot connect to exec:.*: the peer closed .*; the child exited with status 3$"
        with pytest.raises(HandshakeFailed, match=message):
            await connect(child_address("raise SystemExit(3)"))
        with pytest.raises(HandshakeFailed, match=r"; the child was ended by SIGKILL$"):
            await connect("exec:sh -c 'kill -9 $$'")
        with pytest.raises(HandshakeFailed, match="not a proxyables peer"):
            await connect(child_address("print('hello, stranger', flush=True); input()"))

    run(main())


def test_a_child_that_says_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "CHILD_PATIENCE", 0.05)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()

    async def main() -> None:
        address = child_address("import signal; signal.pause()")
        with pytest.raises(HandshakeFailed, match="no answer within 0.2 s"):
            await connect(address, timeout=0.2)

    run(main())
    assert children.read_text() == before


def test_a_full_backlog_is_waited_for(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "p")

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(path)
            busy.listen(0)
            waiting = []
            while True:
                sock = socket.socket(socket.AF_UNIX)
                sock.setblocking(False)
                waiting.append(sock)
                if sock.connect_ex(path):
                    break
            with pytest.raises(HandshakeFailed, match="no answer within 0.1 s"):
                await connect(path, timeout=0.1)
            for sock in waiting:
                sock.close()

    run(main())


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("tcp:9000",), {}, ValueError, "write tcp://:9000"),
        ((":0",), {}, ValueError, "port 0 means any free port"),
        ((TcpAddress("*", 1),), {}, ValueError, "every interface"),
        ((9000,), {}, TypeError, "an address is a str"),
        (("tls://h:1?cert=/no",), {}, ValueError, "cannot read cert=/no"),
        (("@prod",), {}, NotSupported, "cannot open @"),
        (("/tmp/x",), {"ssl": ssl.create_default_context()}, ValueError, "ssl is for tcp"),
        ((":1",), {"timeout": -1}, ValueError, "timeout takes seconds"),
        ((":1",), {"timeout": float("nan")}, ValueError, "timeout takes seconds"),
        ((":1",), {"timeout": "5"}, TypeError, "timeout takes seconds or None, got '5'"),
        ((":1",), {"token": ""}, ValueError, "no secret"),
        ((":1",), {"policy": 5}, TypeError, "policy takes a proxyables.Policy, got 5"),
        ((":1",), {"limits": 5}, TypeError, "limits takes a proxyables.Limits, got 5"),
        ((":1",), {"token": 5}, TypeError, "token takes text or bytes, got a int"),
        ((":1",), {"by_reference": list}, TypeError, "by_reference takes a tuple of classes"),
        ((":1",), {"by_reference": ["list"]}, TypeError, "by_reference takes a tuple of classes"),
        ((":1",), {"name": 5}, TypeError, "name takes text, got 5"),
        ((":1",), {"ssl": 5}, TypeError, "ssl takes an ssl.SSLContext, got 5"),
    ],
)
def test_senseless_arguments_are_told_at_once(
    arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        connect(*arguments, **options)  # no loop runs, and nothing is awaited


# --- serving -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((1,), {}, TypeError, "at least one address"),
        ((1, "exec:a"), {}, ValueError, "can only be dialled"),
        ((1, "wss://h"), {}, ValueError, "listening with TLS takes a certificate"),
        ((1, ":0"), {"instance": "each"}, ValueError, "'shared' or 'connection', got 'each'"),
        ((1, ":0"), {"instance": "connection"}, TypeError, "makes objects, got 1"),
        ((1, ":0"), {"factory": True}, TypeError, "makes objects, got 1"),
        ((1, ":0"), {"threads": -1}, ValueError, "threads takes 0 or a positive number, got -1"),
        ((1, ":0"), {"threads": "2"}, TypeError, "threads takes a whole number, got '2'"),
        ((1, ":0"), {"token": b""}, ValueError, "no secret"),
        ((1, ":0"), {"max_connections": 0}, ValueError, "takes a positive number, got 0"),
        ((1, ":0"), {"max_connections": "2"}, TypeError, "takes a whole number, got '2'"),
        ((1, ":0"), {"policy": 5}, TypeError, "policy takes a proxyables.Policy, got 5"),
        ((1, ":0"), {"limits": 5}, TypeError, "limits takes a proxyables.Limits, got 5"),
        ((1, ":0"), {"token": 5}, TypeError, "token takes text or bytes, got a int"),
        ((1, ":0"), {"by_reference": list}, TypeError, "by_reference takes a tuple of classes"),
        ((1, ":0"), {"by_reference": ["list"]}, TypeError, "by_reference takes a tuple of classes"),
        ((1, ":0"), {"name": 5}, TypeError, "name takes text, got 5"),
        ((1, ":0"), {"ssl": 5}, TypeError, "ssl takes an ssl.SSLContext, got 5"),
    ],
)
def test_senseless_arguments_of_serve(
    arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        serve(*arguments, **options)


async def make_counter() -> Counter:
    await asyncio.sleep(0)
    return Counter()


@pytest.mark.parametrize("maker", [Counter, make_counter, lambda: Counter()])
@pytest.mark.parametrize("instance", ["shared", "connection"])
def test_factories(run: Run, maker: Any, instance: Any) -> None:
    async def main() -> None:
        before = Counter.made
        async with serve(maker, ":0", instance=instance, factory=True) as server:
            totals = []
            for _ in range(3):
                async with connect(server.addresses[0]) as peer:
                    totals.append(await peer.root.add())
        assert totals == ([1, 2, 3] if instance == "shared" else [1, 1, 1])
        assert Counter.made - before == (1 if instance == "shared" else 3)

    run(main())


def test_a_factory_that_fails(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def fail() -> object:
        attempts.append(1)
        if len(attempts) == 1:
            raise ZeroDivisionError("no object today")
        return Counter()

    async def main() -> None:
        async with serve(fail, ":0", instance="connection") as server:
            with pytest.raises(HandshakeFailed, match="cannot connect"):
                await connect(server.addresses[0])
            async with connect(server.addresses[0]) as peer:
                assert await peer.root.add() == 1
        attempts.clear()
        with pytest.raises(ZeroDivisionError):
            await serve(fail, ":0", factory=True)

    caplog.set_level(logging.ERROR, "proxyables")
    run(main())
    assert "ZeroDivisionError: no object today" in caplog.text


def test_a_factory_that_hangs_does_not_hold_the_server(run: Run) -> None:
    async def hang() -> object:
        return await asyncio.Event().wait()

    async def main() -> None:
        async with serve(hang, ":0", instance="connection") as server:
            with pytest.raises(HandshakeFailed, match="no answer"):
                await connect(server.addresses[0], timeout=0.1)
            waiting = asyncio.ensure_future(connect(server.addresses[0]))
            await eventually(lambda: len(server._arrivals) == 2)
        with pytest.raises(HandshakeFailed):
            await waiting

    run(main())


def test_closing_drains_the_calls_in_flight(run: Run) -> None:
    class Slow:
        def __init__(self) -> None:
            self.may_end = asyncio.Event()

        async def work(self) -> str:
            started.set()
            await self.may_end.wait()
            return "done"

    started = asyncio.Event()

    async def main() -> None:
        slow = Slow()
        server = await serve(slow, ":0")
        peer = await connect(server.addresses[0])
        call = asyncio.ensure_future(_value(peer.root.work()))
        await started.wait()
        server.close()
        server.close()
        with pytest.raises(HandshakeFailed, match="connection refused"):
            await connect(server.addresses[0])
        slow.may_end.set()
        assert await call == "done"
        await server.wait_closed()
        await peer.wait_closed()

    run(main())


async def _value(cursor: Any) -> Any:
    return await cursor


def test_closing_in_the_middle_of_arrivals(run: Run) -> None:
    async def main() -> None:
        for steps in range(6):
            server = await serve(Counter(), ":0")
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            with (
                socket.create_connection(("127.0.0.1", port)) as one,
                socket.create_connection(("127.0.0.1", port)) as two,
            ):
                for _ in range(steps):
                    await asyncio.sleep(0)
                server.close()
                await server.wait_closed()
                for sock in (one, two):  # an end or a reset: nobody is left waiting
                    sock.setblocking(False)
                    try:
                        while await asyncio.get_running_loop().sock_recv(sock, 100):
                            pass
                    except ConnectionResetError:
                        pass

    run(main())


def test_grace_ends(run: Run) -> None:
    async def main() -> None:
        server = await serve(Counter(), ":0", limits=Limits(grace=0.05))
        peer = await connect(server.addresses[0])
        call = asyncio.ensure_future(_value(peer.root.wait()))
        await eventually(lambda: server.peers and server.peers[0].statistics()["calls_running"])
        server.close()
        await server.wait_closed()
        with pytest.raises((ConnectionClosed, RemoteError)):
            await call
        await peer.wait_closed()

    run(main())


def test_a_second_thought_ends_everything_at_once(run: Run) -> None:
    """Cancelling the wait is what a second Ctrl-C does."""

    async def main() -> None:
        server = await serve(Counter(), ":0", limits=Limits(grace=60))
        peer = await connect(server.addresses[0], limits=Limits(grace=60))
        call = asyncio.ensure_future(_value(peer.root.wait()))
        await eventually(lambda: server.peers and server.peers[0].statistics()["calls_running"])
        server.close()
        closing = asyncio.ensure_future(server.wait_closed())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        with pytest.raises(ConnectionClosed):
            await call
        await server.wait_closed()
        await peer.wait_closed()

    run(main())


def test_leaving_the_client_block_can_be_cancelled(run: Run) -> None:
    async def main() -> None:
        async with serve(Counter(), ":0") as server:

            async def leave() -> None:
                async with connect(server.addresses[0], limits=Limits(grace=60)) as peer:
                    peers.append(peer)
                    calls.append(asyncio.ensure_future(_value(peer.root.wait())))
                    await eventually(
                        lambda: server.peers and server.peers[0].statistics()["calls_running"]
                    )

            calls: list[asyncio.Future[Any]] = []
            peers: list[proxyables.Peer] = []
            leaving = asyncio.ensure_future(leave())
            await eventually(lambda: peers and "closing" in repr(peers[0]))
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            with pytest.raises(ConnectionClosed):
                await calls[0]

    run(main())


def test_a_killed_client_leaves_nothing(run: Run) -> None:
    program = """
import asyncio, sys, proxyables
async def main():
    peer = await proxyables.connect(sys.argv[1], export=print)
    await peer.root.add()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

    async def main() -> None:
        async with serve(Counter(), ":0") as server:
            client = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, server.addresses[0], stdout=-1
            )
            assert client.stdout is not None
            assert await client.stdout.readline() == b"ready\n"
            assert len(server.peers) == 1
            client.send_signal(signal.SIGKILL)
            await client.wait()
            await eventually(lambda: server.peers == [])
            async with connect(server.addresses[0]) as peer:
                assert await peer.root.add() == 2

    run(main())


def test_a_start_that_fails_leaves_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="address already in use"):
                await serve(Counter(), f"unix:{tmp_path}/p", ":0", f":{port}")

    run(main())
    assert list(tmp_path.iterdir()) == []


def test_what_others_can_reach_needs_a_secret_or_insecure(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(AuthenticationFailed, match="other machines can reach"):
            await serve(Counter(), "*:0")
        async with serve(Counter(), "*:0", token="secret") as server:
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            async with connect(f":{port}", token="secret") as peer:
                assert await peer.root.add() == 1
            with pytest.raises(AuthenticationFailed):
                await connect(f":{port}", token="guess")
            with pytest.raises(AuthenticationFailed):
                await connect(f":{port}")
        async with serve(Counter(), "0.0.0.0:0", insecure=True) as server:
            assert server.addresses[0].startswith("tcp://0.0.0.0:")

    run(main())


def test_a_server_is_started_once(run: Run) -> None:
    async def main() -> None:
        server = serve(Counter(), ":0")
        assert isinstance(server, Server)
        assert "new" in repr(server)
        assert server.addresses == []
        assert await server is await server is server
        assert "open" in repr(server)
        async with server:
            assert len(server.addresses) == 1
        assert "closed" in repr(server)
        with pytest.raises(RuntimeError, match="the server is closed"):
            await server

    run(main())


def test_serving_for_ever_starts_and_ends_with_the_server(run: Run) -> None:
    async def main() -> None:
        server = serve(Counter(), ":0")
        forever = asyncio.ensure_future(server.serve_forever())
        await eventually(lambda: server.addresses)
        forever.cancel()
        await asyncio.gather(forever, return_exceptions=True)
        async with connect(server.addresses[0]) as peer:  # it serves on
            assert await peer.root.add() == 1
        forever = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        server.close()
        await forever
        await server.serve_forever()  # as one whose only peer has gone at once

    run(main())


def test_a_connection_that_is_gone_before_it_is_accepted(run: Run) -> None:
    async def main() -> None:
        async with serve(Counter(), ":0") as server:
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            for _ in range(3):
                sock = socket.create_connection(("127.0.0.1", port))
                # A reset instead of an end, while it still waits in the backlog.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
            async with connect(server.addresses[0]) as peer:
                assert await peer.root.add() == 1
            await eventually(lambda: server.peers == [])

    run(main())
