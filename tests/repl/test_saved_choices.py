"""`%save` where a place in the code, or a name, met what is local and what is remote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import proxyables.sync
from proxyables_cli.repl.saving.program import Form
from repl.processes import serving_target
from repl.test_auto_await import WORLD
from repl.test_saving import run_program, saved


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_target(f"{WORLD}:World", "--factory", "--instance", "connection") as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def background(address: str) -> None:
    """Starts the thread of the blocking face, for good: descriptors are counted for each test."""
    proxyables.sync.connect(address).close()


def same_again(
    address: str, sources: list[str], form: Form, capsys: pytest.CaptureFixture[str]
) -> str:
    """The program of a session, which printed what the session did."""
    text = asyncio.run(saved({"obj": address}, sources, form))
    typed = capsys.readouterr()
    assert typed.err == ""
    try:
        run_program(text)
    except Exception as error:
        raise AssertionError(f"{error!r} in\n{text}") from error
    assert capsys.readouterr().out == typed.out, text
    return text


# A name, or a place, that is local until something remote is kept in it.
LATER = [
    ["book = {'title': 'mine'}", "print(book['title'])", "book = obj.items[0]", "print(book.name)"],
    ["n = 0", "while n < obj.x: n += obj.add(1)", "print(n)", "n = obj.basket", "n += 2",
     "print(len(n))"],
    ["class N: n = 1\nv = N()\nv.n += 1\nprint(v.n)", "v = obj.first()", "v.price += 1",
     "print(v.price)"],
    ["x = 5", "print([x.real for x in (1, 2)])", "x = obj.first()", "print(x.name)"],
    ["c = None", "print(c.name if c else 'none')", "c = obj.first()", "print(c.name)"],
    ["d = {'a': 1}", "if 'z' in d: d['a'] += d['z']", "for k in d: print(k, d[k], f'{d[k]:>3}')",
     "d = obj.full", "print(len(d), f'{d}')"],
    ["f = len", "print([*map(lambda n: f, 'ab')][0] is len)", "f = obj.first()", "print(f.name)"],
    ["w = 'ab'", "print(list(map(lambda n: w.index(n), 'ab')), sorted(w, key=lambda n: n))",
     "w = obj.first()", "print(w.name)"],
]  # fmt: skip


@pytest.mark.parametrize("sources", LATER, ids=[each[-2] for each in LATER])
def test_a_name_that_is_remote_later_is_local_before(
    address: str, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = same_again(address, sources, Form.ASYNCIO, capsys)
    assert sources[0].split("\n")[-1] in text  # as it was typed
    assert "await print" not in text


def test_what_never_ran_is_told_by_the_names_of_its_input(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ["v = {'n': 1}", "if not v: print(v['n'])", "v = obj.table", "v = obj.first()",
               "if not v: print(v.name)"]  # fmt: skip
    text = same_again(address, sources, Form.ASYNCIO, capsys)
    assert sources[1] in text
    assert "print(await v.name)" in text


@pytest.mark.parametrize(
    "source",
    ["print(str(first + 1))", "if first + 1: print('yes')", "print(f'{first + 1}')",
     "print((first + 1) or 5)", "for n in [first + 1]: print(n)", "print(*[1], first + 1)",
     "print(list(map(lambda n: obj.numbers[n], (0, 2))))"],
)  # fmt: skip
def test_an_operator_is_awaited_once(
    address: str, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(address, ["first = obj.first()", source], Form.ASYNCIO, capsys)
