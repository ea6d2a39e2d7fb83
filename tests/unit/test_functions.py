"""What is done to cursors by functions: the steps that they send, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import proxyables
from callers import Notebook, wait_for
from proxyables.objects.imports import Imports
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.dialect import ByReference
from proxyables.wire.instructions import (
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    ITEM,
    OPERATE,
    REF,
    SET,
    SETITEM,
)

AWAITED: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "assign": (lambda r: proxyables.assign(r.a.x, 5), ["a", [SET, "x", 5]]),
    "assign item": (lambda r: proxyables.assign(r.a[0], 5), ["a", [SETITEM, 0, 5]]),
    "delete": (lambda r: proxyables.delete(r.x), [[DEL, "x"]]),
    "delete item": (lambda r: proxyables.delete(r["k"]), [[DELITEM, "k"]]),
    "copy": (lambda r: proxyables.copy(r.a), ["a", [COPY]]),
    "ref": (lambda r: proxyables.ref(r.a), ["a", [REF]]),
    "describe": (proxyables.describe, [[DESCRIBE]]),
    "describe a path": (lambda r: proxyables.describe(r.a), ["a", [DESCRIBE]]),
    "describe statically": (lambda r: proxyables.describe(r, static=True), [[DESCRIBE]]),
    "describe a path statically": (
        lambda r: proxyables.describe(r.a[0]["k"].b, static=True),
        [[DESCRIBE, ["a", [ITEM, 0], [ITEM, "k"], "b"]]],
    ),
    "contains": (lambda r: proxyables.contains(r, 1), [[OPERATE, "contains", [1]]]),
    "perform": (lambda r: proxyables.perform(r, "format", "x"), [[OPERATE, "format", ["x"]]]),
    "construct": (lambda r: proxyables.construct(r.C, 1), ["C", [CONSTRUCT, [1]]]),
    "construct by name": (
        lambda r: proxyables.construct(r, target=1, self=2),
        [[CONSTRUCT, [], {"target": 1, "self": 2}]],
    ),
}


@pytest.mark.parametrize("name", AWAITED)
def test_each_is_one_round_trip(name: str) -> None:
    function, steps = AWAITED[name]
    notebook = Notebook()
    wait_for(function(notebook.root))
    assert notebook.asked == [(None, steps)]


def test_a_static_description_sends_nothing_that_would_run() -> None:
    notebook = Notebook()
    root = notebook.root
    for path in (root.make(), root.make().a, root.a + 1, root[1:2], root[True], root[(1, 2)]):
        with pytest.raises(TypeError, match="takes a path of attributes and items"):
            wait_for(proxyables.describe(path, static=True))
    assert notebook.asked == []


def test_what_is_settled_and_what_is_a_path() -> None:
    notebook = Notebook()
    root = notebook.root
    thing = ProxyCursor(notebook, Imports(lambda: None, limit=10).receive(1, 1, None), [])
    for settled in (root, thing):
        assert proxyables.is_settled(settled)
        for path in (settled.a, settled[0], settled(), settled + 1, settled.a.b(1)):
            assert not proxyables.is_settled(path)
    assert notebook.asked == []


def test_what_comes_back() -> None:
    notebook = Notebook(answer=[1])
    root = notebook.root
    assert wait_for(proxyables.copy(root)) == [1]
    assert wait_for(proxyables.perform(root, "len")) == [1]
    assert wait_for(proxyables.contains(root, 1)) is True
    assert wait_for(proxyables.assign(root.x, 1)) is None
    assert proxyables.peer_of(root.a.b) is notebook


@pytest.mark.parametrize("function", [proxyables.assign, proxyables.delete])
def test_only_an_attribute_or_item_can_be_assigned_or_deleted(function: Any) -> None:
    notebook = Notebook()
    value = (1,) if function is proxyables.assign else ()
    for target in (notebook.root, notebook.root.f(), notebook.root.a + 1):
        with pytest.raises(TypeError, match=r"takes a path that ends in an attribute or an item"):
            wait_for(function(target, *value))
    assert notebook.asked == []


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("assign", (1,)),
        ("delete", ()),
        ("copy", ()),
        ("describe", ()),
        ("contains", (1,)),
        ("perform", ("len",)),
        ("construct", ()),
        ("release", ()),
        ("is_settled", ()),
        ("peer_of", ()),
    ],
)
@pytest.mark.parametrize("target", [None, 5, object()], ids=["None", "5", "object"])
def test_what_is_no_cursor_is_named(name: str, more: tuple[Any, ...], target: Any) -> None:
    function = getattr(proxyables, name)
    with pytest.raises(TypeError, match=f"{name} takes a cursor.*{type(target).__name__}"):
        result = function(target, *more)
        wait_for(result)


def test_ref_of_a_local_value_wraps_it() -> None:
    value = [1]
    wrapped = proxyables.ref(value)
    assert type(wrapped) is ByReference
    assert wrapped.value is value


def test_release_gives_back_now_and_only_once() -> None:
    imports = Imports(lambda: None, limit=10)
    cursor = ProxyCursor(Notebook(), imports.receive(1, 1, None), [])
    proxyables.release(cursor.a.b)
    proxyables.release(cursor)
    assert imports.take_dropped() == [(1, 1)]
    proxyables.release(Notebook().root)  # the root is not lent, and so cannot be given back
