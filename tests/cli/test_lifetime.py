"""How long a server lives, and what it allows: --once, --exit-when-idle, bounds, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

import proxyables
from cli.processes import PATIENCE, Cli, Server, Starter


def ends(server: Server) -> int:
    """Waits for the end of a server that nobody tells to end."""
    result = server.wait()
    assert "Traceback" not in result.err
    return result.code


def test_once_ends_with_its_connection(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--once")
    port = int(server.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        pass  # a stranger who looks whether the port is open does not count
    assert cli("repl", server.address, "-c", "obj.add(2, 3) + obj.add(3, 4)").out == "12\n"
    assert ends(server) == 0


def test_once_lets_nobody_in_after_the_first(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--unix", "p.sock", "--once")

    async def main() -> None:
        async with proxyables.connect(server.address) as peer:
            assert await peer.root.add(2, 3) == 5
            second = cli("call", server.address, "add", "2", "3")
            assert second.code == 69, second
            assert await peer.root.add(2, 3) == 5

    asyncio.run(main())
    assert ends(server) == 0
    assert not (cli.directory / "p.sock").exists()


@pytest.mark.parametrize("words", [["--once"], ["--exit-when-idle"]])
def test_a_signal_ends_it_before(serve: Starter, words: list[str]) -> None:
    assert serve("shop:shop", "--tcp", ":0", *words).stop().code == 0


def test_it_ends_when_nobody_has_been_there_for_a_while(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--exit-when-idle", "--idle-timeout", "2s")

    async def main() -> None:
        async with proxyables.connect(server.address) as peer:
            # Longer than a server without a connection would live; a call is use.
            assert await peer.root.slow(3) == "done"

    asyncio.run(main())
    assert ends(server) == 0
    assert cli("call", server.address, "add", "2", "3").code == 69


def test_nobody_ever_came(serve: Starter) -> None:
    words = ["--exit-when-idle", "--idle-timeout", "100ms"]
    assert ends(serve("shop:shop", "--tcp", ":0", *words)) == 0


def test_one_connection_too_many_is_refused(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--max-connections", "1")

    async def main() -> None:
        async with proxyables.connect(server.address) as peer:
            assert await peer.root.add(2, 3) == 5
            refused = cli("call", server.address, "add", "2", "3")
            assert refused.code == 69
            assert "the peer is busy" in refused.line
            assert "max_connections=1" in refused.line

    asyncio.run(main())
    told = server.stop().err.splitlines()[2:]
    assert len(told) == 1
    assert "warning: " in told[0]
    assert "turned away" in told[0]


def test_a_call_that_takes_too_long(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--call-timeout", "200ms")
    result = cli("call", server.address, "announced", "3600")
    assert result.code == 1
    assert "took longer than 0.2 s" in result.line
    assert "took longer than 0.2 s" in cli("call", server.address, "announced_block", "2").line
    assert cli("call", server.address, "slow", "0").out == '"done"\n'
    result = server.stop()
    assert result.code == 0
    assert "running\ncancelled\n" in result.out


def test_who_may_open_a_socket(cli: Cli, serve: Starter) -> None:
    path = cli.directory / "p.sock"
    words = ["--unix", "p.sock", "--unix-mode", "0660", "--unix-group", str(os.getgid())]
    server = serve("shop:shop", *words)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert path.stat().st_gid == os.getgid()
    assert cli("call", server.address, "add", "2", "3").out == "5\n"
    assert server.stop().code == 0
    result = cli("serve", "shop:shop", "--unix", "p.sock", "--unix-mode", "666")
    assert result.code == 77
    assert "every user of this machine" in result.line
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--unix-mode", "rw"], "--unix-mode takes permissions such as 0600 or 0660, got 'rw'"),
        (["--unix-mode", "1777"], "--unix-mode takes permissions"),
        (["--unix-group", "no such group"], "there is no group 'no such group'"),
        (["--max-connections", "0"], "max_connections takes a positive number, got 0"),
    ],
)
def test_what_makes_no_sense_is_bad_usage(cli: Cli, words: list[str], says: str) -> None:
    result = cli("serve", "shop:shop", "--unix", "p.sock", *words)
    assert result.code == 2
    assert says in result.line


# -- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "words"),
    [("add", []), ("add_slowly", []), ("add", ["--workers", "2"])],
    ids=["async", "sync", "processes"],
)
def test_two_hundred_calls_in_flight_are_answered(
    cli: Cli, serve: Starter, method: str, words: list[str]
) -> None:
    path = cli.directory / "p.sock"
    (cli.directory / "gate.py").write_text(
        "import asyncio, time\n"
        "class Gate:\n"
        "    def __init__(self):\n"
        "        self.count = 0\n"
        "    async def add(self, number):\n"
        "        self.count += 1\n"
        "        if self.count == 200:\n"
        "            print('all', flush=True)\n"
        "        await asyncio.sleep(0.5)\n"
        "        return number + 1\n"
        "    def add_slowly(self, number):\n"
        "        if number == 0:\n"
        "            print('all', flush=True)\n"  # the others wait for the one worker
        "        time.sleep(0.003)\n"
        "        return number + 1\n"
        "gate = Gate()\n"
    )
    server = serve("gate:gate", "--unix", "p.sock", "--grace", f"{PATIENCE}s", *words)

    async def main() -> list[Any]:
        async with proxyables.connect(server.address) as peer:
            add = getattr(peer.root, method)
            calls = [asyncio.ensure_future(proxyables.run(add(n))) for n in range(200)]
            assert server.process.stdout is not None
            line = await asyncio.to_thread(server.process.stdout.readline)
            assert line == b"all\n"  # every call is there
            server.process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*calls)

    assert asyncio.run(main()) == list(range(1, 201))
    assert ends(server) == 0
    assert not path.exists()


def test_a_pid_file_and_a_socket_are_gone_after_the_grace_too(
    cli: Cli, serve: Starter, tmp_path: Path
) -> None:
    words = ["--unix", "p.sock", "--pid-file", "p.pid", "--grace", "100ms"]
    server = serve("shop:shop", *words)
    caller = cli.start("call", server.address, "announced", "3600")
    assert server.process.stdout is not None
    server.process.stdout.readline()
    assert server.process.stdout.readline() == b"running\n"
    assert server.stop().code == 0
    assert caller.wait(PATIENCE) == 74
    assert not (tmp_path / "p.sock").exists()
    assert not (tmp_path / "p.pid").exists()
