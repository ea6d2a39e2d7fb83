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
        changes: Tells whether something remote is at the end of a target.
    """

    def __init__(self, changes: Callable[[ast.expr], bool]) -> None:
        self._changes = changes
        self._kept: list[tuple[ast.AugAssign, ast.Attribute | ast.Subscript]] = []

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        target = node.target
        if isinstance(target, ast.Name) or any(
            isinstance(each, ast.Call) for each in ast.walk(target)
        ):
            return node
        if self._changes(target):
            read = copy.deepcopy(target)
            read.ctx = ast.Load()
            value = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
            return ast.copy_location(ast.Assign([target], value), node)
        fetched = isinstance(target, ast.Subscript) and any(
            isinstance(each, (ast.Attribute, ast.Subscript)) for each in ast.walk(target.slice)
        )
        if not fetched:
            self._kept.append((node, target))
            node.target = ast.copy_location(ast.Name("kept", ast.Store()), target)
        return node

    def restore(self) -> None:
        """Gives the targets back."""
        for node, target in self._kept:
            node.target = target


__all__ = ["Assignments"]
