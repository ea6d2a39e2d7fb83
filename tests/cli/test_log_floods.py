"""Who connects again and again and is refused: the log stays readable."""

from __future__ import annotations

import re
import socket
import subprocess

from cli.processes import PATIENCE, Cli, Starter, until
from proxyables.net.complaints import MOST

SCAN = b"GET / HTTP/1.0\r\n\r\n"
COUNT = 40


def port_of(address: str) -> int:
    found = re.search(r":(\d+)", address)
    assert found
    return int(found[1])


def scan(port: int, count: int = COUNT) -> None:
    """Connects, says what no peer says, and waits until it is turned away."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.settimeout(PATIENCE)
            try:
                sock.sendall(SCAN)
                while sock.recv(4096):
                    pass
            except ConnectionError:
                pass


def test_garbage(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    server = serve("quiet:thing", "--tcp", ":0")
    scan(port_of(server.address))
    told = server.stop().err.splitlines()
    scanned = [line for line in told if "not a proxyables peer" in line]
    assert len(scanned) == MOST + 1
    more = COUNT - MOST
    assert f"warning: {more} more like it in the last 10 s from tcp://127.0.0.1: " in scanned[-1]


def test_a_wrong_token(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    (cli.directory / "token").write_text("secret")
    (cli.directory / "token").chmod(0o600)
    server = serve("quiet:thing", "--tcp", ":0", "--token-file", "token")
    for _ in range(MOST + 2):
        assert cli("call", server.address, "x").code == 77
    told = server.stop().err
    assert told.count("a token is demanded, and none was given") == MOST + 1
    assert "2 more like it in the last 10 s from tcp://127.0.0.1: " in told


def test_too_many_connections(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    server = serve("quiet:thing", "--tcp", ":0", "--max-connections", "1")
    port = port_of(server.address)
    with socket.create_connection(("127.0.0.1", port)) as held:
        until(lambda: cli("ping", server.address, "-c", "1").code == 69)
        for _ in range(MOST + 1):
            assert cli("call", server.address, "x").code == 69
        held.close()
    told = [line for line in server.stop().err.splitlines() if "max_connections" in line]
    assert len(told) == MOST + 1
    assert "more like it in the last 10 s from tcp://127.0.0.1: " in told[-1]


def test_no_websocket(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    server = serve("quiet:thing", "--ws", "127.0.0.1:0/here")
    scan(port_of(server.address))
    told = [line for line in server.stop().err.splitlines() if "a WebSocket was refused" in line]
    assert len(told) == MOST + 1
    assert f"{COUNT - MOST} more like it in the last 10 s from tcp://127.0.0.1: " in told[-1]


def test_a_bridge_to_nobody(cli: Cli) -> None:
    process: subprocess.Popen[bytes] = cli.start("bridge", "-l", ":0", "./none.sock")
    assert process.stderr is not None
    address = process.stderr.readline().decode().split()[2]
    scan(port_of(address))
    process.terminate()
    _, err = process.communicate(timeout=PATIENCE)
    told = err.decode().splitlines()
    assert len(told) == MOST + 1
    assert told[0].endswith("cannot connect to unix:./none.sock: no such file or directory")
    assert f"{COUNT - MOST} more like it in the last 10 s from unix:./none.sock: " in told[-1]
