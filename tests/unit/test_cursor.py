"""Cursors: immutable paths that ask nothing of anybody until they are awaited."""

from __future__ import annotations

import bisect
import copy
import gc
import heapq
import inspect
import json
import os
import pickle
import types
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy
import pytest

import proxyables
from callers import Notebook, wait_for
from proxyables.objects.imports import Imports, Reference
from proxyables.proxies.cursor import CHUNK, ProxyCursor, path_of
from proxyables.proxies.operators import Operators
from proxyables.wire.instructions import CALL, ITEM, OPERATE, OPERATIONS, REF, STREAM


def imported(notebook: Notebook, number: Any = 7, description: Any = None) -> ProxyCursor:
    imports = Imports(lambda: None, limit=10)
    return ProxyCursor(notebook, imports.receive(number, 1, description), [])


def test_a_path_is_sent_whole_and_only_when_it_is_awaited() -> None:
    notebook = Notebook(answer=5)
    path = notebook.root.a["k"].f(1, x=2)
    assert notebook.asked == []
    assert wait_for(path) == 5
    assert wait_for(path) == 5
    steps = ["a", [ITEM, "k"], "f", [CALL, [1], {"x": 2}]]
    assert notebook.asked == [(None, steps)] * 2


def test_each_step_gives_a_new_cursor() -> None:
    notebook = Notebook()
    root = notebook.root
    one, two = root.a, root.a
    assert one is two  # kept: asked for on every call
    assert one.b is one.b
    assert root.b is not one
    made = root.a()
    assert root.a() is not made
    assert made.b is not made.b  # one call each: behind a call, nothing is kept
    assert made.b.c is not made.b.c
    assert root["k"].b is not root["k"].b
    wait_for(root)
    assert notebook.asked == [(None, [])]
    assert wait_for(one.b) is wait_for(two) is None
    assert [steps for _, steps in notebook.asked[1:]] == [["a", "b"], ["a"]]


def test_a_call_without_keywords_says_nothing_of_them() -> None:
    notebook = Notebook()
    wait_for(notebook.root(1))
    wait_for(notebook.root(self=1, name=2))
    assert [steps[0] for _, steps in notebook.asked] == [
        [CALL, [1]],
        [CALL, [], {"self": 1, "name": 2}],
    ]


OPERATORS: dict[str, Callable[[Any], Any]] = {
    "add": lambda c: c + 1,
    "radd": lambda c: 1 + c,
    "sub": lambda c: c - 1,
    "rsub": lambda c: 1 - c,
    "mul": lambda c: c * 1,
    "rmul": lambda c: 1 * c,
    "matmul": lambda c: c @ 1,
    "rmatmul": lambda c: 1 @ c,
    "truediv": lambda c: c / 1,
    "rtruediv": lambda c: 1 / c,
    "floordiv": lambda c: c // 1,
    "rfloordiv": lambda c: 1 // c,
    "mod": lambda c: c % 1,
    "rmod": lambda c: 1 % c,
    "divmod": lambda c: divmod(c, 1),
    "rdivmod": lambda c: divmod(1, c),
    "pow": lambda c: c**1,
    "rpow": lambda c: 1**c,
    "lshift": lambda c: c << 1,
    "rlshift": lambda c: 1 << c,
    "rshift": lambda c: c >> 1,
    "rrshift": lambda c: 1 >> c,
    "and": lambda c: c & 1,
    "rand": lambda c: 1 & c,
    "or": lambda c: c | 1,
    "ror": lambda c: 1 | c,
    "xor": lambda c: c ^ 1,
    "rxor": lambda c: 1 ^ c,
    "lt": lambda c: c < 1,
    "le": lambda c: c <= 1,
    "gt": lambda c: c > 1,
    "ge": lambda c: c >= 1,
    "neg": lambda c: -c,
    "pos": lambda c: +c,
    "abs": abs,
    "invert": lambda c: ~c,
    "round": round,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_one_more_step(name: str) -> None:
    notebook = Notebook()
    path = OPERATORS[name](notebook.root.a)
    assert notebook.asked == []
    wait_for(path)
    unary = name in ("neg", "pos", "abs", "invert", "round")
    assert notebook.asked == [(None, ["a", [OPERATE, name, [] if unary else [1]]])]


# What asks for the truth of what an operator gave, in places where nobody can wait for it.
DECIDING: dict[str, Callable[[Any], Any]] = {
    "if": lambda c: 1 if c < 5 else 2,
    "not": lambda c: not c + 1,
    "and": lambda c: -c and 1,
    "chained": lambda c: 1 < c < 5,
    "sorted": lambda c: sorted([c.a, c.b]),
    "sort": lambda c: [1, 2].sort(key=lambda n: c[n]),
    "min": lambda c: min(c.a, c.b),
    "max with keys": lambda c: max([1, 2], key=lambda n: c[n]),
    "filter": lambda c: list(filter(lambda item: item > 1, [c])),
    "any": lambda c: any(item > 1 for item in [c]),
    "all": lambda c: all([1, c & 1]),
    "bisect": lambda c: bisect.bisect([1, 2], c),
    "heap": lambda c: heapq.nsmallest(1, [c.a, c.b]),
    "perform": lambda c: bool(proxyables.perform(c, "contains", 1)),
}


@pytest.mark.parametrize("name", DECIDING)
def test_what_an_operator_gives_is_neither_true_nor_false(name: str) -> None:
    notebook = Notebook()
    for cursor in (notebook.root, notebook.root.a.b(1), imported(notebook)):
        with pytest.raises(TypeError, match=r"neither true nor false .* await it first"):
            DECIDING[name](cursor)
    assert notebook.asked == []


def test_every_operator_is_in_the_closed_table() -> None:
    methods = {name.strip("_") for name in vars(Operators) if name.startswith("__")}
    methods &= {*OPERATORS, *OPERATIONS}
    assert methods == set(OPERATORS)
    assert set(OPERATORS) <= set(OPERATIONS)
    assert wait_for(round(Notebook(3).root, 2)) == 3


# -- what stays here ------------------------------------------------------------------------------

PROBES: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "format": lambda c: f"{c}",
    "hash": hash,
    "equal": lambda c: c == 5,
    "unequal": lambda c: c != c,
    "bool": bool,
    "bool of a method": lambda c: bool(c.on_change) and bool(c["on_change"]),
    "bool of a name": lambda c: bool(getattr(c, "")),
    "isinstance": lambda c: isinstance(c, (str, list, dict)),
    "callable": callable,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "dir": dir,
    "getmembers": inspect.getmembers_static,
    "signature": lambda c: inspect.signature(type(c)),
    "awaitable": inspect.isawaitable,
    "weakref": weakref.ref,
    "spec": lambda c: mock.create_autospec(c, instance=True),
    "array of objects": lambda c: numpy.array([c], dtype=object),
}
REFUSALS: dict[str, Callable[[Any], Any]] = {
    "pickle": pickle.dumps,
    "json": json.dumps,
    "fspath": os.fspath,
    "iter": iter,
    "list": list,
    "in": lambda c: 1 in c,
    "bool of an operator": lambda c: bool(c < 1),
    "len": len,
    "int": int,
    "float": float,
    "index": lambda c: [1][c],
    "sorted": lambda c: sorted(c),
    "unpack": lambda c: [*c],
    "keywords": lambda c: dict(**c),
    "with": lambda c: c.__enter__,
    "buffer": memoryview,
    "set": lambda c: setattr(c, "x", 1),
    "delete": lambda c: delattr(c, "x"),
    "set item": lambda c: c.__setitem__(1, 2),
    "delete item": lambda c: c.__delitem__(1),
}


@pytest.mark.parametrize("name", PROBES)
def test_local_machinery_asks_nothing(name: str) -> None:
    notebook = Notebook()
    for cursor in (notebook.root, notebook.root.a.b(1), imported(notebook)):
        PROBES[name](cursor)
    gc.collect()
    assert notebook.asked == []


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_done_here_is_refused_here(name: str) -> None:
    notebook = Notebook()
    for cursor in (notebook.root, notebook.root.a.b(1), imported(notebook)):
        with pytest.raises((TypeError, AttributeError)):
            REFUSALS[name](cursor)
    assert notebook.asked == []


@pytest.mark.parametrize(
    "name",
    ["_x", "__x__", "__array__", "__len__", "_repr_html_", "__wrapped__", "_ipython_display_", "_"],
)
def test_names_with_an_underscore_stay_local(name: str) -> None:
    with pytest.raises(AttributeError, match="underscore"):
        getattr(Notebook().root.a, name)


def test_no_method_of_a_cursor_hides_a_remote_name() -> None:
    root = Notebook().root
    for name in ("copy", "release", "close", "describe", "ref", "items", "mro", "peer", "steps"):
        assert type(getattr(root, name)) is ProxyCursor


def test_refusals_say_what_to_do_instead() -> None:
    root: Any = Notebook().root
    with pytest.raises(TypeError, match=r"proxyables\.assign\(cursor\.x, value\)"):
        root.x = 1
    with pytest.raises(TypeError, match=r"proxyables\.assign\(cursor\['k'\], value\)"):
        root["k"] = 1
    with pytest.raises(TypeError, match=r"proxyables\.delete\(cursor\.x\)"):
        del root.x
    with pytest.raises(TypeError, match=r"proxyables\.delete\(cursor\[0\]\)"):
        del root[0]
    with pytest.raises(TypeError, match="async for"):
        iter(root)
    with pytest.raises(TypeError, match=r"proxyables\.contains"):
        _ = 1 in root
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(root)
    with pytest.raises(TypeError, match="a class of the other side"):
        type("Ours", types.resolve_bases((root.Theirs,)), {})


# -- identity -------------------------------------------------------------------------------------


def test_cursors_on_one_object_are_equal_and_paths_only_to_themselves() -> None:
    notebook = Notebook()
    reference = Imports(lambda: None, limit=10).receive(1, 1, None)
    first, second = (ProxyCursor(notebook, reference, []) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != imported(notebook)
    assert first != ProxyCursor(Notebook(), reference, [])
    assert notebook.root == ProxyCursor(notebook, None, [])
    assert notebook.root != Notebook().root
    path = first.a
    assert path == path
    assert path == first.a
    assert path() != first.a()
    assert path != first
    assert first != 5
    assert len({first, second, path, first.a, path()}) == 3


def test_no_more_paths_are_kept_than_a_program_has_names() -> None:
    root = Notebook().root
    for number in range(1000):
        getattr(root, f"name{number}")
        getattr(root.name0, f"name{number}")
    assert len(vars(root)) == 256
    assert len(vars(root.name0)) == 16
    assert root.name999 is not root.name999


def test_a_path_keeps_its_object() -> None:
    notebook = Notebook()
    cursor = imported(notebook)
    reference = weakref.ref(cursor._reference)
    path = cursor.a.b
    del cursor
    gc.collect()
    assert reference() is not None
    del path
    gc.collect()
    assert reference() is None


# -- paths as text --------------------------------------------------------------------------------


def test_a_path_reads_as_python() -> None:
    notebook = Notebook(address="unix:/tmp/s")
    path = notebook.root.items[0]["k"][1:2].f(1).g()(x=1) + 3
    assert path_of(path) == "root.items[0]['k'][…].f(…).g()(…)«add» at unix:/tmp/s"
    assert repr(notebook.root) == "<ProxyCursor root at unix:/tmp/s>"
    assert path_of(imported(Notebook(), 7, {"name": "Shop"}).x) == "Shop#7.x"
    assert path_of(imported(Notebook(), 7, {"name": "make.<locals>.Item"})) == "Item#7"
    assert path_of(imported(Notebook(), 7)) == "object#7"


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "a\nb", "a b", "", 5, None, ["x"], "\u202eevil"], ids=ascii
)
def test_what_the_peer_calls_a_type_does_not_steer_a_terminal(name: Any) -> None:
    assert path_of(imported(Notebook(), 7, {"name": name})) == "object#7"


def test_nothing_of_the_peers_in_a_path_is_long_or_steers_a_terminal() -> None:
    assert len(path_of(imported(Notebook(), 7, {"name": "x" * 10_000}))) < 100
    assert path_of(imported(Notebook(), "\x1b[2J")) == r"object#'\x1b[2J'"
    assert path_of(imported(Notebook(), 7, ["no", "map"])) == "object#7"
    named = getattr(imported(Notebook(), 7), "a\x1b[2J")  # a name that its `dir` may have
    assert path_of(named) == r"object#7.a\x1b[2J"


# -- async for, async with ------------------------------------------------------------------------


def test_async_for_asks_for_a_stream_of_items() -> None:
    notebook = Notebook(answer=[1, 2])

    async def read() -> list[int]:
        return [item async for item in notebook.root.rows()]

    assert wait_for(read()) == [1, 2]
    assert notebook.asked == [(None, ["rows", [CALL, []], [STREAM, CHUNK]])]


def test_async_with_enters_and_leaves_one_and_the_same_manager() -> None:
    class Managers(Notebook):
        def request(self, reference: Reference | None, steps: list[Any]) -> Any:
            yield from super().request(reference, steps)
            if steps[-1] == [REF]:
                return manager
            return steps[-1][1] == "aenter"

    notebook = Managers()
    manager = imported(notebook)

    async def use() -> None:
        with pytest.raises(KeyError):
            async with notebook.root.open() as entered:
                assert entered is True
                raise KeyError("k")

    wait_for(use())
    (_, opened), (entered, enter), (left, leave) = notebook.asked
    assert opened == ["open", [CALL, []], [REF]]
    assert entered is left is manager._reference
    assert enter == [[OPERATE, "aenter", []]]
    assert leave[0][:2] == [OPERATE, "aexit"]
    assert isinstance(leave[0][2][0], KeyError)
