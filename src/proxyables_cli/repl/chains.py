"""The expression half of auto-await: chains, and everywhere that a chain's value is wanted.

See `proxyables_cli.repl.rewriting` for what becomes of what.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from proxyables_cli.repl.unpacking import Shape, shape_of
from proxyables_cli.repl.waitless import EQUALITIES, Waitless

RESOLVER = "__px__"
"""The name under which rewritten code finds its `Resolver`."""

Chain = ast.Attribute | ast.Subscript | ast.Call
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_CHAIN = (ast.Attribute, ast.Subscript, ast.Call)
_OPEN = (
    *(ast.Attribute, ast.Await, ast.BinOp, ast.BoolOp, ast.Call, ast.IfExp, ast.Name),
    *(ast.NamedExpr, ast.Subscript, ast.UnaryOp),
)
"""Expressions whose value may be a remote object."""
_ASKING = frozenset(
    {"all", "any", "bool", "dir", "enumerate", "float", "filter", "frozenset", "int", "iter"}
    | {
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "print",
        "repr",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
    }
)
"""Builtins that ask an object something; of a remote one that is a message. See `Resolver.ask`."""
_ASKING_EACH = frozenset({"print"})
"""Those of them that ask each of their arguments."""
_CHOOSING = frozenset({"min", "max"})
_CALLING = frozenset({"map", "filter"})
_REACHING = frozenset({"delattr", "format", "getattr", "hasattr", "setattr"})
_REPLACED = _CHOOSING | _CALLING | _REACHING | {"sorted", ".sort"}
"""What calls a function of the user's, compares, or reaches by name: see `Resolver.builtin`."""
_TEXT_OPERATIONS = {-1: "format", ord("s"): "str", ord("r"): "repr", ord("a"): "repr"}
_Node = TypeVar("_Node", bound=ast.AST)


class ExpressionRewriter(ast.NodeTransformer):
    """Visiting an expression gives the expression of its *value*; `_chain` that of the chain."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._invented = 0
        self._iterables = 0  # how many comprehension iterables we are inside of
        self.waitless = Waitless(self._call, self.function_body)

    @abstractmethod
    def function_body(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef: ...

    # ---- building blocks

    def _temporary(self) -> str:
        self._invented += 1
        # Two underscores at the end keep a name in a method from being mangled.
        return f"{self._prefix}{self._invented}__"

    def _call(self, function: str, place: ast.AST, *arguments: ast.expr) -> ast.expr:
        resolver = at(place, ast.Attribute(at(place, load(RESOLVER)), function, ast.Load()))
        return at(place, ast.Call(resolver, list(arguments), []))

    def _await(self, function: str, place: ast.AST, *arguments: ast.expr) -> ast.expr:
        return at(place, ast.Await(self._call(function, place, *arguments)))

    def _shapes(self, target: ast.expr | None) -> list[ast.expr]:
        """The shape of a target as an argument; none if it takes nothing apart."""
        shape = shape_of(target)
        return [] if target is None or shape is None else [self._shape(target, shape)]

    def _shape(self, place: ast.AST, shape: Shape) -> ast.expr:
        return at(place, ast.Constant(shape))  # type: ignore[arg-type]  # which tuples are

    def _expression(self, node: ast.expr) -> ast.expr:
        changed = self.visit(node)
        assert isinstance(changed, ast.expr)
        return changed

    # ---- chains

    def _raw(self, node: ast.expr) -> ast.expr:
        """The chain itself where `node` is one, else its value."""
        return self._chain(node) if isinstance(node, _CHAIN) else self._expression(node)

    def _chain(self, node: Chain) -> ast.expr:
        match node:
            case ast.Attribute():
                node.value = self._raw(node.value)
            case ast.Subscript():
                node.value = self._raw(node.value)
                node.value, callee = self._shared(node.value, wanted=is_late(node.slice))
                node.slice = self._key(node.slice, callee)
            case ast.Call():
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                node.func = self._raw(node.func)
                node.func, callee = self._shared(node.func, wanted=any(map(is_late, given)))
                if len(node.args) > 1 and isinstance(callee, ast.Name) and callee.id in _CHOOSING:
                    callee = at(node, ast.Constant(None))  # each argument is an item itself
                first = callee  # of `map` and `filter`, a function, and no items
                if isinstance(callee, ast.Name) and callee.id in _CALLING:
                    first = at(node, ast.Constant(None))
                node.args = [
                    self._argument(argument, callee if place else first)
                    for place, argument in enumerate(node.args)
                ]
                for keyword in node.keywords:
                    if keyword.arg is None:
                        keyword.value = self._expression(keyword.value)
                    else:
                        keyword.value = self._argument(keyword.value, callee)
                if _name_of(node.func) in _REPLACED:
                    node.func = self._call("builtin", node.func, node.func)
        return node

    def _shared(self, node: ast.expr, *, wanted: bool) -> tuple[ast.expr, ast.expr]:
        """Gives `node`, and an expression that repeats its value without computing it again."""
        if isinstance(node, ast.Name):
            return node, at(node, load(node.id))
        if not wanted:
            return node, at(node, ast.Constant(None))
        if self._iterables:
            # Python forbids := anywhere inside a comprehension's iterable. What the chain begins
            # with decides in its place: at worst an argument is fetched that could have stayed.
            root = _root(node)
            known = load(root.id) if isinstance(root, ast.Name) else ast.Constant(None)
            return node, at(node, known)
        name = self._temporary()
        named = at(node, ast.NamedExpr(at(node, ast.Name(name, ast.Store())), node))
        return named, at(node, load(name))

    def _argument(self, node: ast.expr, callee: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            node.value = self._await("unpack", node, self._raw(node.value))
            if isinstance(callee, ast.Name) and callee.id in _ASKING_EACH:
                node.value = self._await("ask_each", node, callee, node.value)
            return node
        if is_late(node):
            function = "consume" if isinstance(node, ast.GeneratorExp) else "argument"
            return self._await(function, node, callee, self._raw(node))
        asks = isinstance(callee, ast.Name) and callee.id in _ASKING
        value = self._expression(node)
        if asks and isinstance(node, _OPEN):
            return self._await("ask", node, callee, value)
        return value

    def _key(self, node: ast.expr, owner: ast.expr) -> ast.expr:
        if is_late(node):
            return self._await("argument", node, owner, self._raw(node))
        return self._expression(node)

    def _value(self, node: Chain) -> ast.expr:
        if not isinstance(node, ast.Call) and not isinstance(node.ctx, ast.Load):
            return node
        return self._await("resolve", node, self._chain(node))

    visit_Attribute = visit_Subscript = visit_Call = _value  # noqa: N815 - the visitor's names

    # ---- other expressions

    def visit_Await(self, node: ast.Await) -> ast.expr:
        if not _is_ours(node.value):
            node.value = self._call("meant", node.value, node.value)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self._defaults(node.args)
        node.body = self.waitless.expression(node.body)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            node.value = self._await("unpack", node, self._raw(node.value))
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        value = self._expression(node.value)
        spec = [] if node.format_spec is None else [self._expression(node.format_spec)]
        # Its own position is that of the whole string before Python 3.12.
        operation = at(value, ast.Constant(_TEXT_OPERATIONS[node.conversion]))
        if node.conversion != -1:
            node.value = self._await("text", value, value, operation)
            return node
        node.value = self._await("text", value, value, operation, *spec)
        node.format_spec = None
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > 1 and not self._iterables:
            return self._pairs(node)
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            item, container = self._raw(node.left), self._raw(node.comparators[0])
            found = self._await("contains", node, item, container)
            negated = isinstance(node.ops[0], ast.NotIn)
            return at(node, ast.UnaryOp(ast.Not(), found)) if negated else found
        return self._operation(node)

    def _pairs(self, node: ast.Compare) -> ast.expr:
        """Takes ``a < b < c`` apart into ``a < (t := b) and t < c``.

        Python would ask whether the outcome of ``a < b`` is true before it has been awaited.
        """
        parts: list[ast.expr] = []
        left = node.left
        for place, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            following: ast.expr = right
            if place < len(node.ops) - 1:
                name = self._temporary()
                target = at(right, ast.Name(name, ast.Store()))
                right = at(right, ast.NamedExpr(target, right))
                following = at(right, load(name))
            pair = at(left, ast.Compare(left, [operator], [right]))
            pair.end_lineno, pair.end_col_offset = following.end_lineno, following.end_col_offset
            parts.append(self._expression(pair))
            left = following
        return at(node, ast.BoolOp(ast.And(), parts))

    def _operation(self, node: ast.BinOp | ast.UnaryOp | ast.Compare) -> ast.expr:
        """An operator on a name that holds a remote object gives a chain as well."""
        self.generic_visit(node)
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        if all(isinstance(part, ast.Constant) for part in parts):
            return node
        match node:
            case ast.Compare(ops=[ast.Eq() | ast.NotEq() as operator]):
                compared = self._call(EQUALITIES[type(operator)], node, *parts)
                return self._await("resolve", node, compared)
        return self._await("resolve", node, node)

    visit_BinOp = _operation  # noqa: N815

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            node.operand = self.test(node.operand)
            return node
        return self._operation(node)

    # ---- truth

    def test(self, node: ast.expr) -> ast.expr:
        """The expression of whether something is true, which a remote object is asked."""
        if isinstance(node, ast.BoolOp):
            node.values = [self.test(value) for value in node.values]
            return node
        is_not = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        if is_not or not isinstance(node, _OPEN):
            return self._expression(node)
        return self._await("decide", node, self._raw(node))

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        node.test = self.test(node.test)
        node.body, node.orelse = self._expression(node.body), self._expression(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """``a or b`` as ``t if (t := a) else b``: whether `a` is true may have to be asked."""
        if self._iterables:  # where := is forbidden
            self.generic_visit(node)
            return node
        *asked, last = node.values
        outcome = self._expression(last)
        for operand in reversed(asked):
            value = self._expression(operand)
            if not isinstance(operand, _OPEN):
                outcome = at(node, ast.BoolOp(node.op, [value, outcome]))
                continue
            name = self._temporary()
            named = at(operand, ast.NamedExpr(at(operand, ast.Name(name, ast.Store())), value))
            test = self._await("decide", operand, named)
            held = at(operand, load(name))
            parts = (outcome, held) if isinstance(node.op, ast.And) else (held, outcome)
            outcome = at(node, ast.IfExp(test, *parts))
        return outcome

    def _comprehension(self, node: Comprehension) -> ast.expr:
        for generator in node.generators:
            with self._inside_iterable():
                iterable = self._raw(generator.iter)
                if not generator.is_async:
                    shape = self._shapes(generator.target)
                    iterable = self._await("iterate", iterable, iterable, *shape)
            generator.iter = iterable
            generator.is_async = 1
            generator.ifs = [self.test(test) for test in generator.ifs]
        if isinstance(node, ast.DictComp):
            node.key, node.value = self._expression(node.key), self._expression(node.value)
        else:
            node.elt = self._expression(node.elt)
        if isinstance(node, ast.GeneratorExp):
            return self._call("generation", node, node)
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def _defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self._expression(value) for value in arguments.defaults]
        arguments.kw_defaults = [
            None if value is None else self._expression(value) for value in arguments.kw_defaults
        ]

    @contextmanager
    def _inside_iterable(self) -> Iterator[None]:
        self._iterables += 1
        try:
            yield
        finally:
            self._iterables -= 1


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def at(place: ast.AST, node: _Node) -> _Node:
    """Gives `node` the position of `place` in the source."""
    return ast.copy_location(node, place)


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, _CHAIN):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _is_ours(node: ast.expr) -> bool:
    """Whether an expression calls what stands for a ``%`` line of a script."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name.startswith("__px_")
    return False


def _name_of(callee: ast.expr) -> str:
    """The name of what is called; with a dot before that of a method."""
    match callee:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return f".{name}"
        case ast.NamedExpr(value=value):
            return _name_of(value)
    return ""


def is_late(node: ast.expr) -> bool:
    """Whether what becomes of an argument depends on who takes it."""
    return isinstance(node, (*_CHAIN, ast.GeneratorExp))


__all__ = ["RESOLVER", "ExpressionRewriter", "at", "is_late", "load"]
