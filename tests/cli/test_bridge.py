"""The bridge: bytes both ways, each direction with an end of its own."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, Server
from cli.test_usage import imported

BIG = bytes(range(256)) * 4 * 4096  # more than all the buffers on the way


@pytest.fixture(params=["tcp", "unix"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    if request.param == "tcp":
        sock = socket.create_server(("127.0.0.1", 0))
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "far.sock"))
        sock.listen()
    sock.settimeout(PATIENCE)
    with sock:
        yield sock


def address(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"tcp://127.0.0.1:{name[1]}"


def accept(listener: socket.socket) -> socket.socket:
    sock, _ = listener.accept()
    sock.settimeout(PATIENCE)
    return sock


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def ended(process: subprocess.Popen[bytes], code: int = 0) -> str:
    """Waits for the end with this code, and returns what was said."""
    assert process.wait(PATIENCE) == code
    assert process.stderr is not None
    return process.stderr.read().decode()


def test_the_end_of_our_input_leaves_their_answer_its_way(
    cli: Cli, listener: socket.socket
) -> None:
    process = cli.start("bridge", address(listener))
    ours, theirs = pipes(process)
    ours.write(b"question")
    ours.close()
    with accept(listener) as far:
        assert read_all(far) == b"question"
        far.sendall(b"answer")
    assert theirs.read() == b"answer"
    assert ended(process) == ""


def test_their_end_leaves_our_words_their_way(cli: Cli, listener: socket.socket) -> None:
    process = cli.start("bridge", address(listener))
    ours, theirs = pipes(process)
    with accept(listener) as far:
        far.sendall(b"last words")
        far.shutdown(socket.SHUT_WR)
        assert theirs.read() == b"last words"
        ours.write(b"late")
        ours.close()
        assert read_all(far) == b"late"
    assert ended(process) == ""


def test_much_both_ways_at_once(cli: Cli, listener: socket.socket) -> None:
    process = cli.start("bridge", address(listener))
    ours, theirs = pipes(process)

    def write() -> None:
        ours.write(BIG)
        ours.close()

    with accept(listener) as far:
        received: list[bytes] = []
        threads = [
            threading.Thread(target=write),
            threading.Thread(target=far.sendall, args=(BIG,)),
            threading.Thread(target=lambda: received.append(read_all(far))),
        ]
        for thread in threads:
            thread.start()
        assert theirs.read(len(BIG)) == BIG
        for thread in threads:
            thread.join(PATIENCE)
        assert received == [BIG]
    assert ended(process) == ""


def test_a_unix_socket_that_is_gone_ends_it(cli: Cli, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "far.sock"))
        listener.listen()
        process = cli.start("bridge", address(listener))
        accept(listener).close()
        # Our side of it is still open, and has nothing to say.
        assert ended(process) == ""


def test_a_connection_that_breaks_is_one_line(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = cli.start("bridge", address(listener))
        _, theirs = pipes(process)
        with accept(listener) as far:
            far.sendall(b"x")
            assert theirs.read(1) == b"x"  # so it is relaying
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        said = ended(process, 74)
        assert said == f"proxyables: {address(listener)}: connection reset by peer\n"


def test_a_reader_that_left_is_no_news(cli: Cli, listener: socket.socket) -> None:
    process = cli.start("bridge", address(listener))
    _, theirs = pipes(process)
    with accept(listener) as far:
        theirs.close()
        far.sendall(b"anybody?")
        assert ended(process, 141) == ""


def test_ctrl_c(cli: Cli, listener: socket.socket) -> None:
    process = cli.start("bridge", address(listener))
    _, theirs = pipes(process)
    with accept(listener) as far:
        far.sendall(b"x")
        assert theirs.read(1) == b"x"  # so it is relaying
        process.send_signal(signal.SIGINT)
        assert ended(process, 130) == ""
        assert read_all(far) == b""


def test_two_sockets(cli: Cli, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.socket(socket.AF_UNIX) as other,
    ):
        other.bind(str(tmp_path / "other.sock"))
        other.listen()
        process = cli.start("bridge", address(one), address(other))
        with accept(one) as left, accept(other) as right:
            left.sendall(b"to the right")
            left.shutdown(socket.SHUT_WR)
            assert read_all(right) == b"to the right"
            right.sendall(b"to the left")
            right.shutdown(socket.SHUT_WR)
            assert read_all(left) == b"to the left"
        assert ended(process) == ""


@pytest.mark.parametrize("words", [["-", "{}"], ["{}", "stdio:"]])
def test_standard_input_and_output_by_name(
    cli: Cli, listener: socket.socket, words: list[str]
) -> None:
    process = cli.start("bridge", *(word.format(address(listener)) for word in words))
    ours, theirs = pipes(process)
    ours.close()
    with accept(listener) as far:
        assert read_all(far) == b""
        far.sendall(b"hi")
    assert theirs.read() == b"hi"
    assert ended(process) == ""


# --- descriptors of all kinds --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("redirection", "heard"),
    [("</dev/null", b""), ("<&-", b""), ("<file", b"in a file"), ("2>&- </dev/null", b"")],
)
def test_odd_descriptors(cli: Cli, listener: socket.socket, redirection: str, heard: bytes) -> None:
    (cli.directory / "file").write_text("in a file")
    script = f"exec {shlex.join(COMMAND)} bridge {address(listener)} {redirection} >out"
    with subprocess.Popen(["sh", "-c", script], cwd=cli.directory, env=cli.env) as process:
        with accept(listener) as far:
            assert read_all(far) == heard
            far.sendall(b"answer")
        assert process.wait(PATIENCE) == 0
    assert (cli.directory / "out").read_bytes() == b"answer"


def test_one_socket_that_does_not_block(cli: Cli, listener: socket.socket) -> None:
    near, its = socket.socketpair()
    its.setblocking(False)
    command = [*COMMAND, "bridge", address(listener)]
    with near, subprocess.Popen(command, stdin=its, stdout=its, env=cli.env) as process:
        its.close()
        near.settimeout(PATIENCE)
        with accept(listener) as far:
            sender = threading.Thread(target=far.sendall, args=(BIG,))
            sender.start()
            near.sendall(b"question")
            assert far.recv(100) == b"question"
            near.shutdown(socket.SHUT_WR)
            assert far.recv(100) == b""
            received = bytearray()
            while len(received) < len(BIG):
                received += near.recv(1 << 16)
            assert received == BIG
            sender.join(PATIENCE)
            far.shutdown(socket.SHUT_WR)
            assert near.recv(1) == b""
        assert process.wait(PATIENCE) == 0


def test_a_terminal_is_refused(cli: Cli) -> None:
    ours, theirs = os.openpty()
    command = [*COMMAND, "bridge", ":1"]
    made = subprocess.run(
        command, stdin=theirs, capture_output=True, env=cli.env, timeout=PATIENCE, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert made.returncode == 2
    assert b"stdin is a terminal" in made.stderr


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "takes one address or two, got 0"),
        (["./a", "./b", "./c"], 2, "takes one address or two, got 3"),
        (["-"], 2, "one side of a bridge only"),
        (["fd:5", "fd:5"], 2, "fd:5 can be one side of a bridge only"),
        (["fd:99"], 69, "fd:99: no such descriptor is open"),
        (["@nobody"], 2, "nobody"),
        (["--", "./no-such-program"], 127, "'./no-such-program': no such file or directory"),
        (["--", "/etc/passwd"], 126, "'/etc/passwd': permission denied"),
        (["tls://127.0.0.1:1"], 69, "cannot connect to tls://127.0.0.1:1: connection refused"),
        (["tls://127.0.0.1:1?ca=none.pem"], 2, "cannot read ca=none.pem"),
        (["ws://127.0.0.1:1"], 69, "cannot connect to ws://127.0.0.1:1/: connection refused"),
        (["nonsense"], 2, "'nonsense'"),
        (["./none.sock"], 69, "cannot connect to unix:./none.sock: no such file or directory"),
        (["tcp://127.0.0.1:1"], 69, "cannot connect to tcp://127.0.0.1:1: connection refused"),
        (["tcp://no.such.host.invalid:1"], 69, "cannot connect to tcp://no.such.host.invalid:1: "),
    ],
)
def test_failures_are_one_line(cli: Cli, words: list[str], code: int, said: str) -> None:
    result = cli("bridge", *words)
    assert result.code == code, result
    assert said in result.line
    assert result.out == ""


def test_nobody_accepts(cli: Cli, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "far.sock"))
        listener.listen(0)
        waiting = []
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            waiting.append(sock)
            if sock.connect_ex(str(tmp_path / "far.sock")):
                break
        result = cli("bridge", address(listener), "--timeout", "50ms")
        for sock in waiting:
            sock.close()
    assert result.code == 75
    assert "no answer within 0.05 s; give it more with --timeout" in result.line


# --- in use --------------------------------------------------------------------------------------


def test_calls_go_over_it(cli: Cli, shop: Server) -> None:
    address = f"exec:{shlex.join([*COMMAND, 'bridge', shop.address])}"
    result = cli("call", address, "add", "2", "3")
    assert (result.code, result.out, result.err) == (0, "5\n", "")


def test_where_servers_listen_is_not_where_bridges_do(cli: Cli, shop: Server) -> None:
    address = f"exec:{shlex.join([*COMMAND, 'bridge', shop.address])}"
    result = cli("call", address, "add", "2", "3", env={"PROXYABLES_LISTEN": ":0"})
    assert (result.code, result.out, result.err) == (0, "5\n", "")


def test_a_bridge_that_fails_is_explained_by_who_has_started_it(cli: Cli) -> None:
    result = cli("-q", "call", f"exec:{shlex.join([*COMMAND, 'bridge', './none'])}", "add")
    assert result.code == 69
    assert result.line.endswith(
        "the child exited with status 69: "
        "proxyables: cannot connect to unix:./none: no such file or directory"
    )


def test_it_starts_with_next_to_nothing() -> None:
    found = imported("bridge", "./none.sock")
    assert not found & {"asyncio", "typer", "msgpack", "uvloop", "proxyables.peer.peer"}
