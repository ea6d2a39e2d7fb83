"""What a statement says of names, where these are global to the function that it is put into."""

from __future__ import annotations

import ast
from collections.abc import Set

from proxyables_cli.repl.saving.typed import Statement


def undeclared(statement: Statement, names: Set[str]) -> Statement:
    """A statement without annotations of some names, and without declaring any by itself."""
    changing = _Undeclared(names)
    trees = [ast.fix_missing_locations(changing.visit(tree)) for tree in statement.trees]
    return Statement(statement.lead, trees, statement.tail, statement.typed)


class _Undeclared(ast.NodeTransformer):
    def __init__(self, names: Set[str]) -> None:
        self._names = names

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if not isinstance(node.target, ast.Name) or node.target.id not in self._names:
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Global(self, node: ast.Global) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node)

    def _left(self, node: ast.stmt) -> ast.stmt:
        return node  # a scope of its own

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _left  # noqa: N815


__all__ = ["undeclared"]
