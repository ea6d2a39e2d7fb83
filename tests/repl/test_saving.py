"""`%save`: what is saved does, without the REPL, what was done in it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proxyables.sync
from proxyables_cli.exits import Failure
from proxyables_cli.repl.saving.frame import Form
from proxyables_cli.repl.saving.program import Program
from proxyables_cli.repl.session import Session
from repl.processes import command, environment, run, serving_target
from repl.test_auto_await import CASES, WORLD


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_target(f"{WORLD}:World", "--factory", "--instance", "connection") as address:
        yield address


@pytest.fixture(scope="module")
def background(address: str) -> None:
    """Starts the thread of the blocking face, for good: descriptors are counted for each test."""
    proxyables.sync.connect(address).close()


async def saved(addresses: dict[str, str], sources: list[str], form: Form) -> str:
    """The program of a session in which some inputs were typed."""
    session = Session(prompts=True)
    try:
        with session.scope.as_main():
            for name, address in addresses.items():
                await session.connections.open(address, name)
            for source in sources:
                await session.enter(source)
        return Program(session, form).text()
    finally:
        await session.more.close()
        await session.connections.close_all()


def run_program(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "saved"}
    exec(compile(text, "<saved>", "exec", dont_inherit=True), names)
    if "main" in names:
        asyncio.run(names["main"]())
    return names


SETTING_UP = [
    "import proxyables",
    "from proxyables import copy",
    "box = [obj]",
    "first = obj.first()",
]
# What the table has of things that only the REPL has.
ONLY_HERE = re.compile(r"def g\(\):\n  yield obj\.x|asyncio\.ensure_future|^lambda|math\.prod")


@pytest.mark.parametrize(
    "source",
    [source for source, _, _ in CASES if not ONLY_HERE.search(source)],
    ids=[source for source, _, _ in CASES if not ONLY_HERE.search(source)],
)
def test_every_form_of_auto_await_can_be_saved(address: str, source: str) -> None:
    addresses = {"obj": address, "other": address}
    text = asyncio.run(saved(addresses, [*SETTING_UP, source], Form.TEST))
    assert "__px" not in text
    try:
        run_program(text)
    except Exception as error:
        raise AssertionError(f"{error!r} in\n{text}") from error


# The blocking face has neither a loop nor `await`; and what it reads is live, and prints as such.
NOT_BLOCKING = re.compile(
    r"async|await|px\.|proxyables|\bg\(\)|def twice|obj\.call|!r|obj\.log\)|\*\*rest|^obj$"
    # A local list adds a proxy as numbers are added, which leaves it as it was.
    r"|n is m|^r = \[0\]\nr \+= obj"
)
BLOCKING = [source for source, _, _ in CASES if not NOT_BLOCKING.search(source)]


@pytest.mark.parametrize("source", BLOCKING, ids=BLOCKING)
def test_both_forms_print_the_same(
    address: str, source: str, capsys: pytest.CaptureFixture[str], background: None
) -> None:
    sources = ["box = [obj]", "first = obj.first()", source]
    addresses = {"obj": address, "other": address}
    printed = []
    for form in (Form.ASYNCIO, Form.BLOCKING):
        text = asyncio.run(saved(addresses, sources, form))
        capsys.readouterr()
        run_program(text)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


SESSION = """\
obj.name
# what it costs
emma = obj.find("Emma")
emma
emma.quote(2, discount=10)
def twice(x):
    return 2 * x

async def cheapest():
    prices = [book.price for book in obj.books]
    return min(prices) if prices else obj.name

await cheapest()
twice(obj.add(1, 2))
_ + 1
obj.titles()
import math; math.floor(obj.add(1.5, 1))
sorted(obj.books, key=lambda book: -book.price)[0].title
obj.sell("Emma", copies=1000)
obj.nothing
"a line\\nanother", {1}
x =
%ls
%time obj.name
%timeit -x
%bg background = obj.add(20, 1)
obj.wrap("Emma")
background
"""


def test_a_session_becomes_three_programs(tmp_path: Path) -> None:
    """As a user would: typed, saved, and run by Python and by pytest on the same server."""
    with serving_target("proxyables.demo:obj") as address:
        paths = {name: tmp_path / name for name in ("a.py", "b.py", "test_c.py")}
        saves = (
            f"%save {paths['a.py']}\n%save --sync {paths['b.py']}\n"
            f"%save --test {paths['test_c.py']}\n%save {paths['a.py']}\n%save -x y\n"
        )
        typed = run(command(address, plain=True), SESSION + saves)
        assert typed.stdout.count("saved as") == 3, typed.stderr
        assert "a.py' exists; choose another name" in typed.stderr
        assert "%save takes one file; as in %save [--sync|--test] shop.py" in typed.stderr
        ran = [run([sys.executable, str(paths[name])]) for name in ("a.py", "b.py")]
        assert [each.stderr for each in ran] == ["", ""]
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_c.py"]
        tested = subprocess.run(
            words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
    assert "1 passed" in tested.stdout, tested.stdout
    assert ran[0].stdout.splitlines() == [
        "The Remote Shelf", "<Book 'Emma' by Jane Austen>", "1620", "900", "6", "7",
        "Emma", "Dracula", "Middlemarch", "2", "Middlemarch", "('a line\\nanother', {1})",
        "The Remote Shelf", "Emma, in paper with a bow", "21",
    ]  # fmt: skip
    assert ran[1].stdout == ran[0].stdout
    program = paths["a.py"].read_text()
    assert "# what it costs" in program
    assert '# obj.sell("Emma", copies=1000)' in program
    assert "# %timeit -x" in program
    assert "%ls" not in program
    test = paths["test_c.py"].read_text()
    assert "    assert await obj.name == 'The Remote Shelf'" in test
    assert "with pytest.raises(LookupError):\n            await obj.sell(" in test or (
        "with pytest.raises(proxyables.RemoteError):\n            await obj.sell(" in test
    )
    assert "with pytest.raises(AttributeError):" in test


@pytest.mark.parametrize("sources", [[], ["1 +"], ["%ls"], ["1 / 0"]])
def test_a_session_in_which_nothing_worked(address: str, sources: list[str]) -> None:
    with pytest.raises(Failure, match="there is nothing to save"):
        asyncio.run(saved({"obj": address}, sources, Form.ASYNCIO))


def test_what_only_the_repl_has_is_left_out(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], background: None
) -> None:
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    sources = [
        "obj.x", "px.open", "1 / 0", "_err", "help(obj)", "await asyncio.sleep(0)",
        f"%save {paths[0]}", f"%save --sync {paths[1]}",
    ]  # fmt: skip
    asyncio.run(saved({"obj": address}, sources, Form.ASYNCIO))
    told = capsys.readouterr().out.split("saved as ")
    assert told[1].splitlines()[1:] == [
        "input 2 uses px.open, which only the REPL has: left out",
        "input 4 uses _err, which only the REPL has: left out",
        "input 5 uses help, which only the REPL has: left out",
    ]
    assert "input 6 uses asyncio in a way that the blocking form has not: left out" in told[2]
    for path in paths:
        run_program(path.read_text())
        assert capsys.readouterr().out == "3\n"


def test_two_connections_settings_and_globals(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [
        "bank.x = 10",
        "obj.add(bank.x, audit.x)",
        "%use audit",
        "total = obj.x",
        "def more():\n    global total\n    total += 1",
        "more()",
        "total, conn is conns['bank'], sorted(conns)",
        "1",
        "__[0]",
        '"""two\n  lines"""',
        "if bank.none:\n    obj.fail()\nelse:\n    print(obj.word)",
    ]
    text = asyncio.run(saved({"bank": address, "audit": address}, sources, Form.ASYNCIO))
    capsys.readouterr()
    run_program(text)
    assert capsys.readouterr().out.splitlines() == [
        "13", "(4, True, ['audit', 'bank'])", "1", "4", "two", "  lines", "four",
    ]  # fmt: skip
    assert "await obj.fail()" in text  # never reached; what it begins with is remote
