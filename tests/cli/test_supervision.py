"""What supervisors see of a server, and how they and the environment tell it what to do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, Server, Starter, until
from proxyables_cli.exits import Code


def test_the_ready_descriptor_gets_one_line_and_its_end(cli: Cli) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "serve", "shop:shop", "--tcp", ":0", "-q", "--ready-fd", str(writing)],
        pass_fds=[writing],
        cwd=cli.directory,
        env=cli.env,
        stdout=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with open(reading, encoding="utf-8") as file:
            lines = file.read().splitlines()  # to its end: the server has closed it
        told = json.loads(lines[0])
        assert len(lines) == 1
        assert told["pid"] == process.pid
        assert cli("call", told["addresses"][0], "add", "2", "3").out == "5\n"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", ["0", "1"])
@pytest.mark.parametrize("listener", [["--stdio"], ["-l", "-"]])
def test_a_ready_descriptor_that_is_the_wire(cli: Cli, listener: list[str], number: str) -> None:
    result = cli("serve", "shop:shop", *listener, "--ready-fd", number)
    assert (result.code, result.out) == (2, "")
    assert f"--ready-fd {number}" in result.line


def test_a_ready_descriptor_that_is_not_open(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--ready-fd", "77")
    assert (result.code, result.out) == (Code.USAGE, "")
    assert "--ready-fd 77: bad file descriptor" in result.line


def test_the_pid_file_is_there_while_the_server_runs(
    cli: Cli, serve: Starter, tmp_path: Path
) -> None:
    path = tmp_path / "shop.pid"
    path.write_text("999999999\n")  # of a server that was killed
    server = serve("shop:shop", "--tcp", ":0", "--pid-file", str(path))
    assert path.read_text() == f"{server.process.pid}\n"
    second = cli("serve", "shop:shop", "--tcp", ":0", "--pid-file", str(path))
    assert second.code == Code.CANNOT_LISTEN
    assert f"process {server.process.pid} runs already" in second.line
    assert server.stop().code == 0
    assert not path.exists()


def test_a_pid_file_that_cannot_be_written(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--tcp", ":0", "--pid-file", "/nowhere/x.pid")
    assert result.code == Code.CANNOT_LISTEN
    assert "/nowhere/x.pid" in result.line


def test_what_is_no_file_is_written_to_and_stays(cli: Cli, tmp_path: Path) -> None:
    """As root, unlinking the path would take the system's device away."""
    path = tmp_path / "null"
    path.symlink_to("/dev/null")
    server = Server(cli, ["shop:shop", "--tcp", ":0", "--pid-file", str(path)])
    assert server.stop().code == 0
    assert path.is_symlink()
    path.unlink()
    path.symlink_to("/dev/full")
    full = cli("serve", "shop:shop", "--tcp", ":0", "--pid-file", str(path))
    assert full.code == Code.CANNOT_LISTEN
    assert f"cannot write the file {path}: no space left on device" in full.line


def test_a_number_that_was_left_may_be_that_of_another_process_by_now(
    serve: Starter, tmp_path: Path
) -> None:
    path = tmp_path / "shop.pid"
    path.write_text(f"{os.getpid()}\n")
    server = serve("shop:shop", "--tcp", ":0", "--pid-file", str(path))
    assert path.read_text() == f"{server.process.pid}\n"
    server.process.kill()
    server.process.wait()
    again = serve("shop:shop", "--tcp", ":0", "--pid-file", str(path))
    assert path.read_text() == f"{again.process.pid}\n"


def test_of_servers_that_start_at_once_one_has_the_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "shop.pid"
    words = ["serve", "shop:shop", "--tcp", ":0", "--pid-file", str(path)]
    started = [cli.start(*words) for _ in range(4)]
    until(lambda: sum(each.poll() is None for each in started) == 1)
    (runs,) = [each for each in started if each.poll() is None]
    until(lambda: path.read_text() == f"{runs.pid}\n")
    runs.terminate()
    told = [each.communicate(timeout=PATIENCE)[1].decode() for each in started]
    assert sum("runs already, says" in text for text in told) == 3
    assert not path.exists()


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told(cli: Cli, serve: Starter, tmp_path: Path, is_abstract: bool) -> None:
    name = f"@{tmp_path.name}-notify" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1) if is_abstract else name)
        listener.settimeout(PATIENCE)
        cli.env |= {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}
        server = serve("shop:shop", "--tcp", ":0")
        ready = listener.recv(4096).decode().splitlines()
        assert ready[:2] == ["READY=1", f"MAINPID={server.process.pid}"]
        assert server.address in ready[2]
        assert [listener.recv(4096) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        assert cli("call", server.address, "add", "2", "3").out == "5\n"
        while (state := listener.recv(4096)) == b"WATCHDOG=1":
            pass
        assert state.startswith(b"STATUS=serving on tcp://")
        assert state.endswith((b", 1 connection", b", 0 connections"))
        server.process.send_signal(signal.SIGTERM)
        while (state := listener.recv(4096)).startswith((b"WATCHDOG=1", b"STATUS=")):
            pass
        assert state == b"STOPPING=1"
        assert server.wait().code == 0


def test_a_notify_socket_that_nobody_reads_does_no_harm(cli: Cli, serve: Starter) -> None:
    cli.env |= {"NOTIFY_SOCKET": "/nowhere/notify"}
    assert serve("shop:shop", "--tcp", ":0").stop().code == 0


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_of_systemd_are_listened_on(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, passed = listener.getsockname()[1], listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, str(passed), *COMMAND, "serve", "shop:shop", "-q"],
            pass_fds=[passed],
            cwd=cli.directory,
            env=cli.env,
            stdout=subprocess.DEVNULL,
        )
    try:
        assert cli("call", f":{port}", "add", "2", "3", "--timeout", "20s").out == "5\n"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not installed"
)
@pytest.mark.parametrize("words", [[], ["--fd", "shop"], ["--workers", "2"]])
def test_a_unit_that_is_activated_by_its_socket(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    """The real thing passes the socket; the notify socket stands for systemd itself."""
    notified, path = tmp_path / "notify", tmp_path / "unit.sock"
    cli.env |= {"NOTIFY_SOCKET": str(notified), "WATCHDOG_USEC": "200000"}
    activate = ["systemd-socket-activate", "-l", str(path), "--fdname=shop"]
    for name, text in cli.env.items():
        activate += ["-E", f"{name}={text}"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(notified))
        listener.settimeout(PATIENCE)
        process = subprocess.Popen(
            [*activate, *COMMAND, "serve", "shop:shop", *words],
            cwd=cli.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            assert b"Listening on" in process.stderr.readline()
            # The first connection starts the server, and is its own.
            assert cli("call", str(path), "add", "2", "3", "--timeout", "30s").out == "5\n"
            ready = listener.recv(4096).decode().splitlines()
            assert ready == [
                "READY=1",
                f"MAINPID={process.pid}",
                f"STATUS=serving on unix:{path}",
            ]
            while listener.recv(4096) != b"WATCHDOG=1":
                pass
            process.send_signal(signal.SIGTERM)
            while (state := listener.recv(4096)) != b"STOPPING=1":
                assert state.startswith((b"WATCHDOG=1", b"STATUS="))
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, err
        finally:
            process.kill()
            process.communicate()
    assert path.exists()  # it is systemd's


@pytest.mark.parametrize(
    ("words", "call", "code"),
    [
        (["--allow", "add"], ["add", "2", "3"], 0),
        (["--allow", "ad*", "--allow", "echo"], ["add", "2", "3"], 0),
        (["--allow", "echo"], ["add", "2", "3"], 1),
        (["--deny", "add"], ["add", "2", "3"], 1),
        (["--strict"], ["add", "2", "3"], 1),
        (["--read-only"], ["add", "2", "3"], 0),
        (["--read-only"], ["items.append", "3"], 1),
    ],
)
def test_what_the_policy_options_lend(
    cli: Cli, serve: Starter, words: list[str], call: list[str], code: int
) -> None:
    server = serve("shop:shop", "--tcp", ":0", *words)
    result = cli("call", server.address, *call)
    assert result.code == code
    if code:
        assert "denied" in result.line


def test_an_idle_connection_is_closed(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--idle-timeout", "300ms")
    code = "while not conn.closed:\n    await asyncio.sleep(0.01)\nobj.add(2, 3)"
    result = cli("repl", server.address, "-c", code)
    assert result.code == Code.LOST
    assert "ConnectionClosed: the peer" in result.err
    assert cli("repl", server.address, "-c", "obj.slow(1)").out == "'done'\n"  # a call is use


def test_the_environment_stands_in_for_options(cli: Cli, serve: Starter) -> None:
    cli.env |= {"PROXYABLES_TCP": ":0 ':0'", "PROXYABLES_DENY": "add", "PROXYABLES_DEBUG": "no"}
    server = serve("shop:shop")
    assert len(server.addresses) == 2
    assert cli("call", server.address, "add", "2", "3").code == 1
    written = serve("shop:shop", "--deny", "echo")  # the command line goes before it
    assert cli("call", written.address, "add", "2", "3").code == 0
    shown = cli("call", written.address, "add", "2", "3", env={"PROXYABLES_OUTPUT": "repr"})
    assert shown.out == "5\n"


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("PROXYABLES_GRACE", "soon", "PROXYABLES_GRACE takes a duration such as"),
        ("PROXYABLES_STRICT", "maybe", "PROXYABLES_STRICT takes yes or no, got 'maybe'"),
        ("PROXYABLES_TCP", "'", "PROXYABLES_TCP No closing quotation"),
    ],
)
def test_an_environment_that_makes_no_sense(cli: Cli, variable: str, text: str, says: str) -> None:
    result = cli("serve", "shop:shop", env={variable: text})
    assert result.code == Code.CONFIGURATION
    assert says in result.line


def test_common_options_before_the_command_go_before_the_environment(cli: Cli) -> None:
    result = cli("--color", "never", "call", "nothing:", "x", env={"PROXYABLES_COLOR": "blue"})
    assert result.code == Code.USAGE  # the colour is not even looked at
    assert cli("ping", "nothing:", env={"PROXYABLES_COLOR": "blue"}).code == Code.CONFIGURATION
