"""Printing values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyables_cli.output import Printer, json_line, wants_color


@pytest.mark.parametrize(
    ("format", "value", "written"),
    [
        ("auto", {"a": [1, 2.5, None]}, b'{"a":[1,2.5,null]}\n'),
        ("json", "é\x1b\x9b\u2028", '"é\\u001b\\u009b\\u2028"\n'.encode()),
        ("json", "\ud800", b'"\\ud800"\n'),
        ("raw", "a\nb", b"a\nb\n"),
        ("raw", b"\x00\xff", b"\x00\xff"),
        ("raw", [1, 2], b"[1,2]\n"),
        ("raw", "\ud800", b"\\ud800\n"),
        ("repr", {"a": (1,)}, b"{'a': (1,)}\n"),
        ("pretty", {"a": "[bold]x[/bold] :smile:"}, b"{'a': '[bold]x[/bold] :smile:'}\n"),
    ],
)
def test_formats(
    format: str,  # noqa: A002
    value: object,
    written: bytes,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    Printer(format).value(value)
    assert capfdbinary.readouterr().out == written


class Hostile:
    def __repr__(self) -> str:
        return "<Hostile \x1b]0;title\x07\x9b\u202e>"


@pytest.mark.parametrize("format", ["auto", "pretty", "json", "jsonl", "raw", "repr", "table"])
@pytest.mark.parametrize(
    "value", [Hostile(), [Hostile()], {"a": Hostile()}, [{"a": Hostile()}, {"b\x1b\u202e": 1}]]
)
def test_nothing_in_a_value_steers_a_terminal(
    format: str,  # noqa: A002
    value: object,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    Printer(format, "never").value(value)
    text = capfdbinary.readouterr().out.decode()
    assert text.replace("\n", "").isprintable()
    assert "]0;title" in text


def test_colour_is_written_only_on_demand(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Printer("pretty", "never").value({"a": 1})
    assert b"\x1b" not in capfdbinary.readouterr().out
    Printer("pretty", "always").value({"a": 1})
    assert b"\x1b" in capfdbinary.readouterr().out


def test_colour_follows_the_option_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert wants_color("always")
    assert not wants_color("never")
    assert not wants_color("auto")


@given(st.text())
def test_a_line_of_json_is_one_safe_line(text: str) -> None:
    written = json_line(text)
    assert json.loads(written) == text
    assert written.count(b"\n") == 1
    assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in written.decode()[:-1])
    assert not set(written.decode()) & set("\u2028\u2029\u202a\u202e\u2066\u2069")


def test_in_a_pipe_a_table_is_whole(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    rows = [{"number": number, "text": "x" * 5000} for number in range(250)]
    Printer("table", "never").value(rows)
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert len(lines) == 252
    assert all(line.endswith("x" * 5000) for line in lines[2:])


def test_in_a_pipe_a_long_literal_stays_in_one_piece(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    Printer("pretty", "never").value(["x" * 300, "y"])
    assert f"'{'x' * 300}'," in capfdbinary.readouterr().out.decode()
