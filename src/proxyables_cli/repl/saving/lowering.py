"""Auto-await written out: cells as Python that awaits by itself.

A cell's tree is rewritten as for running it, and then each call of the resolver becomes what it
did when the cell ran: ``await`` where it fetched something, nothing where the value was local.
Where the code was never reached, what the chain begins with decides, as it was after that cell.
Statements that met nothing remote keep their text, and so do the parts of the others: see
`proxyables_cli.repl.saving.typed`.
"""

# ruff: noqa: N802 - a visitor's methods are called after the nodes

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from proxyables_cli.repl.compiling import cell_name
from proxyables_cli.repl.notes import (
    AWAITED,
    KEPT,
    NESTED,
    REFLECTED,
    REMOTE,
    REPLACED,
    UNPACKED,
)
from proxyables_cli.repl.record import Place
from proxyables_cli.repl.rewriting import rewrite
from proxyables_cli.repl.saving.assignments import Assignments
from proxyables_cli.repl.saving.folding import Folding, changed_in_place, operator_of
from proxyables_cli.repl.saving.meetings import (
    CHANGED,
    HERE,
    LOCAL,
    NOTHING,
    STORES,
    WORDS,
    Meetings,
)
from proxyables_cli.repl.saving.reaching import REACHING, reached
from proxyables_cli.repl.saving.trees import (
    awaited,
    awaited_call,
    call_of,
    is_asynchronous,
    is_call_of,
    is_library,
    items_of,
    library,
    own,
    parts_of,
    plain_text,
    resolver_call,
    tidied,
)
from proxyables_cli.repl.saving.typed import Statement, Typed

HELPERS = {"map": "mapped", "filter": "filtered"}
"""What a saved program calls where these would meet remote values; else ``ordered``."""
DEFERRED = frozenset({"copy", "describe", "gather"})
"""Functions of ``px`` that auto-await awaits."""
_ANSWERS = frozenset({"len", "str", "repr", "dir", "bool", "next", "int", "float"})
_COMPARISONS: dict[str, tuple[type[ast.cmpop], str]] = {
    "equal": (ast.Eq, "eq"),
    "unequal": (ast.NotEq, "ne"),
    "found": (ast.In, "contains"),
}


def lowered(
    source: str,
    number: int,
    places: Mapping[Place, set[str]],
    remote_names: Set[str],
) -> list[Statement]:
    """The statements of a cell, as they were typed where nothing remote is in them.

    Args:
        source: The cell.
        number: Its number, which its file name has.
        places: What was done where.
        remote_names: The names that held something remote when it had ended.
    """
    found: list[Statement] = []
    changing, kept = Typed(source, number), Typed(source, number)
    for part, untouched in zip(changing.parts, kept.parts, strict=True):
        lowering = Lowering(cell_name(number), places, remote_names)
        assignments = Assignments(lowering.changes)
        tree = ast.Module([assignments.visit(part.statement)], [])
        rewrite(tree, cell=number)
        changed = [Folding().visit(lowering.visit(each)) for each in tree.body]
        changed = assignments.restored(changed)
        if lowering.met_remote:
            found.append(Statement(part.lead, tidied(changed, number), part.tail, changing))
        else:
            found.append(Statement(part.lead, [untouched.statement], part.tail, kept))
    return [*found, Statement(kept.ending, [], "", kept)]


class Unsaved(Exception):
    """An input has no form outside of the REPL; the text says what it does."""


class Lowering(Meetings):
    """Takes the resolver out of a rewritten tree."""

    # ---- expressions

    def _expression(self, node: ast.expr) -> ast.expr:
        changed = self.visit(node)
        assert isinstance(changed, ast.expr)
        return changed

    def visit_Await(self, node: ast.Await) -> ast.AST:
        call = awaited_call(node)
        if call is None:
            self.met_remote = True
            value = self._expression(node.value)
            if isinstance(value, ast.Await):
                return value
            node.value = value
            return node
        function, args = call
        done = self._done(node, function, args)
        match function, args:
            case "resolve", [value]:
                return self._settled(value, done - {UNPACKED})
            case "argument" | "consume" | "ask", [callee, value]:
                return self._argument(callee, value, done)
            case "ask_each", [_, value]:
                items = self._expression(value)
                return awaited(call_of("each_told", items)) if "str" in done else items
            case "text", [value, ast.Constant(), *spec]:
                given = [plain_text(self._expression(each)) for each in spec]
                return self._operated(self._expression(value), done, *given)
            case "changed", _:
                return self._changed(args, done)
            case "decide", [ast.NamedExpr() as value]:  # of ``or``, awaited at the same place
                return self._operated(self._expression(value), done)
            case "decide", [value]:
                return self._operated(self._settled(value, done), done)
            case "contains", [item, container]:
                return self._contains(item, container, done)
            case "hold", [value]:
                held = self._expression(value)
                if REMOTE not in done:
                    return held
                return awaited(call_of("kept", held) if LOCAL in done else library("ref", held))
            case "unpack", [value, *shape]:
                if NESTED not in done:
                    return _listed(self._settled(value, done))
                settled = self._settled(value, done - {UNPACKED} if done & NOTHING else done)
                return awaited(call_of("unpacked", settled, parts_of(shape)))
        raise AssertionError(function)

    def _settled(self, value: ast.expr, done: set[str]) -> ast.expr:
        changed = self._expression(value)
        # What an operator gives was awaited at the same place.
        if AWAITED in done and not isinstance(changed, ast.Await):
            changed = awaited(call_of("fetched", changed) if LOCAL in done else changed)
        if UNPACKED in done and done & NOTHING:
            return awaited(call_of("unpacked", changed, ast.Dict([], [])))
        return items_of(changed) if UNPACKED in done else changed

    def _argument(self, callee: ast.expr, value: ast.expr, done: set[str]) -> ast.expr:
        if KEPT in done:
            kept = self._expression(value)
            return awaited(call_of("given", callee, kept)) if AWAITED in done else kept
        changed = self._settled(value, done)
        if isinstance(changed, ast.GeneratorExp) and "bool" in done:
            changed.elt = awaited(call_of("decided", changed.elt))
        else:
            changed = self._operated(changed, done)
        items = _listed(changed)
        is_next = isinstance(callee, ast.Name) and callee.id == "next"
        if is_next and items is not changed:
            return ast.Call(ast.Name("iter", ast.Load()), [items], [])
        return items

    def _operated(self, value: ast.expr, done: set[str], *given: ast.expr) -> ast.expr:
        for operation in done - WORDS:
            if operation == "next":
                return awaited(call_of("following", value))
            if operation == "bool" and done & NOTHING:
                return awaited(call_of("decided", value))
            if done & NOTHING:
                return awaited(call_of("told", value, ast.Constant(operation), *given))
            return awaited(library("perform", value, ast.Constant(operation), *given))
        return value

    def _contains(self, item: ast.expr, container: ast.expr, done: set[str]) -> ast.expr:
        member = self._expression(item)
        if REMOTE in done and LOCAL in done:
            return awaited(call_of("is_in", member, self._expression(container)))
        if AWAITED in done:
            member = awaited(call_of("fetched", member) if HERE in done else member)
        held = self._expression(container)
        if REMOTE in done:
            return awaited(library("contains", held, member))
        return ast.Compare(member, [ast.In()], [held])

    def _replaced(self, node: ast.Call, function: ast.expr) -> ast.expr:
        """``sorted(…)`` and the like; where remote values come in, a function of the program's."""
        done = self._met(node, "builtin")
        is_replaced = REPLACED in done
        node.func = function
        self.generic_visit(node)
        if not (is_replaced or self._calls_remotely(node, function)):
            return node
        self.met_remote = True
        name = function.id if isinstance(function, ast.Name) else ""
        if name in REACHING:
            return reached(name, node.args, local_too=HERE in done)
        helper = own(HELPERS.get(name, "ordered"))
        first = [] if name in HELPERS else [function]
        return awaited(ast.Call(helper, [*first, *node.args], node.keywords))

    def _calls_remotely(self, node: ast.Call, function: ast.expr) -> bool:
        """Whether `map` or `filter`, where it never ran, is given a function that is remote."""
        if self._met(function, "builtin"):
            return False
        if not (isinstance(function, ast.Name) and function.id in HELPERS and node.args):
            return False
        inside = ast.walk(node.args[0])
        return any(isinstance(each, ast.Name) and each.id in self._remote_names for each in inside)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        call = resolver_call(node)
        if call is not None:
            function, args = call
            if function == "make_slice":
                parts = [self._expression(each) for each in args]
                return ast.Call(ast.Name("slice", ast.Load()), parts, [])
            if function in _COMPARISONS:
                return self._compared(node, function, *map(self._expression, args))
            return self._expression(args[0])  # of `generation`, `known` and `meant`
        builtin = resolver_call(node.func)
        if builtin is not None:
            return self._replaced(node, builtin[1][0])
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Name(id=name),
                args=[ast.Await(value=ast.Call(args=[_, ast.Constant(value=asked)])) as answer],
            ) if asked == name and name in _ANSWERS and _is_asked(answer):
                return answer
        called = node.func.value if isinstance(node.func, ast.NamedExpr) else node.func
        match called:
            case ast.Attribute(value=ast.Name(id="px"), attr=name):
                self.met_remote = True
                return awaited(node) if name in DEFERRED else node
        return node

    def _changed(self, args: list[ast.expr], done: set[str]) -> ast.expr:
        """What ``+=`` binds."""
        current, operand, operation = map(self._expression, args[:3])
        is_asked = LOCAL in done and done & {AWAITED, UNPACKED}
        if is_asked or (REMOTE in done and done & NOTHING):
            return awaited(call_of("changed", current, operation, operand))
        if REMOTE not in done:
            if AWAITED in done:  # it is local, and gave a chain with what is not
                return awaited(ast.BinOp(current, operator_of(operation), operand))
            items = items_of(operand) if UNPACKED in done else operand
            return changed_in_place(current, items, operation)
        path = library("perform", current, operation, operand)
        return path if KEPT in done else awaited(path)

    def _compared(self, node: ast.Call, function: str, *operands: ast.expr) -> ast.expr:
        """``==`` and the like; a step of a chain where it was one when the cell ran."""
        one, other = operands
        operator, operation = _COMPARISONS[function]
        done = self._met(node, function)
        if not done & {REMOTE, REFLECTED}:
            return ast.Compare(one, [operator()], [other])
        self.met_remote = True
        if len(done & {REMOTE, REFLECTED, LOCAL}) > 1:
            return call_of("compared", one, ast.Constant(operation), other)
        if REFLECTED in done:
            one, other = other, one
        return library("perform", one, ast.Constant(operation), other)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        call = awaited_call(node.value)
        value = self._expression(node.value)
        is_asked = _is_asked(value)
        node.value, node.conversion = value, -1 if is_asked else node.conversion
        if call is not None and not is_asked:
            node.format_spec = next(iter(call[1][2:]), node.format_spec)
        if node.format_spec is not None:
            node.format_spec = self._expression(node.format_spec)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        node.is_async, node.iter = self._iterated(node.iter, typed=node.is_async)
        node.target = self._expression(node.target)
        node.ifs = [self._expression(test) for test in node.ifs]
        return node

    def _iterated(self, node: ast.expr, *, typed: int = 1) -> tuple[int, ast.expr]:
        """What a loop goes through, and whether that is asynchronous; as it was typed where it was
        not rewritten."""
        call = awaited_call(node)
        if call is None:
            return typed, self._expression(node)
        done = self._done(node, *call)
        value, *shape = call[1]
        settled = self._settled(value, done)
        if NESTED in done:
            return 1, call_of("each_unpacked", settled, parts_of(shape))
        if REMOTE in done and LOCAL in done:
            return 1, call_of("each_of", settled)
        return int(REMOTE in done), settled

    # ---- statements

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        is_async, node.iter = self._iterated(node.iter)
        node.target = self._expression(node.target)
        node.body = self._body(node.body)
        node.orelse = self._body(node.orelse)
        if is_async:
            self.met_remote = True
            return node
        loop = ast.For(node.target, node.iter, node.body, node.orelse)
        return ast.copy_location(loop, node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.stmt:
        (item,) = node.items
        manager = item.context_expr
        call = awaited_call(manager)
        is_async, local_too, unpacking = True, False, list[ast.stmt]()
        if call is not None:
            done = self._done(manager, *call)
            is_async = REMOTE in done
            local_too = is_async and LOCAL in done
            manager, *shape = call[1]
            if NESTED in done and item.optional_vars is not None:
                entered = call_of("unpacked", ast.Name("entered", ast.Load()), parts_of(shape))
                assignment = ast.Assign([item.optional_vars], awaited(entered))
                unpacking = [ast.copy_location(assignment, node.body[0])]
                item.optional_vars = ast.Name("entered", ast.Store())
        item.context_expr = self._expression(manager)
        if local_too:
            item.context_expr = call_of("managed", item.context_expr)
        node.body = [*unpacking, *self._body(node.body)]
        kind = ast.AsyncWith if is_async else ast.With
        self.met_remote = self.met_remote or is_async
        match node.body:
            case [ast.With() | ast.AsyncWith() as inner] if type(inner) is kind and self._place(
                inner
            ) == self._place(node):  # rewriting took one statement with several managers apart
                node.items, node.body = [*node.items, *inner.items], inner.body
        return ast.copy_location(kind(node.items, node.body), node)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        call = awaited_call(node.value)
        if call is None or call[0] not in STORES:
            node.value = self._expression(node.value)
            return node
        return ast.copy_location(self._stored(node, *call), node)

    def _stored(self, node: ast.Expr, function: str, args: list[ast.expr]) -> ast.stmt:
        done = self._done(node.value, function, args)
        value = self._expression(args[0]) if function.startswith("set") else None
        owner, key = (self._expression(each) for each in args[-2:])
        if REMOTE in done and LOCAL in done:
            given = [owner, key] if value is None else [value, owner, key]
            return ast.Expr(awaited(call_of(function, *given)))
        context = ast.Store() if value is not None else ast.Del()
        target: ast.expr
        if function.endswith("attribute"):
            assert isinstance(key, ast.Constant)
            target = ast.Attribute(owner, str(key.value), context)
        else:
            target = ast.Subscript(owner, key, context)
        if done & CHANGED and LOCAL not in done:
            target.ctx = ast.Load()
            if value is None:
                return ast.Expr(awaited(library("delete", target)))
            return ast.Expr(awaited(library("assign", target, value)))
        if value is None:
            return ast.Delete([target])
        return ast.Assign([target], value)

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return [self.visit(statement) for statement in body]


def _listed(node: ast.expr) -> ast.expr:
    """A list in place of a generator expression that plain Python could not go through."""
    if isinstance(node, ast.GeneratorExp) and is_asynchronous(node):
        return ast.ListComp(node.elt, node.generators)
    return node


def _is_asked(node: ast.expr) -> bool:
    """Whether an expression is the answer of the other side to a builtin, or would be."""
    if not isinstance(node, ast.Await):
        return False
    return is_library(node.value, "perform") or is_call_of(node.value, "told")


__all__ = ["Unsaved", "lowered"]
