"""What a cell had here, and the blocking face would leave over there, is fetched in a program."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from proxyables_cli.repl.compiling import cell_name
from proxyables_cli.repl.notes import COPIED, local_to
from proxyables_cli.repl.record import Place
from proxyables_cli.repl.saving.trees import call_of, place_of

_NOT_ALWAYS = frozenset(local_to(each).given for each in ("argument", "copied", "resolve"))
"""What is noted where there was nothing to copy."""


def of_library(function: str, *args: ast.expr) -> ast.Call:
    """A call of one of the functions of the blocking face."""
    module = ast.parse("proxyables.sync", mode="eval").body
    return ast.Call(ast.Attribute(module, function, ast.Load()), list(args), [])


class Copying(ast.NodeTransformer):
    """Has one statement fetch the containers that it had here, and ask for a `repr`.

    Args:
        number: That of the cell.
        places: What was done where.
        remote_names: The names that held something remote.
    """

    def __init__(
        self, number: int, places: Mapping[Place, set[str]], remote_names: Set[str]
    ) -> None:
        self._filename = cell_name(number)
        self._places = places
        self._remote_names = remote_names
        self._left: set[int] = set()
        self._awaited: set[int] = set()

    def awaits(self, node: ast.expr) -> None:
        """Has the value of an expression fetched, as the session did by an ``await`` for it."""
        self._awaited.add(id(node))

    def leaves(self, node: ast.expr) -> None:
        """Has the value of an expression stay where it is: nobody could change it."""
        self._left.add(id(node))

    def done(self, node: ast.AST) -> set[str]:
        """What was done at the place of a node."""
        line, column, end_line, end_column = place_of(node)
        return self._places.get((self._filename, line, end_line, column, end_column), set())

    def _read(self, node: ast.Attribute | ast.Subscript | ast.Call) -> ast.expr:
        done = self.done(node)
        self.generic_visit(node)
        is_read = isinstance(node, ast.Call) or isinstance(node.ctx, ast.Load)
        if not done and id(node) in self._awaited and not isinstance(node, ast.Call):
            return call_of("copied", node)  # it never ran, so nobody knows
        if COPIED not in done or not is_read or id(node) in self._left:
            return node
        if isinstance(node, ast.Call):
            # What something remote returns is a copy; a function from here may have passed on
            # what it read.
            return node if self._begins_remotely(node) else call_of("copied", node)
        return call_of("copied", node) if done & _NOT_ALWAYS else of_library("copy", node)

    visit_Attribute = visit_Subscript = _read  # noqa: N815 - the visitor's names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if id(node) not in self._awaited - self._left:
            return node
        done = self.done(node)
        is_copied = COPIED in done or (not done and node.id in self._remote_names)
        return call_of("copied", node) if is_copied else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="repr"), args=[value], keywords=[]):
                done = self.done(value)
                if "repr" in done:
                    node.args = [self.visit(value)]
                    return _told(node.args[0], done)
        return self._read(node)

    def _begins_remotely(self, node: ast.expr) -> bool:
        while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(node, ast.Name) and node.id in self._remote_names

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if not any(isinstance(operator, (ast.Is, ast.IsNot)) for operator in node.ops):
            self._left.update(map(id, [node.left, *node.comparators]))
        self.generic_visit(node)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        done = self.done(node.value)
        self.generic_visit(node)
        if "repr" in done and node.conversion == ord("r"):
            node.value, node.conversion = _told(node.value, done), -1
        return node


def _told(value: ast.expr, done: set[str]) -> ast.expr:
    """The `repr` of something; which is remote, or, where that was different, may be."""
    if done & {local_to(each).given for each in ("argument", "text")}:
        return call_of("told_here", value)
    return of_library("perform", value, ast.Constant("repr"))


__all__ = ["Copying", "of_library"]
