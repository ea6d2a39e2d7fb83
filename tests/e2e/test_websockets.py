"""``ws://`` and ``wss://`` end to end: with ourselves, the library's own ends, and raw HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect as dial_websocket
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.frames import Frame, Opcode

import proxyables
import recording
from certificates import Certificates
from proxyables import Proxyable, current_peer
from proxyables.errors import ConnectionLost, HandshakeFailed, PeerProtocolError
from proxyables.limits import Limits
from proxyables.net import websockets as ours
from proxyables.net.addresses import parse
from proxyables.net.endpoints import connect, serve
from recording import Run, eventually

run = recording.run  # the fixture


class Api:
    """What the tests export."""

    produced = 0

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, data: bytes) -> bytes:
        return data

    async def call(self, function: Any) -> Any:
        return await function(20)

    async def blobs(self) -> AsyncIterator[bytes]:
        while True:
            self.produced += 1
            yield bytes(100_000)

    def host(self) -> str | None:
        return current_peer().credentials.host


class Stream:
    """The library's own connection as a stream that `Proxyable` takes."""

    def __init__(self, connection: Any, *, largest: int = 1 << 20) -> None:
        self._connection = connection
        self._largest = largest

    async def read(self, _count: int) -> bytes:
        try:
            message = await self._connection.recv()
        except websockets.ConnectionClosed:
            return b""
        assert isinstance(message, bytes)
        return message

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), self._largest):
            await self._connection.send(bytes(data[start : start + self._largest]))

    async def close(self) -> None:
        await self._connection.close()


class Browser:
    """A connection that says what it wants, in HTTP and in frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, path: str, *headers: str, upgrade: bool = True) -> tuple[int, str]:
        """Sends a request; returns the status and the body of the answer."""
        lines = [f"GET {path} HTTP/1.1", *headers]
        if upgrade:
            key = base64.b64encode(os.urandom(16)).decode()
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
            lines += [
                f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split()[1])
        if status == 101:
            assert "Sec-WebSocket-Extensions" not in head  # nothing is compressed
            return status, ""
        length = re.search(r"Content-Length: (\d+)", head)
        assert length is not None
        body = (await self.reader.readexactly(int(length[1]))).decode()
        assert await self.reader.read() == b""
        return status, body

    async def send(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        self.writer.write(Frame(opcode, data, fin).serialize(mask=True))
        await self.writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        """Returns the next frame's opcode and content; frames of the hello are not looked at."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def closed_with(self) -> int:
        """Returns the code that the other side closes with, and reads to the end."""
        while (found := await self.frame())[0] != Opcode.CLOSE:
            pass
        assert await self.reader.read() == b""
        return int.from_bytes(found[1][:2], "big")


@contextlib.asynccontextmanager
async def browsing(address: str) -> AsyncIterator[Browser]:
    where: Any = parse(address)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    try:
        yield Browser(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


# --- connections that stand ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["ws://127.0.0.1:0", "ws://[::1]:0/deep/path?x=1"])
def test_both_ends_are_ours(run: Run, where: str) -> None:
    async def main() -> None:
        async with serve(Api(), where) as server:
            (address,) = server.addresses
            assert str(parse(address)) == address
            async with connect(address) as peer:
                assert peer.address == address
                assert await peer.root.add(1, 2) == 3
                assert await peer.root.call(lambda n: n + 1) == 21
                assert await peer.root.host() == parse(address).host  # type: ignore[attr-defined]
                blob = os.urandom(3 << 20)
                assert await peer.root.echo(blob) == blob
                assert await peer.ping() > 0
            await eventually(lambda: server.peers == [])

    run(main())


def test_over_tls(run: Run, files: Certificates) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(files.server)
    context = ssl.create_default_context(cafile=files.ca)

    async def main() -> None:
        async with serve(Api(), "wss://localhost:0", ssl=theirs) as server:
            (address,) = server.addresses
            assert address.startswith("wss://localhost:")
            async with connect(address, ssl=context) as peer:
                assert await peer.root.add(1, 2) == 3
                assert peer.credentials.names == ("DNS:localhost", "IP Address:127.0.0.1")
            with pytest.raises(HandshakeFailed, match="is not trusted"):
                await connect(address)
            with pytest.raises(HandshakeFailed, match="does not speak WebSocket there"):
                await connect(address.replace("wss", "ws"))
            await eventually(lambda: not server._arrivals)

    run(main())


def test_a_slow_reader_holds_the_writer_back(run: Run) -> None:
    async def main() -> None:
        api = Api()
        async with serve(api, "ws://127.0.0.1:0") as server, connect(server.addresses[0]) as peer:
            transport = peer.writer.transport
            assert transport is not None
            rows = peer.root.blobs().__aiter__()
            assert len(await rows.__anext__()) == 100_000
            transport.pause_reading()
            assert not transport.is_reading()
            (theirs,) = server.peers
            last = -1
            while api.produced != last:  # until nothing moves any more
                last = api.produced
                for _ in range(20):
                    await asyncio.sleep(0.005)
            below = theirs.writer.transport
            assert below is not None
            assert below.get_write_buffer_size() < 8 << 20
            transport.resume_reading()
            for _ in range(last + 10):
                assert len(await rows.__anext__()) == 100_000
            await rows.aclose()

    run(main())


@pytest.mark.parametrize("largest", [1, 100, 1 << 20])
def test_the_librarys_own_client(run: Run, largest: int) -> None:
    """Where messages end means nothing: one byte in each, or many frames in one."""

    async def main() -> None:
        async with (
            serve(Api(), "ws://127.0.0.1:0/px") as server,
            dial_websocket(server.addresses[0], proxy=None) as connection,
        ):
            proxy = await Proxyable.ImportFrom(Stream(connection, largest=largest))
            assert await proxy.add(1, 2) == 3
            blob = os.urandom(5000)
            assert await proxy.echo(blob) == blob
            proxyables.peer_of(proxy).close()
            await proxyables.peer_of(proxy).wait_closed()

    run(main())


def test_the_librarys_own_server(run: Run) -> None:
    async def main() -> None:
        async def welcome(connection: ServerConnection) -> None:
            exported = await Proxyable.Export(Api(), Stream(connection))
            await exported.wait_closed()

        async with serve_websocket(welcome, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as peer:
                assert await peer.root.add(1, 2) == 3
                blob = os.urandom(300_000)
                assert await peer.root.echo(blob) == blob

    run(main())


def test_a_token_and_many_at_once(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://127.0.0.1:0", token="secret") as server:
            async with contextlib.AsyncExitStack() as stack:
                peers = [
                    await stack.enter_async_context(connect(server.addresses[0], token="secret"))
                    for _ in range(5)
                ]
                sums = await asyncio.gather(*(peer.root.add(n, 1) for n, peer in enumerate(peers)))
                assert sums == [1, 2, 3, 4, 5]
            with pytest.raises(proxyables.AuthenticationFailed):
                await connect(server.addresses[0], token="guess")

    run(main())


# --- who is let in -------------------------------------------------------------------------------


def test_no_page_of_a_browser_gets_in(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0/px", origins=["https://app.example"]) as server:
            port = parse(server.addresses[0]).port  # type: ignore[attr-defined]
            host = f"Host: localhost:{port}"
            refused = [
                ("https://evil.example", host),
                ("http://localhost", host),
                ("http://app.example", host),
                ("https://app.example.evil.example", host),
                ("null", host),
                ("", host),
                ("https://app.example", f"Host: rebound.example:{port}"),
            ]
            for origin, named in refused:
                async with browsing(server.addresses[0]) as browser:
                    status, _ = await browser.ask("/px", named, f"Origin: {origin}")
                    assert status == 403, (origin, named)
            async with browsing(server.addresses[0]) as browser:
                twice = ("Origin: https://app.example", "Origin: https://evil.example")
                status, _ = await browser.ask("/px", host, *twice)
                assert status in (400, 403)
            async with browsing(server.addresses[0]) as browser:
                assert await browser.ask("/px", host, "Origin: https://app.example") == (101, "")
                assert (await browser.frame())[1][:2] == b"\0\2"  # the ping that says px
            await eventually(lambda: not server._arrivals)

    run(main())
    assert any("https://evil.example" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("listening", "host", "status"),
    [
        ("localhost", "localhost:1", 101),
        ("localhost", "LOCALHOST.", 101),
        ("localhost", "127.0.0.1:9", 101),
        ("localhost", "[::1]:9", 101),
        ("127.0.0.1", "localhost", 101),
        ("localhost", "127.0.0.2", 101),
        ("*", "anything.example", 101),
        ("localhost", "evil.example", 403),
        ("localhost", "localhost.evil.example", 403),
        ("localhost", "192.0.2.1", 403),
        ("localhost", "", 403),
        ("localhost", "localhost:port", 403),
        ("localhost", "localhost@evil.example", 403),
        ("localhost", "[::1", 403),
    ],
)
def test_the_host_is_the_servers_own(run: Run, listening: str, host: str, status: int) -> None:
    async def main() -> None:
        async with serve(Api(), f"ws://{listening}:0", insecure=True) as server:
            address = server.addresses[0]
            async with browsing(re.sub(r"0\.0\.0\.0", "127.0.0.1", address)) as browser:
                assert (await browser.ask("/", f"Host: {host}"))[0] == status
            await eventually(lambda: not server._arrivals)

    run(main())


def test_no_host_or_two_is_nobodys(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0") as server:
            for headers in ((), ("Host: localhost", "Host: evil.example")):
                async with browsing(server.addresses[0]) as browser:
                    assert (await browser.ask("/", *headers))[0] == 403
            await eventually(lambda: not server._arrivals)

    run(main())


def test_the_path_is_part_of_the_address(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0/px") as server:
            for path in ("/", "/px/", "/pxx", "/px?x=1", "/PX"):
                async with browsing(server.addresses[0]) as browser:
                    assert (await browser.ask(path, "Host: localhost"))[0] == 404
            with pytest.raises(HandshakeFailed, match="HTTP 404: '/other' is not what is served"):
                await connect(server.addresses[0].replace("/px", "/other"))
            await eventually(lambda: not server._arrivals)

    run(main())


def test_what_is_no_websocket_is_told_so(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0") as server:
            async with browsing(server.addresses[0]) as browser:
                assert (await browser.ask("/", "Host: localhost", upgrade=False))[0] == 426
            async with browsing(server.addresses[0]) as browser:
                browser.writer.write(b"POST / HTTP/1.1\r\n\r\n")
                assert b"101" not in await browser.reader.read()
            async with browsing(server.addresses[0]) as browser:
                browser.writer.write(b"\0" * 9000)
                await browser.reader.read()
            await eventually(lambda: not server._arrivals)
        async with serve(Api(), "localhost:0") as plain:
            with pytest.raises(HandshakeFailed, match="does not speak WebSocket there"):
                await connect(plain.addresses[0].replace("tcp", "ws"))

    run(main())


def test_a_request_that_never_ends_is_cut_off(run: Run) -> None:
    async def main() -> None:
        limits = Limits(handshake_timeout=0.2)
        async with serve(Api(), "ws://localhost:0", limits=limits) as server:
            async with browsing(server.addresses[0]) as browser:
                browser.writer.write(b"GET / HTTP/1.1\r\nHost: loc")
                with contextlib.suppress(ConnectionError):
                    assert await browser.reader.read() == b""
            await eventually(lambda: not server._arrivals)

    run(main())


# --- rules ---------------------------------------------------------------------------------------

Misdeed = Callable[[Browser], Any]


async def send_text(browser: Browser) -> None:
    await browser.send(Opcode.TEXT, b"hello")


async def send_too_much(browser: Browser) -> None:
    frame = Frame(Opcode.BINARY, bytes(ours.LARGEST_MESSAGE + 1)).serialize(mask=True)
    browser.writer.write(frame[:1000])  # the length alone is enough


async def send_too_much_in_parts(browser: Browser) -> None:
    # Each part is one Yamux ping, whole: what is wrong is how long the message gets.
    await browser.send(Opcode.BINARY, b"", fin=False)
    part = bytes.fromhex("000200020000000000000000") * 5000
    with contextlib.suppress(ConnectionError):
        for _ in range(ours.LARGEST_MESSAGE // len(part) + 1):
            await browser.send(Opcode.CONT, part, fin=False)


async def send_unmasked(browser: Browser) -> None:
    browser.writer.write(Frame(Opcode.BINARY, b"x").serialize(mask=False))


@pytest.mark.parametrize(
    ("misdeed", "code"),
    [
        (send_text, 1003),
        (send_too_much, 1009),
        (send_too_much_in_parts, 1009),
        (send_unmasked, 1002),
    ],
)
def test_who_breaks_the_rules_is_told_and_cut_off(run: Run, misdeed: Misdeed, code: int) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0") as server:
            async with browsing(server.addresses[0]) as browser:
                assert (await browser.ask("/", "Host: localhost"))[0] == 101
                await eventually(lambda: server.peers)
                (peer,) = server.peers
                await misdeed(browser)
                assert await browser.closed_with() == code
            await peer.wait_closed()
            with pytest.raises(PeerProtocolError, match="the WebSocket broke the rules"):
                await peer.handshake()
            async with connect(server.addresses[0]) as other:
                assert await other.root.add(1, 2) == 3

    run(main())


def test_pings_of_the_websocket_are_answered(run: Run) -> None:
    async def main() -> None:
        async with serve(Api(), "ws://localhost:0") as server, browsing(server.addresses[0]) as one:
            await one.ask("/", "Host: localhost")
            await one.send(Opcode.PING, b"are you there")
            while (found := await one.frame())[0] != Opcode.PONG:
                pass
            assert found[1] == b"are you there"

    run(main())


def test_a_flood_of_pings_from_who_does_not_read_is_cut_off(run: Run) -> None:
    async def main() -> None:
        limits = Limits(handshake_timeout=60)
        async with serve(Api(), "ws://localhost:0", limits=limits) as server:
            async with browsing(server.addresses[0]) as browser:
                await browser.ask("/", "Host: localhost")
                (peer,) = server.peers
                flood = Frame(Opcode.PING, bytes(125)).serialize(mask=True) * 500
                with contextlib.suppress(ConnectionError):
                    while not peer.closed:
                        browser.writer.write(flood)
                        async with asyncio.timeout(15):
                            await browser.writer.drain()
            await peer.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (1000, HandshakeFailed, "closed the connection during the handshake"),
        (1001, HandshakeFailed, "closed the connection during the handshake"),
        (1008, HandshakeFailed, "the WebSocket was closed with code 1008: 'not you'"),
        (1011, HandshakeFailed, "the WebSocket was closed with code 1011"),
    ],
)
def test_how_it_was_closed_is_told(
    run: Run, code: int, error: type[Exception], message: str
) -> None:
    async def main() -> None:
        async def welcome(connection: ServerConnection) -> None:
            await connection.recv()
            await connection.close(code, "not you")

        async with serve_websocket(welcome, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(error, match=message):
                await connect(f"ws://127.0.0.1:{port}")

    run(main())


def test_a_call_fails_with_why_it_was_closed(run: Run) -> None:
    async def main() -> None:
        closing = asyncio.Event()

        async def welcome(connection: ServerConnection) -> None:
            await Proxyable.Export(Waiting(closing), Stream(connection))
            await closing.wait()
            await connection.close(1011, "out of order")

        async with serve_websocket(welcome, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as peer:
                with pytest.raises(ConnectionLost, match="code 1011: 'out of order'") as caught:
                    await peer.root.wait()
                assert caught.value.maybe_executed
        # The method that was called over there is cancelled, and ends a turn later.
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    run(main())


class Waiting:
    """Has a method that never returns."""

    def __init__(self, called: asyncio.Event) -> None:
        self._called = called

    async def wait(self) -> None:
        self._called.set()
        await asyncio.Event().wait()


def test_a_server_that_closes_says_so(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(Api(), "ws://127.0.0.1:0") as server,
            dial_websocket(server.addresses[0], proxy=None) as connection,
        ):
            await connection.recv()
            (peer,) = server.peers
            peer.writer.transport.close()  # type: ignore[union-attr]
            await connection.wait_closed()
            assert connection.close_code == 1000

    run(main())


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origins", "error", "message"),
    [
        ("https://app.example", TypeError, "takes a sequence of them"),
        (["app.example"], ValueError, r"SCHEME://HOST\[:PORT\] in lower case, got 'app.example'"),
        (["https://app.example/"], ValueError, "got 'https://app.example/'"),
        (["*"], ValueError, r"got '\*'"),
        (["null"], ValueError, "got 'null'"),
    ],
)
def test_origins_have_a_form(origins: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        serve(Api(), "ws://localhost:0", origins=origins)


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("raise ImportError('not here')\n")
    program = (
        "import proxyables\n"
        "for make in (lambda: proxyables.connect('ws://h'), lambda: proxyables.serve(1, 'ws://h')):\n"
        "    try:\n        make()\n"
        "    except proxyables.NotSupported as error:\n        print(error)\n"
    )
    source = str(Path(proxyables.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{source}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.count("pip install 'proxyables[ws]'") == 2


def test_the_library_is_imported_only_when_it_is_needed() -> None:
    program = (
        "import proxyables, sys\nproxyables.connect(':1')\n"
        "assert 'websockets' not in sys.modules, 'imported'"
    )
    source = str(Path(proxyables.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
