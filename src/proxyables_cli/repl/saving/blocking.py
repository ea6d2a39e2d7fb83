"""Cells for the blocking face, where a remote object is used as a local one: nothing awaits.

The waiting is taken out; what needs a loop beyond that is refused.
"""

from __future__ import annotations

import ast

from proxyables_cli.repl.saving.lowering import Unsaved, statements_of

_OF_THE_LIBRARY = frozenset({"copy", "ref", "describe", "release"})


def blocking(source: str, number: int) -> list[ast.stmt | str]:
    """The statements of a cell: as trees where something was taken out, else as text.

    Raises:
        Unsaved: It needs a loop.
    """
    found: list[ast.stmt | str] = []
    for text, statement in statements_of(source, number):
        plain = _Blocking()
        changed = plain.visit(statement)
        for node in ast.walk(changed):
            if isinstance(node, ast.Name) and node.id in ("asyncio", "px"):
                raise Unsaved(f"uses {node.id} in a way that the blocking form has not")
        found.append(ast.fix_missing_locations(changed) if plain.changed else text)
    return found


class _Blocking(ast.NodeTransformer):
    """Takes the waiting out of one statement."""

    def __init__(self) -> None:
        self.changed = False

    def visit_Await(self, node: ast.Await) -> ast.expr:
        self.changed = True
        changed = self.visit(node.value)
        assert isinstance(changed, ast.expr)
        return changed

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="asyncio" | "px"), attr="gather"):
                self.changed = True
                return ast.List(node.args, ast.Load())
            case ast.Attribute(value=ast.Name(id="px"), attr=name) if name in _OF_THE_LIBRARY:
                self.changed = True
                module = ast.parse("proxyables.sync", mode="eval").body
                node.func = ast.Attribute(module, name, ast.Load())
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        self.changed = True
        self.generic_visit(node)
        plain = {
            name: getattr(node, name) for name in ast.FunctionDef._fields if hasattr(node, name)
        }
        return ast.FunctionDef(**plain)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        self.changed = True
        self.generic_visit(node)
        return ast.For(node.target, node.iter, node.body, node.orelse)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.stmt:
        self.changed = True
        self.generic_visit(node)
        return ast.With(node.items, node.body)

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        self.changed = self.changed or bool(node.is_async)
        node.is_async = 0
        return node


__all__ = ["blocking"]
