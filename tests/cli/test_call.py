"""``call``, ``get``, ``set``, ``ls`` and ``ping`` against a live server."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, Server, Starter, until

KEYWORDS = '[["a","2",[1]],{"k":"v","n":{"$bytes":"AP8="}}]\n'


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["add", "2", "3"], "5\n"),
        (["add", "-2", "-3"], "-5\n"),
        (["echo", "a", "=2", "[1]", "k=v", 'n:={"$bytes": "AP8="}'], KEYWORDS),
        (
            ["echo", '{"$bigint": "99999999999999999999999"}'],
            '[{"$bigint":"99999999999999999999999"}]\n',
        ),
        (["echo", "--", "-x", "--timeout"], '["-x","--timeout"]\n'),
        (
            ["accounts[ada].deposit", "5", "note=gift", "-o", "repr"],
            "{'balance': 15, 'note': 'gift'}\n",
        ),
    ],
)
def test_calls_print_json(cli: Cli, shop: Server, words: list[str], out: str) -> None:
    result = cli("call", shop.address, *words)
    assert (result.code, result.out, result.err) == (0, out, "")


def test_get_and_set(cli: Cli, shop: Server) -> None:
    assert cli("get", shop.address, "items[2]").out == '{"a":{"$bytes":"AP8="}}\n'
    assert cli("get", shop.address, 'items[2]["a"]', "-o", "raw").bytes == b"\x00\xff"
    assert cli("set", shop.address, "level", "5").out == ""
    assert cli("get", shop.address, "level").out == "5\n"
    assert cli("set", shop.address, "items[0]", '"x"').code == 0
    assert cli("get", shop.address, "items[0]").out == '"x"\n'


def test_a_reference_is_printed_as_one(cli: Cli, shop: Server) -> None:
    found = json.loads(cli("get", shop.address, "accounts[ada]").out)
    assert list(found) == ["$ref"]
    assert "Account" in found["$ref"]["text"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["fail"], 1, "ValueError: no such luck \\x1b[31m"),
        (["nothing"], 1, "nothing"),
        (["level"], 1, "not callable"),
        (["accounts[bob]"], 1, "bob"),
        (["slow", "60", "--timeout", "300ms"], 75, "within 0.3 s"),
    ],
)
def test_failures_are_one_line(
    cli: Cli, shop: Server, words: list[str], code: int, says: str
) -> None:
    result = cli("call", shop.address, *words)
    assert result.code == code, result
    assert says in result.line
    assert result.out == ""


def test_a_remote_failure_has_its_frames_with_debug(cli: Cli, shop: Server) -> None:
    result = cli("--debug", "call", shop.address, "fail")
    assert result.code == 1
    assert "in fail" in result.err


def test_nobody_there(cli: Cli) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f":{free.getsockname()[1]}"
        result = cli("call", address, "add")
    assert result.code == 69
    assert result.line.endswith("connection refused; start a server with 'proxyables serve'")
    missing = cli("call", "./none.sock", "add")
    assert missing.code == 69
    assert "none.sock" in missing.line


def test_children_that_cannot_be_had(cli: Cli) -> None:
    assert cli("ping", "exec:no-such-program-here").code == 127
    (cli.directory / "plain").write_text("")
    assert cli("ping", f"exec:{cli.directory}/plain").code == 126
    ended = cli("ping", f"exec:{sys.executable} -c 'raise SystemExit(9)'")
    assert ended.code == 69
    assert "9" in ended.line


def answer(listener: socket.socket, said: bytes) -> None:
    taken, _ = listener.accept()
    with taken:
        taken.sendall(said)
        while taken.recv(4096):
            pass


@pytest.mark.parametrize(
    ("said", "code"),
    [(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 76), (b"", 75)],
)
def test_something_else_is_there(cli: Cli, said: bytes, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener, said))
        thread.start()
        result = cli("ping", f":{listener.getsockname()[1]}", "--timeout", "1s")
        thread.join()
    assert result.code == code, result
    assert result.line


def test_a_server_that_dies_in_mid_call(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    result = cli("call", server.address, "die")
    assert result.code == 74
    assert result.line


def test_a_reader_that_goes_away(cli: Cli, shop: Server) -> None:
    result = cli.shell(f"($P ls {shop.address}; echo $? >&2) | true")
    assert result.err in ("141\n", "0\n")  # 0 if all of it fitted before the reader went
    assert cli.shell(f"$P ls {shop.address} | head -1").out.count("\n") == 1
    closed = cli.shell(f"$P call {shop.address} add 2 3 >&-; echo $? >&2")
    assert closed.err == "141\n"
    assert cli.shell(f"$P call {shop.address} add 2 3 <&- 2>&-").out == "5\n"


def test_an_interrupt_cancels_the_call_over_there(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    said = server.process.stdout
    caller = cli.start("call", server.address, "announced", "3600")
    assert said is not None
    assert [said.readline(), said.readline()] == [b"importing\n", b"running\n"]
    caller.send_signal(signal.SIGINT)
    assert caller.communicate(timeout=30) == (b"", b"")
    assert caller.returncode == 130
    assert said.readline() == b"cancelled\n"


def test_a_stream_is_printed_item_by_item(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    result = cli.shell(f"$P call {server.address} numbers --stream | head -3")
    assert (result.out, result.err) == ("0\n1\n2\n", "")
    said = server.process.stdout
    assert said is not None
    assert [said.readline(), said.readline()] == [b"importing\n", b"stopped\n"]


def test_ls_is_a_line_of_json_for_each_member(cli: Cli, shop: Server) -> None:
    result = cli("ls", shop.address)
    assert (result.code, result.err) == (0, "")
    members = {row["name"]: row for row in map(json.loads, result.out.splitlines())}
    assert {"add", "accounts", "items", "slow"} <= set(members)
    assert members["add"]["kind"] == "method"
    assert members["add"]["signature"] == "(a, b)"
    assert members["add"]["doc"] == "Adds."
    assert "deposit" in cli("ls", shop.address, "accounts[ada]").out


def test_ping_tells_who_is_there(cli: Cli, shop: Server) -> None:
    result = cli("ping", shop.address, "-c", "2")
    found = json.loads(result.out)
    assert found["dialect"] == "px"
    assert found["pid"] == shop.process.pid
    assert found["object"] == "shop"
    assert len(found["round_trips_ms"]) == 2
    assert all(time > 0 for time in found["round_trips_ms"])


def on_terminal(cli: Cli, *words: str) -> str:
    """Runs the command with a terminal as its standard output, and returns what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "proxyables_cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        cwd=cli.directory,
        env=cli.env | {"TERM": "xterm", "COLUMNS": "60"},
    )
    os.close(theirs)
    shown = b""
    try:
        while True:
            shown += os.read(ours, 65536)
    except OSError:
        pass  # Linux says EIO when the last writer of a terminal is gone
    os.close(ours)
    assert process.wait(timeout=30) == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_comfort(cli: Cli, shop: Server) -> None:
    assert "\x1b[" in on_terminal(cli, "call", shop.address, "add", "2", "3")
    assert on_terminal(cli, "call", shop.address, "add", "2", "3", "--color", "never") == "5\n"
    listed = on_terminal(cli, "ls", shop.address)
    assert "add(a, b)" in listed
    assert all(len(line) <= 60 for line in listed.splitlines())
    assert "round trips" in on_terminal(cli, "ping", shop.address)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["call", "ad", "2", "3"], "no attribute 'ad'; did you mean 'add'?"),
        (["get", "levl"], "no attribute 'levl'; did you mean 'level'?"),
        (["ls", "acounts"], "no attribute 'acounts'; did you mean 'accounts'?"),
        (["describe", "acounts"], "no attribute 'acounts'; did you mean 'accounts'?"),
        (["call", "accounts[ada].depost", "1"], "did you mean 'deposit'?"),
        (["get", "accounts.ada"], """no attribute 'ada'; write an item in brackets: ["ada"]"""),
        (["call", "items"], "is not callable; it is no method; get prints it"),
        (["call", "nothing_like_it"], "no attribute 'nothing_like_it'"),
        (["call", "fail"], "no such luck \\x1b[31m"),
    ],
)
def test_a_path_that_leads_nowhere(cli: Cli, shop: Server, words: list[str], said: str) -> None:
    command, *rest = words
    result = cli(command, shop.address, *rest)
    assert (result.code, result.out) == (1, "")
    assert result.line.endswith(said), result


def test_a_server_that_tells_nothing_gives_no_advice(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("class A:\n    def add(self): pass\nthing = A()\n")
    server = serve("quiet:thing", "--tcp", ":0", "--introspection", "off")
    result = cli("call", server.address, "ad")
    assert result.code == 1
    assert "did you mean" not in result.line


@pytest.mark.parametrize("path", [".", ""])
def test_the_root_itself_cannot_be_set(cli: Cli, shop: Server, path: str) -> None:
    result = cli("set", shop.address, path, "1")
    assert (result.code, result.out) == (2, "")
    assert "the object itself is no place to put a value" in result.line


def test_ctrl_c_while_a_command_starts_says_nothing_of_python(cli: Cli, shop: Server) -> None:
    for tenths in range(8):
        with subprocess.Popen(
            [*COMMAND, "call", shop.address, "slow", "30"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=cli.env,
            text=True,
        ) as process:
            time.sleep(0.05 + tenths * 0.05)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        if process.returncode == 130:  # else Python itself was not ready to be told
            assert "never awaited" not in told


def test_where_nobody_is_there_those_who_are_elsewhere_are_named(cli: Cli, serve: Starter) -> None:
    (cli.directory / "quiet.py").write_text("class A: pass\nthing = A()\n")
    server = serve("quiet:thing", "--name", "here")
    result = cli("call", "./none.sock", "add")
    assert result.code == 69
    assert result.line.endswith(f"; running here: {server.address}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["call", ":9000", "-1"], "'-1'"),
        (["call", "-5", "x"], "'-5'"),
        (["call", ":9000", "x", "--timeout", "-5"], "'-5'"),
        (["set", ":9000", "x", "1", "-5"], "(-5)"),
        (["set", ":9000", "x", "1", "-5", "--color=neve"], "-5"),
    ],
)
def test_a_message_shows_a_negative_number_as_it_was_written(
    cli: Cli, words: list[str], says: str
) -> None:
    result = cli(*words)
    assert result.code == 2, result
    assert says in result.line
    assert "\0" not in result.err
    assert ":=" not in result.err


@pytest.mark.parametrize("method", ["echo", "announced_block"])
def test_a_stream_that_has_not_begun_holds_nothing_up(
    cli: Cli, serve: Starter, method: str
) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--threads", "1", "--grace", "0s")
    busy = cli.start("call", server.address, "announced_block", "8")
    assert server.process.stdout is not None
    while server.process.stdout.readline() != b"running\n":
        pass
    begun = time.monotonic()
    result = cli("call", server.address, method, "9", "--stream", "--timeout", "500ms")
    assert time.monotonic() - begun < 4
    assert (result.code, result.out) == (75, ""), result
    busy.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize(
    "words", [["call", "PROGRAM", "x"], ["ping", "PROGRAM"], ["ls", "PROGRAM", "--timeout", "1h"]]
)
def test_a_signal_leaves_no_child_behind(cli: Cli, words: list[str], number: int) -> None:
    program = "exec:sh -c 'echo $$ >child.pid; exec sleep 987'"
    process = cli.start(*(program if word == "PROGRAM" else word for word in words))
    told = cli.directory / "child.pid"
    until(lambda: told.exists() and told.read_text().endswith("\n"))
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130 if number == signal.SIGINT else -number, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


def test_a_call_that_is_to_outlive_its_terminal_does(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = cli.start("call", server.address, "announced", "1")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert server.process.stdout is not None
    while server.process.stdout.readline() != b"running\n":
        pass
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, b'"done"\n', b"")


NEGATIVE = """
class Notes:
    def text(self, text: str) -> list:
        return [type(text).__name__, text]
    def __call__(self, text: str) -> list:
        return self.text(text)
notes = Notes()
"""


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["text", "-5"], '["str","-5"]\n'),
        (["text", "-1e3"], '["str","-1e3"]\n'),
        (["text", "--", "-5"], '["str","-5"]\n'),
        (["text", ":=-5"], '["int",-5]\n'),
        ([".", "-5"], '["str","-5"]\n'),
        (["text", "-5", "-o", "json", "--timeout=9s"], '["str","-5"]\n'),
    ],
)
def test_a_negative_number_is_text_where_text_is_wanted(
    cli: Cli, serve: Starter, words: list[str], out: str
) -> None:
    (cli.directory / "notes.py").write_text(NEGATIVE)
    server = serve("notes:notes", "--tcp", ":0")
    assert cli("call", server.address, *words).out == out
    assert cli("-v", "--color", "never", "call", server.address, *words).out == out
