"""Cells for the blocking face, where a remote object is used as a local one: nothing awaits.

The waiting is taken out; what needs a loop beyond that is refused, and so is what an ``await`` was
written for that was neither remote nor the session's own. What the blocking face would leave over
there, and a cell had here, is fetched.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from proxyables_cli.repl.notes import LOOP
from proxyables_cli.repl.record import Place
from proxyables_cli.repl.saving.copying import Copying, of_library
from proxyables_cli.repl.saving.lowering import Unsaved
from proxyables_cli.repl.saving.trees import call_of, own
from proxyables_cli.repl.saving.typed import Statement, Typed

_OF_PX = frozenset({"copy", "ref", "describe", "release"})
_OF_THE_LIBRARY = _OF_PX | {"check_api", "connect", "perform", "serve"}
_ONLY_AWAITED = frozenset({"assign", "call", "construct", "contains", "delete", "run"})
_GATHERED = (ast.Attribute, ast.Name, ast.Subscript)
"""What is given to `gather` and may lead to a container over there."""


def blocking(
    source: str,
    number: int,
    places: Mapping[Place, set[str]],
    remote_names: Set[str],
    *,
    keeps_shown: bool,
    loop_names: Set[str] = frozenset(),
) -> list[Statement]:
    """The statements of a cell, without the waiting.

    Args:
        source: The cell.
        number: Its number, which its file name has.
        places: What was done where.
        remote_names: The names that held something remote when it had ended.
        keeps_shown: Whether the value that it shows is used later.
        loop_names: What was imported of asyncio, beside `asyncio` itself.

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
        waitless = _Blocking(copying)
        changed = copying.visit(waitless.visit(part.statement))
        ast.fix_missing_locations(changed)
        for node in ast.walk(changed):
            if isinstance(node, ast.Name) and node.id in {"asyncio", "px", *loop_names}:
                raise Unsaved(f"uses {node.id} in a way that the blocking form has not")
        for text in waitless.for_loops:
            raise Unsaved(f"awaits {text:.60}, for which there has to be a loop")
        found.append(Statement(part.lead, [changed], part.tail, typed))
    return [*found, Statement(typed.ending, [], "", typed)]


class _Blocking(ast.NodeTransformer):
    """Takes the waiting out of one statement.

    Args:
        copying: Knows what was awaited; it is told what an ``await`` was written for.

    Attributes:
        for_loops: What was awaited that needs a loop.
    """

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.for_loops: list[str] = []

    def visit_Await(self, node: ast.Await) -> ast.expr:
        needs_loop = LOOP in self._copying.done(node.value)
        changed = self.visit(node.value)
        assert isinstance(changed, ast.expr)
        if needs_loop and changed is node.value and not _is_of_library(changed):
            self.for_loops.append(ast.unparse(node.value))
        self._copying.awaits(changed)
        return changed

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="asyncio" | "px"), attr="gather"):
                if node.keywords:
                    raise Unsaved("gathers errors, which the blocking form cannot")
                return ast.List(list(map(_fetched, node.args)), ast.Load())
            case ast.Attribute(value=ast.Name(id="px"), attr=name) if name in _OF_PX:
                node.func = of_library(name).func
            case ast.Attribute(value=ast.Name(id="proxyables"), attr=name):
                if name in _ONLY_AWAITED:
                    raise Unsaved(f"uses proxyables.{name}, which the blocking form has not")
                if name in _OF_THE_LIBRARY:
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


def _fetched(node: ast.expr) -> ast.expr:
    """What stands for an argument of `gather`, which would fetch the content of containers."""
    match node:
        case ast.Starred(value=ast.ListComp(elt=ast.Call())):
            return node  # what a call gives has arrived
        case ast.Starred():
            each = ast.Call(ast.Name("map", ast.Load()), [own("copied"), node.value], [])
            return ast.copy_location(ast.Starred(each, ast.Load()), node)
    return call_of("copied", node) if isinstance(node, _GATHERED) else node


def _is_of_library(node: ast.expr) -> bool:
    """Whether a node calls a function of the blocking face."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="proxyables")))):
            return True
    return False


__all__ = ["blocking"]
