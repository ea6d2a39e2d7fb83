"""What was remote at the places of one cell, as a session has noted it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set

from proxyables_cli.repl.notes import (
    AWAITED,
    COPIED,
    KEPT,
    LOOP,
    NESTED,
    REFLECTED,
    REMOTE,
    REPLACED,
    UNPACKED,
    is_local,
    local_to,
)
from proxyables_cli.repl.record import Place

LOCAL, HERE = "local", "here"
"""Something local was given; what was given was fetched, and then is local."""
NOTHING = frozenset({LOCAL, HERE})
WORDS = NOTHING | {*(AWAITED, COPIED, KEPT, LOOP, NESTED, REFLECTED, REMOTE, REPLACED, UNPACKED)}
CHANGED = frozenset({REMOTE, AWAITED})
"""What was done to a target, if it was remote: ``x.n += 1`` is read at the same place."""
STORES = frozenset({"set_attribute", "set_item", "delete_attribute", "delete_item"})
_FAMILIES = {
    "ask": "argument",
    "consume": "argument",
    "equal": "compared",
    "unequal": "compared",
    **dict.fromkeys(STORES, "store"),
}
"""Functions that are known by another name where it is noted what they did."""


class Meetings(ast.NodeTransformer):
    """Goes through a rewritten tree, and knows what was met where.

    Args:
        filename: What the cell was called when it ran.
        places: What was done where.
        remote_names: The names that held something remote when it had ended.
    """

    def __init__(
        self,
        filename: str,
        places: Mapping[Place, set[str]],
        remote_names: Set[str],
    ) -> None:
        self._filename = filename
        self._places = places
        self._remote_names = remote_names
        self.met_remote = False

    def _done(self, node: ast.AST, function: str, args: list[ast.expr]) -> set[str]:
        """What was done at a place; a guess if it was never reached."""
        done = self._met(node, function)
        if not done:
            done = self._guess(function, args)
        if done - NOTHING:
            self.met_remote = True
        return done

    def _met(self, node: ast.AST, function: str) -> set[str]:
        """What was done at a place; what was local there if the function itself met it."""
        found = self._places.get(self._place(node), set())
        given, fetched = local_to(_FAMILIES.get(function, function))
        done = {word for word in found if not is_local(word)}
        if given in found:
            done.add(LOCAL)
        if fetched in found:
            done.add(HERE)
        return done

    def _place(self, node: ast.AST) -> Place:
        positions = ("lineno", "end_lineno", "col_offset", "end_col_offset")
        line, end_line, column, end_column = (getattr(node, each, None) for each in positions)
        return self._filename, line, end_line, column, end_column

    def changes(self, target: ast.expr) -> bool | None:
        """Whether an assignment to a target changed something remote, or would have.

        None if it did at one time, and not at another.
        """
        stored = self._met(target, "store")
        if not stored | self._met(target, "resolve"):
            return self._begins_remotely(target)
        if LOCAL in stored:
            return None if stored & CHANGED else False
        return bool(stored & CHANGED)

    def _guess(self, function: str, args: list[ast.expr]) -> set[str]:
        """What would be done with a chain that begins with a remote name."""
        chain = args[1] if function.startswith("set") else args[0]
        match function:
            case "resolve" | "unpack":
                word = AWAITED
            case "decide":
                word = "bool" if isinstance(chain, ast.Name) else AWAITED
            case "argument":
                word, chain = AWAITED, args[1]
                if self._begins_remotely(args[0]):
                    word = KEPT
            case "contains":
                word, chain = REMOTE, args[1]
            case "ask_each":
                word, chain = "str", _unpacked(args[1])
            case "text" | "ask" | "consume":
                return set()
            case _:
                word = REMOTE
        return {word} if self._begins_remotely(chain) else set()

    def _begins_remotely(self, node: ast.expr) -> bool:
        while True:
            match node:
                case ast.Call():
                    node = node.func
                case ast.Attribute() | ast.Subscript() | ast.NamedExpr():
                    node = node.value
                case _:
                    return isinstance(node, ast.Name) and node.id in self._remote_names


def _unpacked(node: ast.expr) -> ast.expr:
    """What the items that stand behind a star are those of."""
    match node:
        case ast.Await(value=ast.Call(args=[value, *_])):
            return value
    return node


__all__ = ["CHANGED", "HERE", "LOCAL", "NOTHING", "STORES", "WORDS", "Meetings"]
