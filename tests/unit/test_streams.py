"""Every kind of stream that `attach` takes, under asyncio and uvloop, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

import recording
from certificates import Certificates
from proxyables.errors import ConnectionClosed, HandshakeFailed
from proxyables.net import pumps
from proxyables.net.pumps import Pipe, PumpedTransport
from proxyables.net.streams import attach, is_takeable
from proxyables.net.transports import set_nodelay
from recording import LOOPS, Recorder, Run, end_abruptly, eventually

run = recording.run  # the fixture

BIG = bytes(range(256)) * 4096 * 3  # 3 MiB: more than every socket buffer takes at once


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@contextlib.asynccontextmanager
async def stream_pairs(
    *, family: str = "tcp", before: bytes = b""
) -> AsyncIterator[tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter], socket.socket]]:
    """A pair of asyncio streams, and the plain socket at the other end."""
    left, right = socket.socketpair() if family == "unix" else tcp_pair()
    right.setblocking(False)
    if before:
        right.sendall(before)
    pair = await asyncio.open_connection(sock=left)
    try:
        yield pair, right
    finally:
        right.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    return left, right


async def converse(protocol: Recorder, other: socket.socket) -> None:
    """The other end sends, gets something big, and leaves."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(other, b"hello")
    await protocol.until(lambda: protocol.received.endswith(b"hello"))
    protocol.transport.writelines([BIG[:10], BIG[10:]])
    got = bytearray()
    while len(got) < len(BIG):
        got += await loop.sock_recv(other, 1 << 20)
    assert got == BIG
    other.close()
    await protocol.lost
    assert protocol.events[0] == "made"
    assert protocol.events[-2:] == ["eof", "lost"]
    assert protocol.error is None


# --- stream pairs ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_pair_is_taken_over(run: Run, family: str) -> None:
    async def main() -> None:
        async with stream_pairs(family=family) as (pair, other):
            assert is_takeable(*pair)
            protocol = Recorder()
            transport = await attach(pair, protocol)
            assert transport is pair[1].transport
            assert protocol.events == ["made"]
            await converse(protocol, other)

    run(main())


def test_buffered_bytes_come_first_and_in_order(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs(before=b"abcdef") as (pair, other):
            assert await pair[0].readexactly(2) == b"ab"
            protocol = Recorder()
            await attach(pair, protocol)
            assert protocol.events == ["made", "data"]
            assert protocol.received == b"cdef"
            await converse(protocol, other)
            assert protocol.received == b"cdefhello"

    run(main())


def test_an_end_that_the_reader_has_seen_is_told_again(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs(before=b"last words") as (pair, other):
            other.shutdown(socket.SHUT_WR)
            assert await pair[0].readexactly(4) == b"last"
            await eventually(lambda: pair[0]._eof)  # type: ignore[attr-defined]
            protocol = Recorder()
            await attach(pair, protocol)
            await protocol.lost
            assert protocol.events == ["made", "data", "eof", "lost"]
            assert protocol.received == b" words"

    run(main())


def test_a_paused_reader_is_resumed(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs() as (pair, other):
            loop = asyncio.get_running_loop()
            sending = loop.create_task(loop.sock_sendall(other, BIG))
            await eventually(lambda: pair[0]._paused)  # type: ignore[attr-defined]
            protocol = Recorder()
            await attach(pair, protocol)
            await protocol.until(lambda: len(protocol.received) == len(BIG))
            assert protocol.received == BIG
            await sending
            protocol.transport.close()
            await protocol.lost

    run(main())


def test_the_writer_may_be_dropped_and_may_be_waited_for(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs() as ((reader, writer), other):
            protocol = Recorder()
            await attach((reader, writer), protocol)
            reading = asyncio.ensure_future(reader.read())
            waiting = asyncio.ensure_future(writer.wait_closed())
            del reader, writer
            gc.collect()
            await converse(protocol, other)
            assert await reading == b""
            await waiting

    run(main())


def test_write_pauses_reach_both_protocols(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs(family="unix") as (pair, other):
            pair[1].write(BIG)  # pauses the old protocol
            protocol = Recorder()
            await attach(pair, protocol)
            assert protocol.events == ["made", "pause"]
            draining = asyncio.ensure_future(pair[1].drain())
            loop, got = asyncio.get_running_loop(), 0
            while got < len(BIG):
                got += len(await loop.sock_recv(other, 1 << 20))
            await protocol.until(lambda: "resume" in protocol.events)
            await draining
            protocol.transport.abort()
            await protocol.lost

    run(main())


def test_a_closed_pair_is_refused(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs() as (pair, _other):
            pair[1].close()
            with pytest.raises(ConnectionClosed, match="stream is closed"):
                await attach(pair, Recorder())
            await pair[1].wait_closed()

    run(main())


def test_streams_over_two_pipes_are_pumped(run: Run) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        assert child.stdin is not None
        pair = (child.stdout, child.stdin)
        assert not is_takeable(*pair)
        protocol = Recorder()
        transport = await attach(pair, protocol)
        assert isinstance(transport, PumpedTransport)
        transport.write(BIG)
        await protocol.until(lambda: len(protocol.received) == len(BIG))
        assert protocol.received == BIG
        transport.close()
        await protocol.lost
        assert await child.wait() == 0

    run(main())


def test_a_pair_the_wrong_way_round_is_refused(run: Run) -> None:
    async def main() -> None:
        async with stream_pairs() as ((reader, writer), _other):
            with pytest.raises(TypeError, match=r"\(StreamReader, StreamWriter\) pair"):
                await attach((writer, reader), Recorder())
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_pair_over_tls_is_taken_over(run: Run, certificates: Certificates) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificates.ca)
    client.check_hostname = False

    async def main() -> None:
        accepted: asyncio.Queue[Any] = asyncio.Queue()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.put_nowait((reader, writer))

        listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        writer.write(b"before")
        theirs = await accepted.get()
        await theirs[0].readexactly(2)
        assert is_takeable(*theirs)
        protocols = Recorder(echo=True), Recorder()
        await attach(theirs, protocols[0])
        del theirs
        transport = await attach((reader, writer), protocols[1])
        for at in range(0, len(BIG), 1 << 18):
            transport.write(BIG[at : at + (1 << 18)])
        await protocols[1].until(lambda: len(protocols[1].received) == len(BIG) + 4)
        assert protocols[1].received == b"fore" + BIG
        transport.close()
        await asyncio.gather(*(protocol.lost for protocol in protocols))
        listener.close()
        await listener.wait_closed()

    run(main())


# --- sockets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_socket(run: Run, family: str, blocking: bool) -> None:
    async def main() -> None:
        left, right = tcp_pair() if family == "tcp" else socket.socketpair()
        left.setblocking(blocking)
        right.setblocking(False)
        protocol = Recorder()
        transport = await attach(left, protocol)
        assert protocol.events == ["made"]
        assert isinstance(transport.get_write_buffer_size(), int)
        await converse(protocol, right)

    run(main())


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_cancelled_attachment_is_undone(run: Run, family: str, steps: int) -> None:
    async def main() -> None:
        left, right = tcp_pair() if family == "tcp" else socket.socketpair()
        right.setblocking(False)
        protocol = Recorder()
        attaching = asyncio.ensure_future(attach(left, protocol))
        for _ in range(steps):
            await asyncio.sleep(0)
        attaching.cancel()
        await asyncio.gather(attaching, return_exceptions=True)
        if not attaching.cancelled():  # it was quicker
            attaching.result().abort()
        if protocol.events:
            await protocol.lost
        assert await asyncio.get_running_loop().sock_recv(right, 100) == b""
        right.close()

    run(main())


def test_sockets_that_are_no_use(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as sock, pytest.raises(HandshakeFailed, match="not connected"):
            await attach(sock, Recorder())
        with (
            socket.create_server(("127.0.0.1", 0)) as sock,
            pytest.raises(ValueError, match="listening socket"),
        ):
            await attach(sock, Recorder())
        with (
            socket.socket(type=socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match="SOCK_STREAM"),
        ):
            await attach(sock, Recorder())
        with pytest.raises(ConnectionClosed, match="socket is closed"):
            await attach(sock, Recorder())

    run(main())


def test_nodelay_is_set_whatever_the_protocol_number(run: Run) -> None:
    def nodelay(sock: Any) -> int:
        return int(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def main() -> None:
        left, right = tcp_pair()
        assert right.proto == 0  # an accepted socket: asyncio alone would leave it as it is
        right.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        protocols = Recorder(), Recorder()
        pair = await asyncio.open_connection(sock=left)
        pair[1].get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        transports = await attach(right, protocols[0]), await attach(pair, protocols[1])
        for transport in transports:
            assert nodelay(transport.get_extra_info("socket"))
            transport.close()
        await asyncio.gather(*(protocol.lost for protocol in protocols))

    run(main())
    set_nodelay(None)
    with socket.socket(socket.AF_UNIX) as sock:
        set_nodelay(sock)
    set_nodelay(socket.socket.__new__(socket.socket))  # closed: nothing to set, nothing raised


# --- objects with coroutines ---------------------------------------------------------------------


class Coroutines:
    """The stream of the first Python implementation: three coroutines over a pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.closed = 0

    async def read(self, n: int = -1) -> bytes:
        return await self.reader.read(n)

    async def readexactly(self, n: int) -> bytes:
        return await self.reader.readexactly(n)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        self.closed += 1
        self.writer.close()
        await self.writer.wait_closed()


class Plain(Coroutines):
    """The same with plain functions, ``drain`` and ``wait_closed``, as a StreamWriter has them."""

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.writer.write(data)

    async def drain(self) -> None:
        await self.writer.drain()

    def close(self) -> None:  # type: ignore[override]
        self.closed += 1
        self.writer.close()

    async def wait_closed(self) -> None:
        await self.writer.wait_closed()


@pytest.mark.parametrize("kind", [Coroutines, Plain])
def test_an_object_with_coroutines(run: Run, kind: type[Coroutines]) -> None:
    async def main() -> None:
        async with stream_pairs(before=b"xyz") as (pair, other):
            stream, protocol = kind(*pair), Recorder()
            await attach(stream, protocol)
            await converse(protocol, other)
            assert protocol.received == b"xyzhello"
            assert stream.closed == 1

    run(main())


@pytest.mark.parametrize(
    ("stream", "got"),
    [
        (object(), "object"),
        (None, "None"),
        ("tcp://127.0.0.1:9", "tcp"),
        (open, "open"),
        ((1, 2), r"\(1, 2\)"),
        ((1, 2, 3), r"\(1, 2, 3\)"),
    ],
)
def test_what_is_no_stream(run: Run, stream: object, got: str) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=f"expected .*StreamReader.*anyio.*, got .*{got}"):
            await attach(stream, Recorder())

    run(main())


def test_a_file_is_no_stream(run: Run, tmp_path: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="expected"):
            await attach(file, Recorder())

    with open(tmp_path / "file", "w+b") as file:
        run(main())


@pytest.mark.parametrize("answer", [b"never a coroutine", None])
def test_a_read_that_is_no_coroutine_loses_the_connection(run: Run, answer: object) -> None:
    class Wrong(Coroutines):
        def read(self, n: int = -1) -> Any:
            return answer

    async def main() -> None:
        async with stream_pairs() as (pair, _other):
            protocol = Recorder()
            await attach(Wrong(*pair), protocol)
            await protocol.lost
            assert isinstance(protocol.error, TypeError)
            assert "must be a coroutine" in str(protocol.error)

    run(main())


def test_a_read_that_gives_text_loses_the_connection(run: Run) -> None:
    class Text(Coroutines):
        async def read(self, n: int = -1) -> Any:
            return "text"

    async def main() -> None:
        async with stream_pairs() as (pair, _other):
            protocol = Recorder()
            await attach(Text(*pair), protocol)
            await protocol.lost
            assert "gave str, expected bytes" in str(protocol.error)
            assert protocol.received == b""

    run(main())


# --- anyio ---------------------------------------------------------------------------------------


def test_an_anyio_stream(run: Run) -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        accepted: list[Any] = []

        async def accept(stream: Any) -> None:
            accepted.append(stream)
            serving.cancel()

        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as serving:
                other = socket.create_connection(("127.0.0.1", port))
                await listener.serve(accept, group)
        await listener.aclose()
        other.setblocking(False)
        protocol = Recorder()
        await attach(accepted[0], protocol)
        await converse(protocol, other)

    run(main())


# --- the pumped transport ------------------------------------------------------------------------


class Queues:
    """A `Pipe` that the test holds at both ends."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | BaseException] = asyncio.Queue()
        self.sent: list[bytes] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.error: BaseException | None = None
        self.closing: Callable[[], Awaitable[None]] | None = None
        self.closed = 0

    async def receive(self) -> bytes:
        data = await self.incoming.get()
        if isinstance(data, BaseException):
            raise data
        return data

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(bytes(data))

    async def close(self) -> None:
        self.closed += 1
        if self.closing is not None:
            await self.closing()

    def attach(self, protocol: asyncio.Protocol) -> PumpedTransport:
        return PumpedTransport(Pipe(self.receive, self.send, self.close), protocol)


def test_closing_sends_what_is_queued(run: Run) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder()
        transport = queues.attach(protocol)
        transport.write(b"one")
        transport.writelines([b"two", b"", b"three"])
        transport.close()
        transport.write(b"too late")
        assert transport.is_closing()
        await protocol.lost
        assert b"".join(queues.sent) == b"onetwothree"
        assert queues.closed == 1
        assert protocol.error is None
        transport.close()
        transport.abort()
        assert transport.get_write_buffer_size() == 0

    run(main())


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_aborting_sends_nothing_more_and_waits_for_nobody(run: Run, steps: int) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder()
        queues.may_send.clear()
        transport = queues.attach(protocol)
        transport.write(b"stuck")
        for _ in range(steps):
            await asyncio.sleep(0)
        transport.close()
        transport.abort()
        transport.abort()
        await protocol.lost
        assert queues.sent == []
        assert queues.closed == 1
        assert protocol.error is None

    run(main())


def test_writes_are_bounded_by_pauses(run: Run) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder()
        queues.may_send.clear()
        transport = queues.attach(protocol)
        low, high = transport.get_write_buffer_limits()
        transport.write(bytes(high))
        assert "pause" not in protocol.events
        transport.write(b"!")
        assert protocol.events == ["made", "pause"]
        assert transport.get_write_buffer_size() == high + 1
        transport.write(b"!")
        assert protocol.events == ["made", "pause"]
        queues.may_send.set()
        await protocol.until(lambda: "resume" in protocol.events)
        assert transport.get_write_buffer_size() <= low
        transport.close()
        await protocol.lost
        assert protocol.events == ["made", "pause", "resume", "lost"]
        with pytest.raises(ValueError, match="high"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)

    run(main())


@pytest.mark.parametrize("side", ["read", "write"])
def test_an_error_ends_the_connection_with_it(run: Run, side: str) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder()
        transport = queues.attach(protocol)
        error = ConnectionResetError("gone")
        if side == "read":
            queues.incoming.put_nowait(error)
        else:
            queues.error = error
            transport.write(b"data")
        await protocol.lost
        assert protocol.error is error
        assert protocol.events == ["made", "lost"]
        assert queues.closed == 1

    run(main())


def test_an_error_of_the_protocol_ends_the_connection(run: Run) -> None:
    class Broken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError("a bug")

    async def main() -> None:
        queues, protocol = Queues(), Broken()
        queues.attach(protocol)
        queues.incoming.put_nowait(b"data")
        await protocol.lost
        assert isinstance(protocol.error, ZeroDivisionError)

    run(main())


def test_a_paused_protocol_gets_nothing(run: Run) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder()
        transport = queues.attach(protocol)
        transport.pause_reading()
        assert not transport.is_reading()
        queues.incoming.put_nowait(b"one")
        queues.incoming.put_nowait(b"two")
        await eventually(lambda: queues.incoming.qsize() == 1)
        for _ in range(5):
            await asyncio.sleep(0)
        assert queues.incoming.qsize() == 1  # one chunk was on its way, no more is taken
        assert protocol.received == b""
        transport.resume_reading()
        await protocol.until(lambda: protocol.received == b"onetwo")
        transport.pause_reading()
        transport.close()
        await protocol.lost

    run(main())


def test_the_end_may_be_kept_open(run: Run) -> None:
    async def main() -> None:
        queues, protocol = Queues(), Recorder(keep_open=True)
        transport = queues.attach(protocol)
        queues.incoming.put_nowait(b"")
        await protocol.until(lambda: "eof" in protocol.events)
        assert not transport.is_closing()
        transport.write(b"an answer")
        transport.close()
        await protocol.lost
        assert queues.sent == [b"an answer"]

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are never eager")
def test_eager_tasks_do_not_overtake_the_beginning() -> None:
    async def main() -> None:
        factory: Any = vars(asyncio)["eager_task_factory"]
        asyncio.get_running_loop().set_task_factory(factory)
        queues, protocol = Queues(), Recorder()
        queues.incoming.put_nowait(b"at once")
        transport = queues.attach(protocol)
        assert protocol.events == ["made", "data"]
        transport.abort()
        await protocol.lost
        assert queues.closed == 1

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())  # uvloop's tasks cannot be eager yet


@pytest.mark.parametrize("fault", ["raises", "hangs"])
def test_a_stream_that_does_not_close_well(
    run: Run, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "CLOSE_TIMEOUT", 0.05)

    async def main() -> None:
        queues, protocol = Queues(), Recorder()

        async def closing() -> None:
            if fault == "raises":
                raise OSError("no")
            await asyncio.Event().wait()

        queues.closing = closing
        queues.attach(protocol).close()
        await protocol.lost
        assert protocol.error is None

    run(main())


def test_a_protocol_that_refuses_the_connection(run: Run) -> None:
    class Refusing(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            raise RuntimeError("no, thanks")

    async def main() -> None:
        queues, protocol = Queues(), Refusing()
        with pytest.raises(RuntimeError, match="no, thanks"):
            queues.attach(protocol)
        await protocol.lost
        assert queues.closed == 1

    run(main())


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_of_the_loop_ends_the_connection(loop: str, steps: int) -> None:
    seen: list[Recorder] = []

    async def main() -> None:
        queues = Queues()
        seen.append(Recorder())
        queues.attach(seen[0])
        for _ in range(steps):
            await asyncio.sleep(0)

    end_abruptly(loop, main())
    assert seen[0].events[-1] == "lost"
