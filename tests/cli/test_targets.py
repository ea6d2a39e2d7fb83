"""Finding the exported object."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.processes import Cli
from proxyables_cli import targets
from proxyables_cli.exits import Code, Failure


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Lets each test import its own modules."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def load(text: str, directory: Path) -> object:
    return targets.load(targets.parse(text), str(directory))


def failure(text: str, directory: Path) -> str:
    with pytest.raises(Failure) as caught:
        load(text, directory)
    assert caught.value.code is Code.NO_TARGET
    return f"{caught.value.message}; {caught.value.hint}"


def test_each_form_finds_its_object(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "one.py").write_text("class A:\n    b = {'x': 1}\nimport two_mod\n")
    (tmp_path / "two_mod.py").write_text("name = __name__\n")
    assert load("pack.one:A.b", tmp_path) == {"x": 1}
    assert load("two_mod:name", tmp_path) == "two_mod"
    assert load("two_mod", tmp_path) is sys.modules["two_mod"]
    del sys.modules["two_mod"]
    assert load(f"{tmp_path}/two_mod.py:name", Path("/")) == "two_mod"
    assert load(f"{tmp_path}/pack/one.py:A.b", tmp_path) == {"x": 1}


def test_a_file_of_a_package_imports_from_it(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / "__init__.py").write_text("from .part import thing\n")
    (tmp_path / "outer" / "part.py").write_text("thing = [1]\n")
    (inner / "__init__.py").write_text("")
    (inner / "beside.py").write_text("other = 2\n")
    (inner / "deep.py").write_text("from ..part import thing\nimport beside\nname = __name__\n")
    assert load(f"{inner}/deep.py:thing", tmp_path) == [1]
    assert load(f"{inner}/deep.py:name", tmp_path) == "outer.inner.deep"
    assert load(f"{inner}/deep.py:beside.other", tmp_path) == 2, "as for a file that stands alone"
    assert load(f"{tmp_path}/outer/__init__.py:thing", tmp_path) == [1]


def test_a_package_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "fails").mkdir()
    (tmp_path / "fails" / "__init__.py").write_text("1 / 0\n")
    (tmp_path / "fails" / "part.py").write_text("thing = 1\n")
    told = failure(f"{tmp_path}/fails/part.py:thing", tmp_path)
    assert "as fails.part: ZeroDivisionError" in told
    assert "__init__.py, line 1" in told


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("shop:store", "store"),
        ("pack.shop:a.b", "b"),
        ("pack.shop", "shop"),
        ("./x/shop.py", "shop"),
        ("x/shop.py:obj", "obj"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert targets.parse(text).label == label


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":a", "a:b:c", "a:1", "a b", "a..b", "a:b.", "a-b"]
)
def test_what_is_no_target_is_bad_usage(text: str) -> None:
    with pytest.raises(Failure, match="is not a target") as caught:
        targets.parse(text)
    assert caught.value.code is Code.USAGE


def test_a_missing_module_names_what_was_searched(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    assert "no module named 'shup' in" in failure("shup:x", tmp_path)
    assert "did you mean 'shop'?" in failure("shup:x", tmp_path)
    assert "no module named 'nope'" in failure("nope.inner:x", tmp_path)
    assert "no file" in failure(f"{tmp_path}/shup.py:x", tmp_path)
    assert "did you mean 'shop.py'?" in failure(f"{tmp_path}/shup.py:x", tmp_path)
    assert "is not a directory" in failure("shop", tmp_path / "none")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("raise RuntimeError", "RuntimeError"),
        ("from broken import later\nlater = 1", "; a circular import: "),
        ("import broken\nx = broken.y\ny = 1", "; a circular import: "),
        ("import json\ndef f():\n    json.loads('{x')\nf()", "line 3, in f"),
    ],
)
def test_a_module_that_raises_names_the_user_s_frame(
    tmp_path: Path, source: str, says: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    told = failure("broken:x", tmp_path)
    assert told.startswith("cannot import 'broken': ")
    assert says in told
    assert "broken.py, line " in told
    assert "proxyables_cli" not in told
    if "1 / 0" in source:
        assert "line 2, in f" in told


def test_nothing_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("x = None\ndef make(): pass\n")
    assert "'some:x' is None" in failure("some:x", tmp_path)
    make = load("some:make", tmp_path)
    with pytest.raises(Failure, match="the factory 'some:make' returned None"):
        asyncio.run(targets.make(make, "some:make"))  # type: ignore[arg-type]


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n")
    assert "broken.py, line 2" in failure("broken:x", tmp_path)


def test_a_missing_attribute_suggests(tmp_path: Path) -> None:
    source = (
        "import os\nclass P:\n    @property\n    def bad(self): raise AttributeError('inner')\n"
    )
    (tmp_path / "some.py").write_text(source + "account = 1\np = P()\n_hidden = 2\n")
    assert "'some' has no attribute 'acount'; did you mean 'account'?" in failure(
        "some:acount", tmp_path
    )
    told = failure("some:zzzz", tmp_path)
    assert "it has P, account, p" in told
    assert "os" not in told.split("it has")[1]
    assert "'some.account' has no attribute 'real_'; did you mean 'real'?" in failure(
        "some:account.real_", tmp_path
    )
    told = failure("some:p.bad", tmp_path)
    assert "some.p.bad cannot be read: AttributeError: inner" in told
    assert "line 4, in bad" in told


def test_factories_are_called_and_awaited() -> None:
    async def slowly() -> int:
        return 2

    assert asyncio.run(targets.make(lambda: 1, "m:f")) == 1
    assert asyncio.run(targets.make(slowly, "m:f")) == 2
    with pytest.raises(Failure, match=r"factory 'm:f' failed: ZeroDivisionError.*test_targets"):
        asyncio.run(targets.make(lambda: 1 / 0, "m:f"))


@pytest.mark.parametrize(
    "words",
    [
        "serve shop:shop",
        "serve ./shop.py:shop",
        "serve --app-dir / shop:shop --unix x.sock",
        "serve shop:shop --reload",
        "alias --config ../aliases.toml add here ./x.sock",
        "alias --config ../aliases.toml add here :9000 --token-file secret",
    ],
)
def test_a_working_directory_that_is_gone(cli: Cli, words: str) -> None:
    (cli.directory / "gone").mkdir()
    (cli.directory / "aliases.toml").touch()
    words = words.replace("../aliases", f"{cli.directory}/aliases")
    result = cli.shell(f"cd gone && rmdir ../gone && $P {words}")
    assert (result.code, result.out) == (2, ""), result
    assert result.line == "the working directory does not exist any more; cd to one that does"
