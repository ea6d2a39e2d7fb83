"""From source text to code that can be run: parsing, auto-await, display of values.

Source texts are kept in `linecache` under names such as ``<repl:3>``, so tracebacks show the lines
that were typed.
"""

from __future__ import annotations
import __future__

import ast
import codeop
import io
import linecache
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import CodeType

from proxyables_cli.repl.notes import CELLS
from proxyables_cli.repl.rewriting import rewrite, temporary_prefix

DISPLAY = "__px_display__"
"""The name of the coroutine function that a cell calls with the values that it shows."""

COMMAND = "__px_command__"
"""The name of the coroutine function that runs a ``%`` line inside a script."""

_NAME, _ITEM = r"[^\W\d]\w*", r"""\[\s*(?:-?\d+|'[^'\\\n]*'|"[^"\\\n]*")\s*\]"""
_QUESTION = re.compile(rf"({_NAME}(?:\.{_NAME}|{_ITEM})*)\s*(\?\??)")
"""A path whose items are written out: to describe it, nothing has to be called."""

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag


class Shows(Enum):
    """Which of a cell's top-level expressions are displayed."""

    NOTHING = "nothing"
    LAST = "last"
    ALL = "all"


class Completeness(Enum):
    """What a text that somebody is typing needs."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Cell:
    """Code that is ready to run.

    Attributes:
        code: To be evaluated; gives a coroutine if `is_coroutine`.
        filename: What tracebacks call it.
        temporaries: The beginning of the global names that it invents.
    """

    code: CodeType
    filename: str
    temporaries: str

    @property
    def is_coroutine(self) -> bool:
        return bool(self.code.co_flags & 0x80)  # inspect.CO_COROUTINE; inspect is slow to import


class Compiler:
    """Compiles the cells of one session; remembers the features they took from ``__future__``.

    Args:
        auto_await: Rewrite cells so that remote chains are awaited; can be changed.
    """

    def __init__(self, *, auto_await: bool = True) -> None:
        self.auto_await = auto_await
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._cells = 0

    @property
    def count(self) -> int:
        """How many cells were compiled; the number of the last one."""
        return self._cells

    def compile(
        self,
        source: str,
        *,
        filename: str | None = None,
        shows: Shows = Shows.LAST,
        display: str = DISPLAY,
    ) -> Cell:
        """Compiles one cell.

        Args:
            source: Complete Python source; ``await`` may stand at the top level.
            filename: The file that it comes from; without, it becomes the next ``<repl:N>``.
            shows: Which values the cell hands to the function named `display`.
            display: A coroutine function among the names that the cell sees.

        Raises:
            SyntaxError: It is not Python. `ValueError`, `OverflowError` and `RecursionError` come
                from sources that Python's parser gives up on.
        """
        self._cells += 1
        if filename is None:
            filename = cell_name(self._cells)
        if filename.startswith("<"):  # no file: tracebacks can only find the text here
            # With the last line's end, which tracebacks count on where they put their marks.
            lines = f"{source}\n".splitlines(keepends=True)
            linecache.cache[filename] = (len(source), None, lines, filename)
        told: list[warnings.WarningMessage]
        try:
            with warnings.catch_warnings(record=True) as told:
                tree = self.parse(source, filename)
                if self.auto_await:
                    tree = rewrite(tree, cell=self._cells)
                _show(tree, shows, display)
                code = compile(tree, filename, "exec", flags=self._flags, dont_inherit=True)
        except SyntaxError as error:
            if error.text is None and error.lineno is not None:  # a tree has no text
                error.text = "".join(source.split("\n")[error.lineno - 1 : error.lineno])
            raise
        finally:
            _tell(told)
        self._flags |= code.co_flags & _FUTURE_FLAGS
        return Cell(code, filename, temporary_prefix(self._cells))

    def completeness(self, source: str) -> Completeness:
        """Tells whether a text can be run, needs more lines, or never becomes Python.

        A compound statement is complete when a blank line follows it, as in Python's own prompt.
        """
        source = dedented(source)
        compiler = codeop.CommandCompiler()
        compiler.compiler.flags |= self._flags
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compiler(source, "<input>", "exec")
                if code is None:
                    return Completeness.INCOMPLETE
                tree = self.parse(source, "<input>")
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return Completeness.INVALID
        last_line = source.rsplit("\n", 1)[-1]
        open_block = _is_block(tree.body) and last_line.strip() != ""
        return Completeness.INCOMPLETE if open_block else Completeness.COMPLETE

    def parse(self, source: str, filename: str) -> ast.Module:
        """The syntax tree of a cell, before it is rewritten.

        Raises:
            SyntaxError: It is not Python; see `compile` for the others.
        """
        flags = self._flags | ast.PyCF_ONLY_AST
        tree = compile(source, filename, "exec", flags=flags, dont_inherit=True)
        assert isinstance(tree, ast.Module)
        return tree


def _tell(told: list[warnings.WarningMessage]) -> None:
    """Shows what was warned of; once, although parser and compiler may see the same."""
    for each in {(str(each.message), each.lineno): each for each in told}.values():
        warnings.showwarning(each.message, each.category, each.filename, each.lineno)


def _is_block(body: list[ast.stmt]) -> bool:
    """Whether the last statement can go on in a further line; `match` has cases for a body."""
    return bool(body) and (hasattr(body[-1], "body") or isinstance(body[-1], ast.Match))


def cell_name(number: int) -> str:
    """What tracebacks call a cell."""
    return f"{CELLS}{number}>"


def dedented(source: str) -> str:
    """A cell without the indentation of its first line, as it has where it was copied from.

    What stands further to the left than the first line is left as it is.
    """
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(indent) for line in lines) if indent else source


def command_of(text: str) -> str | None:
    """The ``%`` line that an input is, without its ``%``; ``name?`` is one too. None for Python."""
    text = text.strip()
    if text.startswith("%"):
        return text[1:]
    question = _QUESTION.fullmatch(text)
    return f"desc {question[2].removeprefix('?')}{question[1]}" if question else None


def with_commands(source: str) -> str:
    """Turns the ``%`` lines of a script into calls; a script without any comes back unchanged.

    A line that begins with ``%`` cannot begin a statement, but it can continue one or stand in a
    string. So a script that is Python as it stands is left alone, and elsewhere those lines are
    that stand within brackets or a string, or behind a backslash.
    """
    return "\n".join(
        f"await {COMMAND}({part[1:].strip()!r})" if part.startswith("%") else part
        for part in parts_of(source)
    )


def parts_of(source: str, goes_on: Callable[[str], bool] = lambda line: False) -> list[str]:
    """Takes a text apart into its ``%`` lines, and what stands between them.

    Args:
        source: It comes back as it is if it is Python as it stands.
        goes_on: Tells of a ``%`` line, as far as it was read, whether the next line that is none
            belongs to it.
    """
    if not re.search(r"^%", source, re.MULTILINE):
        return [source]
    try:
        compile(source, "<script>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        pass  # not Python as it stands, so it has % lines that are commands
    else:
        return [source]
    parts: list[list[str]] = [[]]
    for line in source.split("\n"):
        after = parts[-1]
        if after and after[0].startswith("%"):
            last = "\n".join(after)
            begins = not goes_on(last) or (line.startswith("%") and not is_open(last[1:]))
        else:
            begins = line.startswith("%") and not is_open("\n".join(after))
        if begins:
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) for part in parts if part]


def is_open(source: str) -> bool:
    """Whether the next line is within brackets or a string, or follows a backslash."""
    import tokenize  # slow to import, and few scripts have commands

    try:
        for _ in tokenize.generate_tokens(io.StringIO(f"{source}\n").readline):
            pass
    except (tokenize.TokenError, SyntaxError) as error:
        # Other errors are those of a text that no further line mends.
        return source.endswith("\\") or re.search("EOF|triple-quoted", str(error)) is not None
    return False


def _show(tree: ast.Module, shows: Shows, display: str) -> None:
    wanted = tree.body[-1:] if shows is Shows.LAST else tree.body
    for statement in wanted if shows is not Shows.NOTHING else ():
        if isinstance(statement, ast.Expr) and not _is_command(statement.value):
            function = ast.Name(display, ast.Load())
            call = ast.Await(ast.Call(function, [statement.value], []))
            statement.value = ast.copy_location(call, statement.value)
    ast.fix_missing_locations(tree)


def _is_command(node: ast.expr) -> bool:
    match node:
        case ast.Await(value=ast.Call(func=ast.Name(id=name))):
            return name == COMMAND
    return False


__all__ = [
    "COMMAND",
    "DISPLAY",
    "Cell",
    "Compiler",
    "Completeness",
    "Shows",
    "cell_name",
    "command_of",
    "dedented",
    "is_open",
    "parts_of",
    "with_commands",
]
