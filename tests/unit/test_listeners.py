"""Listening sockets: modes, stale files, two at once, and a system that has run out of things."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import grp
import logging
import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import recording
from proxyables.errors import AuthenticationFailed
from proxyables.net import holders, listeners, socket_files
from proxyables.net.addresses import FdAddress, TcpAddress, UnixAddress
from proxyables.net.listeners import (
    Listener,
    is_listening,
    listen_inherited,
    listen_tcp,
    listen_unix,
)
from proxyables.net.socket_files import Access, SocketFile, understand_access
from recording import Run, eventually

run = recording.run  # the fixture


def is_reachable(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(path) == 0


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# --- TCP -----------------------------------------------------------------------------------------


def test_connections_are_accepted(run: Run) -> None:
    async def main() -> None:
        (listener,) = await listen_tcp(TcpAddress("127.0.0.1", 0), is_safe=False)
        port = int(listener.address.rpartition(":")[2])
        assert listener.address == f"tcp://127.0.0.1:{port}"
        assert port > 0
        early = socket.create_connection(("127.0.0.1", port))  # before anybody accepts
        accepted: list[socket.socket] = []
        listener.start(lambda sock, _listener: accepted.append(sock))
        late = socket.create_connection(("127.0.0.1", port))
        await eventually(lambda: len(accepted) == 2)
        assert not any(sock.getblocking() for sock in accepted)
        for sock in (early, late, *accepted):
            sock.close()
        listener.close()
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    run(main())


def test_every_interface(run: Run) -> None:
    async def main() -> None:
        opened = await listen_tcp(TcpAddress("*", 0), is_safe=True)
        port = opened[0].address.rpartition(":")[2]
        shown = [listener.address for listener in opened]
        expected = [f"tcp://0.0.0.0:{port}", f"tcp://[::]:{port}"]
        assert shown == expected[: len(shown)]
        assert len(shown) == 1 + has_ipv6()
        for listener in opened:
            listener.close()

    run(main())


def test_a_name_keeps_its_name_and_has_one_port(run: Run) -> None:
    async def main() -> None:
        opened = await listen_tcp(TcpAddress("localhost", 0), is_safe=False)
        assert len({listener.address for listener in opened}) == 1
        assert opened[0].address.startswith("tcp://localhost:")
        for listener in opened:
            listener.close()

    run(main())


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "::"])
def test_what_others_can_reach_is_refused(run: Run, host: str) -> None:
    async def main() -> None:
        with pytest.raises(AuthenticationFailed, match=r"other machines can reach .*\(insecure\)"):
            await listen_tcp(TcpAddress(host, 0), is_safe=False)

    run(main())


def test_a_port_in_use(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            message = f"cannot listen on tcp://127.0.0.1:{port}: address already in use"
            with pytest.raises(OSError, match=message) as caught:
                await listen_tcp(TcpAddress("127.0.0.1", port), is_safe=False)
            assert caught.value.errno == errno.EADDRINUSE

    run(main())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_here(run: Run, host: str) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=f"cannot listen on tcp://{host}:0: "):
            await listen_tcp(TcpAddress(host, 0), is_safe=True)

    run(main())


def test_another_port_is_tried_if_the_second_socket_cannot_have_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    binds: list[int] = []

    class Counting(socket.socket):
        def bind(self, address: Any) -> None:
            binds.append(address[1])
            super().bind(address)

    async def twice(_host: str, port: int) -> Any:
        # The second bind always finds the port of the first in use.
        return [(socket.AF_INET, ("127.0.0.1", port))] * 2

    monkeypatch.setattr(listeners, "look_up", twice)
    monkeypatch.setattr(socket, "socket", Counting)

    async def main() -> None:
        with pytest.raises(OSError, match="address already in use"):
            await listen_tcp(TcpAddress("localhost", 0), is_safe=False)

    run(main())
    assert len(binds) == 2 * listeners.PORT_ATTEMPTS
    assert binds[0] == 0
    assert binds[1] != 0


# --- Unix sockets --------------------------------------------------------------------------------


def test_a_socket_of_ones_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"

    async def main() -> None:
        mask = os.umask(0)
        try:
            listener = await listen_unix(UnixAddress(str(path)))
        finally:
            os.umask(mask)
        assert listener.address == f"unix:{path}"
        mode = path.lstat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert is_reachable(str(path))
        listener.close()
        assert not path.exists()

    run(main())


def test_the_file_is_never_open_to_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks at the file from within bind(), before anything could be set right afterwards."""
    seen: list[int] = []

    class Watching(socket.socket):
        def bind(self, address: Any) -> None:
            super().bind(address)
            seen.append(stat.S_IMODE(os.stat(address).st_mode))

    monkeypatch.setattr(socket, "socket", Watching)

    async def main() -> None:
        mask = os.umask(0)
        try:
            listener = await listen_unix(UnixAddress(str(tmp_path / "p.sock")))
            listener.close()
        finally:
            assert os.umask(mask) == 0  # left as it was
        assert seen == [0o600]

    run(main())


def test_a_relative_path_is_shown_and_removed_from_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        listener = await listen_unix(UnixAddress("p.sock"))
        assert listener.address == f"unix:{tmp_path}/p.sock"
        monkeypatch.chdir("/")
        listener.close()
        assert not (tmp_path / "p.sock").exists()

    run(main())


def test_a_stale_socket_is_replaced(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()

    async def main() -> None:
        listener = await listen_unix(UnixAddress(str(path)))
        assert is_reachable(str(path))
        listener.close()

    run(main())


def test_a_live_socket_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"

    async def main() -> None:
        listener = await listen_unix(UnixAddress(str(path)))
        before = SocketFile.of(str(path))
        with pytest.raises(OSError, match=f"cannot listen on unix:{path}: a server") as caught:
            await listen_unix(UnixAddress(str(path)))
        assert caught.value.errno == errno.EADDRINUSE
        assert SocketFile.of(str(path)) == before
        assert is_reachable(str(path))
        listener.close()

    run(main())


def test_a_busy_socket_counts_as_live(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(path)
            busy.listen(0)
            waiting = []
            while True:  # until its backlog is full
                sock = socket.socket(socket.AF_UNIX)
                sock.setblocking(False)
                waiting.append(sock)
                if sock.connect_ex(path) == errno.EAGAIN:
                    break
            with pytest.raises(OSError, match="a server listens there already"):
                await listen_unix(UnixAddress(path))
            for sock in waiting:
                sock.close()

    run(main())


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_a_foreign_file_is_left_alone(run: Run, tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "p.sock", tmp_path / "other"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(other)
    if kind == "link":
        with socket.socket(socket.AF_UNIX) as dead:  # stale, but it is the link that is in the way
            dead.bind(str(other))
    before = path.lstat()

    async def main() -> None:
        with pytest.raises(FileExistsError, match=f"cannot listen on unix:{path}: there is a file"):
            await listen_unix(UnixAddress(str(path)))

    run(main())
    assert path.lstat() == before
    assert other.exists() == (kind == "link")


def test_a_datagram_socket_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")

    async def main() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(path)
            with pytest.raises(OSError, match="a server listens there already"):
                await listen_unix(UnixAddress(path))

    run(main())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's socket")
def test_a_stale_socket_of_another_user_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    os.chown(path, 12345, 12345)

    async def main() -> None:
        with pytest.raises(FileExistsError, match="of another user"):
            await listen_unix(UnixAddress(path))

    run(main())


def test_only_its_own_file_is_removed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"

    async def main() -> None:
        listener = await listen_unix(UnixAddress(str(path)))
        path.unlink()
        path.write_text("somebody else's")
        listener.close()
        assert path.read_text() == "somebody else's"
        path.unlink()

        listener = await listen_unix(UnixAddress(str(path)))
        path.unlink()
        listener.close()

    run(main())


def test_no_such_directory(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "p.sock"

    async def main() -> None:
        with pytest.raises(FileNotFoundError, match=f"cannot listen on unix:{path}: no such file"):
            await listen_unix(UnixAddress(str(path)))

    run(main())


def test_many_starts_at_once_leave_one_server(tmp_path: Path) -> None:
    """Each in its own thread and loop, all over one stale socket."""
    path = str(tmp_path / "p.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    won: list[Listener] = []
    lost: list[OSError] = []
    together = threading.Barrier(8)
    done = threading.Barrier(8)

    async def start() -> None:
        together.wait()
        try:
            listener = await listen_unix(UnixAddress(path))
        except OSError as error:
            lost.append(error)
            done.wait()
        else:
            won.append(listener)
            done.wait()
            assert is_reachable(path)
            listener.close()

    threads = [threading.Thread(target=lambda: asyncio.run(start())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert {error.errno for error in lost} == {errno.EADDRINUSE}
    assert not os.path.exists(path)


@contextmanager
def held_lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def test_a_lock_that_is_never_given_back_keeps_nobody_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_files, "LOCK_PATIENCE", 0.05)

    async def main() -> None:
        with held_lock(tmp_path):
            listener = await listen_unix(UnixAddress(str(tmp_path / "p.sock")))
            listener.close()

    run(main())


def test_waiting_for_the_lock_can_be_cancelled(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with held_lock(tmp_path):
            starting = asyncio.ensure_future(listen_unix(UnixAddress(str(tmp_path / "p.sock"))))
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        assert not (tmp_path / "p.sock").exists()

    run(main())


def test_an_abstract_socket(run: Run) -> None:
    name = f"proxyables-test-{os.getpid()}"

    async def main() -> None:
        listener = await listen_unix(UnixAddress(f"@{name}"))
        assert listener.address == f"unix:@{name}"
        assert is_reachable(f"\0{name}")
        with pytest.raises(OSError, match=f"cannot listen on unix:@{name}: address already in"):
            await listen_unix(UnixAddress(f"@{name}"))
        listener.close()
        assert not is_reachable(f"\0{name}")

    run(main())


# --- inherited -----------------------------------------------------------------------------------


def test_an_inherited_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        for sock in (
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_UNIX),
        ):
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                sock.bind(str(tmp_path / "p.sock"))
                assert not is_listening(sock)
                sock.listen()
            assert is_listening(sock)
            listener = listen_inherited(FdAddress(sock.fileno()), sock, is_safe=False)
            if sock.family == socket.AF_UNIX:
                assert listener.address == f"unix:{tmp_path}/p.sock"
            else:
                assert listener.address == f"tcp://127.0.0.1:{sock.getsockname()[1]}"
            listener.close()
        assert (tmp_path / "p.sock").exists()  # whoever made it removes it

    run(main())


def test_an_inherited_socket_must_be_safe_too(run: Run) -> None:
    async def main() -> None:
        sock = socket.create_server(("0.0.0.0", 0))
        with pytest.raises(
            AuthenticationFailed, match=r"fd:7: other machines can reach 0\.0\.0\.0"
        ):
            listen_inherited(FdAddress(7), sock, is_safe=False)

    run(main())


# --- out of descriptors --------------------------------------------------------------------------


def take_every_descriptor() -> list[int]:
    hoard: list[int] = []
    while True:
        try:
            hoard.append(os.dup(2))
        except OSError:
            return hoard


def test_running_out_of_descriptors_neither_spins_nor_loses_anybody(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listeners, "ACCEPT_PAUSE", 0.05)
    caplog.set_level(logging.WARNING, "proxyables")

    async def main() -> None:
        (listener,) = await listen_tcp(TcpAddress("127.0.0.1", 0), is_safe=False)
        accepted: list[socket.socket] = []
        listener.start(lambda sock, _listener: accepted.append(sock))
        client = socket.socket()
        client.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        hoard = take_every_descriptor()
        client.connect_ex(("127.0.0.1", int(listener.address.rpartition(":")[2])))
        await eventually(lambda: len(caplog.records) >= 2)
        turns = len(caplog.records)
        for descriptor in hoard:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await eventually(lambda: accepted)
        assert turns < 5
        assert "cannot accept (Too many open files); trying again soon" in caplog.text
        accepted[0].close()
        client.close()
        listener.close()

    run(main())


def test_a_listener_that_rests_can_be_closed(run: Run) -> None:
    async def main() -> None:
        (listener,) = await listen_tcp(TcpAddress("127.0.0.1", 0), is_safe=False)
        listener.start(lambda sock, _listener: sock.close())
        listener._rest(OSError(errno.EMFILE, "Too many open files"))
        pause: Any = listener._pause
        listener.close()
        assert pause.cancelled()

    run(main())


# --- who may connect, and who has what is wanted -------------------------------------------------


def test_a_place_that_everybody_could_take(run: Run, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "p.sock"))

    async def main() -> None:
        os.chmod(tmp_path, 0o777)
        with pytest.raises(AuthenticationFailed, match="put another socket in its place"):
            await listen_unix(address)
        assert os.listdir(tmp_path) == []
        (await listen_unix(address, is_safe=True)).close()
        os.chmod(tmp_path, 0o1777)  # as /tmp is
        (await listen_unix(address)).close()

    run(main())


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_mode_is_exactly_what_was_asked_for(run: Run, tmp_path: Path, mask: int) -> None:
    path = tmp_path / "p.sock"

    async def main() -> None:
        before = os.umask(mask)
        try:
            access = understand_access(0o660, os.getgid())
            listener = await listen_unix(UnixAddress(str(path)), access)
        finally:
            assert os.umask(before) == mask
        assert stat.S_IMODE(path.lstat().st_mode) == 0o660
        assert path.lstat().st_gid == os.getgid()
        listener.close()

    run(main())


def test_every_user_is_let_in_only_on_purpose(run: Run, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "p.sock"))

    async def main() -> None:
        with pytest.raises(AuthenticationFailed, match="with mode 0666 every user"):
            await listen_unix(address, Access(0o666))
        assert os.listdir(tmp_path) == []
        (await listen_unix(address, Access(0o666), is_safe=True)).close()

    run(main())


def test_a_group_that_this_user_is_not_in(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"

    async def main() -> None:
        if os.geteuid() == 0:  # who may give files to any group
            listener = await listen_unix(UnixAddress(str(path)), Access(0o660, 1))
            assert path.lstat().st_gid == 1
            listener.close()
            return
        with pytest.raises(PermissionError, match="cannot give it to the group 1: "):
            await listen_unix(UnixAddress(str(path)), Access(0o660, 1))
        assert not path.exists()

    run(main())


def test_a_group_that_is_there(run: Run, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid())

    async def main() -> None:
        assert understand_access(None, None) == Access(0o600, None)
        assert understand_access(None, group.gr_name) == Access(0o660, group.gr_gid)

    run(main())


@pytest.mark.parametrize(
    ("mode", "group", "error", "says"),
    [
        (0o1777, None, ValueError, "up to 0o777, got 0o1777"),
        ("0660", None, TypeError, "got '0660'"),
        (None, "no such group", ValueError, "there is no group 'no such group'"),
    ],
)
def test_an_access_that_makes_no_sense(
    mode: Any, group: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        understand_access(mode, group)


def test_who_has_a_port_is_told(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(OSError, match=f"in use, by process {os.getpid()} [(].+[)]$"):
                await listen_tcp(TcpAddress("127.0.0.1", port), is_safe=False)

    run(main())


@pytest.mark.parametrize("is_abstract", [False, True])
def test_who_has_a_socket_is_told(run: Run, tmp_path: Path, is_abstract: bool) -> None:
    address = UnixAddress(f"@{tmp_path.name}-held" if is_abstract else str(tmp_path / "p.sock"))

    async def main() -> None:
        listener = await listen_unix(address)
        with pytest.raises(OSError, match=f", by process {os.getpid()} [(].+[)]$"):
            await listen_unix(address)
        listener.close()

    run(main())


def test_nobody_is_told_where_nobody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert holders.who_has_port(1) == ""
    assert holders.who_has_socket("/nowhere") == ""
    monkeypatch.setattr(holders, "_TCP_TABLES", ("/nowhere",))
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert holders.who_has_port(other.getsockname()[1]) == ""
