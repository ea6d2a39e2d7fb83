"""What rewriting took apart to ask the other side, put together again where it was local."""

from __future__ import annotations

import ast

from proxyables_cli.repl.rewriting import IN_PLACE
from proxyables_cli.repl.saving.trees import call_of, place_of

_CHANGED = "__px_changed__"
_OPERATORS = {name: operator for operator, name in IN_PLACE.items()}


def changed_in_place(current: ast.expr, operand: ast.expr, operation: ast.expr) -> ast.Call:
    """Stands for what ``current += operand`` gives, until the assignment to it is seen."""
    return call_of(_CHANGED, current, operand, operation)


def operator_of(operation: ast.expr) -> ast.operator:
    """The operator of an operation in place."""
    assert isinstance(operation, ast.Constant)
    return _OPERATORS[str(operation.value)]()


class Folding(ast.NodeTransformer):
    """Goes through what `Lowering` made."""

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        self.generic_visit(node)
        match node:
            case ast.Assign(
                targets=[target],
                value=ast.Call(func=ast.Name(id=name), args=[_, operand, operation]),
            ) if name == _CHANGED:
                assert isinstance(target, (ast.Name, ast.Attribute, ast.Subscript))
                changing = ast.AugAssign(target, operator_of(operation), operand)
                return ast.copy_location(changing, node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Makes ``a or b`` of ``t if (t := a) else b``."""
        self.generic_visit(node)
        match node:
            case ast.IfExp(test=ast.NamedExpr(target=ast.Name(id=name), value=value)) if (
                name.startswith("__px_")
            ):
                if _is_name(node.orelse, name):
                    return _both(node, ast.And(), value, node.body)
                if _is_name(node.body, name):
                    return _both(node, ast.Or(), value, node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Makes ``a < b < c`` of ``a < (t := b) and t < c``."""
        self.generic_visit(node)
        parts = [each for each in node.values if isinstance(each, ast.Compare)]
        right = [each.comparators[0] for each in parts]
        names = [each.target.id for each in right[:-1] if isinstance(each, ast.NamedExpr)]
        begins = [each.left.id for each in parts[1:] if isinstance(each.left, ast.Name)]
        is_whole = len(parts) == len(node.values) == len(names) + 1 and names == begins
        if not is_whole or not all(name.startswith("__px_") for name in names):
            return node
        plain = [each.value if isinstance(each, ast.NamedExpr) else each for each in right]
        chain = ast.Compare(parts[0].left, [each.ops[0] for each in parts], plain)
        return ast.copy_location(chain, node)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _both(place: ast.IfExp, operator: ast.boolop, one: ast.expr, other: ast.expr) -> ast.expr:
    others = [other]
    # What is at the same place was one operator with it; one of the user's own has another.
    if isinstance(other, ast.BoolOp) and place_of(other) == place_of(place):
        others = other.values
    return ast.copy_location(ast.BoolOp(operator, [one, *others]), place)


__all__ = ["Folding", "changed_in_place", "operator_of"]
