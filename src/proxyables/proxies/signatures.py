"""Signatures that the other side told as text, as `inspect` wants them. Nothing is evaluated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import Any

_MAX_TEXT = 1024


def parse_signature(text: object) -> Signature | None:
    """Returns the signature that `text` such as ``"(a, b: int = 1) -> str"`` describes.

    Defaults that are no literals become ``...``, and annotations stay text.

    Returns:
        None for everything that is no signature.
    """
    if type(text) is not str or len(text) > _MAX_TEXT:
        return None
    try:
        tree = ast.parse(f"def f{text}: pass")
        (function,) = tree.body
        if not isinstance(function, ast.FunctionDef) or len(function.body) != 1:
            return None
        parameters = list(_parameters(function.args))
        return Signature(parameters, return_annotation=_annotation(function.returns))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None  # hostile text may be deep enough for the last two


def _parameters(args: ast.arguments) -> Iterator[Parameter]:
    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    defaults += args.defaults
    for place, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
        is_only = place < len(args.posonlyargs)
        kind = Parameter.POSITIONAL_ONLY if is_only else Parameter.POSITIONAL_OR_KEYWORD
        yield _parameter(arg, kind, default)
    if args.vararg is not None:
        yield _parameter(args.vararg, Parameter.VAR_POSITIONAL, None)
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _parameter(arg, Parameter.KEYWORD_ONLY, default)
    if args.kwarg is not None:
        yield _parameter(args.kwarg, Parameter.VAR_KEYWORD, None)


def _parameter(arg: ast.arg, kind: Any, default: ast.expr | None) -> Parameter:
    value = Parameter.empty if default is None else _literal(default)
    return Parameter(arg.arg, kind, default=value, annotation=_annotation(arg.annotation))


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ...


def _annotation(node: ast.expr | None) -> Any:
    return Parameter.empty if node is None else ast.unparse(node)


__all__ = ["parse_signature"]
