"""Pieces of syntax trees: what the resolver's calls look like, and what stands in their place."""

from __future__ import annotations

import ast
from collections import Counter
from typing import cast

from proxyables_cli.repl.chains import RESOLVER
from proxyables_cli.repl.rewriting import temporary_prefix
from proxyables_cli.repl.unpacking import Shape

_TIGHT = (
    *(ast.Attribute, ast.Call, ast.Constant, ast.Dict, ast.DictComp, ast.GeneratorExp),
    *(ast.JoinedStr, ast.List, ast.ListComp, ast.Name, ast.Set, ast.SetComp, ast.Subscript),
)
"""Expressions that need parentheses nowhere."""
_OPERANDS = {"Attribute": "value", "Subscript": "value", "Call": "func", "Await": "value"}
"""Where nothing but such an expression can stand, by the node around it."""
_ROOMY = (
    *(ast.Assign, ast.AugAssign, ast.Call, ast.Expr, ast.If, ast.keyword, ast.List, ast.Return),
    *(ast.Set, ast.While),
)
"""Nodes in which any other expression can stand as it is."""


class _Names(ast.NodeTransformer):
    """Takes out invented names that nothing reads any more, and shortens the others."""

    def __init__(self, prefix: str, read: Counter[str]) -> None:
        self._prefix = prefix
        self._read = read

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        name = node.target.id
        is_unread = name.startswith(self._prefix) and not self._read[name]
        self.generic_visit(node)
        return node.value if is_unread else node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id.startswith(self._prefix):
            node.id = f"held_{node.id.removeprefix('__px_').rstrip('_')}"
        return node


def tidied(statements: list[ast.stmt], number: int) -> list[ast.stmt]:
    """Statements without the invented names of a cell that nothing reads, the others shorter."""
    prefix = temporary_prefix(number)
    tree = ast.Module(statements, [])
    read = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
    changed = _Names(prefix, read).visit(tree)
    assert isinstance(changed, ast.Module)
    return ast.fix_missing_locations(changed).body


def resolver_call(node: ast.AST) -> tuple[str, list[ast.expr]] | None:
    """The function of the resolver that a node calls, and what it gives it."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=function), args=args):
            return (function, list(args)) if name == RESOLVER else None
    return None


def awaited_call(node: ast.AST) -> tuple[str, list[ast.expr]] | None:
    """The function of the resolver that a node awaits where nobody had written an ``await``."""
    call = resolver_call(node.value) if isinstance(node, ast.Await) else None
    return None if call is None or call[0] == "meant" else call


def library(function: str, *args: ast.expr) -> ast.Call:
    """A call of one of the library's functions."""
    owner = ast.Name("proxyables", ast.Load())
    return ast.Call(ast.Attribute(owner, function, ast.Load()), list(args), [])


class Own(str):
    """The name of one of the program's own functions, and no name of the session's."""

    __slots__ = ()


def own(function: str) -> ast.Name:
    """One of the program's own functions."""
    return ast.Name(Own(function), ast.Load())


def call_of(function: str, *args: ast.expr) -> ast.Call:
    """A call of one of the program's own functions."""
    return ast.Call(own(function), list(args), [])


def is_call_of(node: ast.AST, function: str) -> bool:
    """Whether a node calls a function of the program's own."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name == function
    return False


def parts_of(given: list[ast.expr]) -> ast.expr:
    """The places at which a target takes items apart, as a program's `unpacked` wants them.

    Args:
        given: A target's shape as a constant, or nothing for one that is flat.
    """
    shapes = [each.value for each in given if isinstance(each, ast.Constant)]
    return _parts(cast(Shape, shapes[0]) if shapes else ())


def _parts(shape: Shape) -> ast.Dict:
    star = shape.index(...) if ... in shape else len(shape)
    places = {
        place - len(shape) * (place > star): part
        for place, part in enumerate(shape)
        if isinstance(part, tuple)
    }
    keys = [ast.Constant(place) for place in places]
    return ast.Dict([*keys], [_parts(part) for part in places.values()])


def plain_text(node: ast.expr) -> ast.expr:
    """An f-string in which nothing stands but text as the text."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return ast.Constant("".join(map(str, texts))) if len(texts) == len(parts) else node


def is_library(node: ast.AST, function: str) -> bool:
    """Whether a node calls one of the library's functions."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="proxyables"), attr=name)):
            return name == function
    return False


def awaited(node: ast.expr) -> ast.Await:
    return ast.Await(node)


def items_of(node: ast.expr) -> ast.expr:
    """``[item async for item in …]``"""
    item = ast.Name("item", ast.Load())
    loop = ast.comprehension(ast.Name("item", ast.Store()), node, [], 1)
    return ast.ListComp(item, [loop])


def is_asynchronous(node: ast.AST) -> bool:
    """Whether a generator expression can only be gone through with ``async for``."""
    return any(
        isinstance(each, ast.Await) or (isinstance(each, ast.comprehension) and each.is_async)
        for each in ast.walk(node)
    )


def place_of(node: ast.AST) -> tuple[int | None, ...]:
    """Where a node begins and ends in the source."""
    names = ("lineno", "col_offset", "end_lineno", "end_col_offset")
    return tuple(getattr(node, name, None) for name in names)


def needs_parentheses(node: ast.expr, text: str, parent: ast.AST, field: str) -> bool:
    """Whether the text of an expression has to stand in parentheses in a field of another node."""
    if isinstance(node, (ast.Starred, ast.Slice)):
        return False
    if isinstance(node, ast.Tuple):
        return is_open(text)
    if isinstance(node, _TIGHT):
        return False
    operand = _OPERANDS.get(type(parent).__name__) == field
    power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    if isinstance(node, ast.Await):
        return operand or power
    if isinstance(parent, ast.BoolOp) and isinstance(node, (ast.Compare, ast.UnaryOp)):
        return False
    return operand or isinstance(node, ast.NamedExpr) or not isinstance(parent, _ROOMY)


def is_open(text: str) -> bool:
    """Whether a tuple has no parentheses of its own."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError:
        return True
    return not (isinstance(call, ast.Call) and len(call.args) == 1)


__all__ = [
    "Own",
    "awaited",
    "awaited_call",
    "call_of",
    "is_asynchronous",
    "is_call_of",
    "is_library",
    "is_open",
    "items_of",
    "library",
    "needs_parentheses",
    "own",
    "parts_of",
    "place_of",
    "plain_text",
    "resolver_call",
    "tidied",
]
