"""Rows as tables, of any width."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from proxyables_cli.repl import tables


@pytest.mark.parametrize(
    ("value", "is_table"),
    [
        ([{"a": 1, "b": 2}, {"a": 3, "b": 4}], True),
        (({"a": 1, "b": 2}, {"b": 3, "a": 4}), True),
        ([{"a": 1, "b": 2}], False),  # as good as it is
        ([{"a": 1}, {"a": 2}], False),
        ([{"a": 1, "b": 2}, {"a": 3}], False),
        ([{"a": 1, "b": 2}, 3], False),
        ([{1: 1, 2: 2}, {1: 3, 2: 4}], False),
        ([], False),
        ({"a": 1, "b": 2}, False),
        ("text", False),
    ],
)
def test_what_is_a_table_by_itself(value: Any, is_table: bool) -> None:
    assert (tables.rows_of(value) is not None) is is_table


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"a": 1}, [{"key": "a", "value": 1}]),
        ([1, {"b": 2}], [{"value": 1}, {"b": 2}]),
        (5, None),
        ([], None),
    ],
)
def test_what_can_be_made_one(value: Any, rows: Any) -> None:
    assert tables.rows_of(value, wanted=True) == rows


def test_side_by_side() -> None:
    rows = [{"name": "ada", "age": 36, "note": "x" * 50}, {"name": "b\x1b", "age": 7, "note": None}]
    assert list(tables.table_of(rows, 40)) == [
        "name   age  note",
        "─────  ───  ────────────────────────────",
        "ada     36  xxxxxxxxxxxxxxxxxxxxxxxxxxx…",
        "b\\x1b    7",
    ]


def test_one_below_the_other_where_it_is_narrow() -> None:
    row = {"name": "ada lovelace", "age": 36, "born": "10 December 1815"}
    assert list(tables.table_of([row], 26)) == [
        "── 1 ─────────────────────",
        "name  ada lovelace",
        " age  36",
        "born  10 December 1815",
    ]
    assert list(tables.table_of([row], 27)) == [
        "name        age  born",
        "──────────  ───  ──────────",
        "ada lovel…   36  10 Decemb…",
    ]


def test_many_narrow_columns_stay_side_by_side() -> None:
    row = {f"c{number}": number for number in range(9)}
    assert len(list(tables.table_of([row, row], 9 * 2 + 8 * 2))) == 4


def test_missing_values_stay_empty_and_too_many_rows_are_counted() -> None:
    rows: list[dict[str, Any]] = [{"a": 1}] * (tables.MAX_ROWS + 2) + [{"b": 1}]
    lines = list(tables.table_of(rows, 80))
    assert len(lines) == tables.MAX_ROWS + 3
    assert lines[-1] == f"… 3 more rows of {len(rows)}"


CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=80))


@given(
    st.lists(st.dictionaries(st.text(max_size=20), CELLS, min_size=1, max_size=6), min_size=1),
    st.integers(20, 120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[dict[str, Any]], width: int) -> None:
    for line in tables.table_of(rows, width):
        assert cell_len(line) <= width
        assert not any(ord(each) < 32 for each in line)
