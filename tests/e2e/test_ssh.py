"""`ssh://` addresses: over a stand-in on PATH that runs commands here, and over a real sshd."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import proxyables
import recording
from proxyables import HandshakeFailed, connect, serve
from proxyables.net.ssh import PROGRAM
from recording import Run

run = recording.run  # the fixture

SOURCES = str(Path(proxyables.__file__).parents[1])
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

# Notes its arguments, and hands the command to a shell as sshd would: as one text.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" >{directory}/arguments
for last; do :; done
exec sh -c "$last"
"""
HERE = f"""#!/bin/sh
exec {shlex.quote(sys.executable)} -m proxyables_cli "$@"
"""


class Adder:
    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    def echo(self, data: bytes) -> bytes:
        return data


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory at the front of PATH, with this ``proxyables`` in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    install(directory / "proxyables", HERE)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{SOURCES}:{tmp_path}")
    monkeypatch.delenv(PROGRAM, raising=False)
    (tmp_path / "shop.py").write_text("class Shop:\n    def add(self, a, b): return a + b\n")
    return directory


@pytest.fixture
def stand_in(programs: Path) -> Path:
    install(programs / "ssh", STAND_IN.format(directory=shlex.quote(str(programs))))
    return programs


def install(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def arguments(directory: Path) -> list[str]:
    return (directory / "arguments").read_text().splitlines()


# --- a stand-in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.sock", "a b'c\"$(d).sock", "-x.sock"])
def test_a_socket_over_there(run: Run, stand_in: Path, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)

    async def main() -> None:
        far = connect(f"ssh://me@box:2222{path}", timeout=20)
        async with serve(Adder(), f"unix:{path}"), far as peer:
            assert await peer.root.add(2) == 2
            data = os.urandom(1 << 20)
            assert await peer.root.echo(data) == data

    run(main())
    given = arguments(stand_in)
    assert given[:2] == ["-T", "-x"]
    assert given[-7:-1] == ["-p", "2222", "-l", "me", "--", "box"]
    assert given[-1] == f"exec proxyables bridge {shlex.quote(f'unix:{path}')}"


def test_a_tcp_server_over_there(run: Run, stand_in: Path) -> None:
    async def main() -> None:
        async with serve(Adder(), ":0") as server:
            peer = await connect(f"ssh://box/{server.addresses[0]}", timeout=20)
            assert await peer.root.add(3) == 3
            peer.close()
            await peer.wait_closed()

    run(main())


def test_a_command_over_there(run: Run, stand_in: Path) -> None:
    async def main() -> None:
        address = "ssh://box/exec:proxyables serve shop:Shop --factory --stdio"
        async with connect(address, timeout=20) as peer:
            assert await peer.root.add(2, 3) == 5
        assert peer.child.returncode == 0  # type: ignore[attr-defined]
        assert not peer.child.was_signalled  # type: ignore[attr-defined]

    run(main())
    assert arguments(stand_in)[-1] == "exec proxyables serve shop:Shop --factory --stdio"


@pytest.mark.parametrize(
    ("script", "target", "reason", "told"),
    [
        (
            "echo 'ssh: Could not resolve hostname box: unknown' >&2; exit 255",
            "/x",
            "unreachable",
            "; ssh exited with status 255: ssh: Could not resolve hostname box: unknown",
        ),
        (
            "echo 'me@box: Permission denied (publickey).' >&2; exit 255",
            "/x",
            "unreachable",
            "; ssh exited with status 255: me@box: Permission denied (publickey).",
        ),
        (
            "echo 'sh: 1: exec: proxyables: not found' >&2; exit 127",
            "/x",
            "not-found",
            "exec: proxyables: not found; install proxyables over there, or say where it is: "
            "'ssh://box/exec:/PATH/TO/proxyables bridge unix:/x'",
        ),
        ('exec sh -c "exec no-such-program"', "/exec:no-such-program", "not-found", "not found"),
        ("kill -9 $$", "/x", "closed", "; ssh was ended by SIGKILL"),
        ("echo Welcome to box; exec cat", "/x", "not-a-peer", "not a proxyables peer"),
    ],
)
def test_what_goes_wrong(
    run: Run, programs: Path, script: str, target: str, reason: str, told: str
) -> None:
    install(programs / "ssh", f"#!/bin/sh\n{script}\n")

    async def main() -> None:
        with pytest.raises(HandshakeFailed) as caught:
            await connect(f"ssh://box{target}", timeout=20)
        assert str(caught.value).startswith(f"cannot connect to ssh://box{target}: ")
        assert told in str(caught.value)
        assert caught.value.reason == reason

    run(main())


def test_nobody_listens_over_there(run: Run, stand_in: Path, tmp_path: Path) -> None:
    async def main() -> None:
        told = "ssh exited with status 69: proxyables: cannot connect to unix:.*: no such file"
        with pytest.raises(HandshakeFailed, match=told):
            await connect(f"ssh://box{tmp_path}/none.sock", timeout=20)

    run(main())


def test_no_ssh_at_all(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def main() -> None:
        with pytest.raises(HandshakeFailed, match="^cannot start 'ssh': no such file") as caught:
            await connect("ssh://box/x")
        assert caught.value.reason == "not-found"

    run(main())


# --- a real one ----------------------------------------------------------------------------------


class Sshd(NamedTuple):
    """A server on a port of its own.

    Attributes:
        host: ``USER@127.0.0.1:PORT``.
        ssh: The command that knows the key and the host.
        directory: Where its files are.
    """

    host: str
    ssh: str
    directory: Path


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("there is no sshd here")
    directory = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user", "stranger"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    install(directory / "proxyables", HERE)
    key = (directory / "host.pub").read_text()
    (directory / "known").write_text(f"[127.0.0.1]:{port} {key}")
    (directory / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        f"HostKey {directory}/host\n"
        f"AuthorizedKeysFile {directory}/user.pub\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv PATH={directory}:/usr/bin:/bin PYTHONPATH={SOURCES}:{directory}\n"
    )
    (directory / "shop.py").write_text("class Shop:\n    def add(self, a, b): return a + b\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it separates its privileges there
    with open(directory / "log", "wb") as log:
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(directory / "config")],
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        wait_listening(server, port, directory / "log")
        user = pwd.getpwuid(os.geteuid()).pw_name
        options = f"-F none -i {directory}/user -o UserKnownHostsFile={directory}/known"
        strict = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
        yield Sshd(f"{user}@127.0.0.1:{port}", f"ssh {options} {strict}", directory)
    finally:
        server.terminate()
        server.wait()


def wait_listening(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.skip(f"sshd does not run here: {log.read_text()}")
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    pytest.fail(f"sshd does not listen: {log.read_text()}")


def test_a_socket_through_a_real_sshd(
    run: Run, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, sshd.ssh)
    path = str(tmp_path / "it's a $(socket)")

    async def main() -> None:
        async with serve(Adder(), f"unix:{path}") as server:
            async with connect(f"ssh://{sshd.host}{path}", timeout=30) as peer:
                assert await peer.root.add(2) == 2
                data = os.urandom(3 << 20)
                assert await peer.root.echo(data) == data
            assert peer.child.returncode == 0, peer.child.last_words  # type: ignore[attr-defined]
            await recording.eventually(lambda: not server.peers)  # the bridge has ended as well

    run(main())


def test_a_command_through_a_real_sshd(
    run: Run, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, sshd.ssh)

    async def main() -> None:
        target = "exec:proxyables serve shop:Shop --factory --stdio"
        async with connect(f"ssh://{sshd.host}/{target}", timeout=30) as peer:
            assert await peer.root.add(2, 3) == 5

    run(main())


@pytest.mark.parametrize(
    ("options", "target", "told"),
    [
        ("-o IdentityFile=none", "/x", "Permission denied (publickey)"),
        ("-o UserKnownHostsFile=/dev/null", "/x", "Host key verification failed"),
        ("-o BatchMode=maybe", "/x", "status 255"),
        ("", "/exec:no-such-program", "status 127 (a command was not found)"),
        ("", "/none.sock", "cannot connect to unix:/none.sock: no such file"),
    ],
)
def test_what_a_real_ssh_says(
    run: Run, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, options: str, target: str, told: str
) -> None:
    program, _, rest = sshd.ssh.partition(" ")
    if "IdentityFile" in options:
        rest = rest.replace(f"{sshd.directory}/user ", f"{sshd.directory}/stranger ")
        options = ""
    monkeypatch.setenv(PROGRAM, f"{program} {options} {rest}")

    async def main() -> None:
        with pytest.raises(HandshakeFailed) as caught:
            await connect(f"ssh://{sshd.host}{target}", timeout=30)
        assert told in str(caught.value)

    run(main())


def test_nobody_listens_for_a_real_ssh(
    run: Run, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, sshd.ssh)

    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"ssh://127.0.0.1:{free.getsockname()[1]}/x"
            with pytest.raises(HandshakeFailed, match="status 255: .*Connection refused") as caught:
                await connect(address, timeout=30)
        assert caught.value.reason == "unreachable"

    run(main())
