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
``for a, (b, c) in y``       ``__px__.iterate(y, (None, (None, None)))``: what is remote among the
                             items of ``y`` is fetched as deep as the target goes; so with ``as``
``obj.x = v``                ``await __px__.set_attribute(v, obj, 'x')``
``obj.x += v``               read into a name, ``+=`` on that name, set; a call in the path of what
                             is changed is made once, and what it gives is kept over there
``n += v``                   ``n = await __px__.changed(n, v, 'iadd')``
``if x: …``                  ``if await __px__.decide(x): …``; ``x or y`` is ``t if await
                             __px__.decide(t := x) else y``
``a < b < c``                ``a < (t := b) and t < c``, each of the two resolved
``sorted(x, key=f)``         ``__px__.builtin(sorted)(…)``, which fetches the keys first; so ``min``
                             and ``max``; ``map`` and ``filter`` await what their function gives
``(f(x) for x in y)``        ``__px__.generation(<the same, asynchronous>)``
===========================  =====================================================================

Nothing in the operand of an explicit ``await`` is awaited by itself: whoever writes it means the
chain. ``await x`` becomes ``await __px__.meant(x)``, which only notes what was awaited.
``lambda``, plain ``def`` and class bodies cannot await: see `proxyables_cli.repl.waitless`;
``async def`` inside them is rewritten. Evaluation order and line numbers are those of the source.
"""

# ruff: noqa: N802 - a visitor's methods are called after the nodes

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeVar

from proxyables_cli.repl.chains import RESOLVER, ExpressionRewriter, at, is_late, load
from proxyables_cli.repl.unpacking import is_nested, shape_of

IN_PLACE: dict[type[ast.operator], str] = {
    ast.Add: "iadd",
    ast.BitAnd: "iand",
    ast.BitOr: "ior",
    ast.BitXor: "ixor",
    ast.Div: "itruediv",
    ast.FloorDiv: "ifloordiv",
    ast.LShift: "ilshift",
    ast.MatMult: "imatmul",
    ast.Mod: "imod",
    ast.Mult: "imul",
    ast.Pow: "ipow",
    ast.RShift: "irshift",
    ast.Sub: "isub",
}
"""The names of the operators in ``x += v`` and the like, which `operator` has as well."""
_Tested = TypeVar("_Tested", ast.If, ast.While, ast.Assert)


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


class _Rewriter(ExpressionRewriter):
    """Adds the statements: what they assign to, what they go through, what scopes they open."""

    # ---- assignment

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        shapes = {shape for target in node.targets if (shape := shape_of(target)) is not None}
        if shapes:
            shape = shapes.pop()
            # Several that differ are left to Python, which takes the value apart for each.
            nested = [self._shape(node, shape)] if is_nested(shape) and not shapes else []
            node.value = self._await("unpack", node.value, self._raw(node.value), *nested)
        else:
            node.value = self._expression(node.value)
        if all(_is_plain(target) for target in node.targets):
            return [node]
        if len(node.targets) == 1:
            return self._store(node.targets[0], node.value)
        name = self._temporary()
        statements = self._store(at(node, ast.Name(name, ast.Store())), node.value)
        for target in node.targets:
            statements += self._store(target, at(target, load(name)))
        return statements

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | list[ast.stmt]:
        if node.value is None:
            return node
        node.value = self._expression(node.value)
        return node if _is_plain(node.target) else self._store(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt | list[ast.stmt]:
        target = node.target
        if isinstance(target, ast.Name):
            return at(node, ast.Assign([target], self._changed(node, load(target.id))))
        if _is_plain(target):
            node.value = self._expression(node.value)
            return node
        owner, current = self._temporary(), self._temporary()
        calls = any(isinstance(part, ast.Call) for part in ast.walk(target.value))
        held = self._raw(target.value)
        if calls:
            held = self._await("hold", held, held)  # read and written, but called once
        statements = self._store(at(target, ast.Name(owner, ast.Store())), held)
        read: ast.expr
        if isinstance(target, ast.Attribute):
            read = ast.Attribute(load(owner), target.attr, ast.Load())
            written: ast.expr = ast.Attribute(load(owner), target.attr, ast.Store())
        else:
            key = self._temporary()
            value = self._as_value(self._key(target.slice, at(target, load(owner))))
            statements += self._store(at(target, ast.Name(key, ast.Store())), value)
            read = ast.Subscript(load(owner), load(key), ast.Load())
            written = ast.Subscript(load(owner), load(key), ast.Store())
        value = self._await("resolve", target, at(target, read))
        statements += self._store(at(target, ast.Name(current, ast.Store())), value)
        changed = self._changed(node, load(current), at(target, load(owner)))
        changing = at(node, ast.Assign([at(target, ast.Name(current, ast.Store()))], changed))
        stored = self._store(at(target, written), at(target, load(current)))
        return [*statements, changing, *stored]

    def _changed(self, node: ast.AugAssign, current: ast.expr, *owner: ast.expr) -> ast.expr:
        """What the operator gives, which may change an object over there in place."""
        operation = at(node, ast.Constant(IN_PLACE[type(node.op)]))
        value = self._expression(node.value)
        return self._await("changed", node, at(node.target, current), value, operation, *owner)

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        pending = list(node.targets)
        while pending:
            target = pending.pop(0)
            if isinstance(target, (ast.Tuple, ast.List)):
                pending[:0] = target.elts
            elif isinstance(target, ast.Attribute) and not _is_plain(target):
                name = at(target, ast.Constant(target.attr))
                call = self._await("delete_attribute", target, self._raw(target.value), name)
                statements.append(at(target, ast.Expr(call)))
            elif isinstance(target, ast.Subscript):
                owner, callee = self._owner_and_key(target)
                call = self._await("delete_item", target, owner, callee)
                statements.append(at(target, ast.Expr(call)))
            else:
                statements.append(at(target, ast.Delete([target])))
        return statements

    def _store(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """Statements that put `value`, which is rewritten already, into `target`.

        The value comes first in each call: Python evaluates it before the target's own parts.
        """
        match target:
            case ast.Attribute() if not _is_plain(target):
                name = at(target, ast.Constant(target.attr))
                call = self._await("set_attribute", target, value, self._raw(target.value), name)
                return [at(target, ast.Expr(call))]
            case ast.Subscript():
                owner, key = self._owner_and_key(target)
                call = self._await("set_item", target, value, owner, key)
                return [at(target, ast.Expr(call))]
            case ast.Tuple() | ast.List() if not _is_plain(target):
                names, stores = self._stand_ins(target)
                return [at(target, ast.Assign([names], value)), *stores]
        return [at(target, ast.Assign([target], value))]

    def _owner_and_key(self, target: ast.Subscript) -> tuple[ast.expr, ast.expr]:
        owner, shared = self._shared(self._raw(target.value), wanted=is_late(target.slice))
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
                return at(target, names), [store for _, stores in pairs for store in stores]
            case ast.Starred():
                name, stores = self._stand_ins(target.value)
                return at(target, ast.Starred(name, ast.Store())), stores
        invented = self._temporary()
        stores = self._store(target, at(target, load(invented)))
        return at(target, ast.Name(invented, ast.Store())), stores

    # ---- conditions

    def _tested(self, node: _Tested) -> _Tested:
        test, node.test = node.test, ast.Constant(True)
        self.generic_visit(node)
        node.test = self.test(test)
        return node

    visit_If = visit_While = visit_Assert = _tested  # noqa: N815 - the visitor's names

    # ---- statements with bodies

    def _statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        changed: list[ast.stmt] = []
        for statement in body:
            result = self.visit(statement)
            changed.extend(result if isinstance(result, list) else [result])
        return changed

    def visit_For(self, node: ast.For) -> ast.stmt:
        shape = self._shapes(node.target)
        iterable = self._raw(node.iter)
        target, stores = self._bound(node.target)
        body = stores + self._statements(node.body)
        iterable = self._await("iterate", iterable, iterable, *shape)
        return at(node, ast.AsyncFor(target, iterable, body, self._statements(node.orelse)))

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
            shape = self._shapes(first.optional_vars)
            managed = first.context_expr
            first.context_expr = self._await("manage", managed, managed, *shape)
        stores: list[ast.stmt] = []
        if first.optional_vars is not None:
            first.optional_vars, stores = self._bound(first.optional_vars)
        # One item per statement, so that the stores of each come before the next is evaluated.
        if rest:
            inner = type(node)(rest, node.body)
            body = [self._with(at(node, inner), adapt=adapt)]
        else:
            body = self._statements(node.body)
        return at(node, ast.AsyncWith([first], stores + body))

    def _bound(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        return (target, []) if _is_plain(target) else self._stand_ins(target)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        node.body = self._statements(node.body)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        if node.guard is not None:
            node.guard = self.test(node.guard)
        node.body = self._statements(node.body)
        return node

    def visit_TypeAlias(self, node: ast.stmt) -> ast.stmt:
        return node  # evaluated when somebody asks for it, in a scope that cannot await

    # ---- scopes of their own

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        self._defaults(node.args)
        node.body = [self.waitless.visit(statement) for statement in node.body]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        node.bases = [self._expression(base) for base in node.bases]
        for keyword in node.keywords:
            keyword.value = self._expression(keyword.value)
        node.body = [self.waitless.visit(statement) for statement in node.body]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        node.decorator_list = [self._expression(each) for each in node.decorator_list]
        self._defaults(node.args)
        return self.function_body(node)

    def function_body(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """Rewrites only the body: what stands around it may belong to a scope without await."""
        node.body = self._statements(node.body)
        return node


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
    return [at(node, ast.Constant(None)) if part is None else part for part in parts]


__all__ = ["IN_PLACE", "RESOLVER", "rewrite", "temporary_prefix"]
