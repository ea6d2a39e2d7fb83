"""A whole program, made of the cells of a session: what becomes of each of its inputs."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import proxyables
from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.compiling import Compiler
from proxyables_cli.repl.record import Entry
from proxyables_cli.repl.saving.blocking import blocking
from proxyables_cli.repl.saving.declarations import undeclared
from proxyables_cli.repl.saving.frame import Form, Frame
from proxyables_cli.repl.saving.helpers import free_name
from proxyables_cli.repl.saving.layout import Unlike, indented, with_tail
from proxyables_cli.repl.saving.lowering import Unsaved, lowered
from proxyables_cli.repl.saving.names import Names, imported, lacking, movable, rebound
from proxyables_cli.repl.saving.trees import Own
from proxyables_cli.repl.saving.typed import Statement, as_typed

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

_INLINE = frozenset({"bg", "time", "trace"})
"""Commands on code, which a program runs as if it had been typed without them."""
_RUNS = frozenset({*_INLINE, "run", "timeit"})
"""Commands that run code; where a program does not, a comment says that they were there."""
_TOOLS = {
    **{name: f"proxyables.{name}" for name in ("copy", "ref", "describe", "release")},
    "gather": "asyncio.gather",
    "spawn": "asyncio.ensure_future",
}
_BINDS_TIGHT = (
    *(ast.Attribute, ast.Await, ast.Call, ast.Constant, ast.Dict, ast.DictComp, ast.JoinedStr),
    *(ast.List, ast.ListComp, ast.Name, ast.Set, ast.SetComp, ast.Subscript, ast.Tuple),
)
"""Expressions that can stand before a comparison as they are."""


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def save(session: Session, path: str, form: Form) -> list[str]:
    """Writes the session as a program.

    Returns:
        The inputs that have no form outside of the REPL, and why; the program has them as comments.

    Raises:
        Failure: Nothing worked so far, or the file exists or cannot be written.
    """
    program = Program(session, form)
    # What a terminal of another encoding gave has no form in UTF-8, but is in comments only.
    data = program.text().encode("utf-8", "backslashreplace")
    try:
        _write(os.path.expanduser(path), data)
    except FileExistsError:
        raise Failure(Code.USAGE, f"{path!r} exists", "choose another name") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Failure(Code.USAGE, f"cannot write {path!r}: {why}") from None
    return program.left_out


def _write(path: str, data: bytes) -> None:
    """Writes a new file, whole or not at all."""
    with open(path, "xb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            os.unlink(path)
            raise


class Program:
    """Puts the text together.

    Args:
        session: Whose record is read.
        form: What to make of it.
    """

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form
        self._frame = Frame(form, session.name, session.connections.opened)
        self._movable: set[str] = set()
        self._loop_names: set[str] = set()
        self._body: list[str] = []
        self._names: dict[int, Names] = {}
        self._read_later: list[Entry] = []
        self._last_shown: dict[int, int | None] = {}
        self.left_out: list[str] = []
        """Inputs that cannot be saved, and why."""

    def text(self) -> str:
        """The whole program, or a Failure as `save` raises it."""
        entries = list(self._session.record)
        if not any(entry.is_done and not entry.is_command for entry in entries):
            raise Failure(Code.USAGE, "there is nothing to save: no input has worked yet")
        self._names = {number: _names_of(entry) for number, entry in enumerate(entries, 1)}
        every = list(self._names.values())
        self._movable = movable(every)
        self._loop_names = imported(every, "asyncio")
        again = rebound(every, vars(builtins).keys())
        self._frame.global_names = again.union(*(names.declared for names in every))
        self._frame.words = set[str]().union(*(names.words for names in every))
        self._find_last_values()
        left: dict[int, str] = {}
        while found := self._lacking(self._put(entries, left)):
            left |= found
        return self._frame.text(self._body)

    def _put(self, entries: list[Entry], left: Mapping[int, str]) -> dict[int, Names]:
        """Puts the inputs into the body, but for some that lack a name; gives the others' names."""
        self._frame.forget_needs()
        self._body, self.left_out = [], []
        kept: dict[int, Names] = {}
        for number, entry in enumerate(entries, 1):
            try:
                if number in left:
                    raise Unsaved(f"uses {left[number]}, which comes from no saved input")
                lines = self._lines(entry)
            except SyntaxError:
                continue  # it never was Python
            except (Unsaved, Unlike) as error:
                why = str(error) or "has an f-string that cannot be written in another form"
                self.left_out.append(f"input {number} {why}")
                lines = [f"# {line}" for line in entry.source.splitlines()]
            else:
                fails = any(not line.startswith("#") for line in lines)  # again, in a test
                if entry.is_done or fails:
                    kept[number] = self._names[number]
            self._body.extend(lines)
        return kept

    def _lacking(self, kept: dict[int, Names]) -> dict[int, str]:
        """The inputs of some that cannot run without others; each with a name that it lacks."""
        session = self._session
        given = {"asyncio", "px", "conn", "conns", "help", "_err", "_", "__", session.name}
        given |= {*session.connections.opened, *vars(builtins)}
        is_open = any(names.is_open for names in kept.values())
        known = set() if is_open else set(session.scope.names)
        known = known.union(*(names.made for names in self._names.values()))
        found = lacking(kept, known, given)
        for number, last in self._last_shown.items():
            if number in kept and last not in kept:
                found.setdefault(number, "_")
        return found

    # ---- inputs

    def _lines(self, entry: Entry) -> list[str]:
        if entry.is_command:
            return self._command_lines(entry)
        if not entry.is_done:
            return self._failed_lines(entry)
        statements = self._statements(entry)
        shown = [each for each in statements if each.trees][-1:] if entry.shows else []
        lines: list[str] = []
        for each in statements:
            told = self._shown(entry, each) if each in shown else [each.text()] * bool(each.trees)
            apart = [""] * (bool(each.trees) and isinstance(each.trees[0], _DEFINITIONS))
            lines += [*apart, *each.lead, *with_tail(told, each.tail), *apart]
        return lines

    def _statements(self, entry: Entry, *, hoists: bool = True) -> list[Statement]:
        if self._form is Form.BLOCKING:
            found = blocking(
                entry.source,
                entry.number,
                self._session.record.places,
                entry.remote_names,
                keeps_shown=self._frame.shifts or entry in self._read_later,
                loop_names=self._loop_names,
            )
        elif entry.auto_await:
            places = self._session.record.places
            found = lowered(entry.source, entry.number, places, entry.remote_names)
        else:
            found = as_typed(entry.source, entry.number)
        declared = frozenset[str]() if self._form is Form.BLOCKING else self._frame.global_names
        found = [undeclared(each, declared) for each in found]
        kept: list[Statement] = []
        for each in found:
            for tree in each.trees:
                self._look(tree)
                self._put_library(tree)
            if hoists and each.trees and self._is_movable(each.trees[0]):
                self._frame.imports[ast.unparse(each.trees[0])] = each.tail
                each = Statement(each.lead, [], "", each.typed)
            kept.append(each)
        return kept

    def _is_movable(self, tree: ast.stmt) -> bool:
        """Whether a statement is an import that can stand at the beginning of the program."""
        if not isinstance(tree, (ast.Import, ast.ImportFrom)):
            return False
        if isinstance(tree, ast.ImportFrom) and tree.module == "__future__":
            return True
        bound = {each.asname or each.name.partition(".")[0] for each in tree.names}
        return bound <= self._movable

    def _look(self, tree: ast.stmt) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                if node.id in ("_err", "help"):
                    raise Unsaved(f"uses {node.id}, which only the REPL has")
                if isinstance(node.id, Own):
                    self._frame.helpers.add(str(node.id))
                    node.id = free_name(node.id) if node.id in self._frame.words else node.id
                self._frame.uses.add(node.id)

    def _put_library(self, tree: ast.stmt) -> None:
        """Puts the library's functions in place of those of ``px``."""
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Name(id="px") as owner, attr=name):
                    if name not in _TOOLS:
                        raise Unsaved(f"uses px.{name}, which only the REPL has")
                    owner.id, node.attr = _TOOLS[name].split(".")

    def _shown(self, entry: Entry, last: Statement) -> list[str]:
        *others, tree = last.trees
        assert isinstance(tree, ast.Expr)
        before = [last.text(others)] if others else []
        return [*before, *self._displayed(entry, last.as_argument(tree))]

    def _displayed(self, entry: Entry, value: str) -> list[str]:
        if entry.streams:
            if self._form is Form.BLOCKING:
                return [f"for item in {value}:\n    print(item)"]
            if self._form is Form.TEST:
                return [f"[item async for item in {value}]"]
            return [f"async for item in {value}:\n    print(item)"]
        if self._frame.shifts:
            return [f"__, _ = _, {value}", *self._checked("_", entry)]
        if entry in self._read_later:
            return [f"_ = {value}", *self._checked("_", entry)]
        return [*self._checked(value, entry)]

    def _find_last_values(self) -> None:
        """Finds out which values a later input reads as ``_``, and whether any reads ``__``."""
        last: tuple[int, Entry] | None = None
        has_own = False
        for number, entry in enumerate(self._session.record, 1):
            names = self._names[number]
            read = names.needed | names.needed_later if entry.is_done else set()
            self._frame.shifts = self._frame.shifts or "__" in read
            has_own = has_own or "_" in names.made
            if read & {"_", "__"} and last is not None:
                self._read_later.append(last[1])
                if not has_own:
                    # The items of an iterator are shown, and then it is exhausted.
                    self._last_shown[number] = None if last[1].streams else last[0]
            if entry.shows:
                last = number, entry

    def _checked(self, value: str, entry: Entry) -> list[str]:
        if self._form is not Form.TEST:
            if entry.is_reference:
                is_blocking = self._form is Form.BLOCKING
                asks = "proxyables.sync.perform" if is_blocking else "await proxyables.perform"
                value = f"{asks}({value}, 'repr')"
            return [f"print({value})"]
        if entry.shown is None:
            return [] if value == "_" else [value]
        comparison = "is" if entry.shown in ("None", "True", "False") else "=="
        told = (
            value if isinstance(ast.parse(value, mode="eval").body, _BINDS_TIGHT) else f"({value})"
        )
        return [f"assert {told} {comparison} {entry.shown}"]

    def _failed_lines(self, entry: Entry) -> list[str]:
        """What failed is left out, but for a test, where it should fail again."""
        kind = entry.raised
        if kind is None:
            return []
        commented = [f"# {line}" for line in entry.source.splitlines()]
        if self._form is not Form.TEST or not issubclass(kind, Exception) or entry.only_here:
            return commented
        Compiler().parse(entry.source, "<saved>")  # what never was Python is no comment either
        if not _compiles(entry):
            return commented
        kinds = [each for each in kind.__mro__ if vars(builtins).get(each.__name__) is each]
        lines: list[str] = []
        for each in self._statements(entry, hoists=False):
            told = [each.text()] if each.trees else []
            lines += [*each.lead, *with_tail(told, each.tail)]
        self._frame.imports["import pytest"] = ""
        name = kinds[0].__name__
        if name == "Exception" and issubclass(kind, proxyables.RemoteError):
            name = "proxyables.RemoteError"
        return [f"with pytest.raises({name}):", *indented(lines)]

    def _command_lines(self, entry: Entry) -> list[str]:
        name, _, rest = entry.source.removeprefix("%").partition(" ")
        if entry.is_done and name == "secret":
            self._frame.imports["import getpass"] = ""
            return [f'{rest} = getpass.getpass("{rest}: ")']
        if entry.is_done and name == "use":
            return [f"{self._session.name} = {rest.strip()}"]
        if entry.is_done and name in _INLINE and rest.strip() not in ("", "on", "off"):
            return self._lines(dataclasses.replace(entry, source=rest.strip(), is_command=False))
        if name in _RUNS:
            return [f"# {line}" for line in entry.source.splitlines()]
        return []


def _compiles(entry: Entry) -> bool:
    """Whether a cell can be run: ``return 5`` is refused as one, but not in a function."""
    try:
        Compiler(auto_await=False).compile(entry.source, filename="saved")
    except (SyntaxError, ValueError):
        return False
    return True


def _names_of(entry: Entry) -> Names:
    source = entry.source
    if entry.is_command:
        name, _, rest = source.removeprefix("%").partition(" ")
        if name == "secret":
            return Names(made={rest.strip()})
        if name not in _INLINE:
            return Names()
        source = rest.strip()
    try:
        return Names.of(Compiler().parse(source, "<saved>").body)
    except (SyntaxError, ValueError):
        return Names()


__all__ = ["Program", "save"]
