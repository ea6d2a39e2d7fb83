"""The bodies of ``lambda``, plain ``def`` and ``class``: they cannot await, so chains stay chains.

Python would take such a chain for true and for equal to nothing, and its path for its text, without
a word. Where it would ask, the resolver is asked: it gives a chain for ``==``, as an operator does,
and refuses the rest.

=====================================  ======================================================
``if x.a:``, ``not x.a``, ``x.a or y``  ``if __px__.known(x.a):``, …
``f"{x.a}"``                            ``f"{__px__.known(x.a)}"``
``x.a == y``, ``x.a != y``              ``__px__.equal(x.a, y)``, ``__px__.unequal(x.a, y)``
``x.a in y``                            ``__px__.found(x.a, y)``
=====================================  ======================================================
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Protocol, TypeVar

_CHAIN = (ast.Attribute, ast.Subscript, ast.Call)
EQUALITIES: dict[type[ast.cmpop], str] = {ast.Eq: "equal", ast.NotEq: "unequal"}
_Tested = TypeVar("_Tested", ast.If, ast.While, ast.IfExp, ast.Assert)


class CallMaker(Protocol):
    """Makes the call of one of the resolver's functions, at the place of a node."""

    def __call__(self, function: str, place: ast.AST, *arguments: ast.expr) -> ast.expr: ...


class Waitless(ast.NodeTransformer):
    """Rewrites what stands in such a body; an ``async def`` in it is a scope that can wait.

    Args:
        call: Makes calls of the resolver.
        function_body: Rewrites the body of an ``async def``.
    """

    def __init__(
        self,
        call: CallMaker,
        function_body: Callable[[ast.AsyncFunctionDef], ast.AsyncFunctionDef],
    ) -> None:
        self._call = call
        self._function_body = function_body

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return self._function_body(node)

    # ---- what is asked whether it is true

    def _test(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BoolOp):
            node.values = [self._test(value) for value in node.values]
            return node
        changed = self.expression(node)
        return self._call("known", node, changed) if isinstance(node, _CHAIN) else changed

    def expression(self, node: ast.expr) -> ast.expr:
        """Rewrites an expression."""
        changed = self.visit(node)
        assert isinstance(changed, ast.expr)
        return changed

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        *asked, last = node.values
        node.values = [*map(self._test, asked), self.expression(last)]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        is_not = isinstance(node.op, ast.Not)
        node.operand = self._test(node.operand) if is_not else self.expression(node.operand)
        return node

    def _tested(self, node: _Tested) -> _Tested:
        test, node.test = node.test, ast.Constant(True)
        self.generic_visit(node)
        node.test = self._test(test)
        return node

    visit_If = visit_While = visit_IfExp = visit_Assert = _tested  # noqa: N815

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        tests, node.ifs = node.ifs, []
        self.generic_visit(node)
        node.ifs = [self._test(test) for test in tests]
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        guard, node.guard = node.guard, None
        self.generic_visit(node)
        node.guard = None if guard is None else self._test(guard)
        return node

    # ---- what is told, and what is compared

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        is_chain = isinstance(node.value, _CHAIN) and node.conversion == -1
        self.generic_visit(node)
        if is_chain:
            node.value = self._call("known", node.value, node.value)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        (operator,), (right,) = node.ops, node.comparators
        if type(operator) in EQUALITIES:
            return self._call(EQUALITIES[type(operator)], node, node.left, right)
        if isinstance(operator, (ast.In, ast.NotIn)):
            found = self._call("found", node, node.left, right)
            if isinstance(operator, ast.NotIn):
                return ast.copy_location(ast.UnaryOp(ast.Not(), found), node)
            return found
        return node


__all__ = ["EQUALITIES", "Waitless"]
