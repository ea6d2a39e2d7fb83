"""``top``: on a terminal, on one that cannot be written over, and in a pipe."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from cli import watched
from cli.processes import COMMAND, PATIENCE, Cli, Server
from proxyables_cli.top import with_rates
from repl.processes import Terminal

WORDS = [sys.executable, *COMMAND[1:], "top"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Iterator[Server]:
    """A server with a call that never ends."""
    directory = tmp_path_factory.mktemp("watched")
    (directory / "watched.py").write_text(watched.SOURCE)
    cli = Cli(directory, bytecode)
    server = Server(cli, ["watched:shop", "--tcp", ":0"])
    cli.start("call", server.address, "wait")
    while not watched.told(server.address)["calls"]:
        pass
    yield server
    cli.close()


def test_a_line_of_json_for_each_look(cli: Cli, shop: Server) -> None:
    result = cli("top", shop.address, "-n", "2", "--interval", "100ms")
    assert (result.code, result.err) == (0, "")
    first, second = map(json.loads, result.out.splitlines())
    assert first["calls"][0]["path"] == second["calls"][0]["path"] == "shop.wait"
    assert second["server"]["uptime"] > first["server"]["uptime"]


def test_its_reader_goes(cli: Cli, shop: Server) -> None:
    process = cli.start("top", shop.address, "--interval", "100ms")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) == 141


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sort", "name"], "--sort takes one of age, calls, running, errors"),
        (["--interval", "often"], "--interval takes a duration"),
        (["-n", "-1"], "takes a whole number"),
    ],
)
def test_bad_usage(cli: Cli, words: list[str], told: str) -> None:
    result = cli("top", ":1", *words)
    assert result.code == 2
    assert told in result.line


def test_a_plain_terminal_gets_pages(shop: Server) -> None:
    with Terminal([*WORDS, shop.address, "-n", "2", "--interval", "100ms"], TERM="dumb") as plain:
        assert plain.finish(timeout=PATIENCE) == 0
        assert plain.text.count("CALL       STATE") == 2


def test_a_live_view_with_keys(shop: Server) -> None:
    with Terminal([*WORDS, shop.address, "--interval", "200ms"], columns=120) as top:
        top.wait("sorted by age ↓", timeout=PATIENCE)
        assert top.text.splitlines()[0].startswith(f"shop on {shop.address}")
        assert "shop.wait" in top.text
        assert "watched.py:" in top.text
        assert "(you)" in top.text
        top.type("s")
        top.wait("sorted by calls ↓")
        top.type("r")
        top.wait("sorted by calls ↑")
        for rows, columns in ((12, 60), (3, 10), (50, 200)):
            ioctl(top._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            top.screen.resize(rows, columns)
            top.screen.reset()
            top.wait("shop"[: columns // 4], timeout=PATIENCE)
        top.wait("sorted by calls ↑")
        top.type("q")
        assert top.finish() == 0


def test_ctrl_c_gives_the_terminal_back(shop: Server) -> None:
    with Terminal([*WORDS, shop.address]) as top:
        before = termios.tcgetattr(top._fd)
        top.wait("q ends", timeout=PATIENCE)
        assert not termios.tcgetattr(top._fd)[3] & termios.ECHO
        top.type("\x03")
        top.until(lambda: termios.tcgetattr(top._fd) == before, PATIENCE)
        assert top.finish() == 130


def test_a_signal_gives_the_terminal_back(shop: Server) -> None:
    with Terminal([*WORDS, shop.address]) as top:
        before = termios.tcgetattr(top._fd)
        top.wait("q ends", timeout=PATIENCE)
        os.kill(top.pid, signal.SIGTERM)
        top.until(lambda: termios.tcgetattr(top._fd) == before, PATIENCE)
        assert top.finish() == 143


def test_the_terminal_goes(shop: Server) -> None:
    with Terminal([*WORDS, shop.address, "--interval", "100ms"]) as top:
        top.wait("q ends", timeout=PATIENCE)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, top._fd)  # which closes the only way to the terminal
        os.close(nothing)
        _, status = os.waitpid(top.pid, 0)
        top.exit_code = os.waitstatus_to_exitcode(status)
        assert top.exit_code == 128 + signal.SIGHUP


def test_ctrl_z_gives_the_terminal_back_for_a_while(shop: Server) -> None:
    with Terminal([*WORDS, shop.address]) as top:
        before = termios.tcgetattr(top._fd)
        top.wait("q ends", timeout=PATIENCE)
        top.type("\x1a")
        top.until(lambda: is_stopped(top.pid), PATIENCE)
        assert termios.tcgetattr(top._fd) == before
        top.screen.reset()
        os.kill(top.pid, signal.SIGCONT)
        top.wait("q ends", timeout=PATIENCE)
        top.type("q")
        assert top.finish() == 0


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_the_server_goes(cli: Cli) -> None:
    (cli.directory / "watched.py").write_text(watched.SOURCE)
    server = Server(cli, ["watched:shop", "--tcp", ":0"])
    with Terminal([*WORDS, server.address, "--interval", "100ms"]) as top:
        top.wait("q ends", timeout=PATIENCE)
        os.kill(server.process.pid, signal.SIGKILL)
        top.wait("proxyables: the connection was lost", timeout=PATIENCE)
        assert top.finish() == 74


@pytest.mark.parametrize("before", [None, {}, 5, {"rates": 7}, {"server": {"uptime": 9.0}}])
def test_rates_are_those_since_the_look_before_if_there_was_one(before: object) -> None:
    rates = {"calls": 30, "errors": 3, "calls_per_second": 1.0, "errors_per_second": 1.0}
    told = {"server": {"uptime": 9.0}, "rates": rates}
    earlier = {"server": {"uptime": 7.0}, "rates": {"calls": 10, "errors": 3}}
    since = with_rates(earlier, told)["rates"]
    assert (since["calls_per_second"], since["errors_per_second"]) == (10.0, 0.0)
    assert with_rates(None, told) == told
    assert with_rates(before, told)["rates"]["calls"] == 30
    assert with_rates(earlier, {}) == {}
