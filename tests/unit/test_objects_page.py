"""Each row of the page on remote objects names the test that holds it; these tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "objects.md"
NAMED = re.compile(r"<!-- (\S+?\.py)(?:::(\w+))? -->")


def rows() -> list[str]:
    """Returns the rows of all tables, without their heads."""
    lines = PAGE.read_text().splitlines()
    tables = [line for line in lines if line.startswith("|")]
    heads = {n for n, line in enumerate(tables) if line.startswith("|---")}
    return [row for n, row in enumerate(tables) if n not in heads and n + 1 not in heads]


def test_each_row_names_its_test() -> None:
    assert len(rows()) > 50
    assert [row for row in rows() if len(NAMED.findall(row)) != 1] == []


def test_the_tests_exist() -> None:
    named = NAMED.findall(PAGE.read_text())
    files = {file for file, _ in named}
    assert [file for file in files if not (TESTS / file).is_file()] == []
    found = {
        (file, node.name)
        for file in files
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert [pair for pair in named if pair[1] and pair not in found] == []
