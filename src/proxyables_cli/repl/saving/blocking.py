"""Cells for the blocking face, where a remote object is used as a local one: nothing awaits.

The waiting is taken out; what needs a loop beyond that is refused. What the blocking face would
leave over there, and a cell had here, is fetched.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from proxyables_cli.repl.record import Place
from proxyables_cli.repl.saving.copying import Copying, of_library
from proxyables_cli.repl.saving.lowering import Unsaved
from proxyables_cli.repl.saving.typed import Statement, Typed

_OF_THE_LIBRARY = frozenset({"copy", "ref", "describe", "release"})


def blocking(
    source: str,
    number: int,
    places: Mapping[Place, set[str]],
    remote_names: Set[str],
    *,
    keeps_shown: bool,
) -> list[Statement]:
    """The statements of a cell, without the waiting.

    Args:
        source: The cell.
        number: Its number, which its file name has.
        places: What was done where.
        remote_names: The names that held something remote when it had ended.
        keeps_shown: Whether the value that it shows is used later.

    Raises:
        Unsaved: It needs a loop.
    """
    found: list[Statement] = []
    typed = Typed(source, number)
    for part in typed.parts:
        is_last = part is typed.parts[-1]
        copying = Copying(number, places, remote_names)
        if isinstance(part.statement, ast.Expr) and not (is_last and keeps_shown):
            copying.leaves(part.statement.value)
        changed = ast.fix_missing_locations(copying.visit(_Blocking().visit(part.statement)))
        for node in ast.walk(changed):
            if isinstance(node, ast.Name) and node.id in ("asyncio", "px"):
                raise Unsaved(f"uses {node.id} in a way that the blocking form has not")
        found.append(Statement(part.lead, [changed], part.tail, typed))
    return [*found, Statement(typed.ending, [], "", typed)]


class _Blocking(ast.NodeTransformer):
    """Takes the waiting out of one statement."""

    def visit_Await(self, node: ast.Await) -> ast.expr:
        changed = self.visit(node.value)
        assert isinstance(changed, ast.expr)
        return changed

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="asyncio" | "px"), attr="gather"):
                return ast.List(node.args, ast.Load())
            case ast.Attribute(value=ast.Name(id="px"), attr=name) if name in _OF_THE_LIBRARY:
                node.func = of_library(name).func
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        self.generic_visit(node)
        plain = {
            name: getattr(node, name) for name in ast.FunctionDef._fields if hasattr(node, name)
        }
        return ast.copy_location(ast.FunctionDef(**plain), node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        self.generic_visit(node)
        return ast.copy_location(ast.For(node.target, node.iter, node.body, node.orelse), node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.stmt:
        self.generic_visit(node)
        return ast.copy_location(ast.With(node.items, node.body), node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.is_async = 0
        return node


__all__ = ["blocking"]
