"""`getattr` and its kin on remote objects, in a program."""

from __future__ import annotations

import ast

from proxyables_cli.repl.saving.trees import awaited, call_of, library, own

REACHING = frozenset({"delattr", "format", "getattr", "hasattr", "setattr"})
"""The builtins that `reached` is about."""


def reached(builtin: str, args: list[ast.expr], *, local_too: bool) -> ast.expr:
    """What a program has in place of a call of one of the builtins on a remote object.

    Args:
        builtin: Its name.
        args: What it was given.
        local_too: Whether the object was a local one at other times.
    """
    owner, *rest = args
    if builtin == "format":
        spec = rest or [ast.Constant("")]
        if local_too:
            return awaited(call_of("told", owner, ast.Constant("format"), *spec))
        return awaited(library("perform", owner, ast.Constant("format"), *spec))
    name, *value = rest
    path = call_of("getattr", owner, name)
    match builtin:
        case "setattr" if local_too:
            return awaited(call_of("set_attribute", *value, owner, name))
        case "delattr" if local_too:
            return awaited(call_of("delete_attribute", owner, name))
        case "setattr":
            return awaited(library("assign", path, *value))
        case "delattr":
            return awaited(library("delete", path))
        case "hasattr":
            missing = own("attribute")
            found = awaited(call_of("attribute", owner, name, missing))
            return ast.Compare(found, [ast.IsNot()], [missing])
    return awaited(call_of("attribute", owner, name, *value))


__all__ = ["REACHING", "reached"]
