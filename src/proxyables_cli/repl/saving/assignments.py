"""Assignments such as ``x.n += 1``, which rewriting takes apart, in a program."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable


class Assignments(ast.NodeTransformer):
    """Writes ``x.n += 1`` as ``x.n = x.n + 1`` where `x` is remote, and keeps it where it is not.

    Rewriting takes all of them apart. So a target that is to stay is a name in the meantime. Where
    something is called on the way to the target, or fetched for it, it is taken apart.

    Args:
        changes: Tells whether something remote is at the end of a target; None for now and then,
            where the assignment stays taken apart.
    """

    def __init__(self, changes: Callable[[ast.expr], bool | None]) -> None:
        self._changes = changes
        self._kept: dict[str, ast.Attribute | ast.Subscript] = {}

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        target = node.target
        if isinstance(target, ast.Name) or any(
            isinstance(each, ast.Call) for each in ast.walk(target)
        ):
            return node
        changes = self._changes(target)
        if changes is None:
            return node
        if changes:
            read = copy.deepcopy(target)
            read.ctx = ast.Load()
            value = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
            return ast.copy_location(ast.Assign([target], value), node)
        fetched = isinstance(target, ast.Subscript) and any(
            isinstance(each, (ast.Attribute, ast.Subscript)) for each in ast.walk(target.slice)
        )
        if not fetched:
            name = f"__px_kept_{len(self._kept)}__"
            self._kept[name] = target
            node.target = ast.copy_location(ast.Name(name, ast.Store()), target)
        return node

    def restored(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Statements with the targets that were kept."""
        return [_Kept(self._kept).visit(each) for each in statements]


class _Kept(ast.NodeTransformer):
    def __init__(self, kept: dict[str, ast.Attribute | ast.Subscript]) -> None:
        self._kept = kept

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._kept.get(node.id, node)


__all__ = ["Assignments"]
