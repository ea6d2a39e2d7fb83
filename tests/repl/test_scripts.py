"""Sessions without a prompt, as real processes on a real server."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxyables_cli import exits
from proxyables_cli.repl import start
from repl.processes import command, environment, proxyables, serving
from repl.processes import run as run_process


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("obj.add(2, 3)", "5\n"),
        ("obj.value; obj.add('a', 'b')", "'ab'\n"),
        ("x = obj.value", ""),
        ("obj.fail and None", ""),
        ("obj.accounts[0].owner.upper()", "'ADA'\n"),
        ("[a.balance for a in obj.accounts]", "[10, 20]\n"),
        ("obj.accounts", "[remote <Account of ada>, remote <Account of bob>]\n"),
        ("obj", "remote <API over there>\n"),
        ("obj.rows()", "'one'\n'two'\n'three'\n"),
        ("[obj.accounts[0], obj.slow_repr]",
         "[remote <Account of ada>, <ProxyCursor Slow#2 at ADDRESS> "
         "(its repr raised ValueError)]\n"),
        ("for row in obj.rows(): print(row)", "one\ntwo\nthree\n"),
        ("print(*obj.accounts, 1, *[2], sep=', ')", "<Account of ada>, <Account of bob>, 1, 2\n"),
        ("ada = obj.accounts[0]; print(*[ada], *(c for c in 'xy'))", "<Account of ada> x y\n"),
        ("print(*obj.rows())", "one two three\n"),
        ("sum(a.balance for a in obj.accounts)", "30\n"),
        ("list(obj.rows())", "['one', 'two', 'three']\n"),
        ("obj.add(obj.value, obj.accounts[0].balance)", "11\n"),
        ("await asyncio.gather(obj.add(1), obj.add(2))", "[1, 2]\n"),
        ("px.gather(obj.add(1), obj.add(2))", "[1, 2]\n"),
        ("px.copy(obj.accounts[0].notes)", "{'opened': 2024}\n"),
        ("t = px.spawn(obj.add(4))\nawait t", "4\n"),
        ("f'{obj.value:>4}'", "'   1'\n"),
        ("2024 in obj.accounts[0].notes.values()", "True\n"),
        ("import sys; sys.argv", "['-c']\n"),
        ("try:\n  obj.fail('x')\nexcept ValueError as e:\n  print(e)", "x\n"),
        ("%timeout 5s\nobj.add(1)", "cells end after 5 s\n1\n"),
        ("print(obj.text())", "\x1b[31mred\n"),
        ("obj.text()", "'\\x1b[31mred'\n"),
        ("(await px.describe(obj.add))['signature']", "'(a, b=0)'\n"),
    ],
)  # fmt: skip
def test_code(address: str, code: str, output: str, run: Run) -> None:
    assert run(address, code) == (output.replace("ADDRESS", address), "", 0)


def test_marks_stand_under_the_code(address: str, run: Run) -> None:
    _, told, _ = run(address, "table = {}\ntable['q']; 1")
    code, marks = told.splitlines()[2:4]
    assert code.strip() == "table['q']; 1"
    assert marks.index("~") == code.index("table")


def test_no_frames_of_what_packs_messages(address: str, run: Run) -> None:
    _, told, code = run(address, "rows = []\nrows.append(rows)\nobj.add(rows)")
    assert code == 1
    places = [line.strip() for line in told.splitlines() if line.startswith("  File ")]
    assert places == ['File "<string>", line 3, in <module>']
    assert "ref" in told.splitlines()[-1]


Run = Callable[[str, str], tuple[str, str, int]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``-c`` in this process, which saves starting one."""
    monkeypatch.setattr(sys, "argv", [])

    def run(address: str, code: str) -> tuple[str, str, int]:
        try:
            status = start.run([address], code=code)
        except (Exception, KeyboardInterrupt) as error:
            status = exits.report(error, debug=False)
        told = capsys.readouterr()
        return told.out, told.err, status

    return run


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("obj.accounts[0].owner", 1),
        ("obj.add(obj.value, obj.accounts[0].balance)", 1),
        ("obj.accounts[obj.add(1)].owner", 1),
        ("conn.root.add(conn.root.value)", 1),
        ("print(obj.value)", 1),
        ("obj.add(obj.value + 1)", 2),
        ("for row in obj.rows(): pass", 1),
        ("[a.balance for a in obj.accounts]", 3),
        ("ada = obj.accounts[0]\nada\nada.balance", 2),
        ("obj.value = obj.value", 2),
        ("obj.accounts[0].balance += 0", 2),
        ("1 in obj.accounts[0].notes", 1),
        ("lambda: obj.value", 0),
        ("f = lambda: obj.value\nf()", 1),
        ("obj", 0),
    ],
)
def test_messages_on_a_real_connection(address: str, source: str, messages: int, run: Run) -> None:
    # The last expression is not shown, as showing a remote object is a message of its own.
    count = "conn.statistics()['calls_made']"
    code = f"n = {count}\n{source}\nprint({count} - n)"
    output, told, _ = run(address, code)
    assert (output.splitlines()[-1:], told) == ([str(messages)], "")


def test_reprs_of_many_objects_are_one_message_and_are_cut_over_there(
    address: str, run: Run
) -> None:
    counted = "conn.statistics()[{!r}]"
    calls, received = counted.format("calls_made"), counted.format("bytes_received")
    code = f"obj.accounts * 5\nprint({calls})"
    lines = run_process(command(address), code).stdout.splitlines()
    assert lines[0].count("remote <Account of") == 10
    assert lines[1] == "2"
    code = f"px.ref(obj.add('x' * 100000, ''))\nprint({received})"
    lines = run_process(command(address), code).stdout.splitlines()
    assert lines[0] == f"remote '{'x' * 1999} …"
    assert int(lines[1]) < 10_000


def test_state_changes_over_there(run: Run) -> None:
    with serving() as (address, _):
        code = (
            "obj.value = 7\nobj.value += obj.add(1, 1)\nobj.accounts[0].notes['k'] = obj.value\n"
            "del obj.accounts[0].notes['opened']\npx.copy(obj.accounts[0].notes)"
        )
        assert run(address, code) == ("{'k': 9}\n", "", 0)


def test_piped_input_shows_every_expression(address: str) -> None:
    done = run_process(
        command(address), "obj.add(2, 3)\nx = 5\nx\nfor i in range(2):\n    i\n%ls\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5\n5\n  accounts\n  add(a, b=0)  ")
    assert done.stderr == ""


def test_a_file_shows_what_it_prints(address: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("word = 'helped'")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom helper import word\nobj.add(1)\nprint(obj.add(2), word, sys.argv[1:])\n"
        "print(__name__, __file__ == sys.argv[0])\n"
    )
    done = proxyables("repl", address, str(script), "a", "b")
    assert (done.stdout, done.stderr) == ("2 helped ['a', 'b']\n__main__ True\n", "")


def test_the_first_error_ends_a_script(address: str) -> None:
    done = run_process(command(address), "print(1)\nobj.fail('broken')\nprint(2)\n")
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert 'File "<stdin>", line 2' in done.stderr
    assert done.stderr.endswith("ValueError: broken\n")
    assert "proxyables_cli" not in done.stderr


def test_a_script_is_parsed_before_anything_runs(tmp_path: Path) -> None:
    # Nobody listens at this address, and nobody is asked.
    done = run_process(command("tcp://127.0.0.1:1"), "print(1)\nif x\n")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "SyntaxError" in done.stderr
    assert 'File "<stdin>", line 2' in done.stderr


@pytest.mark.parametrize(("code", "status"), [("3", 3), ("None", 0), ("'text'", 1)])
def test_exit_codes_of_the_script(address: str, code: str, status: int, run: Run) -> None:
    told = "text\n" if status == 1 else ""
    assert run(address, f"raise SystemExit({code})") == ("", told, status)


def test_the_exit_code_of_a_script_that_leaves_what_does_not_end(address: str) -> None:
    code = """\
async def stubborn():
    while True:
        try:
            await obj.add(1)
        except BaseException:
            pass
task = asyncio.ensure_future(stubborn())
await asyncio.sleep(0.01)
raise SystemExit(3)
"""
    done = proxyables("repl", address, "-c", code)
    assert done.returncode == 3
    assert done.stderr == "what was cancelled goes on: it ends with the session\n"


def test_nobody_there(run: Run) -> None:
    output, told, status = run("tcp://127.0.0.1:1", "1")
    assert (output, status) == ("", 69)
    assert told.startswith("proxyables: ")
    assert told.count("\n") == 1


def test_a_missing_script() -> None:
    done = proxyables("repl", "tcp://127.0.0.1:1", "missing.py")
    assert done.returncode == 2
    assert "missing.py" in done.stderr


def test_a_lost_connection_ends_a_script(run: Run) -> None:
    with serving() as (address, server):
        code = f"import os, signal\nos.kill({server.pid}, signal.SIGKILL)\nobj.sleep()"
        output, told, status = run(address, code)
    assert (output, status) == ("", 74)
    assert "Connection" in told


def test_ctrl_c_ends_a_script(address: str) -> None:
    with subprocess.Popen(
        command(address, code="print('go', flush=True)\nobj.sleep()"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 130


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-", "2>&-", ">/dev/null", "2>/dev/null"])
def test_standard_descriptors(address: str, redirection: str) -> None:
    words = [sys.executable, "-m", "proxyables_cli", "repl", address, "-c", "obj.add(1) and None"]
    done = run_process(["sh", "-c", f"{shlex.join(words)} {redirection}"])
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_several_connections() -> None:
    with serving() as (one, _), serving() as (two, _):
        source = (
            "bank.value = 5\nobj.value, bank.value, audit.value, audit.add(bank.value), "
            "sorted(conns), conn is conns['bank']"
        )
        done = run_process(command(f"bank={one}", f"audit={two}", code=source))
    assert done.stdout == "(5, 5, 1, 5, ['audit', 'bank'], True)\n", done.stderr


def test_objects_of_one_connection_are_passed_to_another() -> None:
    with serving() as (one, _), serving() as (two, _):
        source = (
            "ada = bank.accounts[0]\n"
            "bank.accounts[0].notes['by'] = 'bank'\n"
            "audit.on(ada.deposit), audit.fire(5)\n"  # audit calls bank, through this session
            "ada.balance, audit.accounts[0].balance\n"
            "bank.add(audit.accounts[1].owner, '!')"
        )
        done = run_process(command(f"bank={one}", f"audit={two}"), source)
    assert done.stdout == "(None, 1)\n(15, 10)\n'bob!'\n", done.stderr


def test_without_an_address_there_is_the_demo() -> None:
    done = proxyables("repl", "-c", "obj.add(2, 3)")
    assert (done.stdout, done.stderr, done.returncode) == ("5\n", "", 0)


def test_no_await(address: str) -> None:
    source = "x = await obj.add(1, 1)\nx, type(obj.add(1)).__name__"
    done = run_process(command(address, code=source, auto_await=False))
    assert done.stdout == "(2, 'ProxyCursor')\n", done.stderr
    source = (
        "obj.accounts[0].deposit(5)\n[obj.accounts[0].deposit(5)]\nawait obj.accounts[0].balance"
    )
    with serving() as (own, _):
        done = run_process(command(own, auto_await=False), source)
    assert done.stdout.splitlines()[-1] == "10", done.stderr  # what is only shown was not run
    assert "<ProxyCursor root.accounts[0].deposit(…)" in done.stdout.splitlines()[0]


def test_a_prompt_may_follow_a_script_or_its_failure(address: str) -> None:
    done = run_process(command(address, code="x = obj.add(1)\nx", interactive=True), "x + 1\n")
    assert (done.stdout, done.returncode) == ("1\n>>> 2\n>>> \n", 0), done.stderr
    done = run_process(command(address, code="x = 5\nobj.fail('it')", interactive=True), "x\n")
    assert (done.stdout, done.returncode) == (">>> 5\n>>> \n", 0)
    assert "ValueError: it" in done.stderr
    done = run_process(command(address, code="raise SystemExit(3)", interactive=True), "x\n")
    assert (done.stdout, done.returncode) == ("", 3)


@pytest.mark.parametrize("code", ["obj.sleep(5)", "import time; time.sleep(5)"])
def test_a_time_out_in_a_script_is_for_its_rest(address: str, code: str, run: Run) -> None:
    out, told, status = run(address, f"import time; time.sleep(0.3)\n%timeout 200ms\n{code}")
    assert (out, status) == ("cells end after 0.2 s\n", exits.Code.TIMED_OUT)
    assert told.startswith("proxyables: timed out after 0.")
    assert run(address, "%timeout 200ms\n%timeout off\nobj.sleep(0.3)")[0].endswith("'slept'\n")


@pytest.mark.parametrize("name", ["class", "None", "px", "conn", "conns", "print", "asyncio", "1x"])
def test_names_that_a_root_cannot_have(address: str, name: str, run: Run) -> None:
    _, told, status = run(address, f"%open {name}={address}")
    assert status != 0
    assert repr(name) in told or name == "1x"  # which is taken for a part of the address
    with pytest.raises(exits.Failure, match=repr(name)):
        start.run([address], code="1", name=name)
    with pytest.raises(exits.Failure):
        start.run([f"{name}={address}"], code="1")


def test_quit_ends_a_script(address: str, tmp_path: Path, run: Run) -> None:
    assert run(address, "print(1)\n%quit\nprint(2)") == ("1\n", "", 0)
    script = tmp_path / "script.py"
    script.write_text("print(1)\n%quit\nprint(2)")
    assert run(address, f"%run {script}\nprint(3)") == ("1\n", "", 0)
    done = run_process(command(address, startup=str(script), plain=True), "x\n")
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
    done = run_process(command(address, startup=str(script), code="print(3)", interactive=True), "")
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_a_startup_script_runs_first(address: str, tmp_path: Path) -> None:
    startup = tmp_path / "start.py"
    startup.write_text("def two(): return 2\nthree = obj.add(1, 2)\nthree\n%timeout 9s\n")
    done = proxyables("repl", address, "--startup", str(startup), "-c", "two() + three")
    assert (done.stdout, done.stderr) == ("cells end after 9 s\n5\n", "")
    done = run_process(command(address, startup=str(startup), plain=True), "two()\n")
    assert done.stdout == "cells end after 9 s\n>>> 2\n>>> \n"
    startup.write_text("1/0")
    done = run_process(command(address, startup=str(startup), code="print(1)"))
    assert (done.stdout, done.returncode) == ("", 1)
    done = run_process(command(address, startup=str(startup), plain=True), "1\n")
    assert done.stdout == ">>> 1\n>>> \n"
    assert f'File "{startup}", line 1' in done.stderr


def test_a_closed_output_is_no_error(address: str) -> None:
    words = shlex.join(command(address))
    done = run_process(["sh", "-c", f"{words} | head -1"], "for i in range(100000): print(i)\n")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_plain_prompt_on_pipes(address: str) -> None:
    lines = (
        "x = obj.add(1, 2)\nx\nfor r in obj.rows():\n  print(r)\n\nobj.fail()\nobj.add?\n%lss\nx"
    )
    done = run_process(command(address, plain=True), lines)
    assert done.returncode == 0
    assert done.stdout == (
        ">>> >>> 3\n>>> ... ... one\ntwo\nthree\n>>> >>> "
        "method add(a, b=0)\nAdds two numbers.\n>>> >>> 3\n>>> \n"
    )
    assert "ValueError: no" in done.stderr
    assert "there is no command %lss; did you mean %ls?" in done.stderr


def test_a_question_mark_ends_no_cell_of_a_plain_prompt(address: str) -> None:
    done = run_process(command(address, plain=True), "if obj.value:  # sure?\n  print('yes')\n\n")
    assert (done.stdout, done.stderr) == (">>> ... ... yes\n>>> \n", "")


def test_scripts_start_without_the_prompts_machinery(address: str) -> None:
    code = (
        "import sys\n[m for m in ('prompt_toolkit', 'pygments', 'rich', 'typer', 'pydantic') "
        "if m in sys.modules]"
    )
    assert run_process(command(address, code=code)).stdout == "[]\n"
