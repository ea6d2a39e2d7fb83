"""``serve --workers``: several processes on the same listeners."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

import proxyables
from cli.processes import COMMAND, PATIENCE, Cli, Server, Starter, until
from proxyables_cli import report
from repl.processes import Terminal

PROCESS = """
import asyncio, os, time
class Process:
    def __init__(self):
        self.count = 0
    def pid(self):
        return os.getpid()
    def add(self):
        self.count += 1
        return self.count
    async def slow(self):
        print("running", flush=True)
        await asyncio.sleep(0.5)
        return os.getpid()
    async def forever(self):
        print("running", flush=True)
        await asyncio.Event().wait()
    def die(self):
        os._exit(3)
    async def block_the_loop(self):
        time.sleep(3600)
process = Process()
"""


@pytest.fixture
def pair(cli: Cli, serve: Starter) -> Server:
    """Two workers on one socket."""
    (cli.directory / "process.py").write_text(PROCESS)
    return serve("process:process", "--unix", "p.sock", "--workers", "2", "--pid-file", "p.pid")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Its parent may be gone before it: then nobody here can wait for it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"


async def meet(address: str, count: int) -> dict[int, proxyables.Peer]:
    """Connects until as many processes have been met; returns a peer of each."""
    found: dict[int, proxyables.Peer] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            peer = await proxyables.connect(address, timeout=PATIENCE)
            pid = await peer.root.pid()
            if pid in found:
                peer.close()
                await peer.wait_closed()
            else:
                found[pid] = peer
    return found


async def leave(peers: dict[int, proxyables.Peer]) -> None:
    for peer in peers.values():
        peer.close()
        await peer.wait_closed()


def test_processes_share_a_listener_and_nothing_else(pair: Server, tmp_path: Path) -> None:
    async def main() -> set[int]:
        peers = await meet(pair.address, 2)
        for peer in peers.values():
            assert [await peer.root.add() for _ in range(2)] == [1, 2]
        assert len({peer.info.instance for peer in peers.values() if peer.info}) == 2
        await leave(peers)
        return set(peers)

    pids = asyncio.run(main())
    assert "2 processes share it, and each has its own object" in pair.lines[1]
    assert (tmp_path / "p.pid").read_text() == f"{pair.process.pid}\n"
    assert pair.process.pid not in pids
    result = pair.stop()
    assert result.code == 0
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "p.sock").exists()
    assert not (tmp_path / "p.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_process_lets_its_calls_end(pair: Server, number: int) -> None:
    async def main() -> None:
        peers = await meet(pair.address, 2)
        calls = [asyncio.ensure_future(proxyables.run(peer.root.slow())) for peer in peers.values()]
        assert pair.process.stdout is not None
        for _ in calls:
            line = await asyncio.to_thread(pair.process.stdout.readline)
            assert line == b"running\n"
        # A terminal sends an interrupt to all of them.
        for pid in [pair.process.pid, *(peers if number == signal.SIGINT else ())]:
            os.kill(pid, number)
        assert await asyncio.gather(*calls) == list(peers)
        await leave(peers)

    asyncio.run(main())
    assert pair.wait().code == 0


def test_a_process_that_dies_is_started_again(pair: Server) -> None:
    async def main() -> None:
        peers = await meet(pair.address, 2)
        victim, other = peers
        with pytest.raises(proxyables.ConnectionClosed):
            await peers.pop(victim).root.die()
        assert await peers[other].root.pid() == other
        await leave(peers)
        again = await meet(pair.address, 2)
        assert other in again
        assert victim not in again
        await leave(again)

    asyncio.run(main())
    result = pair.stop()
    assert result.code == 0
    assert "ended with status 3; starting it again in 0.1 s" in result.err


def test_a_process_that_is_stuck_is_killed_where_systemd_watches(cli: Cli, serve: Starter) -> None:
    (cli.directory / "process.py").write_text(PROCESS)
    cli.env["WATCHDOG_USEC"] = "1000000"
    server = serve("process:process", "--unix", "p.sock", "--workers", "1")

    async def main() -> None:
        async with proxyables.connect(server.address) as peer:
            victim = await peer.root.pid()
            with pytest.raises(proxyables.ConnectionClosed):
                await peer.root.block_the_loop()
        async with proxyables.connect(server.address, timeout=PATIENCE) as peer:
            assert await peer.root.pid() != victim

    asyncio.run(main())
    result = server.stop()
    assert result.code == 0
    assert "has been stuck for 1 s, and is killed" in result.err


@pytest.mark.parametrize("how", ["a second signal", "its death"])
def test_no_process_outlives_the_supervisor(pair: Server, how: str) -> None:
    async def main() -> set[int]:
        peers = await meet(pair.address, 2)
        stuck = asyncio.ensure_future(proxyables.run(peers[min(peers)].root.forever()))
        assert pair.process.stdout is not None
        line = await asyncio.to_thread(pair.process.stdout.readline)
        assert line == b"running\n"
        if how == "its death":
            pair.process.kill()
        else:
            pair.process.send_signal(signal.SIGTERM)
            with pytest.raises(proxyables.ConnectionClosed):  # the first has arrived
                while True:
                    await peers[max(peers)].root.pid()
            pair.process.send_signal(signal.SIGTERM)
            assert pair.process.wait(PATIENCE) == 143
            with pytest.raises(proxyables.ConnectionClosed):
                await stuck
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        await leave(peers)
        return set(peers)

    for pid in asyncio.run(main()):
        until(lambda pid=pid: not is_alive(pid))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--workers", "2", "--stdio"], "--workers and --stdio exclude each other"),
        (["--workers", "2", "--once"], "--workers and --once exclude each other"),
        (["--workers", "2", "--exit-when-idle"], "--workers and --exit-when-idle exclude"),
        (["--workers", "2", "--reload"], "--reload and --workers exclude each other"),
        (["--reload", "--stdio"], "--reload and --stdio exclude each other"),
        (["--reload", "--once"], "--reload and --once exclude each other"),
        (["--reload", "--reload-dir", "none"], "none' is not a directory"),
        (["--reload-dir", "."], "--reload-dir is for --reload"),
        (["--workers", "two"], "--workers takes a whole number, got 'two'"),
    ],
)
def test_what_excludes_each_other(cli: Cli, words: list[str], says: str) -> None:
    result = cli("serve", "shop:shop", *words)
    assert (result.code, result.out) == (2, "")
    assert says in result.line


@pytest.mark.parametrize(
    ("handed", "code", "says"),
    [
        ('{"from": 1, "addresses": [], "sockets": [], "line": 0}', 74, "has ended"),
        ("nonsense", 78, "PROXYABLES_HANDOVER is for our own use"),
        ("[]", 78, "PROXYABLES_HANDOVER is for our own use"),
    ],
)
def test_what_was_not_handed_over_by_a_supervisor(
    cli: Cli, handed: str, code: int, says: str
) -> None:
    result = cli("serve", "shop:shop", env={"PROXYABLES_HANDOVER": handed})
    assert (result.code, result.out) == (code, "")
    assert says in result.line


def test_a_target_that_cannot_be_had_is_told_once(cli: Cli) -> None:
    result = cli("serve", "shop:shup", "--unix", "p.sock", "--workers", "3")
    assert result.code == 66
    assert result.line == "'shop' has no attribute 'shup'; did you mean 'shop'?"
    assert not (cli.directory / "p.sock").exists()
    taken = cli("serve", "shop:shop", "--unix", "none/p.sock", "--workers", "3")
    assert taken.code == 73
    assert "none/p.sock" in taken.line
    assert taken.out == ""  # nothing was imported


def test_factories_and_objects_for_each_connection(cli: Cli, serve: Starter) -> None:
    words = ["--factory", "--instance", "connection", "--workers", "1", "--tcp", ":0"]
    server = serve("shop:make_slowly", *words)
    assert cli("call", server.address, "add", "2", "3").out == "5\n"


# ---- one status of them all


async def look(address: str) -> proxyables.Status:
    async with proxyables.connect(address, timeout=PATIENCE) as peer:
        return await ask(peer)


async def ask(peer: proxyables.Peer) -> proxyables.Status:
    """Asks for the status, and holds that this takes no longer than a second."""
    started = time.monotonic()
    told = await peer.status()
    assert time.monotonic() - started < 1
    return told


def test_a_status_is_that_of_all(pair: Server) -> None:
    async def main() -> None:
        peers = await meet(pair.address, 2)
        first, second = peers.values()
        for _ in range(3):
            await first.root.add()
        await second.root.add()
        before = await first.status()
        hanging = [asyncio.ensure_future(proxyables.run(p.root.forever())) for p in (first, second)]
        told = before
        async with asyncio.timeout(PATIENCE):
            while told["totals"]["running"] < 2:
                told = await second.status()
        assert [row["worker"] for row in told["workers"]] == [1, 2]
        assert {row["pid"] for row in told["workers"]} == set(peers)
        assert all(row["answers"] for row in told["workers"])
        assert told["server"]["pid"] == pair.process.pid
        assert told["totals"]["connections"] == 2 == len(told["connections"])
        assert {row["worker"] for row in told["connections"]} == {1, 2}
        assert [row["you"] for row in told["connections"]].count(True) == 1
        assert {row["worker"] for row in told["calls"]} == {1, 2}
        # `meet` has asked each for its number at least once, and `add` was called four times.
        assert told["rates"]["calls"] == sum(row["calls"] for row in told["workers"]) >= 6
        assert told["rates"]["samples"] >= 6
        assert told["server"]["threads"]["limit"] == 2
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        await leave(peers)

    asyncio.run(main())


def test_a_worker_that_is_blocked_does_not_hold_a_status_up(cli: Cli, pair: Server) -> None:
    async def main() -> tuple[int, int]:
        peers = await meet(pair.address, 2)
        stuck, other = peers
        told = await peers[other].status()
        blocking = asyncio.ensure_future(proxyables.run(peers[stuck].root.block_the_loop()))
        try:
            async with asyncio.timeout(PATIENCE):
                # Over the connection that is there: a new one may be taken by the one that is
                # about to be blocked.
                while all(row["answers"] for row in told["workers"]):
                    told = await ask(peers[other])
            number = check(told, stuck)
        finally:
            os.kill(stuck, signal.SIGKILL)  # it does not hear of the end of the others
            await asyncio.gather(blocking, return_exceptions=True)
            peers[stuck].abort()
            await leave({other: peers[other]})
        return stuck, number

    def check(told: proxyables.Status, stuck: int) -> int:
        (silent,) = [row for row in told["workers"] if not row["answers"]]
        assert silent["pid"] == stuck
        assert silent["connections"] >= 1, "what it told last is kept"
        assert told["rates"]["calls"] >= 2, "and counted"
        assert {row["worker"] for row in told["connections"]} == {3 - silent["worker"]}
        text = "\n".join(report.lines(told))
        assert f"workers  2, no answer from {silent['worker']} (pid {stuck})" in text
        assert "blocked" in text
        (line,) = cli("top", pair.address, "-n", "1").out.splitlines()
        assert [row["answers"] for row in json.loads(line)["workers"]].count(False) == 1
        return silent["worker"]

    stuck, number = asyncio.run(main())

    def is_replaced() -> bool:
        told = asyncio.run(look(pair.address))
        return any(
            row["worker"] == number and row["pid"] != stuck and row["answers"]
            for row in told["workers"]
        )

    until(is_replaced)


def test_many_who_look_at_once(pair: Server) -> None:
    async def main() -> None:
        peers = await meet(pair.address, 2)
        many = await asyncio.gather(*(p.status() for p in peers.values() for _ in range(20)))
        assert {len(told["workers"]) for told in many} == {2}
        await leave(peers)

    asyncio.run(main())


def test_a_trace_says_whose_it_is(cli: Cli, pair: Server) -> None:
    async def main() -> None:
        async with proxyables.connect(pair.address) as peer:
            trace = peer.trace()
            start = await trace.__anext__()
            assert start["event"] == "start"
            assert start["worker"] in (1, 2)
            assert start["workers"] == 2
            trace.stop()

    asyncio.run(main())
    with Terminal([*COMMAND, "trace", pair.address]) as terminal:
        terminal.wait("Ctrl-C ends it", timeout=PATIENCE)
        shown = " ".join(terminal.text.split())
        assert re.search(r"tracing worker [12] of 2, which has this connection;", shown), shown
        terminal.type("\x03")
        assert terminal.finish() == 130


def test_one_process_is_no_group(cli: Cli, serve: Starter) -> None:
    (cli.directory / "process.py").write_text(PROCESS)
    server = serve("process:process", "--tcp", ":0")
    told = asyncio.run(look(server.address))
    assert "workers" not in told
    assert "worker" not in told["connections"][0]
