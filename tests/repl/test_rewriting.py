"""What auto-await sends: source in, messages out, and the values that plain Python would give."""

from __future__ import annotations

import ast
import asyncio
import itertools
from typing import Any

import pytest

from proxyables_cli.repl.compiling import DISPLAY, Compiler, Shows
from repl import standins


class Item:
    def __init__(self, name: str, price: int) -> None:
        self.name = name
        self.price = price

    def cost(self, count: int = 1) -> int:
        return self.price * count

    def same(self, other: object) -> bool:
        return other is self

    def __add__(self, other: int) -> int:
        return self.price + other

    def __lt__(self, other: int) -> bool:
        return self.price < other

    def __neg__(self) -> int:
        return -self.price


class Rows:
    def __init__(self, *rows: object) -> None:
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return "Rows!"


class World:
    def __init__(self) -> None:
        self.x = 3
        self.y = 4
        self.word = "four"
        self.none = None
        self.pear, self.plum = Item("pear", 5), Item("plum", 2)
        self.items = [self.pear, self.plum]
        self.numbers = [1, 2, 3]
        self.table = {"a": 1, "b": 2}
        self.options = {"count": 3}
        self.depth = 0

    def add(self, one: int = 0, other: int = 0) -> int:
        return one + other

    def first(self) -> Item:
        return self.pear

    def by_name(self, name: str) -> Item:
        return next(item for item in self.items if item.name == name)

    def rows(self) -> Rows:
        return Rows(1, 2, 3)

    def apply(self, function: Any) -> Any:
        return "applied"

    def total(self, numbers: Any) -> Any:
        return "totalled"

    def lock(self) -> World:
        return self

    def fail(self) -> None:
        raise ValueError("no")

    def __enter__(self) -> int:
        self.depth += 1
        return self.depth

    def __exit__(self, *error: object) -> bool:
        self.depth -= 1
        return error[0] is ZeroDivisionError


def execute(source: str, **names: object) -> tuple[list[str], dict[str, Any], list[Any]]:
    """Runs a cell; gives the messages sent, the namespace and the values displayed."""
    link = standins.Link(World())
    other = standins.Link(World(), "other")
    old = standins.Link(World(), "old")
    shown: list[Any] = []

    async def display(value: Any) -> None:
        shown.append(value)

    scope: dict[str, Any] = {
        "obj": link.root, "other": other.root, "old": old.root, "holder": [link.root],
        "conn": link, "asyncio": asyncio, "itertools": itertools, "copy": standins.copy,
        "log": link.sent, DISPLAY: display, "__px__": standins.resolver(), **names,
    }  # fmt: skip
    cell = Compiler().compile(source, shows=Shows.LAST)

    async def run() -> None:
        result = eval(cell.code, scope)
        if cell.is_coroutine:
            await result

    asyncio.run(run())
    for each in (other, old):
        link.sent.extend(each.sent)
    return link.sent, scope, shown


# source, the messages in order, the value of the last expression
VALUES: list[tuple[str, list[str], object]] = [
    # one chain, one message
    ("obj.x", ["obj.x"], 3),
    ("obj.add(1, 2)", ["obj.add(1, 2)"], 3),
    ("obj.add(1, other=2)", ["obj.add(1, other=2)"], 3),
    ("obj.first().name", ["obj.first().name"], "pear"),
    ("obj.items[0].cost(2)", ["obj.items[0].cost(2)"], 10),
    ("obj.items[-1].name.upper()", ["obj.items[-1].name.upper()"], "PLUM"),
    ("obj.numbers[1:]", ["obj.numbers[slice(1, None, None)]"], [2, 3]),
    ("obj.none", ["obj.none"], None),
    ("conn.root.x", ["obj.x"], 3),
    ("holder[0].first().price", ["obj.first().price"], 5),
    ("(obj).x", ["obj.x"], 3),
    # arguments of a remote callee stay chains; of a local one they are values
    ("obj.add(obj.x, obj.y)", ["obj.add(obj.x, obj.y)"], 7),
    ("obj.add(obj.add(obj.x, 1), other=obj.y)", ["obj.add(obj.add(obj.x, 1), other=obj.y)"], 8),
    ("conn.root.add(obj.x, 1)", ["obj.add(obj.x, 1)"], 4),
    ("holder[0].first().cost(obj.x)", ["obj.first().cost(obj.x)"], 15),
    ("str(obj.x)", ["obj.x"], "3"),
    ("max(obj.x, obj.y)", ["obj.x", "obj.y"], 4),
    ("', '.join(obj.word)", ["obj.word"], "f, o, u, r"),
    ("[].append(obj.x)", ["obj.x"], None),
    ("str(obj.add(obj.x, 1))", ["obj.add(obj.x, 1)"], "4"),
    ("obj.add(int(obj.x), 1)", ["obj.x", "obj.add(3, 1)"], 4),
    ("obj.add(abs(obj.x), obj.y)", ["obj.x", "obj.add(3, obj.y)"], 7),
    ("obj.add(obj.x + 1)", ["obj.x", "obj.add(4)"], 4),
    ("obj.numbers[obj.add(1, 1)]", ["obj.numbers[obj.add(1, 1)]"], 3),
    ("{'four': 4}[obj.word]", ["obj.word"], 4),
    ("obj.add(*obj.numbers[:2])", ["obj.numbers[slice(None, 2, None)]", "obj.add(1, 2)"], 3),
    ("obj.first().cost(**obj.options)", ["obj.options", "obj.first().cost(count=3)"], 15),
    ("obj.add(other.x, 1)", ["obj.add(3, 1)", "other.x"], 4),
    ("old.add(old.x, 1)", ["old.x", "old.add(3, 1)"], 4),
    ("asyncio.ensure_future(obj.x).cancel()", [], True),
    # names keep what they hold
    ("pear = obj.first()\npear.cost(2)", ["obj.first()", "<Item>.cost(2)"], 10),
    ("pear = obj.first()\nobj.first().same(pear)",
     ["obj.first()", "obj.first().same(<Item>)"], True),
    ("d = {'a': obj.first()}\nd['a'] is d['a']", ["obj.first()"], True),
    # operators
    ("obj.x + obj.y", ["obj.x", "obj.y"], 7),
    ("-obj.x", ["obj.x"], -3),
    ("not obj.x", ["obj.x"], False),
    ("obj.x < obj.y", ["obj.x", "obj.y"], True),
    ("obj.x in obj.numbers", ["contains obj.numbers obj.x"], True),
    ("obj.x not in obj.rows()", ["contains obj.rows() obj.x"], False),
    ("3 in old.numbers", ["old.numbers"], True),
    ("2 in [1, 2] and 'a' not in 'b'", [], True),
    ("pear = obj.first()\npear + 1", ["obj.first()", "<Item> add 1"], 6),
    ("pear = obj.first()\n-pear", ["obj.first()", "<Item> neg"], -5),
    ("pear = obj.first()\npear < 9", ["obj.first()", "<Item> lt 9"], True),
    ("obj.none and obj.x", ["obj.none"], None),
    ("obj.x or obj.y", ["obj.x"], 3),
    ("obj.y if obj.none else obj.x", ["obj.none", "obj.x"], 3),
    ("1 < obj.x < 2 < obj.y", ["obj.x"], False),
    # other expressions
    ("f'{obj.x:>{obj.y}}'", ["obj.x", "obj.y"], "   3"),
    ("f'{obj.word!r}'", ["obj.word"], "'four'"),
    ("(obj.x, [obj.y], {obj.word: obj.x})", ["obj.x", "obj.y", "obj.word", "obj.x"],
     (3, [4], {"four": 3})),
    ("[*obj.numbers, 0]", ["obj.numbers"], [1, 2, 3, 0]),
    ("{**obj.table}", ["obj.table"], {"a": 1, "b": 2}),
    ("(n := obj.x) + n", ["obj.x"], 6),
    ("(lambda: obj.x)()", ["obj.x"], 3),
    ("(lambda n=obj.x: n)()", ["obj.x"], 3),
    ("obj.apply(lambda n: obj.x)", ["obj.apply(local)"], "applied"),
    ("(obj.x, obj.y)[0]", ["obj.x", "obj.y"], 3),
    # explicit await: the rule is suspended
    ("await obj.add(obj.x, 1)", ["obj.add(obj.x, 1)"], 4),
    ("sorted(await asyncio.gather(obj.y, obj.x))", ["obj.y", "obj.x"], [3, 4]),
    ("(await obj.first()).name", ["obj.first()", "<Item>.name"], "pear"),
    ("await copy(obj.numbers)", ["copy obj.numbers"], [1, 2, 3]),
    ("await asyncio.sleep(0, 5)", [], 5),
    # local awaitables are left alone
    ("type(asyncio.sleep(0).close()).__name__", [], "NoneType"),
    ("c = asyncio.sleep(0, 7)\nawait c", [], 7),
    ("g = asyncio.gather(obj.x, obj.y)\nawait g", ["obj.x", "obj.y"], [3, 4]),
    # comprehensions
    ("[n + 1 for n in obj.numbers]", ["each obj.numbers"], [2, 3, 4]),
    ("[i.name for i in obj.items]", ["each obj.items", "<Item>.name", "<Item>.name"],
     ["pear", "plum"]),
    ("[i.name for i in obj.items if i.price > 3]",
     ["each obj.items", "<Item>.price", "<Item>.name", "<Item>.price"], ["pear"]),
    ("{i.name: i.price for i in obj.items[:1]}",
     ["each obj.items[slice(None, 1, None)]", "<Item>.name", "<Item>.price"], {"pear": 5}),
    ("{n % 2 for n in obj.rows()}", ["each obj.rows()"], {0, 1}),
    ("[obj.add(n, obj.x) for n in range(2)]", ["obj.add(0, obj.x)", "obj.add(1, obj.x)"], [3, 4]),
    ("[(a, b) for a in obj.numbers for b in range(obj.x) if a == b]",
     ["each obj.numbers", "obj.x", "obj.x", "obj.x"], [(1, 1), (2, 2)]),
    ("[[m for m in obj.rows()] for n in range(1)]", ["each obj.rows()"], [[1, 2, 3]]),
    ("[n for n in obj.by_name(obj.items[0].name).name]",
     ["each obj.by_name(obj.items[0].name).name"], ["p", "e", "a", "r"]),
    ("[n for n in holder[0].by_name('plum').name.join([str(obj.x)])]",
     ["obj.x", "each obj.by_name('plum').name.join(['3'])"], ["3"]),
    ("[str(obj.x) for _ in 'a']", ["obj.x"], ["3"]),
    # generator expressions
    ("sum(i.price for i in obj.items)", ["each obj.items", "<Item>.price", "<Item>.price"], 7),
    ("', '.join(i.name for i in obj.items)", ["each obj.items", "<Item>.name", "<Item>.name"],
     "pear, plum"),
    ("any(i.price > 3 for i in obj.items)", ["each obj.items", "<Item>.price"], True),
    ("all(i.price > 9 for i in obj.items)", ["each obj.items", "<Item>.price"], False),
    ("next(i.name for i in obj.items)", ["each obj.items", "<Item>.name"], "pear"),
    ("next((i for i in obj.numbers if i > 9), 'none')", ["each obj.numbers"], "none"),
    ("next(n for n in itertools.count() if n > 3)", [], 4),
    ("list(itertools.islice((n * n for n in itertools.count()), 3))", [], [0, 1, 4]),
    ("g = (n for n in range(3))\nnext(g), list(g)", [], (0, [1, 2])),
    ("g = (i.name for i in obj.items)\n[name for name in g]",
     ["each obj.items", "<Item>.name", "<Item>.name"], ["pear", "plum"]),
    ("obj.total(n for n in [1])", ["obj.total(local)"], "totalled"),
    # remote collections under builtins that go through all of them
    ("list(obj.rows())", ["obj.rows()", "each <Rows>"], [1, 2, 3]),
    ("rows = obj.rows()\nsorted(rows)", ["obj.rows()", "each <Rows>"], [1, 2, 3]),
    ("len(obj.rows())", ["obj.rows()", "len <Rows>"], 3),
    ("rows = obj.rows()\nlen(rows), repr(rows), bool(rows)",
     ["obj.rows()", "len <Rows>", "repr <Rows>", "bool <Rows>"], (3, "Rows!", True)),
    ("'rows' in dir(obj.rows())", ["obj.rows()", "dir <Rows>"], True),
    ("len([1]), str(1), [*map(len, ['a'])]", [], (1, "1", [1])),
    ("print(*obj.rows())", ["obj.rows()", "each <Rows>"], None),
    # statements
    ("r = []\nfor n in obj.rows():\n  r.append(n)\nr", ["each obj.rows()"], [1, 2, 3]),
    ("for n in obj.numbers:\n  if n == 2: break\nelse:\n  n = 0\nn", ["each obj.numbers"], 2),
    ("r = []\nfor k, v in obj.table.items():\n  r.append(k + str(v))\nr",
     ["each obj.table.items()"], ["a1", "b2"]),
    ("n = 0\nwhile n < obj.x:\n  n += 1\nn", ["obj.x"] * 4, 3),
    ("if obj.none:\n  r = 1\nelif obj.x == 3:\n  r = 2\nr", ["obj.none", "obj.x"], 2),
    ("with obj.lock() as depth:\n  r = depth\nr", ["enter obj.lock()", "exit None"], 1),
    ("with obj.lock():\n  1 / 0\n'after'", ["enter obj.lock()", "exit ZeroDivisionError"], "after"),
    ("with obj.lock() as a, obj.lock() as b:\n  r = a, b\nr",
     ["enter obj.lock()", "enter obj.lock()", "exit None", "exit None"], (1, 2)),
    ("async with obj.lock() as d:\n  r = d\nr", ["enter obj.lock()", "exit None"], 1),
    ("r = []\nasync for n in obj.rows():\n  r.append(n)\nr", ["each obj.rows()"], [1, 2, 3]),
    ("match obj.x:\n  case 3: r = obj.y\nr", ["obj.x", "obj.y"], 4),
    ("try:\n  obj.fail()\nexcept ValueError as e:\n  r = str(e) + obj.word\nr",
     ["obj.fail()", "obj.word"], "nofour"),
    ("assert obj.x == 3, obj.word", ["obj.x"], None),
    ("a, b, *c = obj.numbers\nb", ["obj.numbers"], 2),
    ("a, b, c = obj.rows()\nc", ["obj.rows()", "each <Rows>"], 3),
    # assignment and deletion
    ("obj.x = 5\nobj.x", ["obj.x = 5", "obj.x"], 5),
    ("obj.x = obj.y\nobj.x", ["obj.y", "obj.x = 4", "obj.x"], 4),
    ("obj.first().price = 9\nobj.items[0].price",
     ["obj.first().price = 9", "obj.items[0].price"], 9),
    ("obj.table['c'] = 3\nobj.table['c']", ["obj.table['c'] = 3", "obj.table['c']"], 3),
    ("obj.table[obj.word] = 3\nobj.table['four']",
     ["obj.table[obj.word] = 3", "obj.table['four']"], 3),
    ("obj.numbers[1:] = []\nobj.numbers", ["obj.numbers[slice(1, None, None)] = []", "obj.numbers"],
     [1]),
    ("obj.x += 2\nobj.x", ["obj.x", "obj.x = 5", "obj.x"], 5),
    ("obj.table['a'] += obj.x\nobj.table['a']",
     ["obj.table['a']", "obj.x", "obj.table['a'] = 4", "obj.table['a']"], 4),
    ("n = 1\nn += obj.x\nn", ["obj.x"], 4),
    ("obj.x: int = 6\nobj.x", ["obj.x = 6", "obj.x"], 6),
    ("a = obj.x = 7\n(a, obj.x)", ["obj.x = 7", "obj.x"], (7, 7)),
    ("obj.x, obj.y = obj.y, obj.x\nobj.x, obj.y",
     ["obj.y", "obj.x", "obj.x = 4", "obj.y = 3", "obj.x", "obj.y"], (4, 3)),
    ("for obj.x in [8, 9]: pass\nobj.x", ["obj.x = 8", "obj.x = 9", "obj.x"], 9),
    ("del obj.table['a'], obj.none\nobj.table", ["del obj.table['a']", "del obj.none", "obj.table"],
     {"b": 2}),
    ("x = y = obj.x\nx + y", ["obj.x"], 6),
    # scopes
    ("def f(): return obj.x\nf()", ["obj.x"], 3),
    ("def f(n=obj.x): return n\nf()", ["obj.x"], 3),
    ("async def f(n): return obj.add(n, obj.x) + 1\nawait f(1)", ["obj.add(1, obj.x)"], 5),
    ("async def f():\n  for n in obj.rows():\n    yield n\n[n for n in f()]", ["each obj.rows()"],
     [1, 2, 3]),
    ("class A:\n  n = obj.x\nA.n", ["obj.x"], 3),
    ("class A:\n  async def f(self):\n    return obj.x + self.n\n  n = 1\nawait A().f()",
     ["obj.x"], 4),
    ("class A:\n  async def f(self):\n    self.__n = obj.x\n    return self.__n\nawait A().f()",
     ["obj.x"], 3),
    ("def f():\n  async def g(): return obj.x\n  return g()\nawait f()", ["obj.x"], 3),
]  # fmt: skip


@pytest.mark.parametrize(("source", "messages", "value"), VALUES, ids=lambda v: str(v)[:50])
def test_messages_and_value(source: str, messages: list[str], value: object) -> None:
    sent, _, shown = execute(source)
    assert sorted(sent) == sorted(messages) if "other" in source else sent == messages
    if not shown:
        assert value is None
    else:
        assert shown == [value]


# Programs without anything remote: the rewritten ones must do what Python does.
LOCAL = [
    "r = [x * 2 for x in range(4) if x % 2]",
    "r = {k: [v for v in range(k)] for k in range(3)}",
    "r = sum(x for x in range(5)), max((x for x in []), default=1)",
    "r = []\nfor i, c in enumerate('abc'):\n  if i == 1: continue\n  r.append(c)\n"
    "else:\n  r.append(9)",
    "class C:\n  total = 0\n  def add(self, n): self.total += n; return self\n"
    "c = C()\nc.add(1).add(2)\nc.total += 4\nr = c.total",
    "d = {'a': [1]}\nd['a'] += [2]\nd['b'], (d['c'], *d['d']) = 1, (2, 3, 4)\nr = d",
    "d = {'a': 1, 'b': 2}\ndel d['a']\nr = d",
    "i = 0\na = [0, 0, 0]\ni, a[i] = 1, 5\nr = a",
    "i = 0\na = [0, 0, 0]\na[i], i = 5, 1\nr = a",
    "a = [[1, 2, 3]]\na[0][1:] += [4]\na[0][:1] = []\ndel a[0][0]\nr = a",
    "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b) as s:\n"
    "  print('x', end='')\nr = b.getvalue()",
    "import contextlib\nwith contextlib.suppress(KeyError):\n  {}['x']\nr = 1",
    "log = []\ndef f(n): log.append(n); return n\n"
    "r = f(1) + f(2) * f(3), f(4) if f(0) else f(5), log",
    "log = []\ndef f(n): log.append(n); return n\nd = {}\nd[f(1)] = f(2)\nr = log",
    "log = []\nclass P:\n  def __getattr__(s, n): log.append(n); return s\n"
    "  def __call__(s, *a, **k): log.append(a); return s\n"
    "p = P()\np.a.b(p.c, *[p.d], k=p.e(p.f))\nr = [str(x)[:2] for x in log]",
    "log = []\nclass L(list):\n  def __iter__(s): log.append(1); return list.__iter__(s)\n"
    "a, (b, c) = L([1, L([2, 3])])\nfor d, (e, *f) in [L([1, L([2, 3])])]: log.append(f)\nr = log",
    "r = [(a, c) for a, (b, *c) in zip('xy', ['123', '4'])]",
    "g = iter([(1, (2, 3)), 4, 5])\n(a, (b, c)), d, *e = g\nr = a, b, c, d, e",
    "g = iter(range(9))\ntry: a, (b, c) = g\nexcept ValueError as e: r = next(g), str(e)[:24]",
    "r = sorted(n for n in (3, 1)), max(iter('abc')), min(iter([]), default=4), sorted(iter('ba'), "
    "key=str.lower)",
    "try: (a, b), c = 1, 2\nexcept TypeError as e: r = str(e)",
    "(a, b), a = (1, 2), 3\nr = a, b",
    "try:\n  [][1]\nexcept IndexError as e:\n  r = type(e).__name__",
    "def outer():\n  n = 0\n  def inner():\n    nonlocal n\n    n += 1\n    return n\n"
    "  return inner\n"
    "f = outer()\nr = f(), f()",
    "def g():\n  yield from range(3)\n  return 1\nr = list(g())",
    "import dataclasses\n@dataclasses.dataclass\nclass D:\n  a: int = 1\n  b: list = "
    "dataclasses.field(default_factory=list)\nr = dataclasses.astuple(D(b=[2]))",
    "match {'k': (1, 2)}:\n  case {'k': (a, b)} if max(a, b) > 1:\n    r = a + b",
    "r = [y := 1, y ** 2]",
    "r = 'abc'[1:][0].upper().join(['x', 'y'])",
    "class M(type):\n  def __new__(m, *a, tag=0): c = type.__new__(m, *a); c.tag = tag; return c\n"
    "class N(metaclass=M, tag=len('abc')): pass\nr = N.tag",
    "from enum import Enum\nclass E(Enum):\n  A = 1\nmatch E.A:\n  case E.A: r = 'is A'",
    "r = not any(x > 3 for x in range(3)) and f'{len([1]):03}'",
    "r = (lambda *a, **k: (a, sorted(k)))(*[1], *(2,), z=1, **{'y': 2})",
    "x = 5\nx: int = 6\nclass A: pass\nA.q: int = 3\nr = x + A.q",
    "import functools\n@functools.lru_cache(maxsize=None)\ndef fib(n): return n if n < 2 else "
    "fib(n - 1) + fib(n - 2)\nr = fib(20)",
]


@pytest.mark.parametrize("source", LOCAL)
def test_local_code_is_plain_python(source: str) -> None:
    plain: dict[str, Any] = {"__name__": "plain"}
    exec(compile(source, "<plain>", "exec", dont_inherit=True), plain)
    _, rewritten, _ = execute(source, __name__="rewritten")
    assert rewritten["r"] == plain["r"]


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("for x in 5: pass", TypeError, "'int' object is not iterable"),
        ("with 5: pass", TypeError, "context manager protocol"),
        ("[x for x in obj.x]", TypeError, "'int' object is not iterable"),
        ("import math\nmath.prod(i.price for i in obj.items)", TypeError, "remote values"),
        ("obj.fail()", ValueError, "no"),
        ("del undefined", NameError, "undefined"),
    ],
)  # fmt: skip
def test_errors_are_plain_pythons(source: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        execute(source)


def test_lines_are_kept() -> None:
    source = "1\n2\nobj.x\nfor i in range(1):\n    obj.fail(\n)\n"
    with pytest.raises(ValueError, match="no") as caught:
        execute(source)
    lines = [frame.lineno for frame in caught.traceback if str(frame.path).startswith("<repl:")]
    assert [line + 1 for line in lines] == [5]


def test_invented_names_are_recognisable() -> None:
    _, scope, _ = execute("obj.table['a'] += conn.root.add(obj.x)")
    assert {n for n in scope if n.startswith("__px")} == {"__px__", DISPLAY} | {
        n for n in scope if n.startswith("__px_1_")
    }


def test_a_tree_without_chains_is_unchanged() -> None:
    from proxyables_cli.repl.rewriting import rewrite

    source = "x = 1\ny = [1, 'a']\ndef f(a):\n    return a.b.c(d)\n"
    assert ast.dump(rewrite(ast.parse(source))) == ast.dump(ast.parse(source))
