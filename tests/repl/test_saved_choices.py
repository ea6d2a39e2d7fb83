"""`%save` where a place in the code, or a name, met what is local and what is remote."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proxyables.sync
from proxyables_cli.repl.saving import program
from proxyables_cli.repl.saving.frame import Form
from proxyables_cli.repl.session import Session
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
    assert "    # " not in text
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


@pytest.mark.parametrize(
    "sources",
    [
        ["items = [obj.first(), 5]", "print(*items)", "print(*items, sep='-')"],
        ["print('all:', *obj.items, *obj.numbers)", "print(*(i for i in obj.items))"],
        ["print(*map(lambda i: i, obj.items))", "print(*sorted(obj.items, key=lambda i: i.price))"],
        ["def show(*given):\n    return len(given)", "print(show(*(i for i in obj.items)))"],
        ["each_told = [obj.first()]",
         "for i in (1, 2):\n    print(*([i] if i == 1 else each_told))"],
        ["async def show(items):\n    print(*items)", "await show([obj.x, obj.first()])",
         "await show([1])"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [Form.ASYNCIO, Form.BLOCKING])
def test_items_behind_a_star_print_as_their_owner_says(
    address: str, sources: list[str], form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(address, sources, form, capsys)


def test_items_behind_a_star_that_never_were_printed(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = same_again(address, ["if obj.x > 9: print(*obj.items)"], Form.ASYNCIO, capsys)
    assert "print(*await each_told(await obj.items))" in text
    text = same_again(address, ["obj.x", "if not 1: print(*[1])"], Form.ASYNCIO, capsys)
    assert "print(*[1])" in text


@pytest.mark.parametrize("form", [Form.ASYNCIO, Form.BLOCKING])
@pytest.mark.parametrize(
    "sources",
    [
        ["ns = await obj.numbers", "ns.append(9)", "print(ns, obj.numbers)"],
        ["a, b = await asyncio.gather(obj.numbers, obj.table)", "a.append(1)", "b['z'] = 1",
         "print(a, b, obj.numbers, obj.table)"],
        ["ns, = px.gather(obj.numbers)", "ns.append(1)", "print(ns, obj.numbers)"],
        ["print(await asyncio.gather(*[obj.add(n) for n in (1, 2)]))"],
        ["its = obj.items", "a = await asyncio.gather(*[i.tags for i in its])", "a[0].append(1)",
         "print(a, obj.items[0].tags)"],
        ["async def f():\n    return await obj.numbers", "x = await f()", "x.append(4)",
         "print(x, obj.numbers)"],
        ["async def f(c):\n    n = await c\n    n.append(7)\n    return n",
         "x = await f(obj.numbers)", "print(x, obj.numbers)"],
        ["print([await i.tags for i in obj.items], (await obj.numbers)[0], f'{await obj.table}')"],
        ["if obj.x > 9: q = await obj.numbers", "print(obj.x, await obj.add(await obj.x, 2))"],
        ["(await obj.first()).tags.append(3)", "print(obj.first().tags)"],
        ["p = px.ref(obj.numbers)", "q = await p", "q.append(1)", "print(len(obj.numbers))"],
        ["import proxyables", "n = await proxyables.copy(obj.numbers)", "n.append(3)",
         "print(n, obj.numbers, await proxyables.perform(obj.numbers, 'len'))"],
        ["await obj.numbers and None", "await obj.add(0) or None", "print(await obj.add(1) == 1)"],
        ["async def f():\n    yield 1", "print([x async for x in f()])"],
    ],
    ids=lambda sources: str(sources[0]) if isinstance(sources, list) else "",
)  # fmt: skip
def test_what_an_explicit_await_fetches(
    address: str, sources: list[str], form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(address, sources, form, capsys)


def test_an_explicit_await_of_a_cell_that_awaits_nothing_by_itself(address: str) -> None:
    sources = ["import proxyables", "%await off", "c = obj.numbers", "n = await c"]
    names = run_program(asyncio.run(saved({"obj": address}, sources, Form.BLOCKING)))
    names["n"].append(5)
    assert type(names["n"]) is list


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        (["import asyncio as aio", "await aio.sleep(0)"],
         "input 2 uses aio in a way that the blocking form has not"),
        (["from asyncio import sleep", "if obj.x > 9: await sleep(0)"],
         "input 2 uses sleep in a way that the blocking form has not"),
        (["class W:\n    def __await__(self):\n        yield from ()", "await W()"],
         "input 2 awaits W(), for which there has to be a loop"),
        (["async def f():\n    await asyncio.sleep(0)", "await f()"],
         "input 1 uses asyncio in a way that the blocking form has not"),
        (["obj.x", "await asyncio.gather(obj.fail(), return_exceptions=True)"],
         "input 2 gathers errors, which the blocking form cannot"),
        (["import proxyables", "await proxyables.assign(obj.x, 3)"],
         "input 2 uses proxyables.assign, which the blocking form has not"),
    ],
    ids=lambda given: str(given[-1]) if isinstance(given, list) else "",
)  # fmt: skip
def test_awaits_that_the_blocking_form_has_not(
    address: str, sources: list[str], why: str, tmp_path: Path
) -> None:
    async def left_out() -> list[str]:
        session = Session(prompts=True)
        try:
            with session.scope.as_main():
                await session.connections.open(address, "obj")
                for source in sources:
                    await session.enter(source)
            return program.save(session, str(tmp_path / "saved.py"), Form.BLOCKING)
        finally:
            await session.more.close()
            await session.connections.close_all()

    assert asyncio.run(left_out())[0] == why


@pytest.mark.parametrize(
    "sources",
    [
        ["told = given = 1", "for i in (obj.first(), 5): print(str(i), told)"],
        ["def f(fetched, i): return fetched + i.price", "class A: price = 1",
         "async def g(decided):\n    return [decided(i) for i in (A(), obj.first())]",
         "print([f(0, i) for i in (A(), obj.items[1])], await g(lambda i: i.price))"],
        ["ordered = mapped = [obj.first()]", "print(sorted(ordered, key=lambda i: i.price))"],
        ["fetched = 'mine'", "print(fetched, obj.x)"],
    ],
)  # fmt: skip
def test_names_of_the_session_that_the_program_has_functions_of(
    address: str, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = asyncio.run(saved({"obj": address}, sources, Form.ASYNCIO))
    typed = capsys.readouterr()
    assert typed.err == ""
    run_program(text)
    told = [re.sub(r"<Proxy.*?>", "", out) for out in (capsys.readouterr().out, typed.out)]
    assert told[0] == told[1], text
    assert "fetched" not in sources[0] or "async def fetched(" not in text


MINE = """\
class Mine:
    name, price, tags, n = "mine", 1, ["own"], 0
    def __enter__(self): return "entered"
    def __exit__(self, *error): pass
    def cost(self, count=1): return count
    def __repr__(self): return "<mine>"
mine, first = Mine(), obj.first()"""

# One place that met both.
BOTH = [
    "for i in [first, None]:\n    if i: print(i.name)",
    "i = first\nwhile i:\n    print(i.name)\n    i = None",
    "async def show(i):\n    return i.name\nprint(await show(first), await show(mine))",
    "print([i.name for i in (mine, first)], {i.name: i.price for i in (first, mine)})",
    "print(sum(i.price for i in (mine, first)), [i.cost(2) + i.price for i in (mine, first)])",
    "for i in (mine, first): print(i.name if i.price > 1 else i.tags, i.price == 5, -i.price)",
    "for i in (mine, first, 0): print(f'{i}|{i!r:>8}|{i!s}', str(i), repr(i))",
    "for i in (obj.full, [], obj.basket, 5): print(bool(i), not i, 1 if i else 2, i or 'none')",
    "for i in (obj.full, 'ab'): print(len(i), len([i, i]))",
    "for i in (obj, mine): print(len(i.tags) if i is mine else i.x)",
    "for i in (obj.rows(), [1, 2], iter('ab')):\n    for n in i: print(n)",
    "print([n for i in (obj.rows(), [4]) for n in i if n > 1])",
    "for i in (obj.rows(), [3, 4, 5]):\n    a, *b = i\n    print(a, b)",
    "for i in (obj.pair(), (7, (8, 9))):\n    a, (b, c) = i\n    print(a, b, c)",
    "for i in (obj.rows(), [3, 4], 'ab'): print(list(i), sep='')",
    "for i in (obj.rows(), [3, 4]): print(*i)",
    "for i in (obj.rows(), iter([3])): print(next(i), next(i, 'end'))",
    "for i in (obj.rows(), [3, 4]): print(obj.x in i, 9 in [i])",
    "for i in (obj.first().tags, ['own']): print('new' in i)",
    "for i in (mine, first):\n    i.price = 9\n    i.price += 1\n    print(i.price)",
    "for i in (mine, obj):\n    i.n = 4\n    del i.n\n    print(hasattr(i, 'n'))",
    "for i in ([1, 2], await px.ref(obj.numbers)):\n"
    "    i[0] = 7\n    i[1] += 2\n    del i[0]\n    print(len(i), 4 in i, i[0])",
    "for i in (mine, obj.lock()):\n    with i as word: print(word)",
    "for i in (mine, first): print(i == first, first == i, i != 'pear')",
    "for i in (first, mine): print(getattr(i, 'name', 0), hasattr(i, 'nope'), format(i))",
    "for i in (first, mine):\n    setattr(i, 'price', 3)\n    delattr(i, 'price')\n"
    "    print(hasattr(i, 'price'))",
    "n = 1\nfor i in (1, obj.basket, 2):\n    n = n if i in (1, 2) else i\n    n += 1\n"
    "    print(n if type(n) is int else len(n))",
    "for i in (obj.add, max): print(i(obj.x, obj.y))",
    "print(sorted([first, mine], key=lambda i: i.price), [*map(lambda i: i.name, [mine, first])])",
    "print([i.name for i in filter(lambda i: i.price > 2, [mine, first])])",
    "def name_of(i): return i.name == 'pear'\nprint([name_of(i) for i in (mine, first)])",
    "r = [mine, first][0].name, [first, mine][0].name\nprint(r)",
    "for i in (first, mine): i.price += i.cost(i.price)\nprint(mine.price, first.price)",
    "print(any(i.price > 4 for i in (mine, first)), all(i for i in (0, first)))",
    "match first:\n    case i if i.price: print(i.name)\nassert first and mine, first.name",
]  # fmt: skip


@pytest.mark.parametrize("source", BOTH)
def test_a_place_that_met_both_asks_what_is_remote(
    address: str, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(address, [MINE, source], Form.ASYNCIO, capsys)


# What an input uses that is from a script, from one that failed, or from one that is left out.
LACKING = [
    (["%run {script}", "1", "root(helper)", "def g(): return root(helper)", "r = g()", "r", "g"],
     {3: "helper", 4: "helper", 5: "g", 6: "r", 7: "g"}),
    (["a = 5; 1 / 0", "a + 1", "def f(): return never_made", "f"], {2: "a"}),
    (["obj.x", "px.help", "_", "5", "_ + 1"], {3: "_"}),
    (["b = px.help", "b is None", "b = 5", "b + 1"], {2: "b"}),
    (["obj.rows()", "_", "_ = 4", "_"], {2: "_"}),
    (["helper = 1", "%run {script}", "helper"], {}),
    (["from math import *", "floor(2.5)", "globals()['z'] = 1", "z"], {}),
    (["exec('w = 1')", "w"], {2: "w"}),
    (["def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)",
      "class A:\n  n = 1\n  m = n\n  def f(self): return later", "later = 3", "A().f()",
      "even(4), [n for n in range(3) if n], (lambda k: k)(1)", "x = y = 2\nx + y", "1", "_, __",
      "for i in 'ab': pass", "i", "try: {{}}['a']\nexcept KeyError as e: r = e.args", "r"], {}),
]  # fmt: skip


@pytest.mark.parametrize("form", [Form.ASYNCIO, Form.BLOCKING], ids=["asyncio", "blocking"])
@pytest.mark.parametrize(("sources", "left"), LACKING, ids=[each[0][-1] for each in LACKING])
def test_what_needs_an_input_that_is_not_saved_is_left_out_and_named(
    address: str, sources: list[str], left: dict[int, str], form: Form, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script = tmp_path / "script.py"
    script.write_text("helper = 4\nfrom math import sqrt as root\n")
    inputs = [*(source.format(script=script) for source in sources), f"%save {tmp_path / 'a.py'}"]
    text = asyncio.run(saved({"obj": address}, inputs, form))
    told = capsys.readouterr().out.partition("saved as")[2].splitlines()[1:]
    wanted = [f"input {n} uses {name}, which comes from no saved input" for n, name in left.items()]
    assert [each.removesuffix(": left out") for each in told if "px." not in each] == wanted
    run_program(text)


REBOUND = [
    ["print(sum(obj.numbers))", "sum = 3", "print(sum)"],
    ["def total(): return sum([1, 2])", "print(total())", "sum = 3", "print(sum)"],
    ["import time as t0; t0.sleep(0)", "t0 = obj.x", "print(t0)"],
    ["json = 5", "print(json)", "import json", "print(json.dumps(1))"],
    ["from math import floor as f\nprint(f(2.5))", "from math import ceil as f", "print(f(2.5))"],
    ["x: int = 5", "def more():\n    global x\n    x += 1", "more()", "print(x)"],
    ["if obj.x:\n    x: int = obj.x  # three\n    y: int", "global x", "x += 1\nprint(x)",
     "def more():\n    global x\n    y: int = 2\n    x += y", "more()", "print(x)"],
    ["class A:\n    len: int = 1\nprint(A.len, len('ab'))", "for len in 'ab': print(len)"],
    ["from __future__ import annotations", "import os, os.path", "import os.path",
     "print(os.path.sep)"],
]  # fmt: skip


@pytest.mark.parametrize("form", [Form.ASYNCIO, Form.BLOCKING], ids=["asyncio", "blocking"])
@pytest.mark.parametrize("sources", REBOUND, ids=[each[0] for each in REBOUND])
def test_names_that_are_bound_again(
    address: str, sources: list[str], form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(address, sources, form, capsys)


FAILING = [
    "return 5",
    "yield 5",
    "def f():\n    if obj.x: return 1\nf()",
    "list(zip((i.name for i in obj.items), 'ab'))",
    "(lambda: f'{obj.x}')()",
    "(lambda: obj.x in [3])()",
]


@pytest.mark.parametrize("source", FAILING)
def test_what_only_the_repl_refuses_is_not_expected_to_fail(address: str, source: str) -> None:
    text = asyncio.run(saved({"obj": address}, ["1", source, "2"], Form.TEST))
    assert f"# {source.splitlines()[0]}" in text
    assert "raises" not in text
    run_program(text)


def test_what_fails_by_itself_is_expected_to(address: str) -> None:
    sources = ["1", "import no_such_module", "compile('return 5', '', 'exec')", "{}['a']",
               "import math\nmath.no_such_name", "obj.fail()", "[1, 2"]  # fmt: skip
    text = asyncio.run(saved({"obj": address}, sources, Form.TEST))
    run_program(text)
    for kind in ("ModuleNotFoundError", "SyntaxError", "KeyError", "AttributeError", "ValueError"):
        assert f"with pytest.raises({kind}):" in text
    assert "[1, 2" not in text


# What a session changed or showed here, where the blocking face would have it over there.
HERE = [
    "stock = obj.table\nstock['a'] = 0\nprint(stock, obj.table['a'])",
    "r = obj.numbers[:2]\nr.append(9)\nprint(r, obj.numbers)",
    "print({**obj.table}, [obj.numbers, obj.first().tags], (obj.numbers[::2], obj.x))",
    "import json\nprint(json.dumps(obj.table), json.dumps({'n': obj.numbers}))",
    "print(isinstance(obj.numbers, list), type(obj.table) is dict, obj.numbers is None)",
    "r = [i.tags for i in obj.items]\nr[0].append('mine')\nprint(r, len(obj.first().tags))",
    "obj.word = obj.numbers\nobj.numbers[0] = 7\nprint(obj.word, obj.numbers)",
    "r = [0]\nr += obj.numbers\nr.append(obj.numbers)\nprint(r)",
    "async def f():\n    return obj.numbers\nr = await f()\nr.append(4)\nprint(r, obj.numbers)",
    "def f():\n    return obj.numbers\nr = f()\nr.append(4)\nprint(r, obj.numbers)",
    "r = getattr(obj, 'numbers')\nr.append(4)\nprint(r, obj.numbers)",
    "for n in ([1], first):\n    r = obj.numbers if type(n) is list else n.name\n    print(r)",
    "for i in 'xt':\n    r = {'x': obj.x, 't': obj.numbers}[i]\n    print(r)",
    "print(f'{first!r:>8}|{obj.numbers!r}|{obj.full!r}', repr(first), repr(obj.numbers), repr(5))",
    "for i in (first, 5): print(repr(i), f'{i!r}|{i}')",
    "print(f'{obj.x!r:>3}', len(obj.numbers), sum(obj.numbers), sorted(obj.numbers)[0])",
    "first", "obj.first()", "obj.full", "obj.numbers", "obj.table, obj.numbers", "'ab'",
    "obj.numbers\n_.append(3)\nprint(_, obj.numbers)",
]  # fmt: skip


@pytest.mark.parametrize("source", HERE)
def test_what_was_here_is_here_in_the_blocking_form(
    address: str, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ["first = obj.first()", *source.split("\n_.")]
    sources[2:] = ["_." + each for each in sources[2:]]
    text = asyncio.run(saved({"obj": address}, sources, Form.BLOCKING))
    typed = capsys.readouterr()
    assert typed.err == ""
    run_program(text)
    shown = typed.out.replace("'ab'", "ab").replace("remote ", "")  # as the prompt shows them
    assert capsys.readouterr().out == shown, text


def test_what_is_only_read_is_not_fetched(address: str) -> None:
    sources = ["print(len(obj.numbers), sorted(obj.numbers), obj.numbers == [1, 2, 3])",
               "for n in obj.numbers: print(n)", "obj.numbers[0] += 1", "obj.numbers"]  # fmt: skip
    text = asyncio.run(saved({"obj": address}, sources, Form.BLOCKING))
    assert "copy" not in text
    for source in sources[:3]:
        assert source in text


def test_what_is_no_text_is_saved_as_a_comment(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a locale that is not UTF-8, a terminal gives such characters."""
    path = tmp_path / "a.py"
    sources = ["'\u00e4'", "'\udce4'", "1 / 0  # \udce4", f"%save {path}"]
    asyncio.run(saved({"obj": address}, sources, Form.ASYNCIO))
    assert "saved as" in capsys.readouterr().out
    text = path.read_text("utf-8")
    assert "print('\u00e4')" in text
    run_program(text)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_program_that_cannot_be_written_leaves_no_file(
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a.py"

    def full(name: str, mode: str) -> Any:
        open(name, mode).close()
        return open("/dev/full", "wb")

    monkeypatch.setattr(program, "open", full, raising=False)
    asyncio.run(saved({"obj": address}, ["1", f"%save {path}"], Form.ASYNCIO))
    assert "cannot write" in capsys.readouterr().err
    assert not path.exists()
