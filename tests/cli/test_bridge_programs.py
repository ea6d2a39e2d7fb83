"""Bridges to programs: their bytes, their status, their stderr, and what is left of them."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, until
from cli.test_bridge import ended, pipes, read_all
from cli.test_bridge_listening import _runs
from cli.test_usage import imported

BIG = bytes(range(256)) * 4 * 4096  # more than all the buffers on the way
STUBBORN = "trap '' TERM; echo $$; sleep 1000 & wait; wait"


def test_a_program_has_both_directions_and_its_stderr_is_told(cli: Cli) -> None:
    result = cli("bridge", "--", "sh", "-c", "echo hello >&2; tr a-z A-Z", stdin=b"word")
    assert (result.code, result.out) == (0, "WORD"), result
    name, _, told = result.err.partition(": ")
    assert told == "hello\n"
    assert name.startswith("sh[")


def test_the_stderr_of_a_program_is_in_the_form_of_the_log(cli: Cli) -> None:
    result = cli("bridge", "--log-format", "json", "--", "sh", "-c", "echo hello >&2")
    assert '"message": "sh[' in result.err
    assert result.err.count("\n") == 1


def test_much_both_ways_at_once(cli: Cli) -> None:
    result = cli("bridge", "exec:cat", stdin=BIG)
    assert (result.code, result.bytes, result.err) == (0, BIG, "")


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("exit 7", 7, ""),
        ("exit 126", 126, ""),
        ("kill -KILL $$", 137, "the child was ended by SIGKILL"),
        ("kill -TERM $$", 143, "the child was ended by SIGTERM"),
    ],
)
def test_the_status_of_a_program_is_passed_on(cli: Cli, script: str, code: int, said: str) -> None:
    result = cli("bridge", "--", "sh", "-c", script)
    assert (result.code, result.out) == (code, ""), result
    assert result.err.rstrip().endswith(said)


def test_a_program_that_reads_no_more_can_still_answer(cli: Cli) -> None:
    """It ends while it is being written to; what it has said until then is not lost."""
    process = cli.start("bridge", "--", "sh", "-c", "head -c 5; exit 3")
    ours, theirs = pipes(process)
    try:
        while True:
            ours.write(BIG)
    except BrokenPipeError:
        pass
    assert theirs.read() == BIG[:5]
    assert ended(process, 3) == ""


def test_an_input_that_stays_open_does_not_hold_a_program_up(cli: Cli) -> None:
    process = cli.start("bridge", "--", "echo", "done")
    _, theirs = pipes(process)
    assert theirs.read() == b"done\n"
    assert ended(process) == ""


def test_a_reader_that_left_ends_the_program(cli: Cli) -> None:
    process = cli.start("bridge", "--", "sh", "-c", "echo $$; while echo more; do :; done")
    _, theirs = pipes(process)
    pid = int(theirs.readline())
    theirs.close()
    assert process.wait(PATIENCE) == 141
    assert not _runs(pid)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)]
)
def test_a_signal_ends_the_program_and_its_group(cli: Cli, number: int, code: int) -> None:
    process = cli.start("bridge", "--", "sh", "-c", "sleep 1000 & echo $$ $!; cat")
    _, theirs = pipes(process)
    pids = [int(word) for word in theirs.readline().split()]
    process.send_signal(number)
    assert ended(process, code) == ""
    until(lambda: not any(map(_runs, pids)))


def test_a_second_signal_kills_a_program_that_does_not_listen(cli: Cli) -> None:
    process = cli.start("bridge", "--", "sh", "-c", STUBBORN)
    _, theirs = pipes(process)
    pid = int(theirs.readline())
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) in (130, -15)  # whichever the system has told first
    until(lambda: not _runs(pid))


def test_a_program_that_does_not_listen_is_killed_in_time(cli: Cli) -> None:
    process = cli.start("bridge", "--", "sh", "-c", STUBBORN)
    _, theirs = pipes(process)
    pid = int(theirs.readline())
    process.send_signal(signal.SIGTERM)
    assert ended(process, -15) == ""
    until(lambda: not _runs(pid))


def test_a_daemon_that_a_program_leaves_behind_does_not_hold_the_end_up(cli: Cli) -> None:
    script = """
import os, signal
left, leaving = os.pipe()
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.write(leaving, b"!")
    signal.pause()
os.read(left, 1)
raise SystemExit(4)
"""
    process = cli.start("bridge", "--", sys.executable, "-c", script)
    _, theirs = pipes(process)
    daemon = int(theirs.readline())
    try:
        assert ended(process, 4) == ""
        assert _runs(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_socket_and_a_program(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        where = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        process = cli.start("bridge", where, "--", "sh", "-c", "cat; exit 9")
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            sock.sendall(b"there and back")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"there and back"
        assert ended(process, 9) == ""


def test_two_programs(cli: Cli) -> None:
    """The status is that of the last."""
    one = "echo question; read answer; echo $answer >heard; exit 1"
    other = "read question; echo $question, answered; cat; exit 2"
    process = cli.start("bridge", f"exec:{shlex.join(['sh', '-c', one])}", "--", "sh", "-c", other)
    assert ended(process, 2) == ""
    assert (cli.directory / "heard").read_text() == "question, answered\n"


def test_a_program_is_not_started_for_somebody_who_is_not_there(cli: Cli) -> None:
    result = cli("bridge", "exec:touch started", "./none.sock")
    assert result.code == 69
    assert not (cli.directory / "started").exists()


def test_ssh(cli: Cli, tmp_path: Path) -> None:
    stand_in = tmp_path / "ssh"
    stand_in.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    stand_in.chmod(0o755)
    cli.env["PROXYABLES_SSH"] = str(stand_in)
    result = cli("bridge", "ssh://box/exec:sh -c 'cat; exit 5'", stdin=b"over there")
    assert (result.code, result.out, result.err) == (5, "over there", "")
    assert cli("bridge", "ssh://box/exec:./no-such-program").code == 127


def test_an_alias(cli: Cli) -> None:
    (cli.directory / "aliases.toml").write_text("[aliases]\ncat = 'exec:cat'\n")
    result = cli("bridge", "--config", "aliases.toml", "@cat", stdin=b"by name")
    assert (result.code, result.out) == (0, "by name"), result


def test_an_inherited_descriptor(cli: Cli) -> None:
    near, its = socket.socketpair()
    with near:
        with its:
            process = subprocess.Popen(
                [*COMMAND, "bridge", f"fd:{its.fileno()}", "exec:cat"],
                pass_fds=[its.fileno()],
                env=cli.env,
            )
        near.settimeout(PATIENCE)
        near.sendall(b"handed down")
        near.shutdown(socket.SHUT_WR)
        assert read_all(near) == b"handed down"
        assert process.wait(PATIENCE) == 0


def test_it_starts_without_an_event_loop() -> None:
    found = imported("bridge", "exec:true")
    assert not found & {"asyncio", "typer", "msgpack", "uvloop", "proxyables.peer.peer"}
