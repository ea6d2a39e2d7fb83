"""The exit codes of every command in every situation that has one, as one table.

Each row starts real processes. A failure is one line on standard error, which says what happened,
and nothing on standard output; a traceback is a failure of the test.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.processes import PATIENCE, SHOP, Cli, Result, Server, until

MODULES = {
    "broken.py": "def f():\n    raise OSError('no luck')\nf()\n",
    "circle.py": "import circle_too\nthing = 1\n",
    "circle_too.py": "from circle import thing\n",
    "typo.py": "account = 1\n",
    "quiet.py": "thing = [1]\n",
    "makers.py": "def fails():\n    raise RuntimeError('out of clay')\n",
}
PIPED = "repl <"
"""The REPL with its source on standard input."""


class World(NamedTuple):
    """Where the rows happen, and who is there.

    Attributes:
        cli: Runs the command.
        shop: The address of a server.
        locked: The address of one that asks for a token.
        silent: The address of one that accepts and says nothing.
        taken: A port that somebody listens on.
    """

    cli: Cli
    shop: str
    locked: str
    silent: str
    taken: int

    @property
    def names(self) -> dict[str, str]:
        """What stands for what in the words of a row."""
        return {
            "SHOP": self.shop,
            "LOCKED": self.locked,
            "SILENT": self.silent,
            "TAKEN": f":{self.taken}",
            "NOBODY": f"unix:{self.cli.directory}/nobody.sock",
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    for name, text in (MODULES | {"shop.py": SHOP}).items():
        (directory / name).write_text(text)
    for name, text in (("token", "secret"), ("wrong", "guess")):
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    cli = Cli(directory, bytecode)
    shop = Server(cli, ["shop:shop", "--tcp", ":0"])
    locked = Server(cli, ["shop:shop", "--tcp", ":0", "--token-file", "token"])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        yield World(cli, shop.address, locked.address, f"tcp://127.0.0.1:{port}", port)
    cli.close()


class Row(NamedTuple):
    """One command in one situation.

    Attributes:
        situation: Its name.
        command: The words; names in capitals stand for addresses. The last word of a `PIPED` row
            is the source.
        code: What it ends with; negative, the signal that ends it.
        says: Part of its one line, or nothing if it says nothing.
    """

    situation: str
    command: tuple[str, ...]
    code: int
    says: str = ""


def rows(situation: str, code: int, says: str, *commands: Sequence[str]) -> Iterator[Row]:
    for command in commands:
        yield Row(situation, tuple(command), code, says)


TCP = ("--tcp", ":0")
ADD = "obj.add(2, 3)"
FAILURES = (
    *rows(
        "bad usage",
        2,
        "",
        ("serve", "shop:shop", "--no-such-option"),
        ("serve", "shop:shop", "--threads", "many"),
        ("call", "SHOP", "a..b"),
        ("call", "not an address", "add"),
        ("ls", "SHOP", "a..b"),
        ("repl", "SHOP", "-c", ADD, "--no-such-option"),
        ("repl", "nowhere", "-c", ADD),
        (PIPED, "SHOP", "--name", "1", ADD),
        ("bridge", "a", "b", "c"),
        ("bridge", "nowhere"),
    ),
    *rows("no module", 66, "no module named 'nobody'", ("serve", "nobody:x", *TCP)),
    *rows("broken module", 66, "OSError: no luck", ("serve", "broken:x", *TCP)),
    *rows("circular import", 66, "circle", ("serve", "circle:thing", *TCP)),
    *rows("no attribute", 66, "'account'", ("serve", "typo:acount", *TCP)),
    *rows("factory raises", 66, "out of clay", ("serve", "makers:fails", "--factory", *TCP)),
    *rows("port in use", 73, "in use", ("serve", "quiet:thing", "--tcp", "TAKEN")),
    *rows("no directory", 73, "no such", ("serve", "quiet:thing", "--unix", "no/where.sock")),
    *rows("refused bind", 77, "--insecure", ("serve", "quiet:thing", "--tcp", "0.0.0.0:0")),
    *rows(
        "no server",
        69,
        "nobody.sock",
        ("call", "NOBODY", "add", "2", "3"),
        ("get", "NOBODY", "level"),
        ("set", "NOBODY", "level", "1"),
        ("ls", "NOBODY"),
        ("describe", "NOBODY"),
        ("ping", "NOBODY"),
        ("repl", "NOBODY", "-c", ADD),
        (PIPED, "NOBODY", ADD),
        ("bridge", "NOBODY"),
    ),
    *rows(
        "no token",
        77,
        "token",
        ("call", "LOCKED", "add", "2", "3"),
        ("ls", "LOCKED"),
        ("repl", "LOCKED", "-c", ADD),
        (PIPED, "LOCKED", ADD),
    ),
    *rows(
        "wrong token",
        77,
        "does not know the token",
        ("call", "LOCKED", "add", "2", "3", "--token-file", "wrong"),
        ("ls", "LOCKED", "--token-file", "wrong"),
        ("repl", "LOCKED", "--token-file", "wrong", "-c", ADD),
        (PIPED, "LOCKED", "--token-file", "wrong", ADD),
    ),
    *rows(
        "token file that is open to others",
        78,
        "chmod 600 shop.py",
        ("call", "LOCKED", "add", "2", "3", "--token-file", "shop.py"),
        ("repl", "LOCKED", "--token-file", "shop.py", "-c", ADD),
        ("serve", "shop:shop", *TCP, "--token-file", "shop.py"),
    ),
    *rows(
        "configuration that is wrong",
        78,
        "shop.py: it is not TOML",
        ("call", "SHOP", "add", "--config", "shop.py"),
        ("serve", "shop:shop", "--config", "shop.py"),
        ("ls", "@shop", "--config", "shop.py"),
    ),
    *rows("remote raises", 1, "no such luck", ("call", "SHOP", "fail")),
    *rows(
        "unknown member",
        1,
        "'ad'",
        ("call", "SHOP", "ad", "2", "3"),
        ("get", "SHOP", "ad"),
        ("ls", "SHOP", "ad"),
    ),
    *rows("what cannot cross", 65, "is not JSON", ("call", "SHOP", "add", ":=[")),
    *rows(
        "time-out of a call",
        75,
        "within 0.3 s",
        ("call", "SHOP", "slow", "20", "--timeout", "300ms"),
    ),
    *rows(
        "time-out of the handshake",
        75,
        "",
        ("call", "SILENT", "add", "--timeout", "300ms"),
        ("ls", "SILENT", "--timeout", "300ms"),
        ("repl", "SILENT", "--timeout", "300ms", "-c", ADD),
        (PIPED, "SILENT", "--timeout", "300ms", ADD),
    ),
    *rows(
        "child not found",
        127,
        "no-such-program",
        ("call", "exec:no-such-program", "add"),
        ("ls", "exec:no-such-program"),
        ("repl", "exec:no-such-program", "-c", ADD),
        (PIPED, "exec:no-such-program", ADD),
        ("bridge", "exec:no-such-program"),
        ("bridge", "-l", ":0", "exec:no-such-program"),
    ),
    *rows(
        "child not executable",
        126,
        "shop.py",
        ("call", "exec:./shop.py", "add"),
        ("repl", "exec:./shop.py", "-c", ADD),
        ("bridge", "exec:./shop.py"),
    ),
    *rows(
        "nobody to bridge to",
        69,
        "cannot connect to",
        ("bridge", "tls://127.0.0.1:1"),
        ("bridge", "ws://127.0.0.1:1"),
        ("bridge", "exec:cat", "NOBODY"),
    ),
    *rows("descriptor that is not there", 69, "fd:99: no such", ("bridge", "fd:99")),
)
SCRIPTS = (
    Row("remote raises", ("obj.fail()",), 1, "ValueError: no such"),
    Row("unknown member", ("obj.ad(2, 3)",), 1, "'ad'"),
    Row("own code raises", ("1 / 0",), 1, "ZeroDivisionError"),
    Row("own code ends", ("raise SystemExit(7)",), 7),
    Row("no Python", ("1 +",), 1, "SyntaxError"),
)


def words_of(world: World, row: Row) -> tuple[list[str], bytes]:
    """Returns the words and the standard input of a row."""
    words = [world.names.get(word, word) for word in row.command]
    if words[0] == PIPED:
        return ["repl", *words[1:-1]], words[-1].encode()
    return words, b""


def run(world: World, row: Row) -> Result:
    words, stdin = words_of(world, row)
    return world.cli(*words, stdin=stdin)


def named(row: Row) -> str:
    return f"{row.situation}: {' '.join(row.command)}"


@pytest.mark.parametrize("row", FAILURES, ids=named)
def test_a_failure_has_its_code_and_its_line(world: World, row: Row) -> None:
    result = run(world, row)
    assert (result.code, result.out) == (row.code, ""), result
    assert row.says in result.line, result


@pytest.mark.parametrize("form", ["-c", PIPED])
@pytest.mark.parametrize("row", SCRIPTS, ids=named)
def test_a_script_that_fails_tells_where(world: World, row: Row, form: str) -> None:
    (source,) = row.command
    words = ("repl", "SHOP", "-c", source) if form == "-c" else (PIPED, "SHOP", source)
    result = run(world, row._replace(command=words))
    assert (result.code, result.out) == (row.code, ""), result
    assert row.says in result.err, result
    assert "proxyables_cli" not in result.err, "frames of ours"


# ---- what breaks while they run


CALL = ("call", "SHOP", "announced", "30")
RUNNING = {
    "call": CALL,
    "repl -c": ("repl", "SHOP", "-c", "obj.announced(30)"),
    "repl <": (PIPED, "SHOP", "obj.announced(30)"),
}


class Running:
    """A server of its own, and a command that waits for a call's answer there."""

    def __init__(self, world: World, form: str) -> None:
        self.server = Server(world.cli, ["shop:shop", "--tcp", ":0"])
        away = world._replace(shop=self.server.address)
        words, stdin = words_of(away, Row("", RUNNING[form], 0))
        self.client = world.cli.start(*words)
        assert self.client.stdin is not None
        self.client.stdin.write(stdin)
        self.client.stdin.close()
        self.client.stdin = None
        assert self.server.process.stdout is not None
        while (line := self.server.process.stdout.readline()) != b"running\n":
            assert line

    def end(self) -> Result:
        """Waits for the client's end."""
        out, err = self.client.communicate(timeout=PATIENCE)
        return Result(self.client.returncode, out, err)


@pytest.mark.parametrize("form", RUNNING)
def test_a_connection_that_is_lost(world: World, form: str) -> None:
    running = Running(world, form)
    running.server.process.kill()
    result = running.end()
    assert (result.code, result.out) == (74, ""), result
    running.server.wait()
    assert "lost" in result.err, result
    assert "%reconnect" not in result.err, "a hint for somebody who types"
    assert "asyncio" not in result.err, result


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
@pytest.mark.parametrize("form", RUNNING)
def test_a_signal_ends_a_call(world: World, form: str, number: int, code: int) -> None:
    running = Running(world, form)
    running.client.send_signal(number)
    result = running.end()
    assert (result.code, result.out) == (code, ""), result
    assert "proxyables_cli" not in result.err, "frames of ours"
    # It ended over there too: the server goes on, and has nothing left to do.
    assert world.cli("call", running.server.address, "add", "2", "3").out == "5\n"
    assert running.server.stop().code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server(world: World, number: int) -> None:
    server = Server(world.cli, ["shop:shop", "--tcp", ":0"])
    result = server.stop(number)
    assert (result.code, result.out) == (0, "importing\n"), result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(world: World, number: int) -> None:
    running = Running(world, "call")
    running.server.process.send_signal(number)
    with socket.socket() as probe:  # it has stopped to accept when it has heard the first
        where = running.server.address.rpartition(":")[2]
        while probe.connect_ex(("127.0.0.1", int(where))) == 0:
            probe.close()
            probe.__init__()  # type: ignore[misc]
    running.server.process.send_signal(number)
    assert running.server.wait().code == 128 + number
    assert running.end().code == 74


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_bridge(world: World, number: int) -> None:
    bridge = world.cli.start("bridge", world.silent)
    assert bridge.stderr is not None
    # It has connected when the interpreter no longer starts: its input is then read.
    assert bridge.stdin is not None
    bridge.stdin.write(b"x" * (1 << 20))
    bridge.stdin.flush()
    bridge.send_signal(number)
    out, err = bridge.communicate(timeout=PATIENCE)
    expected = 130 if number == signal.SIGINT else -number
    assert (bridge.returncode, out, err) == (expected, b"", b"")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)])
def test_a_bridge_ends_as_its_program_does(world: World, script: str, code: int) -> None:
    result = world.cli("bridge", "--", "sh", "-c", script)
    assert (result.code, result.out) == (code, ""), result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_bridge_to_a_program(world: World, number: int) -> None:
    bridge = world.cli.start("bridge", "--", "sh", "-c", "echo running; cat")
    assert bridge.stdout is not None
    assert bridge.stdout.readline() == b"running\n"
    bridge.send_signal(number)
    out, err = bridge.communicate(timeout=PATIENCE)
    expected = 130 if number == signal.SIGINT else -number
    assert (bridge.returncode, out, err) == (expected, b"", b"")


# ---- standard descriptors


@pytest.mark.parametrize(
    "words",
    [
        ("call", "SHOP", "echo", "x" * 100_000),
        ("get", "SHOP", "items"),
        ("ls", "SHOP"),
        ("describe", "SHOP"),
        ("ping", "SHOP"),
        ("repl", "SHOP", "-c", "'x' * 100_000"),
        ("config", "show", "serve"),
    ],
    ids=lambda words: words[0],
)
def test_an_output_that_nobody_reads(world: World, words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = world.cli.start(*words_of(world, Row("", words, 0))[0], stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("call SHOP add 2 3", "5\n"),
        ("get SHOP level", "1\n"),
        ("repl SHOP -c 'obj.add(2, 3)'", "5\n"),
        ("repl SHOP", ""),
    ],
)
@pytest.mark.parametrize("redirection", ["<&-", "</dev/null", "2>&-", "</dev/null 2>/dev/null"])
def test_commands_without_some_descriptor(
    world: World, words: str, out: str, redirection: str
) -> None:
    line = f"$P {words.replace('SHOP', world.shop)} {redirection}"
    if words == "repl SHOP" and redirection == "2>&-":
        line += " </dev/null"
    result = world.cli.shell(line)
    assert (result.code, result.out, result.err) == (0, out, "")


@pytest.mark.parametrize("words", ["call SHOP add 2 3", "ls SHOP", "repl SHOP -c 'obj.level'"])
def test_commands_without_an_output_say_so(world: World, words: str) -> None:
    result = world.cli.shell(f"$P {words.replace('SHOP', world.shop)} >&-")
    assert result.code in (74, 141), result
    assert "Traceback" not in result.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--version", "--help", "serve --help", "call SHOP add 2 3"])
def test_an_output_that_is_full(world: World, words: str, unbuffered: str) -> None:
    words = words.replace("SHOP", world.shop)
    result = world.cli.shell(f"PYTHONUNBUFFERED={unbuffered} $P {words} >/dev/full")
    assert result.code == 74, result
    assert result.line == "cannot write to standard output: no space left on device"


LONG = ("call SHOP add @half @half -o raw", """repl SHOP -c 'print("x" * 200_000)'""")
"""What prints more than a pipe has room for."""


def long(world: World, words: str) -> str:
    (world.cli.directory / "half").write_text("x" * 100_000)
    return words.replace("SHOP", world.shop)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", LONG)
def test_an_output_that_is_cut_is_no_success(world: World, words: str, unbuffered: str) -> None:
    """A system that takes part of what it is given says so with a count, and no error."""
    # Python would keep a module's bytecode that was cut as well, for all tests that follow.
    env = f"PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED={unbuffered}"
    result = world.cli.shell(f"ulimit -f 50; {env} $P {long(world, words)} >cut")
    assert result.code == (74 if words.startswith("call") else 1), result
    assert "file too large" in result.err.lower()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", LONG)
def test_a_reader_who_leaves_in_the_middle(world: World, words: str, unbuffered: str) -> None:
    script = f"PYTHONUNBUFFERED={unbuffered} $P {long(world, words)}"
    result = world.cli.shell(f"({script}; echo $? >&2) | head -c1")
    assert (result.out, result.err) == ("x", "141\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", LONG)
def test_an_output_that_does_not_block_is_waited_for(
    world: World, words: str, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(world.cli.env, "PYTHONUNBUFFERED", unbuffered)
    read, write = os.pipe()
    os.set_blocking(write, False)
    process = world.cli.start(*shlex.split(long(world, words)), stdout=write)
    until(lambda: not select.select([], [write], [], 0)[1])  # it is full
    os.close(write)
    with open(read, "rb") as pipe:
        assert pipe.read() == b"x" * 200_000 + b"\n"
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize("words", ["ls -l SHOP", "call SHOP echo 1 2", "repl SHOP -c 'dir(obj)'"])
def test_the_head_of_an_output_is_enough(world: World, words: str) -> None:
    words = words.replace("ls -l", "ls").replace("SHOP", world.shop)
    result = world.cli.shell(f"$P {words} | head -1")
    assert (result.code, result.err) == (0, "")
    assert len(result.out.splitlines()) == 1


def test_nothing_waits_for_standard_input_unasked(world: World) -> None:
    """A terminal that nobody types on must not hold up a script."""
    process = world.cli.start("call", world.shop, "add", "2", "3")
    try:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
        assert readable
        assert process.stdout.readline() == b"5\n"
        assert process.wait(PATIENCE) == 0  # with its standard input still open
        process.communicate()
    except subprocess.TimeoutExpired:
        pytest.fail("it waits for its standard input")
