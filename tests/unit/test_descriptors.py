"""Descriptors of every kind as a wire, and sockets that were passed to this process."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

import recording
from proxyables.net.addresses import FdAddress
from proxyables.net.descriptors import attach_descriptors, inherited_socket, passed_sockets
from proxyables.net.pumps import PumpedTransport
from recording import Recorder, Run

run = recording.run  # the fixture

BIG = bytes(range(256)) * 4096


def test_two_pipes(run: Run) -> None:
    async def main() -> None:
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        protocol = Recorder(keep_open=True)
        transport = await attach_descriptors(in_read, out_write, protocol)
        os.write(in_write, b"question")
        await protocol.until(lambda: protocol.received == b"question")
        transport.write(BIG)
        got = await asyncio.to_thread(read_exactly, out_read, len(BIG))
        assert got == BIG
        os.close(in_write)
        await protocol.until(lambda: "eof" in protocol.events)
        transport.write(b"drained")
        transport.close()
        await protocol.lost
        assert os.read(out_read, 100) == b"drained"
        assert os.read(out_read, 100) == b""
        os.close(out_read)

    run(main())


def read_exactly(descriptor: int, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += os.read(descriptor, size - len(got))
    return got


def test_a_reader_that_left(run: Run) -> None:
    async def main() -> None:
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        protocol = Recorder()
        transport = await attach_descriptors(in_read, out_write, protocol)
        os.close(out_read)
        while not transport.is_closing():
            transport.write(b"anybody there?")
            await asyncio.sleep(0)
        await protocol.lost
        assert isinstance(protocol.error, ConnectionError)
        os.close(in_write)

    run(main())


def test_one_socket_twice_is_driven_as_a_socket(run: Run) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        second = os.dup(ours.fileno())
        protocol = Recorder(echo=True)
        transport = await attach_descriptors(ours.detach(), second, protocol)
        assert not isinstance(transport, PumpedTransport)
        theirs.sendall(b"echo")
        theirs.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"echo"
        theirs.close()
        await protocol.lost

    run(main())


def test_two_different_sockets(run: Run) -> None:
    async def main() -> None:
        reading, in_write = socket.socketpair()
        writing, out_read = socket.socketpair()
        protocol = Recorder(echo=True)
        await attach_descriptors(reading.detach(), writing.detach(), protocol)
        in_write.sendall(b"echo")
        out_read.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(out_read, 100) == b"echo"
        in_write.close()
        await protocol.lost
        out_read.close()

    run(main())


def test_a_terminal(run: Run) -> None:
    async def main() -> None:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        protocol = Recorder(echo=True)
        transport = await attach_descriptors(os.dup(theirs), os.dup(theirs), protocol)
        os.close(theirs)
        os.write(ours, b"typed")
        assert await asyncio.to_thread(read_exactly, ours, 5) == b"typed"
        transport.close()
        await protocol.lost
        os.close(ours)

    run(main())


@pytest.mark.parametrize("source", ["file", "null"])
@pytest.mark.parametrize("sink", ["file", "null", "pipe"])
def test_files_and_devices(run: Run, tmp_path: Path, source: str, sink: str) -> None:
    (tmp_path / "in").write_bytes(BIG)
    given = {"file": tmp_path / "in", "null": Path(os.devnull)}[source]
    taken = {"file": tmp_path / "out", "null": Path(os.devnull), "pipe": None}[sink]

    async def main() -> None:
        reading = os.open(given, os.O_RDONLY)
        out_read = -1
        if taken is None:
            out_read, writing = os.pipe()
        else:
            writing = os.open(taken, os.O_WRONLY | os.O_CREAT)
        protocol = Recorder(keep_open=True)
        transport = await attach_descriptors(reading, writing, protocol)
        await protocol.until(lambda: "eof" in protocol.events)
        assert protocol.received == (BIG if source == "file" else b"")
        transport.write(b"answer")
        transport.close()
        await protocol.lost
        assert protocol.error is None
        if sink == "pipe":
            assert os.read(out_read, 100) == b"answer"
            os.close(out_read)
        if sink == "file":
            assert (tmp_path / "out").read_bytes() == b"answer"

    run(main())


def test_a_full_device(run: Run) -> None:
    async def main() -> None:
        reading, keep = os.pipe()
        protocol = Recorder()
        transport = await attach_descriptors(reading, os.open("/dev/full", os.O_WRONLY), protocol)
        transport.write(b"data")
        await protocol.lost
        assert isinstance(protocol.error, OSError)
        os.close(keep)

    run(main())


# --- passed sockets ------------------------------------------------------------------------------


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def pass_on(count: str, names: str, pid: str = str(os.getpid())) -> None:
        monkeypatch.setenv("LISTEN_FDS", count)
        monkeypatch.setenv("LISTEN_FDNAMES", names)
        monkeypatch.setenv("LISTEN_PID", pid)

    return pass_on


def test_the_environment_names_sockets(passed: Callable[..., None]) -> None:
    passed("3", "web:px")
    assert passed_sockets() == [("web", 3), ("px", 4), ("unknown", 5)]
    passed("1", "a:b:c")
    assert passed_sockets() == [("a", 3)]
    passed("2", "")
    assert passed_sockets() == [("unknown", 3), ("unknown", 4)]


@pytest.mark.parametrize("count", ["", "-1", "x", "1_0", "99999999999999999", "٣"])
def test_a_senseless_environment_names_nothing(passed: Callable[..., None], count: str) -> None:
    passed(count, "a")
    assert passed_sockets() == []


def test_sockets_of_another_process_are_not_ours(passed: Callable[..., None]) -> None:
    passed("1", "a", pid=str(os.getppid()))
    assert passed_sockets() == []
    with pytest.raises(OSError, match=r"fd:a: no such socket .* \(none at all\)"):
        inherited_socket(FdAddress("a"))


def test_an_inherited_socket_is_taken_over(passed: Callable[..., None]) -> None:
    passed("2", "one:two")
    with pytest.raises(OSError, match=r"fd:three: .* \(one, two\)"):
        inherited_socket(FdAddress("three"))
    ours, theirs = socket.socketpair()
    os.set_inheritable(ours.fileno(), True)
    with theirs, inherited_socket(FdAddress(ours.detach())) as sock:
        assert not sock.get_inheritable()
        sock.send(b"x")
        assert theirs.recv(1) == b"x"


def test_what_is_no_socket() -> None:
    with pytest.raises(OSError, match="fd:9999: no such descriptor is open"):
        inherited_socket(FdAddress(9999))
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="is not a socket"):
        inherited_socket(FdAddress(reading))
    os.close(reading)
    os.close(writing)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(OSError, match="is not a stream socket"):
            inherited_socket(FdAddress(sock.fileno()))
        assert sock.getsockname()  # it was given back
