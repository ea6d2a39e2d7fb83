"""Auto-await: a cell's syntax tree, rewritten so that remote chains are awaited.

What is remote is only known at run time, so every place where a chain's value is wanted becomes
``await __px__.resolve(chain)``; `proxyables_cli.repl.resolution.Resolver` is behind that name and
leaves local values, local awaitables too, as they are. A chain is a maximal run of attributes,
items and calls (``obj.a[0].f(1)``): its inner links stay unresolved, so it is one message.

===========================  =====================================================================
``obj.a.f(1)``               ``await __px__.resolve(obj.a.f(1))``
``f(obj.a)``                 ``await __px__.resolve(f(await __px__.argument(f, obj.a)))``: an
                             argument of a remote callee stays a chain and runs over there
``for x in obj.rows(): …``   ``async for x in await __px__.iterate(obj.rows()): …``; comprehensions
                             too, and ``with`` in the same way through ``__px__.manage``
``obj.x = v``                ``await __px__.set_attribute(v, obj, 'x')``
``obj.x += v``               read into a name, ``+=`` on that name, set
``(f(x) for x in y)``        ``__px__.generation(<the same, asynchronous>)``
===========================  =====================================================================

Untouched: the operand of an explicit ``await`` (whoever writes it means the chain itself), and
``lambda``, plain ``def`` and class bodies, which cannot await; ``async def`` inside them is
rewritten. Evaluation order and line numbers are those of the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

RESOLVER = "__px__"
"""The name under which rewritten code finds its `Resolver`."""

Chain = ast.Attribute | ast.Subscript | ast.Call
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_CHAIN = (ast.Attribute, ast.Subscript, ast.Call)
_ASKING = frozenset(
    {"all", "any", "bool", "dir", "enumerate", "frozenset", "len", "list", "max", "min", "next"}
    | {"repr", "set", "sorted", "str", "sum", "tuple", "zip"}
)
"""Builtins that ask an object something; of a remote one that is a message. See `Resolver.ask`."""
_Node = TypeVar("_Node", bound=ast.AST)


def temporary_prefix(cell: int) -> str:
    """The beginning of every name that rewriting cell number `cell` invents."""
    return f"__px_{cell}_"


def rewrite(tree: ast.Module, *, cell: int = 0) -> ast.Module:
    """Rewrites a module, in place, to await the remote chains in it.

    Args:
        tree: What was typed. It must be compiled with `ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`.
        cell: Makes the invented names differ between cells that run at the same time. They
            begin with `temporary_prefix`; at the top level they are globals.
    """
    _Rewriter(temporary_prefix(cell)).generic_visit(tree)
    return ast.fix_missing_locations(tree)


class _Rewriter(ast.NodeTransformer):
    """Visiting an expression gives the expression of its *value*; `_chain` that of the chain."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._invented = 0
        self._iterables = 0  # how many comprehension iterables we are inside of

    # ---- building blocks

    def _temporary(self) -> str:
        self._invented += 1
        # Two underscores at the end keep a name in a method from being mangled.
        return f"{self._prefix}{self._invented}__"

    def _call(self, function: str, at: ast.AST, *arguments: ast.expr) -> ast.expr:
        resolver = ast.Attribute(_load(RESOLVER), function, ast.Load())
        call = ast.Call(resolver, list(arguments), [])
        for node in (resolver.value, resolver, call):
            ast.copy_location(node, at)
        return call

    def _await(self, function: str, at: ast.AST, *arguments: ast.expr) -> ast.expr:
        return ast.copy_location(ast.Await(self._call(function, at, *arguments)), at)

    def _expression(self, node: ast.expr) -> ast.expr:
        changed = self.visit(node)
        assert isinstance(changed, ast.expr)
        return changed

    def _statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        changed: list[ast.stmt] = []
        for statement in body:
            result = self.visit(statement)
            changed.extend(result if isinstance(result, list) else [result])
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
                node.value, callee = self._shared(node.value, wanted=_is_late(node.slice))
                node.slice = self._key(node.slice, callee)
            case ast.Call():
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                node.func = self._raw(node.func)
                node.func, callee = self._shared(node.func, wanted=any(map(_is_late, given)))
                node.args = [self._argument(argument, callee) for argument in node.args]
                for keyword in node.keywords:
                    if keyword.arg is None:
                        keyword.value = self._expression(keyword.value)
                    else:
                        keyword.value = self._argument(keyword.value, callee)
        return node

    def _shared(self, node: ast.expr, *, wanted: bool) -> tuple[ast.expr, ast.expr]:
        """Gives `node`, and an expression that repeats its value without computing it again."""
        if isinstance(node, ast.Name):
            return node, ast.copy_location(_load(node.id), node)
        if not wanted:
            return node, _at(node, ast.Constant(None))
        if self._iterables:
            # Python forbids := anywhere inside a comprehension's iterable. What the chain begins
            # with decides in its place: at worst an argument is fetched that could have stayed.
            root = _root(node)
            known = _load(root.id) if isinstance(root, ast.Name) else ast.Constant(None)
            return node, _at(node, known)
        name = self._temporary()
        named = _at(node, ast.NamedExpr(_at(node, ast.Name(name, ast.Store())), node))
        return named, _at(node, _load(name))

    def _argument(self, node: ast.expr, callee: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            node.value = self._await("unpack", node, self._raw(node.value))
            return node
        if _is_late(node):
            function = "consume" if isinstance(node, ast.GeneratorExp) else "argument"
            return self._await(function, node, callee, self._raw(node))
        asks = isinstance(callee, ast.Name) and callee.id in _ASKING
        if isinstance(node, ast.Name) and asks:
            return self._await("ask", node, callee, node)
        return self._expression(node)

    def _key(self, node: ast.expr, owner: ast.expr) -> ast.expr:
        if _is_late(node):
            return self._await("argument", node, owner, self._raw(node))
        return self._expression(node)

    def _value(self, node: Chain) -> ast.expr:
        if not isinstance(node, ast.Call) and not isinstance(node.ctx, ast.Load):
            return node
        return self._await("resolve", node, self._chain(node))

    visit_Attribute = visit_Subscript = visit_Call = _value  # noqa: N815 - the visitor's names

    # ---- other expressions

    def visit_Await(self, node: ast.Await) -> ast.expr:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self._defaults(node.args)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            node.value = self._await("unpack", node, self._raw(node.value))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            item, container = self._expression(node.left), self._raw(node.comparators[0])
            found = self._await("contains", node, item, container)
            negated = isinstance(node.ops[0], ast.NotIn)
            return _at(node, ast.UnaryOp(ast.Not(), found)) if negated else found
        return self._operation(node)

    def _operation(self, node: ast.BinOp | ast.UnaryOp | ast.Compare) -> ast.expr:
        """An operator on a name that holds a remote object gives a chain as well."""
        self.generic_visit(node)
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        if all(isinstance(part, ast.Constant) for part in parts):
            return node
        return self._await("resolve", node, node)

    visit_BinOp = _operation  # noqa: N815

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            self.generic_visit(node)
            return node
        return self._operation(node)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> ast.expr:
        for generator in node.generators:
            with self._inside_iterable():
                iterable = self._raw(generator.iter)
                if not generator.is_async:
                    iterable = self._await("iterate", iterable, iterable)
            generator.iter = iterable
            generator.is_async = 1
            generator.ifs = [self._expression(test) for test in generator.ifs]
        if isinstance(node, ast.DictComp):
            node.key, node.value = self._expression(node.key), self._expression(node.value)
        else:
            node.elt = self._expression(node.elt)
        if isinstance(node, ast.GeneratorExp):
            return self._call("generation", node, node)
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    @contextmanager
    def _inside_iterable(self) -> Iterator[None]:
        self._iterables += 1
        try:
            yield
        finally:
            self._iterables -= 1

    # ---- assignment

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        if any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets):
            node.value = self._await("unpack", node.value, self._raw(node.value))
        else:
            node.value = self._expression(node.value)
        if all(_is_plain(target) for target in node.targets):
            return [node]
        if len(node.targets) == 1:
            return self._store(node.targets[0], node.value)
        name = self._temporary()
        statements = self._store(_at(node, ast.Name(name, ast.Store())), node.value)
        for target in node.targets:
            statements += self._store(target, _at(target, _load(name)))
        return statements

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | list[ast.stmt]:
        if node.value is None:
            return node
        node.value = self._expression(node.value)
        return node if _is_plain(node.target) else self._store(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt | list[ast.stmt]:
        target = node.target
        if isinstance(target, ast.Name) or _is_plain(target):
            node.value = self._expression(node.value)
            return node
        owner, current = self._temporary(), self._temporary()
        statements = self._store(_at(target, ast.Name(owner, ast.Store())), self._raw(target.value))
        read: ast.expr
        if isinstance(target, ast.Attribute):
            read = ast.Attribute(_load(owner), target.attr, ast.Load())
            written: ast.expr = ast.Attribute(_load(owner), target.attr, ast.Store())
        else:
            key = self._temporary()
            value = self._as_value(self._key(target.slice, _at(target, _load(owner))))
            statements += self._store(_at(target, ast.Name(key, ast.Store())), value)
            read = ast.Subscript(_load(owner), _load(key), ast.Load())
            written = ast.Subscript(_load(owner), _load(key), ast.Store())
        value = self._await("resolve", target, _at(target, read))
        statements += self._store(_at(target, ast.Name(current, ast.Store())), value)
        node.target = _at(target, ast.Name(current, ast.Store()))
        node.value = self._expression(node.value)
        return [*statements, node, *self._store(_at(target, written), _at(target, _load(current)))]

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        pending = list(node.targets)
        while pending:
            target = pending.pop(0)
            if isinstance(target, (ast.Tuple, ast.List)):
                pending[:0] = target.elts
            elif isinstance(target, ast.Attribute) and not _is_plain(target):
                name = _at(target, ast.Constant(target.attr))
                call = self._await("delete_attribute", target, self._raw(target.value), name)
                statements.append(_at(target, ast.Expr(call)))
            elif isinstance(target, ast.Subscript):
                owner, callee = self._owner_and_key(target)
                call = self._await("delete_item", target, owner, callee)
                statements.append(_at(target, ast.Expr(call)))
            else:
                statements.append(_at(target, ast.Delete([target])))
        return statements

    def _store(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """Statements that put `value`, which is rewritten already, into `target`.

        The value comes first in each call: Python evaluates it before the target's own parts.
        """
        match target:
            case ast.Attribute() if not _is_plain(target):
                name = _at(target, ast.Constant(target.attr))
                call = self._await("set_attribute", target, value, self._raw(target.value), name)
                return [_at(target, ast.Expr(call))]
            case ast.Subscript():
                owner, key = self._owner_and_key(target)
                call = self._await("set_item", target, value, owner, key)
                return [_at(target, ast.Expr(call))]
            case ast.Tuple() | ast.List() if not _is_plain(target):
                names, stores = self._stand_ins(target)
                return [_at(target, ast.Assign([names], value)), *stores]
        return [_at(target, ast.Assign([target], value))]

    def _owner_and_key(self, target: ast.Subscript) -> tuple[ast.expr, ast.expr]:
        owner, shared = self._shared(self._raw(target.value), wanted=_is_late(target.slice))
        return owner, self._as_value(self._key(target.slice, shared))

    def _as_value(self, key: ast.expr) -> ast.expr:
        """A subscript's key as an expression of its own: ``1:2`` is none."""
        if isinstance(key, ast.Slice):
            return self._call("make_slice", key, *_bounds(key))
        if isinstance(key, ast.Tuple):
            key.elts = [self._as_value(part) for part in key.elts]
        return key

    def _stand_ins(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        """Replaces the parts of a target by names; the statements then fill the parts in order."""
        match target:
            case ast.Tuple() | ast.List():
                pairs = [self._stand_ins(part) for part in target.elts]
                names = type(target)([name for name, _ in pairs], ast.Store())
                return _at(target, names), [store for _, stores in pairs for store in stores]
            case ast.Starred():
                name, stores = self._stand_ins(target.value)
                return _at(target, ast.Starred(name, ast.Store())), stores
        invented = self._temporary()
        stores = self._store(target, _at(target, _load(invented)))
        return _at(target, ast.Name(invented, ast.Store())), stores

    # ---- statements with bodies

    def visit_For(self, node: ast.For) -> ast.stmt:
        iterable = self._raw(node.iter)
        target, stores = self._bound(node.target)
        body = stores + self._statements(node.body)
        iterable = self._await("iterate", iterable, iterable)
        return _at(node, ast.AsyncFor(target, iterable, body, self._statements(node.orelse)))

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        node.iter = self._raw(node.iter)
        node.target, stores = self._bound(node.target)
        node.body = stores + self._statements(node.body)
        node.orelse = self._statements(node.orelse)
        return node

    def visit_With(self, node: ast.With) -> ast.stmt:
        return self._with(node, adapt=True)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.stmt:
        return self._with(node, adapt=False)

    def _with(self, node: ast.With | ast.AsyncWith, *, adapt: bool) -> ast.stmt:
        first, rest = node.items[0], node.items[1:]
        first.context_expr = self._raw(first.context_expr)
        if adapt:
            first.context_expr = self._await("manage", first.context_expr, first.context_expr)
        stores: list[ast.stmt] = []
        if first.optional_vars is not None:
            first.optional_vars, stores = self._bound(first.optional_vars)
        # One item per statement, so that the stores of each come before the next is evaluated.
        if rest:
            inner = type(node)(rest, node.body)
            body = [self._with(_at(node, inner), adapt=adapt)]
        else:
            body = self._statements(node.body)
        return _at(node, ast.AsyncWith([first], stores + body))

    def _bound(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        return (target, []) if _is_plain(target) else self._stand_ins(target)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        node.body = self._statements(node.body)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        if node.guard is not None:
            node.guard = self._expression(node.guard)
        node.body = self._statements(node.body)
        return node

    def visit_TypeAlias(self, node: ast.stmt) -> ast.stmt:
        return node  # evaluated when somebody asks for it, in a scope that cannot await

    # ---- scopes of their own

    def _defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self._expression(value) for value in arguments.defaults]
        arguments.kw_defaults = [
            None if value is None else self._expression(value) for value in arguments.kw_defaults
        ]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        self._defaults(node.args)
        _Seeker(self).visit_body(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        node.bases = [self._expression(base) for base in node.bases]
        for keyword in node.keywords:
            keyword.value = self._expression(keyword.value)
        _Seeker(self).visit_body(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        self._defaults(node.args)
        return self.function_body(node)

    def function_body(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """Rewrites only the body: what stands around it may belong to a scope without await."""
        node.body = self._statements(node.body)
        return node


class _Seeker(ast.NodeTransformer):
    """Goes through a scope that cannot await, in search of the ``async def`` inside it."""

    def __init__(self, rewriter: _Rewriter) -> None:
        self._rewriter = rewriter

    def visit_body(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        node.body = [self.visit(statement) for statement in node.body]

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return self._rewriter.function_body(node)


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _at(place: ast.AST, node: _Node) -> _Node:
    return ast.copy_location(node, place)


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, _CHAIN):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _is_late(node: ast.expr) -> bool:
    """Whether what becomes of an argument depends on who takes it."""
    return isinstance(node, (*_CHAIN, ast.GeneratorExp))


def _is_plain(target: ast.expr) -> bool:
    """Whether a target is certainly local: made of names, and of names that no cursor answers to.

    A private attribute is left to Python because only Python mangles its name in a class.
    """
    match target:
        case ast.Name():
            return True
        case ast.Attribute():
            return target.attr.startswith("_")
        case ast.Starred():
            return _is_plain(target.value)
        case ast.Tuple() | ast.List():
            return all(map(_is_plain, target.elts))
    return False


def _bounds(node: ast.Slice) -> list[ast.expr]:
    parts = (node.lower, node.upper, node.step)
    return [_at(node, ast.Constant(None)) if part is None else part for part in parts]


__all__ = ["RESOLVER", "rewrite", "temporary_prefix"]
