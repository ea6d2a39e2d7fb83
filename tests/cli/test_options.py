"""The option table, and the two parsers that are made from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyables_cli import app, commands, fastpath, options
from proxyables_cli.commands import Invocation
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Common


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0", 0.0), ("2.5s", 2.5), ("500ms", 0.5), ("2m", 120.0), ("1h", 3600.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert options.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1", "1d", "nan", "inf", "1e9", "s", "1 s", "1.s", "٣"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration such as"):
        options.duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("64KiB", 65536), ("16MiB", 1 << 24), ("2kB", 2000), ("1 GB", 10**9)],
)
def test_sizes(text: str, count: int) -> None:
    assert options.size(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5MiB", "MiB", "1TB", "16mib"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size such as"):
        options.size(text)


def test_what_stands_nearer_wins() -> None:
    asked = app.parse(["--debug", "--color", "never", "serve", "a", "--color", "always"])
    assert isinstance(asked, Invocation)
    found = asked.options
    assert (found.debug, found.color, found.target) == (True, "always", "a")


def by_typer(argv: list[str]) -> Any:
    try:
        asked = app.parse(argv)
    except Failure as failure:
        return failure.code
    assert isinstance(asked, Invocation)
    return asked.options


def by_fastpath(argv: list[str]) -> Any:
    try:
        asked = fastpath.parse(argv)
    except Failure as failure:
        return failure.code
    return None if asked is None else asked.options


SERVE = [
    *(["--stdio"], ["--tcp", ":9000"], ["--tcp=:1"], ["-l", "-"], ["--listen", "unix:/p"], ["-vq"]),
    *(["--grace", "500ms"], ["--grace", "soon"], ["--threads", "0"], ["--threads=-1"], ["-q"]),
    *(["--loop", "asyncio"], ["--loop", "curio"], ["--max-message", "1MiB"], ["--name", "x"]),
    *(["--tpc", ":1"], ["--tc", ":1"], ["shop:shop"], ["--debug"], ["--", "-x"], ["-l:1"]),
]
CALL = [
    *(["2"], ["-"], ["=2"], ["-o", "json"], ["-ojson"], ["--output=raw"], ["--timeout", "3"]),
    *(["-o", "xml"], ["k=v"], [""], ["a b"], ["--color", "never"], ["-x"], ["@-"], [":=-5"]),
]
LINES = st.one_of(
    st.tuples(st.just(["serve", "mod:obj"]), st.lists(st.sampled_from(SERVE), max_size=4)),
    st.tuples(st.just(["call", ":9000"]), st.lists(st.sampled_from(CALL), max_size=4)),
    st.tuples(st.just(["ls"]), st.lists(st.sampled_from(CALL), max_size=3)),
)


@given(LINES)
@settings(max_examples=60, deadline=None)
def test_what_both_parsers_read_is_the_same(line: tuple[list[str], list[list[str]]]) -> None:
    argv = [*line[0], *(word for words in line[1] for word in words)]
    quickly = by_fastpath(argv)
    assert quickly is None or quickly == by_typer(argv)


@pytest.mark.parametrize(
    ("argv", "fast"),
    [
        (["serve", "m:o", "--stdio"], True),
        (["call", ":1", "f", "2", "-o", "json"], True),
        (["call", "-o", "json", ":1", "f", "2"], True),
        (["repl", ":1", "-c", "obj"], True),
        (["serve", "m:o", "--stdio", "--help"], False),
        (["serve", "m:o", "--stdoi"], False),
        (["call", ":1", "f", "--", "-x"], False),
        (["sreve", "m:o"], False),
        (["-v", "serve", "m:o"], False),
        (["serve", "m:o", "-vq"], False),
        (["serve", "m:o", "--name"], False),
        (["serve", "m:o", "--name", "--stdio"], False),
        (["serve", "m:o", "--stdio=yes"], False),
        (["serve"], False),
        (["serve", "m:o", "more"], False),
        ([], False),
    ],
)
def test_plain_command_lines_need_no_typer(argv: list[str], fast: bool) -> None:
    assert (fastpath.parse(argv) is not None) is fast


def test_options_are_values() -> None:
    made = Common(debug=True)
    assert made == Common(debug=True) != Common()
    assert made != "Common"
    assert (made.debug, made.color) == (True, "auto")
    assert repr(made).startswith("Common(debug=True, verbose=False, ")
    with pytest.raises(AttributeError, match="debug"):
        made.debug = False  # type: ignore[misc]
    with pytest.raises(TypeError, match="bugs"):
        Common(bugs=True)  # type: ignore[call-arg]


def test_every_row_has_help_and_names_no_other_row_has() -> None:
    for command in commands.every():
        rows = options.rows(command.options)
        names = [name for _, row in rows for name in row.names]
        assert len(names) == len(set(names)), command.name
        assert all(row.help.endswith(".") for _, row in rows), command.name
        assert command.help.endswith("."), command.name


def test_a_value_that_its_row_refuses_is_bad_usage() -> None:
    with pytest.raises(Failure, match=r"--grace takes a duration .*'soon'") as caught:
        fastpath.parse(["serve", "m:o", "--grace", "soon"])
    assert caught.value.code is Code.USAGE
