"""``trace``, the access log, and what the watchdog says, of calls in real processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from cli import watched
from cli.processes import COMMAND, PATIENCE, Cli, Server, Starter
from proxyables_cli.trace import line
from repl.processes import Terminal


@pytest.fixture
def served(cli: Cli, serve: Starter) -> Starter:
    (cli.directory / "watched.py").write_text(watched.SOURCE)
    return lambda *words: serve("watched:shop", "--tcp", ":0", *words)


@pytest.fixture
def shop(served: Starter) -> Server:
    return served()


def started(cli: Cli, server: Server, *words: str) -> subprocess.Popen[bytes]:
    """A trace that is told everything from here on."""
    process = cli.start("trace", server.address, *words)
    assert next_event(process)["event"] == "start"
    return process


def next_event(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the trace ended"
    event: dict[str, Any] = json.loads(line)
    return event


def test_json_lines_in_a_pipe_until_ctrl_c(cli: Cli, shop: Server) -> None:
    trace = started(cli, shop)
    watched.call(shop.address, "fail")
    begin, end = next_event(trace), next_event(trace)
    assert (begin["event"], begin["path"]) == ("begin", "shop.fail")
    assert (end["event"], end["outcome"], end["error"]) == ("end", "error", "ValueError")
    assert begin["call"] == end["call"]
    trace.send_signal(signal.SIGINT)
    _, err = trace.communicate(timeout=PATIENCE)
    assert (trace.returncode, err) == (130, b"")


def test_filters_and_an_end(cli: Cli, shop: Server) -> None:
    errors = started(cli, shop, "--errors-only", "--count", "1")
    only = started(cli, shop, "--filter", "w*", "-n", "1")
    watched.call(shop.address, "fail")
    assert (next_event(errors)["path"], errors.wait(PATIENCE)) == ("shop.fail", 0)
    cli.start("call", shop.address, "wait")
    assert (next_event(only)["path"], only.wait(PATIENCE)) == ("shop.wait", 0)


def test_its_reader_goes(cli: Cli, shop: Server) -> None:
    trace = started(cli, shop)
    assert trace.stdout is not None
    trace.stdout.close()
    watched.call(shop.address, "fail")
    assert trace.wait(PATIENCE) == 141


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_goes(cli: Cli, shop: Server, number: signal.Signals) -> None:
    trace = started(cli, shop)
    shop.process.send_signal(number)
    _, err = trace.communicate(timeout=PATIENCE)
    assert trace.returncode == 74
    assert err.startswith(b"proxyables: the ")
    assert err.count(b"\n") == 1
    if number is signal.SIGTERM:
        assert shop.wait().code == 0


def test_a_line_for_a_reader(cli: Cli, shop: Server) -> None:
    words = [sys.executable, *COMMAND[1:], "trace", shop.address, "--timeout", "60s"]
    with Terminal(words) as terminal:
        terminal.wait("tracing; Ctrl-C ends it", timeout=PATIENCE)
        watched.call(shop.address, "fail")
        terminal.wait("error ValueError")
        terminal.type("\x03")
        assert terminal.finish() == 130
        shown = terminal.text
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  #\d +begin shop\.fail$", shown, re.MULTILINE)
    assert re.search(r"  #\d +end   shop\.fail  \S+ms  error ValueError$", shown, re.MULTILINE)


def test_arguments_are_asked_for_and_allowed(cli: Cli, served: Starter) -> None:
    refused = cli("trace", served().address, "--args")
    assert refused.code == 1
    assert refused.line == (
        "the server does not show the arguments of calls; it was not started with --show-arguments"
    )
    server = served("--show-arguments")
    trace = started(cli, server, "--args", "--filter", "*.pay")
    cli("call", server.address, "accounts[ada].pay", "5", "password=hunter2")
    begin = next_event(trace)
    assert begin["path"] + begin["arguments"] == "shop.accounts[…].pay(5, password=…)"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": "begin", "path": "a\x1b[2J\nb", "time": float("inf"), "connection": "x"},
        {"event": "end", "outcome": "\x9b", "error": 5, "duration": None, "path": None},
        {"event": "lost", "count": "many"},
        {"event": ["end"], "time": -5, "path": {}},
    ],
)
def test_whatever_an_event_holds_it_is_a_line(event: dict[str, Any]) -> None:
    assert line(event).isprintable()


# -- what the server itself writes ----------------------------------------------------------------


def test_the_access_log(cli: Cli, served: Starter) -> None:
    server = served("--access-log", "calls")
    watched.call(server.address, "fail")
    cli("call", server.address, "accounts[ada].pay", "5", "password=hunter2")
    result = server.stop()
    assert result.code == 0
    lines = [line for line in result.err.splitlines() if not line.startswith("proxyables: ")]
    begin = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z #\d tcp://127\.0\.0\.1:\d+ "
    assert re.match(begin + r"shop\.fail \d+\.\d{3}ms error ValueError$", lines[0])
    assert re.match(begin + r"shop\.accounts\[…\]\.pay \d+\.\d{3}ms ok$", lines[-1])


def test_the_access_log_for_programs(cli: Cli, served: Starter) -> None:
    words = ("--access-log", "calls", "--log-format", "json", "--log-file", "served.log")
    server = served(*words)
    watched.call(server.address, "fail")
    assert server.stop().code == 0
    lines = map(json.loads, (cli.directory / "served.log").read_text().splitlines())
    (told,) = [fields for fields in lines if fields["logger"] == "proxyables.access"]
    assert (told["path"], told["outcome"], told["error"]) == ("shop.fail", "error", "ValueError")
    assert told["connection"] == 1
    assert told["peer"].startswith("tcp://127.0.0.1:")
    assert told["duration"] > 0


def test_the_access_log_with_arguments_and_no_secrets(cli: Cli, served: Starter) -> None:
    server = served("--access-log", "args")
    cli("call", server.address, "accounts[ada].pay", "5", "password=hunter2")
    result = server.stop()
    assert " shop.accounts[…].pay(5, password=…) " in result.err
    assert "hunter2" not in result.err


def test_a_blocked_loop_leaves_one_line_with_its_stack(cli: Cli, shop: Server) -> None:
    assert cli("call", shop.address, "block", "2.5").code == 0
    result = shop.stop()
    blocked = [line for line in result.err.splitlines() if "has been blocked" in line]
    assert len(blocked) == 1
    assert re.match(
        r"proxyables: warning: the event loop has been blocked for \d\.\d s: "
        r"\S+/watched\.py:\d+ Shop\.block < ",
        blocked[0],
    )
    assert len([line for line in result.err.splitlines() if "goes on after" in line]) == 1
