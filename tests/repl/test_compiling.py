"""Cells: which texts are whole, what they show, and what their tracebacks point at."""

from __future__ import annotations

import asyncio
import traceback
import warnings
from typing import Any

import pytest

from proxyables_cli.repl.compiling import (
    COMMAND,
    DISPLAY,
    Compiler,
    Completeness,
    Shows,
    with_commands,
)
from repl import standins

WHOLE, MORE, NEVER = Completeness.COMPLETE, Completeness.INCOMPLETE, Completeness.INVALID


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", WHOLE),
        ("1", WHOLE),
        ("x = 1; y = 2", WHOLE),
        ("f(", MORE),
        ("f(1,\n", MORE),
        ("'''a", MORE),
        ("'a", NEVER),
        ("x = \\", MORE),
        ("for i in x:", MORE),
        ("for i in x:\n    pass", MORE),
        ("for i in x:\n    pass\n", WHOLE),
        ("for i in x:\n    pass\n    ", WHOLE),
        ("for i in x:\n    f(\n", MORE),
        ("if x: pass", MORE),
        ("if x: pass\n", WHOLE),
        ("@f", MORE),
        ("await f()", WHOLE),
        ("async with x:", MORE),
        ("async def f():\n  await x\n", WHOLE),
        ("class A:\n  x = 1\n\n  y = 2", MORE),
        ("try:\n  x\n", MORE),
        ("match x:", MORE),
        ("match x:\n  case 1:", MORE),
        ("match x:\n  case 1:\n    y", MORE),
        ("match x:\n  case 1:\n    y\n  case _:", MORE),
        ("match x:\n  case 1:\n    y\n", WHOLE),
        ("1 +", NEVER),
        ("x y", NEVER),
        ("def f(:", NEVER),
        ("\0", NEVER),
        ("(" * 500, NEVER),
    ],
)
def test_completeness(source: str, expected: Completeness) -> None:
    assert Compiler().completeness(source) is expected


def _shown(source: str, shows: Shows) -> list[Any]:
    shown: list[Any] = []

    async def display(value: Any) -> None:
        shown.append(value)

    async def command(line: str) -> None:
        shown.append(f"%{line}")

    scope = {DISPLAY: display, COMMAND: command, "__px__": standins.resolver()}
    cell = Compiler().compile(source, shows=shows)

    async def run() -> None:
        result = eval(cell.code, scope)
        if cell.is_coroutine:
            await result

    asyncio.run(run())
    return shown


@pytest.mark.parametrize(
    ("source", "shows", "expected"),
    [
        ("1\n2\n3", Shows.LAST, [3]),
        ("1\n2\n3", Shows.ALL, [1, 2, 3]),
        ("1\n2\n3", Shows.NOTHING, []),
        ("1\nx = 2", Shows.LAST, []),
        ("1; 2", Shows.LAST, [2]),
        ("if 1:\n  5", Shows.ALL, []),
        ("x = 4\nx", Shows.LAST, [4]),
        ("", Shows.ALL, []),
        ("'doc'", Shows.LAST, ["doc"]),
    ],
)
def test_what_is_shown(source: str, shows: Shows, expected: list[Any]) -> None:
    assert _shown(source, shows) == expected


def test_tracebacks_show_what_was_typed() -> None:
    compiler = Compiler()
    compiler.compile("x = 1")
    cell = compiler.compile("a = 1\nb = a / 0")
    assert cell.filename == "<repl:2>"
    with pytest.raises(ZeroDivisionError) as caught:
        exec(cell.code, {"__px__": standins.resolver()}) if not cell.is_coroutine else asyncio.run(
            eval(cell.code, {"__px__": standins.resolver()})
        )
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.line) == ("<repl:2>", 2, "b = a / 0")


def test_future_imports_hold_for_later_cells() -> None:
    compiler = Compiler(auto_await=False)
    compiler.compile("from __future__ import annotations")
    scope: dict[str, Any] = {}
    exec(compiler.compile("def f(x: undefined): pass", shows=Shows.NOTHING).code, scope)
    assert scope["f"].__annotations__ == {"x": "undefined"}


def test_without_auto_await_nothing_is_rewritten() -> None:
    cell = Compiler(auto_await=False).compile("obj.x", shows=Shows.NOTHING)
    assert not cell.is_coroutine
    assert "__px__" not in cell.code.co_names


@pytest.mark.parametrize(
    "source",
    ["x = 5\nx % 3", 's = """\n%ls\n"""', "x = (7\n% 4)", "print('%d' % 3)"],
)
def test_python_with_percent_signs_is_left_alone(source: str) -> None:
    assert with_commands(source) == source


def test_commands_in_scripts() -> None:
    assert _shown(with_commands("1\n%ls obj\n2\n%time 'a b'"), Shows.ALL) == [
        1,
        "%ls obj",
        2,
        "%time 'a b'",
    ]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('%conn\n"""\n%d items\n\n%d\n""" % (3, 4)', ["%conn", "\n3 items\n\n4\n"]),
        ("7\n%conn\n(7\n% 4)\n%conn a", [7, "%conn", 3, "%conn a"]),
        ("7 \\\n% 4\n%conn it's (\n8", [3, "%conn it's (", 8]),
        ("x = 7 # (\n%conn\n'\\\n%d' % x", ["%conn", "7"]),
        ("if 1:\n  x = 1\n%conn\nx", ["%conn", 1]),
        ('x = 7\n%conn\nf"""{x}\n%"""', ["%conn", "7\n%"]),
    ],
)
def test_lines_inside_of_expressions_are_no_commands(source: str, shown: list[Any]) -> None:
    assert _shown(with_commands(source), Shows.ALL) == shown


def test_syntax_errors_keep_their_place() -> None:
    with pytest.raises(SyntaxError) as caught:
        Compiler().compile("x = 1\nif x\n  y")
    assert (caught.value.filename, caught.value.lineno) == ("<repl:1>", 2)
    with pytest.raises(SyntaxError, match="outside function"):
        Compiler().compile("return obj.x")


@pytest.mark.parametrize("source", ["return 5", "yield x", "x = 3\nbreak", "if x:\n  return obj.x"])
def test_syntax_errors_have_their_line(source: str) -> None:
    with pytest.raises(SyntaxError) as caught:
        Compiler().compile(source)
    assert caught.value.text == source.split("\n")[-1]
    assert f"    {source.split(chr(10))[-1].strip()}\n" in "".join(
        traceback.format_exception_only(caught.value)
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\nx is 3", '"is" with '),
        ("obj.x is 3", '"is" with '),
        ("1\n'\\d'", r"invalid escape sequence '\d'"),
    ],
)
@pytest.mark.parametrize("auto_await", [True, False])
def test_warnings_of_the_compiler_are_shown_once(source: str, told: str, auto_await: bool) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        Compiler(auto_await=auto_await).compile(source)
    (warning,) = shown
    assert told in str(warning.message)
    assert (warning.filename, warning.lineno) == ("<repl:1>", source.count("\n") + 1)
