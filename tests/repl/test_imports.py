"""Completion of import statements: what is offered, and that nothing is imported for it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyables_cli.repl.completion.imports import Import, Imports, import_of
from repl.prompts import Prompt, prompting, serving
from repl.test_completion import complete

SOURCE = """
raise SystemExit("it was imported")
"""
ALPHA = """
from os.path import join as joined
import json
CONSTANT: int = 1
first, second = 1, 2
if True:
    inside = 1
try:
    import nothing_like_this
except ImportError:
    replaced = None
def function(): nested = 1
async def later(): ...
class Kind: member = 1
_hidden = 1
text = "import at_the_beginning"
raise SystemExit("it was imported")
"""
NAMES = (
    "CONSTANT Kind first function inside joined json later nothing_like_this replaced second text"
)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of packages that end the process when they are imported."""
    for name in ("px_shop", "px_shop/stock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(SOURCE)
    (tmp_path / "px_shop" / "alpha.py").write_text(ALPHA)
    (tmp_path / "px_shop" / "broken.py").write_text("def (")
    (tmp_path / "px_shop" / "stock" / "books.py").write_text("title = 1")
    (tmp_path / "px_shop" / "no-name.py").write_text("")
    (tmp_path / "px_bare").mkdir()  # no more than a directory
    (tmp_path / "px_bare" / "leaf.py").write_text("green = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    assert not [name for name in set(sys.modules) - before if name.startswith("px_")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import ", Import("", "", "module")),
        ("import o", Import("", "o", "module")),
        ("import os.pa", Import("os", "pa", "module")),
        ("import a, b.c as d, xml.dom.m", Import("xml.dom", "m", "module")),
        ("from o", Import("", "o", "module")),
        ("from xml.d", Import("xml", "d", "module")),
        ("from os im", Import("", "im", "keyword")),
        ("from os import ", Import("os", "", "name")),
        ("from os import(pa", Import("os", "pa", "name")),
        ("from os import (path,\n    sep as s,\n    se", Import("os", "se", "name")),
        ("x = 1; import o", Import("", "o", "module")),
        ("if x: from o", Import("", "o", "module")),
        ("def f():\n    import o", Import("", "o", "module")),
    ],
)
def test_what_is_being_imported(text: str, expected: Import) -> None:
    assert import_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import",
        "important o",
        "import a as ",
        "import a b",
        "from a import b as c",
        "yield from o",
        "x.import o",
        "from . import o",
    ],
)
def test_what_is_no_import(text: str) -> None:
    assert import_of(text) is None


def test_statements_without_end_take_no_time() -> None:
    started = time.process_time()
    for text in ("import " + "a, " * 5000, "from a import " + "b, " * 5000, "import " * 5000):
        assert import_of(f"{text}!") is None
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import px_", ["px_shop"]),
        ("from px_s", ["px_shop"]),
        ("import px_shop.", ["alpha", "broken", "stock"]),
        ("import px_shop.stock.", ["books"]),
        ("from px_shop.stock.books import t", ["title"]),
        ("from px_shop import al", ["alpha"]),
        ("from px_shop.alpha import ", NAMES.split()),
        ("from px_shop.broken import ", []),
        ("from px_shop.nothing import ", []),
        ("import px_bare.", ["leaf"]),
        ("from os im", ["import"]),
        ("import os.pa", ["path"]),
        ("from os import linese", ["linesep"]),
        ("from proxyables import connec", ["connect"]),
        ("from concurrent.futures import ThreadPoolE", ["ThreadPoolExecutor"]),
        ("%trace import px_s", ["px_shop"]),
        ("'import px_s", []),
        ("# import px_s", []),
    ],
)
def test_nothing_is_imported(packages: Path, text: str, expected: list[str]) -> None:
    assert complete(text) == expected


def test_bytecode_is_read_where_there_is_some(packages: Path) -> None:
    import py_compile

    source = packages / "px_shop" / "alpha.py"
    source.write_text(f"{ALPHA}\n{'#' * 40_000}\n")
    assert complete("from px_shop.alpha import fir") == []  # too long to be compiled for a menu
    py_compile.compile(str(source), doraise=True)
    assert complete("from px_shop.alpha import fir") == ["first"]


def test_files_are_looked_for_once(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[str] = []
    to_thread = asyncio.to_thread

    async def counted(function: object, *args: str) -> list[str]:
        searches.extend(args)
        return await to_thread(function, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "to_thread", counted)

    async def work() -> None:
        imports = Imports()
        statement = Import("", "px", "module")
        await asyncio.gather(*(imports.complete(statement) for _ in range(3)))
        await imports.complete(Import("", "px_s", "module"))
        assert searches == [""]

    asyncio.run(work())


def test_keys_are_drawn_while_files_are_far_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pkgutil

    arrives = threading.Event()

    def from_afar(places: object) -> Iterator[pkgutil.ModuleInfo]:
        assert arrives.wait(20)
        yield pkgutil.ModuleInfo(None, "px_far", False)  # type: ignore[arg-type]

    monkeypatch.setattr(pkgutil, "iter_modules", from_afar)

    async def scene(prompt: Prompt) -> None:
        prompt.type("import px_")
        await prompt.at(">>> import px_")
        prompt.type("f")
        await prompt.at(">>> import px_f")
        assert not prompt.screen.menu
        arrives.set()
        await prompt.until(lambda: prompt.screen.menu == ["px_far"])

    async def work() -> None:
        async with serving(object(), tmp_path) as address, prompting(address, tmp_path) as prompt:
            await scene(prompt)

    try:
        asyncio.run(work())
    finally:
        arrives.set()
