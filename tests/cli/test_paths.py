"""The PATH of a command."""

from __future__ import annotations

import pytest

from proxyables_cli import paths
from proxyables_cli.exits import Code, Failure


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        (".", []),
        ("add", [("name", "add")]),
        ("a.b_1.ç", [("name", "a"), ("name", "b_1"), ("name", "ç")]),
        ("items[0]", [("name", "items"), ("key", 0)]),
        ("items[-1].x", [("name", "items"), ("key", -1), ("name", "x")]),
        ("[0][1]", [("key", 0), ("key", 1)]),
        ('d["a.b"]', [("name", "d"), ("key", "a.b")]),
        ("d['it\\'s']", [("name", "d"), ("key", "it's")]),
        ("d[ada]", [("name", "d"), ("key", "ada")]),
        ("d[a b-c]", [("name", "d"), ("key", "a b-c")]),
        ('d["0"]', [("name", "d"), ("key", "0")]),
        ('d["]"].x', [("name", "d"), ("key", "]"), ("name", "x")]),
        ('d[""]', [("name", "d"), ("key", "")]),
    ],
)
def test_paths_are_taken_apart(text: str, steps: list[paths.Step]) -> None:
    assert paths.parse(text) == steps


@pytest.mark.parametrize(
    "text",
    [
        *("a..b", "a.", ".a", "a b", "a[", "a[]", "a]", "a[0", 'a["b]', "a()", "1a", "a[0]b"),
        *("a.[0]", "_a", "a.__class__", "a[" + "9" * 30 + "]", "a\n"),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Failure) as caught:
        paths.parse(text)
    assert caught.value.code is Code.USAGE


def test_walking_applies_each_step() -> None:
    root = {"k": [type("Thing", (), {"x": 5})]}
    assert paths.walk(root, paths.parse("[k][0].x")) == 5
    assert paths.walk(root, []) is root
