"""Bridges that listen: a child or a connection for each who comes, or one server for all."""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, Server, Starter, until
from cli.test_usage import imported

BIG = bytes(range(256)) * 4 * 4096  # more than all the buffers on the way
CHILD = """
import os, sys
sys.stderr.write("child says hello\\n")
sys.stderr.flush()
while data := os.read(0, 65536):
    os.write(1, data)
os.write(1, b"bye")
"""


class Bridge:
    """A ``bridge --listen`` process that has said where it listens."""

    def __init__(self, cli: Cli, words: Sequence[str]) -> None:
        self.process = cli.start("bridge", "-v", *words)
        self.lines: list[str] = []
        self.address = self.hear("bridging ").split()[2]

    def hear(self, text: str) -> str:
        """Reads what it says up to a line with this text."""
        assert self.process.stderr is not None
        while not (self.lines and text in self.lines[-1]):
            line = self.process.stderr.readline().decode()
            assert line, f"the bridge ended: {self.lines}"
            self.lines.append(line)
        return self.lines[-1]

    def dial(self) -> socket.socket:
        if self.address.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(self.address.removeprefix("unix:"))
            return sock
        port = int(self.address.rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port), PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Sends a signal and waits for the end; returns the code and what was said since."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said.decode()


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


@pytest.fixture
def child(cli: Cli) -> list[str]:
    (cli.directory / "child.py").write_text(CHILD)
    return ["--", sys.executable, "child.py"]


@pytest.fixture(params=[":0", "./bridge.sock"])
def bridge(request: pytest.FixtureRequest, cli: Cli, child: list[str]) -> Bridge:
    return Bridge(cli, ["-l", request.param, *child])


# --- a child for each ----------------------------------------------------------------------------


def test_a_child_for_each_connection(bridge: Bridge) -> None:
    with bridge.dial() as one, bridge.dial() as other:
        one.sendall(b"one")
        other.sendall(b"other")
        assert one.recv(3) == b"one"
        assert other.recv(5) == b"other"
        one.shutdown(socket.SHUT_WR)  # which the child is told, and can still answer
        assert read_all(one) == b"bye"
        other.sendall(b"more")
        assert other.recv(4) == b"more"
        assert "child says hello" in bridge.hear(f"{Path(sys.executable).name}[")
    code, _ = bridge.stop()
    assert code == 0
    assert not os.path.exists(bridge.address.removeprefix("unix:"))


def test_much_both_ways_is_held_up_by_who_does_not_read(bridge: Bridge) -> None:
    with bridge.dial() as sock:
        sock.setblocking(False)
        sent = 0
        # The child echoes, and we do not read: soon nothing more is taken, wherever it is kept.
        while sent < 64 * len(BIG):
            try:
                sent += sock.send(BIG)
            except BlockingIOError:
                if not _has_room(sock):
                    break
        assert sent < 64 * len(BIG)
        sock.settimeout(PATIENCE)
        received = 0
        while received < sent:
            received += len(sock.recv(1 << 20))
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"bye"
    assert bridge.stop()[0] == 0


def _has_room(sock: socket.socket) -> bool:
    return bool(select.select([], [sock], [], 1.0)[1])


def test_the_child_of_who_has_left_is_ended_with_all_it_started(cli: Cli) -> None:
    script = "sleep 1000 & echo $! $$; exec cat"
    bridge = Bridge(cli, ["-l", ":0", "--", "sh", "-c", script])
    with bridge.dial() as sock:
        pids = [int(word) for word in sock.recv(100).split()]
        assert len(pids) == 2
    until(lambda: not any(map(_runs, pids)))
    assert bridge.stop()[0] == 0


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # an orphan's end is for the system to collect


def test_one_child_too_many(cli: Cli, child: list[str]) -> None:
    bridge = Bridge(cli, ["-l", ":0", "--max-children", "1", *child])
    with bridge.dial() as one:
        one.sendall(b"one")
        assert one.recv(3) == b"one"
        with bridge.dial() as other:
            assert read_all(other) == b""
        assert "there are no more than 1" in bridge.hear("was closed")
        one.shutdown(socket.SHUT_WR)
        assert read_all(one) == b"bye"
    assert bridge.stop()[0] == 0


def test_silence_ends_a_connection(cli: Cli, child: list[str]) -> None:
    bridge = Bridge(cli, ["-l", ":0", "--idle-timeout", "200ms", *child])
    with bridge.dial() as sock:
        assert read_all(sock) in (b"", b"bye")
    assert "it was idle" in bridge.hear("was closed")
    assert bridge.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_child_finish(bridge: Bridge, number: int) -> None:
    with bridge.dial() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert bridge.stop(number)[0] == 0
        assert read_all(sock) == b"bye"


@pytest.mark.parametrize("shared", [[], ["--shared"]])
def test_a_hang_up_is_the_end_too(cli: Cli, shared: list[str]) -> None:
    words = [*COMMAND, "serve", "shop:shop", "--stdio", "--pid-file", "child.pid"]
    bridge = Bridge(cli, ["-l", "./door.sock", *shared, "--", *words])
    with bridge.dial():
        told = cli.directory / "child.pid"
        until(lambda: told.exists() and told.read_text().endswith("\n"))
        pid = int(told.read_text())
        bridge.process.send_signal(signal.SIGHUP)
        bridge.process.send_signal(signal.SIGHUP)  # a shell and its terminal both send one
        assert bridge.process.wait(PATIENCE) == 0
    until(lambda: not _runs(pid))
    assert not (cli.directory / "door.sock").exists()


def test_a_bridge_without_a_terminal_may_outlive_it(cli: Cli, child: list[str]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        bridge = Bridge(cli, ["-l", ":0", *child])
    finally:
        signal.signal(signal.SIGHUP, before)
    bridge.process.send_signal(signal.SIGHUP)
    with bridge.dial() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    assert bridge.stop()[0] == 0


def test_a_child_that_does_not_end_has_its_grace(cli: Cli) -> None:
    script = "trap '' TERM; echo $$; while :; do sleep 1; done"
    bridge = Bridge(cli, ["-l", ":0", "--grace", "100ms", "--", "sh", "-c", script])
    with bridge.dial() as sock:
        pid = int(sock.recv(100))
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(PATIENCE) == 0
    assert not _runs(pid)


def test_a_second_signal_ends_it_at_once(cli: Cli) -> None:
    bridge = Bridge(cli, ["-l", ":0", "--grace", "1h", "--", "sh", "-c", "echo x; exec sleep 1000"])
    with bridge.dial() as sock:
        assert sock.recv(2) == b"x\n"
        bridge.process.send_signal(signal.SIGTERM)
        until(lambda: not _listens(bridge))
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(PATIENCE) == 128 + signal.SIGTERM


def _listens(bridge: Bridge) -> bool:
    try:
        bridge.dial().close()
    except ConnectionError:  # refused, or reset if it was closed meanwhile
        return False
    return True


def test_a_child_that_fails_is_a_line(cli: Cli) -> None:
    bridge = Bridge(cli, ["-l", ":0", "--", "sh", "-c", "echo no luck >&2; exit 3"])
    with bridge.dial() as sock:
        assert read_all(sock) == b""
    assert "exited with status 3: no luck" in bridge.hear("exited")
    assert bridge.stop()[0] == 0


# --- a connection for each -----------------------------------------------------------------------


def test_a_connection_for_each(cli: Cli, shop: Server) -> None:
    bridge = Bridge(cli, ["-l", "./door.sock", shop.address])
    assert stat.S_IMODE((cli.directory / "door.sock").stat().st_mode) == 0o600
    for _ in range(2):
        result = cli("call", bridge.address, "add", "2", "3")
        assert (result.code, result.out, result.err) == (0, "5\n", "")
    assert bridge.stop()[0] == 0
    assert not (cli.directory / "door.sock").exists()


@pytest.mark.parametrize("shared", [[], ["--shared"]])
def test_an_alias_of_where_it_listens(cli: Cli, shop: Server, shared: list[str]) -> None:
    (cli.directory / "aliases.toml").write_text("[aliases]\ndoor = './door.sock'\n")
    bridge = Bridge(cli, ["--config", "aliases.toml", "-l", "@door", *shared, shop.address])
    assert cli("call", "./door.sock", "add", "2", "3").out == "5\n"
    assert bridge.stop()[0] == 0


def test_an_alias_with_a_secret_is_one_for_who_shares(cli: Cli, shop: Server) -> None:
    (cli.directory / "secret").write_text("open sesame")
    (cli.directory / "secret").chmod(0o600)
    text = "[aliases]\ndoor = {address = './door.sock', token-file = 'secret'}\n"
    (cli.directory / "aliases.toml").write_text(text)
    bridge = Bridge(cli, ["--config", "aliases.toml", "-l", "@door", "--shared", shop.address])
    assert cli("call", "./door.sock", "add", "2", "3").code == 77
    assert cli("--config", "aliases.toml", "call", "@door", "add", "2", "3").out == "5\n"
    assert bridge.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("shared", [[], ["--shared"]])
def test_a_signal_lets_a_call_over_a_connection_end(
    cli: Cli, serve: Starter, shared: list[str], number: int
) -> None:
    """A server takes the end of a socket's input for the end of whoever calls."""
    server = serve("shop:shop", "--unix", "far.sock")
    bridge = Bridge(cli, ["-l", "./door.sock", *shared, "./far.sock"])
    caller = cli.start("call", "./door.sock", "announced", "1")
    assert server.process.stdout is not None
    while server.process.stdout.readline() != b"running\n":
        pass
    assert bridge.stop(number) == (0, "")
    out, err = caller.communicate(timeout=PATIENCE)
    assert (caller.returncode, out, err) == (0, b'"done"\n', b"")


def test_a_connection_has_its_grace(cli: Cli, shop: Server) -> None:
    bridge = Bridge(cli, ["-l", "./door.sock", "--grace", "100ms", shop.address])
    caller = cli.start("call", "./door.sock", "slow", "3600")
    with bridge.dial():
        assert bridge.stop()[0] == 0
    caller.communicate(timeout=PATIENCE)
    assert caller.returncode in (69, 74)


def test_nobody_at_the_other_end_is_a_line(cli: Cli) -> None:
    bridge = Bridge(cli, ["-l", ":0", "./none.sock"])
    with bridge.dial() as sock:
        assert read_all(sock) == b""
    said = bridge.hear("cannot connect")
    assert said.endswith("cannot connect to unix:./none.sock: no such file or directory\n")
    assert bridge.stop()[0] == 0


# --- one server for all --------------------------------------------------------------------------


@pytest.fixture
def shared(cli: Cli, shop: Server) -> Iterator[Bridge]:
    bridge = Bridge(cli, ["-l", ":0", "--shared", shop.address])
    yield bridge
    assert bridge.stop()[0] == 0


def test_all_share_one_server(cli: Cli, shared: Bridge) -> None:
    assert cli("set", shared.address, "level", "7").code == 0
    assert cli("get", shared.address, "level").out == "7\n"
    assert '"name":"add"' in cli("ls", shared.address).out
    failed = cli("call", shared.address, "fail")
    assert (failed.code, failed.out) == (1, "")
    assert "ValueError: no such" in failed.line


def test_streams_and_callbacks_pass_through(cli: Cli, shared: Bridge) -> None:
    script = (
        "numbers = []\n"
        "async for number in obj.numbers():\n"
        "    numbers.append(number)\n"
        "    if number == 3: break\n"
        "print(numbers)\n"
        "print(obj.echo(lambda: 1)[0]())\n"
    )
    result = cli("repl", shared.address, "-c", script)
    assert (result.code, result.out) == (0, "[0, 1, 2, 3]\n1\n"), result


def test_one_child_for_all(cli: Cli) -> None:
    words = [*COMMAND, "serve", "shop:shop", "--stdio"]
    bridge = Bridge(cli, ["-l", ":0", "--shared", "--", *words])
    assert cli("set", bridge.address, "level", "7").code == 0
    assert cli("get", bridge.address, "level").out == "7\n"
    assert bridge.stop()[0] == 0


def test_a_lost_server_ends_it(cli: Cli) -> None:
    bridge = Bridge(cli, ["-l", ":0", "--shared", "--", *COMMAND, "serve", "shop:shop", "--stdio"])
    result = cli("call", bridge.address, "die")
    assert result.code in (1, 74)
    assert bridge.process.wait(PATIENCE) == 74
    assert "is lost; --reconnect opens it again" in bridge.hear("is lost")


def test_a_lost_server_is_opened_again_for_those_who_are_there(cli: Cli) -> None:
    words = [*COMMAND, "serve", "shop:shop", "--stdio"]
    bridge = Bridge(cli, ["-l", ":0", "--shared", "--reconnect", "--", *words])
    process = cli.start("repl", bridge.address)
    assert process.stdin is not None
    assert process.stdout is not None
    # One connection of the REPL's lives through all of it: piped input is read whole first.
    script = (
        "obj.level = 5\n"
        "try:\n    obj.die()\nexcept Exception as error:\n    print('lost')\n"
        "async def back():\n"
        "    while True:\n"
        "        try:\n            return await obj.level\n"
        "        except Exception:\n            await asyncio.sleep(0.05)\n"
        "print(await back())\n"
    )
    out, err = process.communicate(script.encode(), timeout=PATIENCE)
    assert out == b"lost\n1\n", err
    bridge.hear("is lost; trying to open it again")
    bridge.hear("connected to ")
    assert bridge.stop()[0] == 0


def test_a_token_is_asked_for(cli: Cli, shop: Server) -> None:
    (cli.directory / "secret").write_text("open sesame")
    (cli.directory / "secret").chmod(0o600)
    bridge = Bridge(cli, ["-l", ":0", "--shared", "--token-file", "secret", shop.address])
    assert cli("call", bridge.address, "add", "2", "3").code == 77
    assert cli("call", bridge.address, "add", "2", "3", "--token-file", "secret").out == "5\n"
    assert bridge.stop()[0] == 0


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-l", ":0"], 2, "takes one address to lead to, got 0"),
        (["-l", ":0", "./a", "./b"], 2, "takes one address to lead to, got 2"),
        (["-l", ":0", "--"], 2, "-- takes a program"),
        (["-l", "nonsense", "./a"], 2, "'nonsense'"),
        (["-l", "@nobody", "./a"], 2, "there is no alias '@nobody'"),
        (["-l", "-", "./a"], 2, "does not listen on stdio:"),
        (["-l", "tls://localhost:0", "./a"], 2, "listening with TLS takes a certificate"),
        (["-l", "tls://localhost:0?cert=none", "./a"], 2, "cannot read cert=none: no such file"),
        (["-l", ":0", "-"], 2, "connections lead to exec:, ssh:, tls:, tcp:, unix: or ws:, not"),
        (["-l", ":0", "--max-children", "x", "./a"], 2, "--max-children takes a whole number"),
        (["--shared", "./a"], 2, "--shared is for --listen"),
        (["-l", ":0", "--reconnect", "./a"], 2, "--reconnect is for --shared"),
        (["-l", ":0", "--token-file", "x", "./a"], 2, "--token-file is for --shared"),
        (["-l", ":0", "--", "no-such-program"], 127, "cannot start 'no-such-program': no such"),
        (["-l", ":0", "--", "./plain"], 126, "cannot start './plain': permission denied"),
        (["-l", ":0", "--shared", "./none"], 69, "cannot connect to unix:./none"),
        (["-l", "*:0", "./a"], 77, "other machines can reach 0.0.0.0"),
        (["-l", "./none/x.sock", "./a"], 73, "cannot listen on unix:./none/x.sock: no such file"),
        (["-l", "./plain", "./a"], 73, "there is a file that is not a socket; remove it"),
        (["-l", "./open/x.sock", "./a"], 77, "every user of this machine can put another socket"),
    ],
)
def test_failures_are_one_line(cli: Cli, words: list[str], code: int, says: str) -> None:
    (cli.directory / "plain").write_text("kept")
    (cli.directory / "open").mkdir()
    (cli.directory / "open").chmod(0o777)
    result = cli("bridge", *words)
    assert result.code == code, result
    assert says in result.line
    assert result.out == ""
    assert (cli.directory / "plain").read_text() == "kept"


def test_a_shared_server_without_a_certificate(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    result = cli("bridge", "-l", "tls://localhost:0", "--shared", server.address)
    assert (result.code, "listening with TLS takes" in result.line) == (2, True), result


def test_a_port_that_is_taken(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = cli("bridge", "-l", f":{taken.getsockname()[1]}", "./a")
    assert result.code == 73
    assert "address already in use" in result.line


def test_a_link_to_a_socket_is_not_followed(cli: Cli, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    (cli.directory / "link.sock").symlink_to(tmp_path / "dead.sock")
    result = cli("bridge", "-l", "./link.sock", "./a")
    assert result.code == 73
    assert "there is a file that is not a socket" in result.line
    assert (tmp_path / "dead.sock").exists()


def test_a_stale_socket_of_ours_is_replaced(cli: Cli, child: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(cli.directory / "stale.sock"))
    bridge = Bridge(cli, ["-l", "./stale.sock", *child])
    with bridge.dial() as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"bye"
    assert bridge.stop()[0] == 0


def test_a_bridge_that_listens_needs_no_typer() -> None:
    found = imported("bridge", "-l", "./none/x.sock", "--", "cat")
    assert not found & {"typer", "rich", "prompt_toolkit", "proxyables.sync"}
