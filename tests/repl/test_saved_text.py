"""`%save` keeps what was typed: comments, blank lines, quotes and layout, with `await` put in."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyables_cli.repl.compiling import Compiler
from proxyables_cli.repl.saving.frame import Form
from proxyables_cli.repl.saving.layout import physical
from proxyables_cli.repl.saving.typed import Typed
from repl.processes import environment, serving_target
from repl.test_auto_await import CASES, WORLD
from repl.test_rewriting import LOCAL
from repl.test_saving import saved


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_target(f"{WORLD}:World", "--factory", "--instance", "connection") as address:
        yield address


def body_of(address: str, source: str, form: Form) -> str:
    """What a program has for one cell."""
    text = asyncio.run(saved({"obj": address}, ["1", source], form))
    _, _, body = text.partition("obj = obj_peer.root\n")
    body = body.partition('\n\n\nif __name__ == "__main__"')[0].partition("\n\n\ndef test_")[0]
    _, first, *lines = physical(f"if 1:\n{body.rstrip()}")
    margin = first.removesuffix("print(1)")
    assert margin.isspace()
    return "\n".join(line.removeprefix(margin) for line in lines)


# What is typed, and what is saved for asyncio, where it differs, and for the blocking face.
CELLS: list[tuple[str, str | None, str | None]] = [
    ("# by itself\n\n# and another", None, None),
    ("n = 1  # one\n\n# then\nm = (n +\n     2)  # three", None, None),
    ("n  =  obj.x  # x", "n  =  await obj.x  # x", None),
    ("n  =  await  obj.x  # x", None, "n  =  obj.x  # x"),
    ("obj.x  # shown", "print(await obj.x)  # shown", "print(obj.x)  # shown"),
    ("obj.x,  obj.y  # two", "print((await obj.x,  await obj.y))  # two",
     "print((obj.x,  obj.y))  # two"),
    ("(obj.x,  # one\n obj.y)", "print((await obj.x,  # one\n await obj.y))",
     "print((obj.x,  # one\n obj.y))"),
    ("obj.x = 5; obj.y = 6  # set", "await proxyables.assign(obj.x, 5)\n"
     "await proxyables.assign(obj.y, 6)  # set", "obj.x = 5\nobj.y = 6  # set"),
    ("if obj.none: obj.x = 5; n = 2  # no\nelse: n = 'ä'  # yes",
     "if await obj.none: await proxyables.assign(obj.x, 5); n = 2  # no\nelse: n = 'ä'  # yes",
     None),
    ('obj.table["a"] += obj.x  # more',
     'await proxyables.assign(obj.table["a"], await obj.table["a"] + await obj.x)  # more', None),
    ("for n in [1]:\n    obj.x += n  # in\n\n    # why\n    n += 1\n# behind",
     "for n in [1]:\n    await proxyables.assign(obj.x, await obj.x + n)  # in\n\n    # why\n"
     "    n += 1\n# behind", None),
    ("d = [1]\nfor n in d:\n    d[0] += obj.x  # local",
     "d = [1]\nfor n in d:\n    d[0] += await obj.x  # local", None),
    ("for n in obj.rows():  # each\n    r = [ n, 'quoted' ]  # kept",
     "async for n in obj.rows():  # each\n    r = [ n, 'quoted' ]  # kept", None),
    ("async  for n in obj.rows():\n    pass  # none", None,
     "for n in obj.rows():\n    pass  # none"),
    ("r = [\n    n  # n\n    for n in obj.rows()  # all\n    if n > obj.x\n]",
     "r = [\n    n  # n\n    async for n in obj.rows()  # all\n    if n > await obj.x\n]", None),
    ("r = [n  async for n in obj.rows()]", None, "r = [n  for n in obj.rows()]"),
    ("r = [a+b  for (a, b) in [(1, 2)]  for c in obj.rows()]",
     "r = [a+b  for (a, b) in [(1, 2)]  async for c in obj.rows()]", None),
    ("with obj.lock() as a, obj.lock():  # both\n    r = ( a )  # a",
     "async with obj.lock() as a, obj.lock():  # both\n    r = ( a )  # a", None),
    ("import io\nwith io.StringIO() as f, obj.lock() as w:\n    # in both\n    f.write( w )  # it",
     "with io.StringIO() as f:\n    async with obj.lock() as w:\n        # in both\n"
     "        f.write( w )  # it",
     "with io.StringIO() as f, obj.lock() as w:\n    # in both\n    f.write( w )  # it"),
    ("(obj.first()).name", "print(await (obj.first()).name)", "print((obj.first()).name)"),
    ("r = (await  obj.first()).name", "r = await (await  obj.first()).name",
     "r = (obj.first()).name"),
    ("r = obj.x ** obj.y,  -obj.x", "r = (await obj.x) ** (await obj.y),  -await obj.x", None),
    ("r = 1 < obj.x  < 5", "r = 1 < await obj.x  < 5", None),
    ("r = 'z' not in obj.table  and  obj.x",
     "r = not await proxyables.contains(obj.table, 'z')  and  await obj.x", None),
    ("r = sum(n for n in obj.rows())  # all",
     "r = sum([n async for n in obj.rows()])  # all", None),
    ("b = obj.basket\nb += 1  # in place\nn = 1\nn += obj.x  # here",
     "b = await obj.basket\nb = await proxyables.perform(b, 'iadd', 1)  # in place\nn = 1\n"
     "n += await obj.x  # here", None),
    ("if obj.full and not obj.none:  # asks\n    r = obj.none  or  obj.word   # one of them",
     "if await proxyables.perform(await obj.full, 'bool') and not await obj.none:  # asks\n"
     "    r = await obj.none  or  await obj.word  # one of them",
     "if obj.full and not obj.none:  # asks\n    r = obj.none  or  obj.word  # one of them"),
    ("r = {  'a' : obj.x  }", "r = {  'a' : await obj.x  }", None),
    ('t = """a\n  b"""; r = obj.word  # both', 't = """a\n  b"""\nr = await obj.word  # both',
     't = """a\n  b"""\nr = obj.word  # both'),
    ("async def f(n,  # what\n            m=2):\n    '''Says.\n\n    More.\n    '''\n    # x\n"
     "    return obj.x\n",
     "\nasync def f(n,  # what\n            m=2):\n    '''Says.\n\n    More.\n    '''\n    # x\n"
     "    return await obj.x",
     "\ndef f(n,  # what\n            m=2):\n    '''Says.\n\n    More.\n    '''\n    # x\n"
     "    return obj.x"),
    ("# a class\nclass A:  # here\n    async   def f(self):  # remote\n        return obj.x\n",
     "\n# a class\nclass A:  # here\n    async   def f(self):  # remote\n"
     "        return await obj.x",
     "\n# a class\nclass A:  # here\n    def f(self):  # remote\n        return obj.x"),
    ("try:  # it\n    obj.fail()  # fails\nexcept ValueError:  # as it should\n    r = 1\n",
     "try:  # it\n    await obj.fail()  # fails\nexcept ValueError:  # as it should\n    r = 1",
     "try:  # it\n    obj.fail()  # fails\nexcept ValueError:  # as it should\n    r = 1"),
    ("match obj.x:  # which\n    case 3 if obj.y:  # three\n        r = 1",
     "match await obj.x:  # which\n    case 3 if await obj.y:  # three\n        r = 1", None),
    ("a, (b, c)  =  obj.pair()  # apart",
     "a, (b, c)  =  await unpacked([item async for item in await obj.pair()], {1: {}})  # apart",
     None),
    ("r = sorted(\n    obj.items,  # all\n    key=lambda item: item.price,\n)[0]",
     "r = (await ordered(sorted, await obj.items, key=lambda item: item.price))[0]", None),
]  # fmt: skip


@pytest.mark.parametrize(("source", "awaited", "plain"), CELLS, ids=[each[0] for each in CELLS])
def test_what_was_typed_is_kept(
    address: str, source: str, awaited: str | None, plain: str | None
) -> None:
    assert body_of(address, source, Form.ASYNCIO) == (source if awaited is None else awaited)
    assert body_of(address, source, Form.BLOCKING) == (source if plain is None else plain)


def test_an_f_string_that_python_cannot_write_is_kept_or_left_out(address: str) -> None:
    """Before Python 3.12 `ast.unparse` gives up on it."""
    told = "f'{%s} {[\"x\u200by\"]}'"  # what has to be escaped inside
    sources = [f"r = {told % 1}", f"s = {told % 'obj.x'}", "r"]
    text = asyncio.run(saved({"obj": address}, sources, Form.ASYNCIO))
    assert sources[0] in text
    assert "print(r)" in text
    assert ("# s = f" in text) is (sys.version_info < (3, 12))


SESSION = '''\
import math  # for the root

# what there is
items = obj.items  # by reference

total = 0
for item in items:
    # dear ones only
    if item.price > 3:  # cents
        total += item.price
        obj.table["total"] = total  # kept there
    else:
        obj.x += 1

total, obj.table["total"]  # the same
----
async def names(
    least,  # cents
):
    """The names of what costs so much.

    In their order.
    """
    return [
        item.name  # remote
        for item in obj.items
        if item.price >= least
    ]
----
await names(2)  # all
----
text = f"""{obj.word}:
  {math.sqrt(obj.x):.1f}"""  # two lines
text
'''


def test_the_programs_run_as_they_are(address: str, tmp_path: Path) -> None:
    ran = {}
    for form in Form:
        text = asyncio.run(saved({"obj": address}, SESSION.split("----\n"), form))
        for comment in ("# what there is", "# dear ones only", "# cents", "# kept there",
                        "# by reference", "# remote", "# the same", "# all", "# two lines",
                        "import math  # for the root"):  # fmt: skip
            assert comment in text, text
        assert "        # dear ones only\n" in text
        path = tmp_path / f"test_{form.value}.py"
        path.write_text(text)
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if form is Form.TEST else []
        ran[form] = subprocess.run(
            [sys.executable, *words, path.name],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran[form].returncode, ran[form].stderr) == (0, "")
    assert ran[Form.ASYNCIO].stdout == "(5, 5)\n['pear', 'plum']\nfour:\n  2.0\n"
    assert ran[Form.BLOCKING].stdout == ran[Form.ASYNCIO].stdout
    assert "1 passed" in ran[Form.TEST].stdout


SOURCES = [*(source for source, _, _ in CASES), *LOCAL, *(source for source, _, _ in CELLS)]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_not_changed_is_the_text_itself(source: str) -> None:
    typed = Typed(source, 1)
    for part in typed.parts:
        text = typed.text_of([part.statement])
        assert text in source
        assert ast.dump(Compiler().parse(text, "<text>").body[0]) == ast.dump(part.statement)


def test_lines_inside_of_strings_are_not_indented() -> None:
    assert physical('a = """x\ny\n  z""", """\n"""\nb\n') == [
        'a = """x\ny\n  z""", """\n"""',
        "b",
        "",
    ]
