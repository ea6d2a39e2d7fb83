"""Auto-await on a real connection: what each form of Python gives, and how many messages it costs.

The number is what the library counts on its way out. `test_rewriting` has the same machinery
without a connection, and says what is in the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proxyables
from proxyables_cli.repl.compiling import Compiler
from proxyables_cli.repl.evaluation import Ending, Evaluator
from proxyables_cli.repl.remoting import remoting, tools
from proxyables_cli.repl.resolution import Resolver
from proxyables_cli.repl.scope import Scope
from repl.processes import serving_target

WORLD = Path(__file__).with_name("world.py")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_target(f"{WORLD}:World", "--factory", "--instance", "connection") as address:
        yield address


async def evaluate(address: str, source: str) -> tuple[Any, int]:
    """Runs a cell; gives the value of its last expression, and the messages that it sent."""
    shown: list[Any] = []

    async def show(value: Any) -> None:
        shown.append(value)

    async def command(line: str) -> None:
        raise AssertionError(line)

    async with proxyables.connect(address) as peer, proxyables.connect(address) as second:
        px = tools(lambda *_: asyncio.sleep(0), lambda *_: asyncio.sleep(0))
        scope = Scope(Resolver(remoting(px)))
        scope.names.update(
            obj=peer.root, conn=peer, other=second.root, px=px, proxyables=proxyables,
            box=[peer.root], first=await peer.root.first(), copy=proxyables.copy,
        )  # fmt: skip
        before = [each.statistics()["calls_made"] for each in (peer, second)]
        evaluator = Evaluator(scope, Compiler(), show, command)
        outcome = await evaluator.run(source)
        after = [each.statistics()["calls_made"] for each in (peer, second)]
        if outcome.error is not None:
            raise outcome.error
        assert outcome.ending is Ending.DONE
        return shown[0] if shown else None, sum(after) - sum(before)


# source, value of the last expression, messages
CASES: list[tuple[str, Any, int]] = [
    # chains
    ("obj.x", 3, 1),
    ("obj.first().tags[0].upper()", "NEW", 1),
    ("obj.items[1].name", "plum", 1),
    ("obj.numbers[1:]", [2, 3], 1),
    ("obj.numbers[::2]", [1, 3], 1),
    ("obj.numbers[-obj.add(1, 1):]", [2, 3], 2),
    ("obj.none", None, 1),
    ("(obj).add(1, 2)", 3, 1),
    ("box[0].x", 3, 1),
    ("conn.root.add(2)", 2, 1),
    ("first.name", "pear", 1),
    ("first.cost(2)", 10, 1),
    ("f = obj.add\nf(1, 2)", 3, 2),
    ("obj.later()", 7, 1),
    ("obj.later(obj.later(1))", 1, 1),
    # remote arguments travel as chains
    ("obj.add(obj.x, obj.y)", 7, 1),
    ("obj.add(obj.add(obj.x, 1), other=obj.y)", 8, 1),
    ("obj.add(obj.items[0].price, first.price)", 10, 1),
    ("obj.items[obj.add(1)].name", "plum", 1),
    ("obj.table[obj.word[:0] + 'a']", 1, 2),
    ("obj.add(*obj.numbers[:2])", 3, 2),
    ("first.cost(**obj.options)", 15, 2),
    ("obj.keywords(a=obj.x, **{'b': obj.y})", {"a": 3, "b": 4}, 2),
    ("obj.keywords(*[], **dict(a=1), b=obj.x)", {"a": 1, "b": 3}, 1),
    ("obj.later([obj.x, obj.y])", [3, 4], 3),
    ("obj.add(obj.x + 1, 1)", 5, 2),
    ("obj.add(other.x, 1)", 4, 2),
    ("obj.add(int(obj.x), 1)", 4, 2),
    ("obj.add(1 if obj.x else 2, 0)", 1, 2),
    ("obj.later(first).name", "pear", 1),
    # local callees get values
    ("str(obj.x)", "3", 1),
    ("max(obj.x, obj.y, 2)", 4, 2),
    ("'-'.join(obj.word)", "f-o-u-r", 1),
    ("print(obj.x, end='')", None, 1),
    ("dict(a=obj.x)", {"a": 3}, 1),
    ("[].append(obj.x)", None, 1),
    ("(lambda *a, **k: (a, k))(*obj.numbers, k=obj.x)", ((1, 2, 3), {"k": 3}), 2),
    ("isinstance(obj.x, int)", True, 1),
    ("len(obj.numbers), sum(obj.numbers), sorted(obj.numbers)[0]", (3, 6, 1), 3),
    ("list(obj.rows())", [1, 2, 3], 2),
    ("rows = obj.rows()\n[*rows]", [1, 2, 3], 2),
    ("len(obj.first().tags)", 1, 1),
    ("list(map(str, obj.numbers))", ["1", "2", "3"], 1),
    ("list(map(lambda item: item.name, obj.items))", ["pear", "plum"], 3),
    ("[item.name for item in filter(lambda item: item.price > 3, obj.items)]", ["pear"], 4),
    ("things = obj.items\nsum(map(lambda item: item.price, things))", 7, 3),
    ("sorted(map(obj.add, (2, 1))), list(map(str, (1, 2)))", ([1, 2], ["1", "2"]), 3),
    ("list(filter(None, obj.numbers)), list(map(max, [1, 5], obj.numbers))",
     ([1, 2, 3], [1, 5]), 2),
    ("import itertools\nnext(filter(lambda n: n > 4, itertools.count()))", 5, 0),
    ("any(map(lambda n: obj.add(n) > 1, range(9)))", True, 3),
    ("[*map(lambda n: obj.numbers[n], (0, 2))]", [1, 3], 2),
    ("', '.join(obj.words())", "a, b", 2),
    ("r = [0]\nr.extend(obj.rows())\nr", [0, 1, 2, 3], 2),
    ("next(iter(obj.rows())), dict.fromkeys(obj.rows(), 0)", (1, {1: 0, 2: 0, 3: 0}), 4),
    ("list(zip(obj.numbers, obj.word))", [(1, "f"), (2, "o"), (3, "u")], 2),
    ("list(enumerate(obj.rows(), 1))[0]", (1, 1), 2),
    ("getattr(obj, 'x'), getattr(obj, 'add')(1, 2)", (3, 3), 2),
    ("getattr(obj, 'x', 5), getattr(obj, 'nope', 5), getattr(obj, 'none', 5)", (3, 5, None), 3),
    ("hasattr(obj, 'x'), hasattr(obj, 'nope'), not hasattr(obj.first(), 'x')",
     (True, False, True), 4),
    ("hasattr(5, 'real'), getattr('a', 'nope', obj.x), getattr('a', 'upper')()", (True, 3, "A"), 1),
    ("setattr(obj, 'x', obj.y)\ndelattr(obj, 'y')\nobj.x, hasattr(obj, 'y')", (4, False), 5),
    ("class A: pass\na = A()\nsetattr(a, 'n', obj.x)\nr = a.n\ndelattr(a, 'n')\nr, hasattr(a, 'n')",
     (3, False), 1),
    ("format(obj.full), format(obj.full, '!'), format(obj.x, '>3'), format(5)",
     ("2 items", "2 items!", "  3", "5"), 5),
    ("min(obj.items, key=lambda item: item.price).name", "plum", 4),
    ("[i.name for i in sorted(obj.items, key=lambda item: (item.price, item.name))]",
     ["plum", "pear"], 7),
    ("max(first, obj.items[1], key=lambda item: item.name).price", 2, 4),
    ("max(range(3), key=lambda n: obj.numbers[n]), sorted('ba', reverse=True)",
     (2, ["b", "a"]), 3),
    ("max([], default=obj.x), min(obj.x, obj.y)", (3, 3), 3),
    ("r = obj.items\nr.sort(key=lambda item: item.price)\nr[0].name", "plum", 4),
    ("r = [*obj.items, first]\nr.sort(key=lambda i: (i.price, i.name), reverse=True)\nr[0] is r[1]",
     True, 7),
    ("r = [3, 1, 2]\nr.sort()\n[*r, r.sort(key=lambda n: -n), *r]", [1, 2, 3, None, 3, 2, 1], 0),
    ("r = [2, 0, 1]\nr.sort(key=lambda n: obj.numbers[n])\nr", [0, 1, 2], 3),
    ("obj.numbers.sort(reverse=True)\nobj.numbers", [3, 2, 1], 2),
    ("[i.price for i in filter(lambda i: i.name == 'pear', obj.items)]", [5], 4),
    ("[i.price for i in filter(lambda i: i.name != 'pear', obj.items)]", [2], 4),
    ("def cheap(i): return i.price < 3\n[cheap(i) for i in obj.items]", [False, True], 3),
    ("def named(i, name): return i.name == name\n[named(i, 'plum') for i in obj.items]",
     [False, True], 3),
    ("def f(n=[1]):\n  if n and n[0] in (1, 2) and not n[1:]: return [m for m in n if m.real]\nf()",
     [1], 0),
    ("len(obj.full + 1), str(obj.basket + 1), list(map(len, [obj.full]))",
     (3, "Basket(1,)", [2]), 8),
    ("g = obj.rows()\nnext(g), next(g), next(g), next(g, 'end'), next(g, None)",
     (1, 2, 3, "end", None), 6),
    ("g = iter([1])\ntry: next(g), next(g)\nexcept StopIteration: r = 1\nr", 1, 0),
    ("g = obj.rows()\nr = list(g)\ntry: next(g)\nexcept StopIteration: r = 1\nr", 1, 3),
    ("float(obj.x), int(obj.x)", (3.0, 3), 2),
    # operators
    ("obj.x + obj.y * 2", 11, 2),
    ("-obj.x", -3, 1),
    ("not obj.none", True, 1),
    ("first + 1", 6, 1),
    ("obj.first() + 1", 6, 2),
    ("obj.x == 3", True, 1),
    ("first == obj.items[0], first != obj.items[0]", (True, False), 2),
    ("first == obj.items[1], first != obj.items[1], obj.items[1] == first",
     (False, True, False), 6),
    ("first == 'pear', 'pear' == first, first != 'plum', 5 == first", (True, True, True, False), 4),
    ("r = [first == 'pear' != obj.word, [first] == [first]]\nr", [True, True], 2),
    ("if first == 'pear': r = 1\nr", 1, 1),
    ("obj.x is None", False, 1),
    ("obj.none is None", True, 1),
    ("1 < obj.x < 5", True, 1),
    ("1 < obj.x < obj.y < 9", True, 2),
    ("9 < obj.x < obj.y", False, 1),
    ("9 < obj.items[0].price < first", False, 1),
    ("first > obj.items[1] > first", False, 3),
    ("[n for n in obj.numbers if 1 < n < obj.x]", [2], 3),
    ("2 < obj.x in [3]", True, 1),
    ("2 in obj.numbers", True, 1),
    ("obj.x in obj.numbers", True, 1),
    ("'z' not in obj.table", True, 1),
    ("1 if obj.basket else 2, 1 if obj.full else 2", (2, 1), 4),
    ("not obj.basket, not obj.full, bool(obj.basket)", (True, False, False), 6),
    ("b = obj.basket\nif b: r = 1\nelif not b and not obj.none: r = 2\nr", 2, 4),
    ("(obj.basket or 5), (obj.full and 5), (obj.basket and 5 or 6)", (5, 5, 6), 7),
    ("r = obj.full or 5\nsum(r.items), len(obj.basket or obj.full)", (3, 2), 7),
    ("[n for n in range(3) if obj.basket or n], [1 for _ in 'ab' if obj.full]",
     ([1, 2], [1, 1]), 10),
    ("r = 0\nwhile not obj.basket:\n  obj.basket += 1\n  r += 1\nr", 1, 6),
    ("match 1:\n  case 1 if obj.basket: r = 1\n  case _: r = 2\nr", 2, 2),
    ("try: assert obj.basket, 'empty'\nexcept AssertionError as e: r = str(e)\nr", "empty", 2),
    ("list(filter(None, [obj.basket, obj.full]))[0].items", [1, 2], 5),
    ("any(b for b in [obj.basket]), all(b for b in [obj.full, obj.basket])", (False, False), 6),
    ("obj.none and obj.x", None, 1),
    ("obj.none or obj.x or obj.y", 3, 2),
    ("obj.y if obj.none else obj.x", 3, 2),
    # f-strings and displays
    ("f'{obj.x}+{obj.y:>3}'", "3+  4", 2),
    ("f'{obj.word!r:>{obj.x + 5}}'", "  'four'", 2),
    ("f'{obj.x=}'", "obj.x=3", 1),
    ("f'{first} {obj.first()!r:>7}'", "<pear>  <pear>", 3),
    ("f'{obj.full}|{obj.full:!}|{obj.full!r}|{obj.full:{obj.word}}'",
     "2 items|2 items!|Basket(1, 2)|2 itemsfour", 9),
    ("f'{obj.full!s:>13}'", " Basket(1, 2)", 2),
    ("def f(n, a=[1]): return f'{a[0]:>3}{n!r:.5}{len(a)}'\nf(obj.first())", "  1<Prox1", 1),
    ("f'{obj.x:{obj.y}}|{obj.x:>{obj.y}.1f}|{1:{2}}|{obj.word:>6}'", "   3| 3.0| 1|  four", 5),
    ("[obj.x, *obj.numbers]", [3, 1, 2, 3], 2),
    ("(obj.x, *obj.rows())", (3, 1, 2, 3), 3),
    ("{obj.x, obj.y}", {3, 4}, 2),
    ("{obj.word: obj.x, **obj.table}", {"four": 3, "a": 1, "b": 2}, 3),
    ("(n := obj.x) + n", 6, 1),
    ("[a := obj.x, a][1]", 3, 1),
    ("if (n := obj.x) > 2: r = n\nr", 3, 1),
    # comprehensions
    ("[n * 2 for n in obj.numbers]", [2, 4, 6], 1),
    ("[n for n in obj.rows() if n > 1]", [2, 3], 1),
    ("[n async for n in obj.counted()]", [1, 2, 3], 1),
    ("[n for n in obj.counted()]", [1, 2, 3], 1),
    ("[i.name for i in obj.items]", ["pear", "plum"], 3),
    ("{i.name: i.price for i in obj.items}", {"pear": 5, "plum": 2}, 5),
    ("{n % 2 for n in obj.numbers}", {0, 1}, 1),
    ("[obj.add(n, obj.x) for n in range(3)]", [3, 4, 5], 3),
    ("[(a, b) for a in obj.numbers[:2] for b in obj.word[:2]]",
     [(1, "f"), (1, "o"), (2, "f"), (2, "o")], 3),
    ("[[m + n for m in obj.rows()] for n in obj.numbers[:2]]", [[2, 3, 4], [3, 4, 5]], 3),
    ("[y for n in obj.numbers if (y := n + obj.x) > 4]", [5, 6], 4),
    ("sum(n for n in obj.rows())", 6, 1),
    ("any(n > 1 for n in obj.rows())", True, 1),
    ("', '.join(i.name for i in obj.items)", "pear, plum", 3),
    ("next(n for n in obj.rows() if n > 1)", 2, 1),
    ("sorted((i.price for i in obj.items), reverse=True)", [5, 2], 3),
    ("dict((k, v) for k, v in obj.table.items())", {"a": 1, "b": 2}, 1),
    # loops, conditions, blocks
    ("r = []\nfor n in obj.rows(): r.append(n)\nr", [1, 2, 3], 1),
    ("for n in obj.numbers:\n  if n == 2: break\nelse: n = 0\nn", 2, 1),
    ("for n in obj.numbers: pass\nelse: n = obj.x * 2\nn", 6, 2),
    ("r = 0\nfor k, v in obj.table.items():\n  if v == 1: continue\n  r += v\nr", 2, 1),
    ("n = 0\nwhile n < obj.x: n += 1\nelse: n = 10\nn", 10, 4),
    ("if obj.none: r = 1\nelif obj.x == 3: r = 2\nelse: r = 3\nr", 2, 2),
    ("with obj.lock() as word: r = word\n(r, obj.log)", ("held", ["in", "out"]), 4),
    ("with obj.lock(): {}['x']\nobj.log", ["in", "swallowed"], 4),
    ("with obj.lock() as a, obj.lock() as b: pass\n(a, b)", ("held", "held"), 6),
    ("import io\nwith io.StringIO() as f, obj.lock() as w: f.write(w); r = f.getvalue()\nr",
     "held", 3),
    ("try: obj.fail('it')\nexcept ValueError as e: r = str(e)\nelse: r = 0\nfinally: s = obj.x\n"
     "(r, s)", ("it", 3), 2),
    ("try: obj.fail()\nexcept* ValueError as e: r = len(e.exceptions)\nr", 1, 1),
    ("match obj.x:\n  case 3 if obj.y > 3: r = obj.word\n  case _: r = 0\nr", "four", 3),
    ("match obj.table:\n  case {'a': n, **rest}: r = n, rest\nr", (1, {"b": 2}), 1),
    ("match obj.x, obj.y:\n  case (a, b): r = a + b\nr", 7, 2),
    ("assert obj.x == 3, obj.word", None, 1),
    ("try: assert obj.none, obj.word\nexcept AssertionError as e: r = str(e)\nr", "four", 2),
    ("try: raise KeyError(obj.word)\nexcept KeyError as e: r = e.args\nr", ("four",), 1),
    # assignment
    ("a = obj.x\na", 3, 1),
    ("a, *b = obj.numbers\nb", [2, 3], 1),
    ("a, (b, c) = obj.x, obj.numbers[:2]\n(a, c)", (3, 2), 2),
    ("a, b, c = obj.rows()\nc", 3, 2),
    ("a = b = obj.x\na + b", 6, 1),
    ("obj.x = 5\nobj.x", 5, 2),
    ("obj.x = obj.y\nobj.x", 4, 3),
    ("obj.x: int = 6\nobj.x", 6, 2),
    ("obj.first().price = 9\nfirst.price", 9, 2),
    ("obj.table['c'] = 3\nobj.table['c']", 3, 2),
    ("obj.table[obj.word] = obj.x\nobj.table['four']", 3, 3),
    ("obj.numbers[:1] = [7, 8]\nobj.numbers", [7, 8, 2, 3], 2),
    ("obj.x += 2\nobj.x", 5, 3),
    ("obj.table['a'] += obj.x\nobj.table['a']", 4, 4),
    ("obj.numbers[0] *= 5\nobj.numbers", [5, 2, 3], 3),
    ("obj.first().price -= 1\nfirst.price", 4, 4),
    ("n = [1]\nn[0] += obj.x\nn", [4], 1),
    ("n = 1\nn += obj.x\nn", 4, 1),
    ("b = obj.basket\nb += 1\nb += obj.x\nsum(b.items), sum(obj.basket.items)", (4, 4), 6),
    ("r = [0]\nr += obj.rows()\nm = {'a': r}\nm['a'] += obj.rows()\nr", [0, 1, 2, 3, 1, 2, 3], 4),
    ("class A:\n  def __add__(self, other): return other + 4\nn = A()\nn += first\nn", 9, 1),
    ("b = obj.basket\nb += 1\nr = proxyables.is_settled(b)\nr", True, 2),
    ("obj.basket += 1\nobj.basket += 2\nobj.basket.items", [1, 2], 5),
    ("n = [1]\nm = n\nn += obj.numbers\nm, n is m", ([1, 1, 2, 3], True), 1),
    ("n = 8\nn -= 1; n *= 2; n //= 3; n **= 2; n %= 9; n <<= 2; n |= 1; n ^= 3; n &= 62; n >>= 1\n"
     "n /= 2\nn", 7.5, 0),
    ("async def f():\n  n = 1\n  n += obj.x\n  return n\nawait f()", 4, 1),
    ("obj.x, obj.y = obj.y, obj.x\n(obj.x, obj.y)", (4, 3), 6),
    ("a = obj.x = 8\n(a, obj.x)", (8, 8), 2),
    ("for obj.x in (5, 6): pass\nobj.x", 6, 3),
    ("[obj.x, n] = 1, 2\n(obj.x, n)", (1, 2), 2),
    ("del obj.table['a']\nobj.table", {"b": 2}, 2),
    ("del obj.numbers[:2]\nobj.numbers", [3], 2),
    ("del obj.table['a'], obj.none\nobj.table", {"b": 2}, 3),
    ("try:\n  del obj.x\n  obj.x\nexcept AttributeError: r = 'gone'\nr", "gone", 2),
    # unpacking, also of what stays over there
    ("first, second, third = obj.rows()\n(first, third)", (1, 3), 2),
    ("a, *rest = obj.rows()\nrest", [2, 3], 2),
    ("a, (b, c) = obj.pair()\n(a, b, c)", ("a", 1, 2), 3),
    ("[(x, (y, _)), z] = obj.pairs()\nx, y, z[0]", ("a", 1, "b"), 5),
    ("(a, b), (c, (d, *e)) = obj.mixed()\n(a, b, c, d, e)", ("a", 1, "b", 3, [4]), 3),
    ("*rest, (a, (b, c)) = obj.pairs()\n(len(rest), a, b, c)", (1, "b", 3, 4), 4),
    ("a, (obj.x, obj.table['z']) = obj.pair()\n(obj.x, obj.table['z'])", (1, 2), 7),
    ("r = []\nfor a, (b, c) in obj.pairs(): r.append((a, b, c))\nr",
     [("a", 1, 2), ("b", 3, 4)], 5),
    ("r = []\nfor a, *b in obj.pairs(): r.append((a, len(b)))\nr", [("a", 1), ("b", 1)], 3),
    ("for a, (b, obj.x) in obj.pairs(): pass\nobj.x", 4, 8),
    ("[a + str(b) for a, (b, c) in obj.pairs()]", ["a1", "b3"], 5),
    ("{a: b for a, (b, _) in obj.pairs()}", {"a": 1, "b": 3}, 5),
    ("sum(b for _, (b, c) in obj.pairs())", 4, 5),
    ("[(i, a) for i, (a, (b, c)) in enumerate(obj.pairs())]", [(0, "a"), (1, "b")], 6),
    ("[(k, a) for k, (a, b) in [('k', obj.pair())]]", [("k", "a")], 2),
    ("with obj.opened() as (a, (b, c)): r = a, b, c\n(r, obj.log)",
     (("a", 1, 2), ["in", "out"]), 6),
    ("import contextlib\nwith contextlib.nullcontext(obj.pair()) as (a, _): pass\na", "a", 2),
    ("p = obj.pair()\n(a, b), c = p, 1\n(a, c)", ("a", 1), 2),
    ("a, (b, c) = [d, e] = 1, (2, 3)\n(b, e)", (2, (2, 3)), 0),
    ("import itertools\nn = itertools.count()\ntry: a, (b, c) = n\n"
     "except ValueError: pass\nnext(n)", 3, 0),
    # functions, classes, lambdas
    ("def f(): return obj.x\nf()", 3, 1),
    ("def f(a, b=obj.x, *, c=obj.y): return a + b + c\nf(1)", 8, 2),
    ("def f(): return [obj.x]\nf()[0]", 3, 1),
    ("def g():\n  yield obj.x\n  yield 2\n[n for n in g()][1]", 2, 0),
    ("def f():\n  async def g(): return obj.x + 1\n  return g()\nawait f()", 4, 1),
    ("async def f(n):\n  return obj.add(n, obj.x) + 1\nawait f(1)", 5, 1),
    ("async def f():\n  for n in obj.rows(): yield n + 1\n[n for n in f()]", [2, 3, 4], 1),
    ("async def f():\n  return [n async for n in obj.counted() if n > obj.add(1)]\nawait f()",
     [2, 3], 4),
    ("async def f():\n  with obj.lock() as w: return w\nawait f()", "held", 3),
    ("total = 0\nasync def f():\n  global total\n  total += obj.x\nawait f()\ntotal", 3, 1),
    ("async def f():\n  n = 1\n  async def g():\n    nonlocal n\n    n += obj.x\n  await g()\n"
     "  return n\nawait f()", 4, 1),
    ("async def f():\n  obj.x += 1\n  obj.table['a'] = obj.x\nawait f()\nobj.table['a']", 4, 5),
    ("(lambda: obj.x)()", 3, 1),
    ("(lambda n=obj.x: n)()", 3, 1),
    ("f = lambda n: obj.add(n, 1)\nf(2)", 3, 1),
    ("obj.call(lambda a, b: a + b, 1, 2)", 3, 1),
    ("obj.call(lambda: obj.x)", 3, 1),
    ("def twice(f): return lambda: (f(), f())\n@twice\ndef g(): return 1\ng()", (1, 1), 0),
    ("import functools\n@functools.partial(functools.partial, a=obj.x)\ndef f(a): return a\nf()",
     3, 1),
    ("class A:\n  n = 1\n  def f(self): return self.n + 1\nA().f()", 2, 0),
    ("class A:\n  chain = obj.x\nA.chain", 3, 1),
    ("class A:\n  async def f(self): self.n = obj.x; return self.n\nawait A().f()", 3, 1),
    ("class A(*[dict]): pass\nA(a=obj.x)", {"a": 3}, 1),
    # an explicit await suspends the rule; local awaitables stay
    ("await obj.add(obj.x, 1)", 4, 1),
    ("await asyncio.gather(obj.x, obj.add(1, 1))", [3, 2], 2),
    ("x, y = await asyncio.gather(obj.x, obj.y)\nx + y", 7, 2),
    ("px.gather(obj.x, obj.y)", [3, 4], 2),
    ("t = px.spawn(obj.later(5))\nawait t", 5, 1),
    ("await asyncio.wait_for(obj.later(1), 5)", 1, 1),
    ("async with asyncio.TaskGroup() as g:\n  t = g.create_task(proxyables.run(obj.x))\nt.result()",
     3, 1),
    ("await asyncio.sleep(0, obj)\n1", 1, 0),
    ("c = asyncio.sleep(0, 6)\nasyncio.iscoroutine(c), await c", (True, 6), 0),
    ("async def f(): return 1\nc = f()\nr = type(c).__name__\nawait c\nr", "coroutine", 0),
    ("asyncio.ensure_future(obj.x).cancel()", True, 0),
    ("await copy(obj.numbers)", [1, 2, 3], 1),
    ("px.copy(obj.first().tags)", ["new"], 1),
    ("px.copy(obj.first().tags)[0].upper()", "NEW", 1),
    ("px.ref(obj.items[0]).name, px.gather(obj.x)[0]", ("pear", 3), 2),
    ("(await obj.first()).name", "pear", 2),
    # local code beside a connection
    ("[n for n in range(3)], {'a': 1}['a'], (lambda: 2)()", ([0, 1, 2], 1, 2), 0),
    ("obj", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "value", "messages"), CASES, ids=[source for source, _, _ in CASES]
)
def test_value_and_messages(address: str, source: str, value: Any, messages: int) -> None:
    found, sent = asyncio.run(evaluate(address, source))
    if source == "obj":
        assert proxyables.is_settled(found)
    else:
        assert found == value
    assert sent == messages


def test_what_may_not_be_asked_is_true() -> None:
    with serving_target(f"{WORLD}:Closed", "--factory", "--strict") as address:
        source = "[1 for _ in 'a' if obj], not obj, obj and 2, hasattr(obj, 'first')"
        found, _ = asyncio.run(evaluate(address, source))
    assert found == ([1], False, 2, True)


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("sorted(obj.items)", TypeError, r"give sorted\(\) a key, as in sorted\(items, key="),
        ("obj.items.copy().sort(1)", TypeError, "positional argument"),
        ("r = obj.items\nr.sort()", TypeError, r"give sort\(\) a key, as in "),
        ("r = [2, 'a']\nr.sort()", TypeError, "not supported between"),
        ("getattr(obj)", TypeError, "at least 2 arguments"),
        ("getattr(obj, 'nope')", AttributeError, "nope"),
        ("[].sort(1)", TypeError, "positional argument"),
        ("import math\nmath.prod(i.price for i in obj.items)", TypeError, "write \\[...\\]"),
        *(
            (
                source,
                TypeError,
                "would have to be awaited, which a lambda, a def and a class cannot",
            )
            for source in (
                "list(filter(lambda i: i.tags and i.price > 1, obj.items))",
                "list(filter(lambda i: not i.tags, obj.items))",
                "list(filter(lambda i: i.name in ('pear',), obj.items))",
                "list(filter(lambda i: i.name not in ('pear',), obj.items))",
                "sorted(obj.items, key=lambda i: 1 if i.cost() else 2)",
                "def f():\n  if obj.none: return 1\nf()",
                "def f():\n  while obj.none: return 1\nf()",
                "def f():\n  assert 1 and (0 or obj.none)\nf()",
                "def f(): return [i for i in (1, 2) if obj.numbers[i]]\nf()",
                "def f():\n  match 1:\n    case 1 if obj.none: return 1\nf()",
                "class A:\n  if obj.none: n = 1",
                "def f():\n  if px.copy(obj.numbers): return 1\nf()",
                "def f(i): return f'{i.name}!'\nf(first)",
                "(lambda i: f'{1}{i.cost():>3}')(first)",
            )
        ),
        ("list(filter(lambda i: 1 < i.price < 3, obj.items))", TypeError, "neither true nor false"),
        ("def f():\n  if obj.x < 3: return 1\nf()", TypeError, "neither true nor false"),
        ("def f():\n  if obj.x == 3: return 1\nf()", TypeError, "neither true nor false"),
        ("for n in obj.x: pass", TypeError, "not iterable"),
        ("with obj.x: pass", TypeError, "context manager"),
        ("a, (b, c) = obj.x", TypeError, "cannot unpack non-iterable int object"),
        ("a, (b, c) = obj.numbers", ValueError, r"too many values to unpack \(expected 2"),
        ("(a, b, c), d = obj.pair(), 1", ValueError, r"not enough values to unpack \(expected 3"),
        ("for a, (b, c) in [1]: pass", TypeError, "cannot unpack non-iterable int object"),
        ("with obj.opened() as (a, b, c): pass", ValueError, r"not enough values to unpack"),
        ("print(*obj.x)", TypeError, "argument after \\* must be an iterable, not int"),
        ("obj.x.nothing", AttributeError, "nothing"),
        ("obj.x = lambda: 0\nobj.x.y", AttributeError, "y"),
    ],
)
def test_errors_say_what_plain_python_says(
    address: str, source: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        asyncio.run(evaluate(address, source))
