"""Bridges to what is spoken over TLS and WebSockets: its bytes, as they are."""

from __future__ import annotations

import shlex
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import Certificates
from cli.processes import COMMAND, PATIENCE, Cli, Server
from cli.test_bridge import ended, pipes
from cli.test_bridge_listening import Bridge

BIG = bytes(range(256)) * 4 * 1024
Talk = Callable[[ssl.SSLSocket], None]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Far:
    """A TLS server of one connection, which is not of this library."""

    def __init__(self, certificates: Certificates, talk: Talk) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        port = self._listener.getsockname()[1]
        self.address = f"tls://127.0.0.1:{port}?ca={certificates.ca}"
        self.untrusted = f"tls://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._run, args=(context, talk))
        self._thread.start()

    def _run(self, context: ssl.SSLContext, talk: Talk) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(PATIENCE)
        try:
            with context.wrap_socket(sock, server_side=True) as wrapped:
                talk(wrapped)
        except ssl.SSLError:
            pass  # of who does not trust us

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()


@pytest.fixture
def far(certificates: Certificates) -> Iterator[Callable[[Talk], Far]]:
    made: list[Far] = []

    def make(talk: Talk) -> Far:
        made.append(Far(certificates, talk))
        return made[-1]

    yield make
    for each in made:
        each.close()


def answer(sock: ssl.SSLSocket) -> None:
    while not (data := sock.recv(1 << 16)).endswith(b"?"):
        assert data
    sock.sendall(b"an answer")


def test_the_answer_of_who_has_heard_all_arrives(cli: Cli, far: Callable[[Talk], Far]) -> None:
    result = cli("bridge", far(answer).address, stdin=BIG + b"?")
    assert (result.code, result.out, result.err) == (0, "an answer", "")


def test_who_says_no_more_is_closed(cli: Cli, far: Callable[[Talk], Far]) -> None:
    heard: list[bytes] = []

    def listen(sock: ssl.SSLSocket) -> None:
        while data := sock.recv(1 << 16):
            heard.append(data)

    result = cli("bridge", far(listen).address, stdin=BIG)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert b"".join(heard) == BIG


def test_what_is_on_its_way_leaves_when_the_other_side_is_gone(
    cli: Cli, far: Callable[[Talk], Far]
) -> None:
    heard: list[bytes] = []

    def listen(sock: ssl.SSLSocket) -> None:
        while data := sock.recv(1 << 16):
            heard.append(data)

    there = far(listen)
    process = cli.start("bridge", f"exec:head -c {len(BIG)} big", there.address)
    (cli.directory / "big").write_bytes(BIG)
    assert ended(process) in ("", "head: cannot open 'big' for reading: No such file or directory")
    there.close()
    assert b"".join(heard) == BIG


def test_a_certificate_that_nobody_trusts(cli: Cli, far: Callable[[Talk], Far]) -> None:
    result = cli("bridge", far(answer).untrusted)
    assert result.code == 69
    assert "the server's certificate is not trusted" in result.line


def test_who_does_not_answer(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        result = cli("bridge", f"tls://127.0.0.1:{port}", "--timeout", "100ms")
    assert result.code == 75
    assert "no answer within 0.1 s; give it more with --timeout" in result.line


def test_a_connection_that_breaks_is_one_line(cli: Cli, far: Callable[[Talk], Far]) -> None:
    def cut(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"x")
        sock.recv(1)
        # Not the end that TLS has, but bytes that are no TLS.
        with socket.socket(fileno=sock.detach()) as below:
            below.sendall(b"this is no record of TLS at all, whatever it begins with" * 10)

    process = cli.start("bridge", far(cut).address)
    ours, theirs = pipes(process)
    assert theirs.read(1) == b"x"
    ours.write(b"y")
    ours.flush()
    said = ended(process, 74)
    assert said.startswith("proxyables: tls://127.0.0.1:")
    assert said.count("\n") == 1


@pytest.mark.parametrize("scheme", ["tls", "ws"])
def test_calls_go_over_it(cli: Cli, certificates: Certificates, scheme: str) -> None:
    (cli.directory / "quiet.py").write_text("class Adder:\n    def add(self, a, b): return a + b\n")
    listen = {
        "tls": ["-l", f"tls://127.0.0.1:0?cert={certificates.server}"],
        "ws": ["-l", "ws://127.0.0.1:0/here"],
    }[scheme]
    server = Server(cli, ["quiet:Adder", "--factory", *listen])
    where = server.address.partition("?")[0]
    where += f"?ca={certificates.ca}" if scheme == "tls" else ""
    through = f"exec:{shlex.join([*COMMAND, 'bridge', where])}"
    result = cli("call", through, "add", "2", "3")
    assert (result.code, result.out, result.err) == (0, "5\n", "")
    bridge = Bridge(cli, ["-l", ":0", where])  # and anew for each that comes
    for _ in range(2):
        result = cli("call", bridge.address, "add", "2", "3")
        assert (result.code, result.out, result.err) == (0, "5\n", "")
    assert bridge.stop()[0] == 0


def test_no_websocket_there(cli: Cli) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    server = Server(cli, ["quiet:thing", "--ws", "127.0.0.1:0/here"])
    result = cli("bridge", server.address.replace("/here", "/there"))
    assert result.code == 69
    assert "the server refused the WebSocket with HTTP 404" in result.line


@pytest.mark.parametrize("target", ["fd:5", "-"])
def test_what_is_there_once_is_not_led_to_by_each(cli: Cli, target: str, tmp_path: Path) -> None:
    result = cli("bridge", "-l", f"{tmp_path}/x.sock", target)
    assert result.code == 2
    assert "there is one of it" in result.line
