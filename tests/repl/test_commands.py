"""The ``%`` commands, on a real server: what they print, and what they refuse."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import proxyables
from proxyables_cli.repl.commands import COMMANDS
from proxyables_cli.repl.session import Session
from repl.processes import Terminal, command, serving, serving_target

Type = Callable[..., str]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def type_(address: str, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types lines at a session of its own; gives what the last one printed."""

    async def work(lines: tuple[str, ...]) -> None:
        session = Session(prompts=True)
        try:
            with session.scope.as_main():
                await session.connections.open(address)
                for line in lines:
                    capsys.readouterr()
                    await session.enter(line)
        finally:
            await session.jobs.close()
            await session.more.close()
            await session.connections.close_all()

    def type_(*lines: str) -> str:
        asyncio.run(work(lines))
        told = capsys.readouterr()
        return told.out + told.err

    return type_


def test_more(type_: Type) -> None:
    setting = ["%config characters 100", "'x' * 250"]
    assert type_(*setting).endswith("… 152 of 252 characters; %more shows the next\n")
    assert type_(*setting, "%more").startswith("x" * 100 + "\n… 52 of 252")
    assert type_(*setting, "%more", "%more") == "x" * 51 + "'\n"
    assert type_(*setting, "%more", "%more", "%more") == "there is no more of the last value\n"
    assert type_("[number for number in range(9)]", "%more").startswith("there is no more")


def test_streams_are_shown_page_by_page(type_: Type) -> None:
    source = "import itertools\nasync def count():\n  for n in itertools.count(): yield n\n"
    lines = type_(source, "count()").splitlines()
    assert lines == [*map(str, range(20)), "… perhaps more items; %more shows the next"]
    assert type_(source, "count()", "%more").splitlines()[:2] == ["20", "21"]
    assert type_("obj.rows()").splitlines() == ["'one'", "'two'", "'three'"]


def test_out(type_: Type) -> None:
    typed = ["1", "'two'", "None", "obj.accounts[0]"]
    told = type_(*typed, "%out")
    assert re.sub("#.*", "#", told) == "1  1\n2  'two'\n3  <ProxyCursor Account#\n"
    assert type_(*typed, "%out 2") == "'two'\n"
    assert type_(*typed, "%out 1", "_ + 1") == "2\n"
    assert type_(*typed, "%out 7") == "there is no value 7; 1 to 3 are kept\n"
    assert type_("%out x") == "%out takes a number, got 'x'; as in %out 3\n"
    assert type_("%out 1") == "there is no value 1; nothing was shown yet\n"


def test_time_counts_what_is_sent(type_: Type) -> None:
    told = type_("%time obj.add(1, 2)")
    assert re.fullmatch(
        r"3\n[\d.]+ (µs|ms|s)(, about [\d.]+ (µs|ms|s) of it over there)?; "
        r"1 message, \d+ bytes out, \d+ in\n",
        told,
    )
    assert re.search(r"about [\d.]+ ms of it over there; 1 message", type_("%time obj.sleep(0.3)"))
    assert "; 3 messages, " in type_("%time [a.balance for a in obj.accounts]")
    assert "nothing was sent" in type_("%time sum(range(10))")
    assert "ZeroDivisionError" in type_("%time 1/0")
    told = type_("n = 0", "%timeit n += obj.add(1)")
    assert re.match(r"\d+ runs, the fastest [\d.]+ (µs|ms|s), half of them within ", told)
    assert "; 1 message, " in told
    assert type_("%time") == "%time needs something; as in %time CODE\n"


def test_trace(type_: Type) -> None:
    told = type_("%trace obj.add(obj.value, 1)")
    assert re.fullmatch(r"2\n→ obj\.add\(…\)  [\d.]+ (µs|ms)\n", told)
    told = type_("%trace on", "for row in obj.rows(): pass")
    assert told == "→ obj.rows()«…»\n"
    assert "→ obj.fail()" in type_("%trace on", "obj.fail()")
    assert "ValueError\n" in type_("%trace on", "obj.fail()")
    assert type_("%trace on", "%trace off", "obj.value") == "1\n"
    assert type_("%trace") == "remote calls are not shown\n"


def test_refs_and_who(type_: Type) -> None:
    told = type_("ada = obj.accounts[0]", "on = obj.on(print)", "n = 1", "%refs")
    assert re.fullmatch(
        r"obj: [12] of their objects are held here, 1 of ours over there\n"
        r"  ada  <ProxyCursor Account#\d+ at \S+>\n",
        told,
    )
    told = type_("ada = obj.accounts[0]", "def f(): pass", "%who")
    assert re.fullmatch(r"ada  <ProxyCursor Account#\d+ at \S+>\nf  function\n", told)
    assert type_("a = 1", "%reset", "%who") == ""


def test_config(type_: Type) -> None:
    settings = [line.split()[:2] for line in type_("%config").splitlines()]
    assert settings == [
        ["await", "on"], ["characters", "20000"], ["repr", "2s"], ["timeout", "off"],
        ["trace", "off"], ["vi", "off"],
    ]  # fmt: skip
    assert type_("%config timeout 3s").split()[:2] == ["timeout", "3s"]
    assert type_("%config timeout=20ms", "await asyncio.Event().wait()").startswith("timed out")
    assert type_("%config await off", "type(obj.value).__name__") == "'ProxyCursor'\n"
    assert type_("%config x").startswith("there is no setting 'x'; known: await, characters,")
    for line in ("repr off", "characters 5", "timeout -1", "await yes", "trace 1"):
        assert "takes" in type_(f"%config {line}")


def test_tb_shows_what_lies_between(type_: Type) -> None:
    assert type_("%tb") == "nothing has failed yet\n"
    told = type_("obj.fail('x')", "%conn", "%nothing", "%tb")
    assert 'File "<repl:1>", line 1, in <module>' in told
    assert "proxyables/peer/calls.py" in told
    assert "Traceback (remote):" in told
    assert told.endswith("ValueError: x\n")


def test_commands_on_expressions_show_what_was_typed(type_: Type) -> None:
    told = type_("%table obj.fail('x')")
    assert told.startswith(
        'Traceback (here):\n  File "<repl:1>", line 1, in <module>\n    obj.fail('
    )
    assert "__px" not in told
    assert type_("%json x = 1") == "'x = 1' is no expression\n"
    assert type_("%json [obj.value]  # a comment") == "[\n  1\n]\n"
    assert type_("%table 5") == "5\n"
    assert type_("%copy obj.accounts[0].notes") == "{'opened': 2024}\n"


def test_history_and_suggestions(type_: Type) -> None:
    assert type_("1", "%conn", "%history") == "1\n%conn\n%history\n"
    assert type_("1", "2", "%history 2") == "2\n%history 2\n"
    assert type_("%tabel x") == "there is no command %tabel; did you mean %table?\n"
    assert type_("%help nothing").startswith("there is no command %nothing; ")
    assert type_("%help %more") == "%more\n    show more of the last value\n"
    told = type_("%help")
    assert [re.search(rf"^  %{name}\b", told, re.M) for name in COMMANDS].count(None) == 0


def test_run_with_arguments(type_: Type, tmp_path: Path) -> None:
    script = tmp_path / "a script.py"
    script.write_text("import sys\nprint(sys.argv[1:], obj.add(1, 2))\n%await\nmade = 7\n1/0\n")
    told = type_(f"%run '{script}' a 'b c'")
    assert told.startswith("['a', 'b c'] 3\nremote calls are awaited for you\n")
    assert f'File "{script}", line 5, in <module>\n    1/0\n' in told
    before = sys.argv
    assert type_(f"%run '{script}'", "made") == "7\n"
    assert sys.argv is before
    assert "No closing quotation" in type_("%run 'x")
    assert "cannot read the script 'missing.py'" in type_("%run missing.py")


def test_page_without_a_terminal(type_: Type) -> None:
    assert type_("%page obj.accounts[0]") == "remote <Account of ada>\n"
    assert type_("5", "%page") == "5\n"


def test_secret_needs_a_name(type_: Type) -> None:
    assert type_("%secret") == "%secret needs something; as in %secret NAME\n"
    assert type_("%secret 1x") == "%secret takes a Python name, got '1x'\n"


def test_programs_that_take_the_terminal(address: str, tmp_path: Path) -> None:
    """A pager, an editor, and a line that is not echoed; each gives the terminal back."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "[pager]"\ncat\nread answer < /dev/tty\n')
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncat "$1"\necho "obj.add(40, 2)" > "$1"\n')
    for each in (pager, editor):
        each.chmod(0o755)
    with Terminal(
        command(address), XDG_STATE_HOME=str(tmp_path), PAGER=str(pager), EDITOR=str(editor)
    ) as terminal:
        terminal.wait_prompt()
        terminal.type("%page list(range(3))\r")
        terminal.wait("[pager]\n[0, 1, 2]")
        terminal.type("\r")
        terminal.wait_prompt()
        terminal.enter("first_input = 1", ">>>")
        terminal.enter("%edit", "first_input = 1\nobj.add(40, 2)\n42")
        terminal.enter("%edit 9", "there is no input 9")
        terminal.type("%secret word\r")
        terminal.wait("\nword:")
        terminal.type("hunter2\r")
        terminal.wait_prompt()
        assert "hunter2" not in terminal.text
        terminal.enter("len(word)", "\n7")
        assert "hunter2" not in terminal.enter("%who", "word  secret")
        terminal.type("%secret other\r")
        terminal.wait("\nother:")
        terminal.type("\x03")
        terminal.wait_prompt()
        terminal.enter("'echo ' 'is back'", "\n'echo is back'")
        terminal.type("\x04")
        assert terminal.finish() == 0
    assert "hunter2" not in (tmp_path / "proxyables" / "history").read_text()


@pytest.mark.parametrize("page", ["man/proxyables-repl.1", "docs/reference/repl.md"])
def test_every_command_is_documented(page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text()
    found = re.findall(r"^(?:\.It Cm |\| `)%(\w+)", text, re.M)
    assert found == list(COMMANDS)
    for each in COMMANDS.values():
        assert each.help.lower() in text.lower()


def test_run_is_as_if_the_script_were_run(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_run.py").write_text("here = __file__")
    script = tmp_path / "script.py"
    script.write_text("import neighbour_of_run\nprint(__file__, neighbour_of_run.here)")
    path = list(sys.path)
    assert type_(f"%run {script}") == f"{script} {tmp_path}/neighbour_of_run.py\n"
    assert sys.path == path
    assert type_(f"%run {script}", "'__file__' in globals()") == "False\n"


@pytest.mark.parametrize(
    ("exit_", "told"),
    [("sys.exit()", ""), ("sys.exit(3)", "PATH exited with 3\n"),
     ("sys.exit('no')", "no\nPATH exited with 1\n")],
)  # fmt: skip
def test_a_script_that_exits_ends_no_session(
    type_: Type, tmp_path: Path, exit_: str, told: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import sys\n{exit_}\nprint('not reached')")
    assert type_(f"%run {script}") == told.replace("PATH", str(script))
    assert type_(f"%run {script}", "5") == "5\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("help('if')", 'The "if" statement'),
        ("help('SEQUENCES')", "Sequence Types"),
        ("help('json.dumps')", "Help on function dumps in json"),
        ("help('no such thing')", "No Python documentation found for 'no such thing'"),
        ("help(len)", "built-in function len in module builtins"),
    ],
)
def test_help_on_what_is_local(type_: Type, code: str, told: str) -> None:
    assert told in type_(code)


@pytest.mark.parametrize(
    ("pasted", "told"),
    [
        ("x = 5\n%history 1\nx + 1\n", "%history 1\n6\n"),
        ("%history 1\nx = 7\nx", "%history 1\n7\n"),
        ("for n in 1, 2:\n    print(n)\n%history 1\nobj.add?\n", "1\n2\n%history 1\n"),
        ("7\n%nothing\n8", "7\nthere is no command %nothing"),
        ("%json [\n1\n]\n5", "[\n  1\n]\n5\n"),
        ('print("""\n%d items\n""" % 3)\n%history 1', "\n3 items\n\n%history 1\n"),
        ("obj.fail()\n%history 1", "Traceback"),
        ("%bg x = 1\nprint('in the job', x)\n%history 1", "job 1 runs; %cancel 1 ends it\n"),
    ],
)
def test_commands_and_python_pasted_together(type_: Type, pasted: str, told: str) -> None:
    assert type_(pasted).startswith(told)


def test_what_was_pasted_together_is_several_inputs(type_: Type) -> None:
    assert type_("x = 5\n%config vi\nx", "%history").startswith("x = 5\n%config vi\nx\n")
    assert "8" not in type_("7\n%nothing\n8")
    assert type_("7\n%quit\n8") == "7\n"


def test_refs_are_of_connections_that_stand(type_: Type) -> None:
    held = "ada = obj.accounts[0]"
    assert "\n  ada  <" in type_(held, "%refs")
    assert type_(held, "%reconnect", "bob = obj.accounts[1]", "%refs").count("\n  ") == 1


def test_history(type_: Type) -> None:
    assert type_("x = 1", "x", "%history 2") == "x\n%history 2\n"
    assert type_("x = 1", "%history 9") == "x = 1\n%history 9\n"
    assert type_("x = 1", "%history 0") == ""


def test_two_question_marks_ask_for_the_source(type_: Type) -> None:
    assert type_("obj.add??").endswith("its source stays with its owner\n")
    source = "def double(n):\n    return n * 2\n"
    assert type_(source, "double??").endswith(source)
    assert type_("len??").endswith("it has no source here\n")


LAZY = """
class Row:
    kept = 1
    def price(self): "What it costs."
class Rows(list):
    def __getitem__(self, at): return Row()
class Lazy:
    def __init__(self):
        self.ran = []
        self.row, self.rows, self.shelf = Row(), Rows([1]), {"a b": Row()}
    def find(self):
        self.ran.append("find")
        return self
    @property
    def total(self) -> Row:
        "All of it."
        self.ran.append("total")
        return Row()
    def __getattr__(self, name):
        if name != "made": raise AttributeError(name)
        self.ran.append("made")
        return Row()
lazy = Lazy()
"""


@pytest.fixture(scope="module")
def lazy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (path := tmp_path_factory.mktemp("lazy") / "lazy.py").write_text(LAZY)
    with serving_target(f"{path}:lazy") as address:
        yield address


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("obj.total?", "property total\nAll of it.\n"),
        ("obj.total??", "property total\nAll of it.\n  what a property gives is not known without "
         "running it\nits source stays with its owner\n"),
        ("%ls obj.total", "  what a property gives is not known without running it\n"),
        ("help(obj.total)", "property total\nAll of it.\n  what a property gives is not known "
         "without running it\n"),
        ("obj.total.price?", "access to 'total' is denied, or something would have to run; "),
        ("obj.made?", "a Lazy tells of no 'made'; nothing is run to describe it; x = … takes"),
        ("obj.fimd?", "a Lazy tells of no 'fimd'; did you mean find?\n"),
        ("obj.row.price?", "method price()\nWhat it costs.\n"),
        ("obj.row?", "object Row\n"),
        ("%ls obj.row", "  kept\n  price()  What it costs.\n"),
        ("%ls obj.rows[0]", "  kept\n  price()  What it costs.\n"),
        ("%desc obj.rows[0].price", "method price()\nWhat it costs.\n"),
        ("obj.rows[0].price?", "method price()\nWhat it costs.\n"),
        ("obj.rows[ -1 ] ?", "object Row\n"),
        ("obj.shelf['a b'].price?", "method price()\nWhat it costs.\n"),
        ('obj.shelf["a b"]??', "object Row\n"),
    ],
)  # fmt: skip
def test_nothing_runs_for_a_description(
    lazy: str, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    async def work() -> None:
        session = Session(prompts=True)
        try:
            with session.scope.as_main():
                await session.connections.open(lazy)
                await session.enter(line)
                out = "".join(capsys.readouterr())
                assert out.startswith(told), out
                await session.enter("obj.ran")
                assert capsys.readouterr().out == "[]\n"
                await session.enter("%desc obj.find().total")
                assert capsys.readouterr().out == "property total\nAll of it.\n"
                await session.enter("obj.ran")
                assert capsys.readouterr().out == "['find']\n"
                await session.enter("obj.ran.clear()")
        finally:
            await session.connections.close_all()

    asyncio.run(work())


def test_connections_that_are_opened_at_the_same_time(type_: Type, address: str) -> None:
    both = f"two = px.gather(px.open({address!r}), px.open({address!r}))"
    assert type_(both, "sorted(conns)") == "['obj', 'obj2', 'obj3']\n"
    both = f"px.gather(px.open({address!r}, 'b'), px.open({address!r}, 'b'))"
    assert "there is a connection called 'b' already" in type_(both)
    assert type_(both, "sorted(conns)") == "['b', 'obj']\n"


def test_a_new_connection_is_there_before_the_old_one_has_ended(address: str) -> None:
    async def work() -> None:
        session = Session(prompts=True)
        connection = await session.connections.open(address)
        old = connection.peer
        call = asyncio.ensure_future(proxyables.run(old.root.sleep(60)))
        await old.root.add(1)  # it is under way
        again = asyncio.ensure_future(session.connections.reopen())
        async with asyncio.timeout(3):
            while connection.peer is old:
                await asyncio.sleep(0.01)
        again.cancel()
        await asyncio.wait({again})
        assert await session.scope.names["obj"].add(20, 3) == 23
        call.cancel()
        await asyncio.wait({call})
        await session.connections.close_all()
        await old.wait_closed()

    asyncio.run(work())
