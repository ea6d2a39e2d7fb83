"""``status``, and that it answers whatever the exported object does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxyables
from cli import watched
from cli.processes import Cli, Server, Starter, until
from proxyables_cli import report


@pytest.fixture
def shop(cli: Cli, serve: Starter) -> Iterator[Server]:
    (cli.directory / "watched.py").write_text(watched.SOURCE)
    server = serve("watched:shop", "--tcp", ":0")
    yield server
    server.process.kill()


def test_it_names_the_line_that_a_worker_spins_at(cli: Cli, shop: Server) -> None:
    cli.start("call", shop.address, "spin")
    until(lambda: watched.told(shop.address)["server"]["threads"]["running"])
    (call,) = json.loads(cli("status", shop.address, "calls").out)
    assert (call["path"], call["state"]) == ("shop.spin", "running")
    assert Path(call["where"]["file"]).name == "watched.py"
    assert call["where"]["line"] in watched.SPINNING
    assert call["where"]["function"] == "Shop.spin"
    (line,) = cli("top", shop.address, "-n", "1").out.splitlines()
    assert json.loads(line)["calls"][0]["where"]["line"] in watched.SPINNING
    assert min(seconds_of_a_look(shop.address) for _ in range(5)) < 1


def seconds_of_a_look(address: str) -> float:
    """How long it takes to connect, to ask, and to go."""

    async def look() -> float:
        started = time.monotonic()
        async with proxyables.connect(address) as peer:
            await peer.status()
        return time.monotonic() - started

    return asyncio.run(look())


def test_a_part_of_it(cli: Cli, shop: Server) -> None:
    assert json.loads(cli("status", shop.address).out)["server"]["name"] == "shop"
    assert cli("status", shop.address, "server.name").out == '"shop"\n'
    assert cli("status", shop.address, "connections[0].you").out == "true\n"
    assert cli("status", shop.address, "server.name", "-o", "raw").out == "shop\n"
    wrong = cli("status", shop.address, "rates.speed")
    assert wrong.code == 2
    assert wrong.line.startswith("the status has no 'rates.speed'; there are calls, errors, ")
    assert cli("status", shop.address, "calls[7]").code == 2
    assert cli("status", shop.address, "rates..x").code == 2


def test_a_server_that_does_not_tell(cli: Cli, serve: Starter) -> None:
    (cli.directory / "watched.py").write_text(watched.SOURCE)
    server = serve("watched:shop", "--tcp", ":0", "--introspection", "names")
    for words in (["status"], ["top"], ["trace"]):
        result = cli(*words, server.address)
        assert result.code == 1
        assert result.line == (
            "the server does not let its peers look inside; that takes serve --introspection full"
        )
    assert cli("ls", server.address).code == 0
    assert cli("call", server.address, "add", "1", "2").out == "3\n"


def test_nothing_of_objects_is_told_where_introspection_is_off(cli: Cli, serve: Starter) -> None:
    (cli.directory / "watched.py").write_text(watched.SOURCE)
    server = serve("watched:shop", "--tcp", ":0", "--introspection", "off")
    for words in (["ls"], ["describe"], ["status"]):
        result = cli(*words, server.address)
        assert (result.code, result.out) == (1, "")
        assert "add" not in result.line
    assert cli("call", server.address, "add", "1", "2").out == "3\n"


@pytest.mark.parametrize("command", ["status", "top", "trace"])
def test_a_peer_of_another_make_has_nothing_to_tell(cli: Cli, command: str) -> None:
    with watched.classic() as address:
        result = cli(command, address)
    assert result.code == 76
    assert result.line == "the peer tells nothing about itself: it is no server, or of another make"


@pytest.mark.parametrize("command", ["status", "top", "trace"])
def test_nobody_there(cli: Cli, command: str) -> None:
    assert cli(command, "./nobody.sock").code == 69


# -- for a reader ---------------------------------------------------------------------------------


def test_the_lines_for_a_reader() -> None:
    status = {
        "server": {
            "name": "shop",
            "pid": 7,
            "uptime": 3725.0,
            "version": "0.1.0",
            "python": "3.11.7",
            "loop": "uvloop",
            "addresses": ["tcp://127.0.0.1:9000"],
            "threads": {"limit": 2, "running": 1, "queued": 3, "alive": 2},
        },
        "rates": {
            "calls": 1234,
            "errors": 5,
            "calls_per_second": 250.4,
            "errors_per_second": 0.25,
            "p50": 0.00032,
            "p99": 1.5,
            "samples": 64,
        },
        "totals": {
            "connections": 3,
            "running": 1,
            "received": 2048,
            "sent": 5 << 20,
            "exports": 4,
            "imports": 0,
            "unsent": 0,
        },
        "calls": [
            {
                "connection": 2,
                "path": "shop.spin",
                "age": 75.0,
                "state": "running",
                "where": {"file": "/srv/shop.py", "line": 12, "function": "Shop.spin"},
            }
        ],
        "connections": [
            {"id": 1, "you": True, "address": "unix:/s", "credentials": {"pid": 8, "uid": 0}},
            {"id": 2, "address": "tls://h:1", "credentials": {"subject": "CN=ada"}, "age": 90_000},
        ],
    }
    assert list(report.lines(status)) == [
        "shop on tcp://127.0.0.1:9000",
        "up 1h02m, proxyables 0.1.0, pid 7, python 3.11.7, loop uvloop",
        "calls    1234, 250/s; errors 5, 0.2/s; p50 0.32ms, p99 1.50s",
        "threads  1 of 2 running, 3 calls queued",
        "peers    3; in 2.0KiB, out 5.0MiB, unsent 0B; 4 objects lent, 0 borrowed",
        "",
        "CALL       STATE    AGE    ID  WHERE",
        "shop.spin  running  1m15s  2   /srv/shop.py:12 Shop.spin",
        "",
        "ID       ADDRESS    CALLER        AGE    IDLE  CALLS  ERRORS  RUNNING"
        "  IN  OUT  LENT  UNSENT",
        "1 (you)  unix:/s    pid 8, uid 0  0s     0s    0      0       0        0B  0B   0     0B",
        "2        tls://h:1  CN=ada        1d01h  0s    0      0       0        0B  0B   0     0B",
        "… and 1 more",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        [],
        {"server": 5, "rates": None, "totals": [], "calls": 7, "connections": {"a": 1}},
        {"calls": [None, {}, {"path": 5, "where": "x"}], "connections": [{}, 3]},
        {"server": {"uptime": 1e308, "threads": {"limit": float("nan")}, "addresses": [None]}},
        {"rates": {"calls": True, "p50": "soon", "p99": float("inf")}},
        {"calls": [{"path": "a\x1b[2J\n\u202eb", "where": {"file": "\x9b", "line": 1 << 2000}}]},
    ],
)
def test_a_status_that_is_none_makes_lines_all_the_same(told: object) -> None:
    lines = list(report.lines(told))
    assert len(lines) >= 5
    assert all(line.isprintable() for line in lines)
