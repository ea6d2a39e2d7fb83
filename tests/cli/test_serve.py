"""The daemon: its listeners, its ready line, its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import msgpack
import pytest

from certificates import Certificates
from cli.processes import COMMAND, PATIENCE, Cli, Starter
from proxyables.wire.hello import PING, Hello, dump_hello
from proxyables.yamux import Session


def test_it_serves_on_several_listeners_until_a_signal(cli: Cli, serve: Starter) -> None:
    path = cli.directory / "p.sock"
    server = serve("shop:shop", "--tcp", ":0", "--unix", "p.sock", "-l", "tcp://127.0.0.1:0")
    tcp, other, unix = sorted(server.addresses, key=lambda text: (len(text) < 10, text))[:3]
    assert len(server.addresses) == 3
    for address in server.addresses:
        assert cli("call", address, "add", "2", "3").out == "5\n"
    assert {tcp[:16], other[:16]} == {"tcp://127.0.0.1:"}
    assert unix.startswith("unix:")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    result = server.stop()
    assert result.code == 0
    assert result.out == "importing\n"
    assert not path.exists()


def test_the_ready_lines_can_be_pasted(serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    assert server.lines == [
        f"proxyables: serving shop:shop on {server.address}\n",
        f"proxyables: try: proxyables repl {server.address}\n",
    ]


def test_a_target_that_goes_to_another_directory_changes_nothing(
    cli: Cli, serve: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = Certificates(tmp_path_factory.mktemp("certificates"))
    shutil.copy(files.server, cli.directory / "server.pem")
    (cli.directory / "elsewhere").mkdir()
    (cli.directory / "mover.py").write_text(
        "import os, shop\nos.chdir('elsewhere')\nshop = shop.shop\n"
    )
    listeners = ["-l", "./p.sock", "-l", "unix:q.sock", "--tcp", "localhost:0"]
    words = [*listeners, "--tls-cert", "server.pem", "--pid-file", "p.pid"]
    server = serve("mover:shop", *words)
    assert [each for each in server.addresses if each.startswith("unix:")] == [
        f"unix:{cli.directory}/{name}.sock" for name in "pq"
    ]
    assert (cli.directory / "p.pid").read_text() == f"{server.process.pid}\n"
    assert cli("call", "./q.sock", "add", "2", "3").out == "5\n"
    assert server.stop().code == 0
    assert not os.listdir(cli.directory / "elsewhere")
    assert not (cli.directory / "p.pid").exists()


def test_an_alias_of_where_it_listens(cli: Cli, serve: Starter) -> None:
    (cli.directory / "secret").write_text("open sesame")
    (cli.directory / "secret").chmod(0o600)
    (cli.directory / "other").write_text("abracadabra")
    text = (
        "[aliases]\nplain = './plain.sock'\n"
        "door = {address = './door.sock', token-file = 'secret'}\n"
        "gate = {address = './gate.sock', token-file = 'other'}\n"
    )
    (cli.directory / "aliases.toml").write_text(text)
    named = ["--config", "aliases.toml"]
    server = serve(*named, "shop:shop", "-l", "@plain", "-l", "@door")
    assert server.addresses == [f"unix:{cli.directory}/{name}.sock" for name in ("plain", "door")]
    assert cli("call", "./plain.sock", "add", "2", "3").code == 77
    assert cli(*named, "call", "@door", "add", "2", "3").out == "5\n"
    assert server.stop().code == 0
    for words, says in (
        (["-l", "@nobody"], "there is no alias '@nobody'"),
        (["-l", "@door", "-l", "@gate"], "two secrets, secret and other, and a server has one"),
    ):
        result = cli(*named, "serve", "shop:shop", *words)
        assert (result.code, result.out) == (2, "")
        assert says in result.line


def test_without_a_listener_there_is_a_private_socket(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop")
    path = cli.directory / "proxyables" / "shop.sock"
    assert server.address == f"unix:{path}"
    assert cli("call", str(path), "add", "2", "3").out == "5\n"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = cli("serve", "shop:shop")
    assert again.code == 73
    assert str(path) in again.line
    assert f"a server listens there already, by process {server.process.pid} (" in again.line
    assert cli("call", str(path), "add", "2", "3").out == "5\n"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_peer_on_standard_input_that_is_gone_at_once_ends_it(cli: Cli, loop: str) -> None:
    for reading, writing in (socket.socketpair(), socket.socketpair()):
        writing.close()
        with reading:
            process = subprocess.run(
                [*COMMAND, "serve", "shop:shop", "--stdio", "--loop", loop],
                stdin=reading,
                stdout=reading,
                stderr=subprocess.PIPE,
                cwd=cli.directory,
                env=cli.env,
                timeout=PATIENCE,
                check=False,
            )
        assert (process.returncode, process.stderr) == (0, b"importing\n"), process


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_calls_end(
    cli: Cli, serve: Starter, loop: str, number: signal.Signals
) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--loop", loop, "--verbose")
    caller = cli.start("call", server.address, "announced", "0.5")
    assert caller.stdout is not None
    # The call itself says when it runs, on the server's standard output.
    assert server.process.stdout is not None
    assert server.process.stdout.readline() == b"importing\n"
    assert server.process.stdout.readline() == b"running\n"
    result = server.stop(number)
    out, _ = caller.communicate(timeout=30)
    assert out == b'"done"\n'
    assert result.code == 0, result


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("method", ["announced_block", "announced"])
def test_the_second_signal_ends_it_at_once(
    cli: Cli, serve: Starter, loop: str, method: str
) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--loop", loop, "--grace", "1h")
    caller = cli.start("call", server.address, method, "3600")
    assert server.process.stdout is not None
    server.process.stdout.readline()
    assert server.process.stdout.readline() == b"running\n"
    server.process.send_signal(signal.SIGINT)
    try:
        pytest.fail(f"one signal ended it with {server.process.wait(timeout=0.3)}: {server.wait()}")
    except subprocess.TimeoutExpired:
        pass  # as it must: the call still runs, and has an hour
    assert server.stop(signal.SIGTERM).code == 143
    out, err = caller.communicate(timeout=30)
    assert out == b""
    assert caller.returncode == 74
    assert err.count(b"\n") == 1


SLOW_FACTORY = """
import asyncio, sys, time
def say():
    print("making", file=sys.stderr, flush=True)
def make():
    say()
    time.sleep(60)
async def make_async():
    say()
    await asyncio.sleep(60)
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("factory", ["make", "make_async"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_factory_that_takes_long_is_ended_by_the_first_signal(
    cli: Cli, loop: str, factory: str, number: int
) -> None:
    (cli.directory / "maker.py").write_text(SLOW_FACTORY)
    words = ["--factory", "--tcp", ":0", "--loop", loop, "--pid-file", "it.pid"]
    process = cli.start("serve", f"maker:{factory}", *words)
    assert process.stderr is not None
    assert process.stderr.readline() == b"making\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert not (cli.directory / "it.pid").exists()


def test_the_grace_has_an_end(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--grace", "100ms")
    caller = cli.start("call", server.address, "announced", "3600")
    assert server.process.stdout is not None
    server.process.stdout.readline()
    assert server.process.stdout.readline() == b"running\n"
    assert server.stop().code == 0
    caller.communicate(timeout=30)
    assert caller.returncode == 74


def test_a_port_in_use_is_one_line(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    result = cli("serve", "shop:shop", "--tcp", server.address)
    assert result.code == 73
    assert server.address in result.line
    assert f"address already in use, by process {server.process.pid} (" in result.line


def test_a_foreign_file_is_left_alone(cli: Cli) -> None:
    (cli.directory / "p.sock").write_text("mine")
    result = cli("serve", "shop:shop", "--unix", "p.sock")
    assert result.code == 73
    assert "p.sock" in result.line
    assert (cli.directory / "p.sock").read_text() == "mine"


def test_a_directory_that_is_missing_is_one_line(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--unix", "none/p.sock")
    assert result.code == 73
    assert "none/p.sock" in result.line


def test_a_stale_socket_is_taken_over(cli: Cli, serve: Starter) -> None:
    path = cli.directory / "p.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = serve("shop:shop", "--unix", "p.sock")
    assert cli("call", server.address, "add", "2", "3").out == "5\n"


def test_a_wide_bind_is_refused_without_insecure(cli: Cli, serve: Starter) -> None:
    result = cli("serve", "shop:shop", "--tcp", "*:0")
    assert result.code == 77
    assert "insecure" in result.line
    server = serve("shop:shop", "--tcp", "*:0", "--insecure")
    assert "repl tcp://127.0.0.1:" in server.lines[-1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["shop:make", "--factory"], 0, ""),
        (["shop:make_slowly", "--factory"], 0, ""),
        (["shop:Shop", "--instance", "connection"], 0, ""),
        (["shop:make_slowly", "--factory", "--instance", "connection"], 0, ""),
        (["shop:make_nothing", "--factory"], 66, "RuntimeError: out of clay"),
    ],
)
def test_factories(cli: Cli, serve: Starter, words: list[str], code: int, says: str) -> None:
    if code:
        result = cli("serve", *words, "--tcp", ":0")
        assert result.code == code
        assert says in result.line
        return
    server = serve(*words, "--tcp", ":0")
    assert cli("set", server.address, "level", "7").code == 0
    own = "connection" in words
    assert cli("get", server.address, "level").out == ("1\n" if own else "7\n")


def test_messages_over_the_limit_are_refused(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--max-message", "4KiB")
    result = cli("call", server.address, "echo", "@-", stdin=b"x" * 10_000)
    assert result.code == 65
    assert result.line.endswith("is over the limit max_message=4096")
    assert cli("call", server.address, "add", "2", "3").out == "5\n"


def test_quiet_says_nothing(cli: Cli) -> None:
    process = cli.start("serve", "shop:shop", "--unix", "p.sock", "-q")
    while cli("-q", "call", "./p.sock", "add", "1", "2").out != "3\n":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")


def test_a_file_as_target_finds_its_neighbours(cli: Cli, serve: Starter) -> None:
    (cli.directory / "app").mkdir()
    (cli.directory / "app" / "near.py").write_text("def add(a, b): return a + b\n")
    (cli.directory / "app" / "top.py").write_text(
        "import near\n\ndef add(a, b): return near.add(a, b)\n"
    )
    server = serve("app/top.py", "--tcp", ":0")
    assert cli("call", server.address, "add", "2", "3").out == "5\n"


# -- over standard input and output -------------------------------------------------------------


def exec_address(*words: str) -> str:
    return f"exec:{sys.executable} -m proxyables_cli serve {' '.join(words)} --stdio"


def test_stdio_survives_everything_that_prints(cli: Cli) -> None:
    address = exec_address("shop:shop")
    result = cli("call", address, "chat")
    assert (result.code, result.out) == (0, '"quiet"\n')
    for said in ("importing", "printed by the object", "written by C code", "printed by a child"):
        assert said in result.err
    assert "got==\n" in result.err  # a child that reads its standard input finds it empty
    assert "serving" not in result.err


def test_the_end_of_standard_input_ends_the_server(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--stdio", stdin=b"")
    assert result.code == 0, result
    assert b"importing" not in result.bytes


@pytest.mark.parametrize("words", [["--once"], ["--exit-when-idle"]])
def test_it_ends_however_else_it_was_to_end(cli: Cli, words: list[str]) -> None:
    assert cli("serve", "shop:shop", "--stdio", *words, stdin=b"").code == 0
    assert cli("call", exec_address("shop:shop", *words), "add", "2", "3").out == "5\n"


@pytest.mark.parametrize(
    ("loop", "redirection"),
    [
        ("asyncio", "</dev/null"),
        ("asyncio", "<&- >&- 2>&-"),
        ("uvloop", "</dev/null"),
        ("uvloop", "<&-"),
        ("uvloop", "2>&- </dev/null"),
        ("uvloop", "<&- >&- 2>&-"),
        ("uvloop", "</dev/null >file"),
    ],
)
def test_odd_descriptors_end_it_in_order(cli: Cli, redirection: str, loop: str) -> None:
    result = cli.shell(f"$P serve shop:shop --stdio --loop {loop} {redirection}; echo $? > code")
    assert (cli.directory / "code").read_text() == "0\n", result
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("loop", "redirection"),
    [
        ("asyncio", "<&- >&- 2>&-"),
        ("uvloop", "</dev/null"),
        ("uvloop", "2>&-"),
        ("uvloop", "<&- >&- 2>&-"),
    ],
)
def test_a_daemon_without_standard_descriptors_works(cli: Cli, redirection: str, loop: str) -> None:
    script = (
        f"$P serve shop:shop --unix p.sock --loop {loop} {redirection} & "
        "pid=$!; until [ -S p.sock ]; do kill -0 $pid || exit 9; done; "
        "$P call ./p.sock add 2 3; kill -TERM $pid; wait $pid; echo $?"
    )
    assert cli.shell(script).out.endswith("5\n0\n")


def test_garbage_on_standard_input_is_no_traceback(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--stdio", stdin=b"GET / HTTP/1.1\r\n\r\n" * 10)
    assert result.code in (0, 76)
    assert "Traceback" not in result.err


def test_a_terminal_is_refused_with_a_hint(cli: Cli) -> None:
    ours, theirs = os.openpty()
    try:
        made = subprocess.run(
            [sys.executable, "-m", "proxyables_cli", "serve", "shop:shop", "--stdio"],
            stdin=theirs,
            capture_output=True,
            cwd=cli.directory,
            env=cli.env,
            timeout=30,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert made.returncode == 2
    assert b"this is a terminal" in made.stderr
    assert b"importing" not in made.stdout + made.stderr


def test_the_end_of_standard_input_lets_calls_in_flight_end(cli: Cli) -> None:
    """A raw px client writes one slow call, half-closes, and still reads the answer."""
    (cli.directory / "slow.py").write_text(
        "import asyncio\n"
        "class Slow:\n"
        "    async def add(self, a, b):\n"
        "        await asyncio.sleep(0.3)\n"
        "        return a + b\n"
        "obj = Slow()\n"
    )
    child = cli.start("serve", "slow:obj", "--stdio")
    assert child.stdin is not None
    assert child.stdout is not None
    session = Session(client=True)
    session.ping(PING)
    stream = session.open_stream()
    session.send(stream, msgpack.packb([1, dump_hello(Hello(max_message=1000, max_streams=5))]))
    child.stdin.write(b"".join(session.data_to_send()))
    child.stdin.flush()
    received: list[object] = []
    asked = False
    while data := os.read(child.stdout.fileno(), 65536):
        for _, source, payload in session.receive_data(data):
            if source is stream and payload:
                received.append(msgpack.unpackb(payload, strict_map_key=False))
        if received and not asked:
            asked = True
            session.send(stream, msgpack.packb([3, None, [[1, "add"], [2, [2, 3]]]]))
            child.stdin.write(b"".join(session.data_to_send()))
            child.stdin.close()
    assert child.wait(10) == 0
    assert received[-1] == [4, 5]
