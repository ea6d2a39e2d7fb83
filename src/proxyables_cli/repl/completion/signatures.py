"""Signatures as text: which parameters there are, and which one an argument goes to.

The texts come from elsewhere, so they are parsed, never run, and shown escaped.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from proxyables_cli.repl.completion.place import OpenCall

MAX_CHARACTERS = 2_000
_BEFORE = "def _"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `kind` is ``positional``, ``plain``, ``many``, ``keyword`` or ``rest``."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """What is known about the call that is being typed.

    Attributes:
        name: What is called.
        parameters: Its parameters.
        current: The index of the one that the current argument goes to; None if there is none.
        doc: The first line of its documentation.
    """

    name: str
    parameters: tuple[Parameter, ...]
    current: int | None
    doc: str = ""


def parameters_of(signature: str) -> tuple[Parameter, ...] | None:
    """Parses ``(a, b=1, *, c: int)``; None if it is no signature."""
    function = _function(bare(signature))
    try:
        return None if function is None else _parameters(function.args)
    except RecursionError:
        return None  # the other side wrote it


def bare(signature: str) -> str:
    """A signature with annotations as they are meant, where they are texts: ``(a: 'int')``."""
    function = _function(signature) if "'" in signature or '"' in signature else None
    if function is None or "\n" in signature:
        return signature
    given = function.args
    arguments = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    annotations = [each.annotation for each in arguments if each is not None]
    text = f"{_BEFORE}{signature}".encode()
    for node in reversed([*annotations, function.returns]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_code(node.value):
            text = text[: node.col_offset] + node.value.encode() + text[node.end_col_offset :]
    return text.decode().removeprefix(_BEFORE)


def _function(signature: str) -> ast.FunctionDef | None:
    """A function that has a signature; None if that is none."""
    if not signature.startswith("(") or len(signature) > MAX_CHARACTERS:
        return None
    try:
        tree = ast.parse(f"{_BEFORE}{signature}: pass").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # the other side wrote it
    return tree[0] if len(tree) == 1 and isinstance(tree[0], ast.FunctionDef) else None


def _is_code(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return "\n" not in text


def _parameters(arguments: ast.arguments) -> tuple[Parameter, ...]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    made = [
        _parameter(
            argument,
            "positional" if at < len(arguments.posonlyargs) else "plain",
            arguments.defaults[at - missing] if at >= missing else None,
        )
        for at, argument in enumerate(positional)
    ]
    if arguments.vararg is not None:
        made.append(_parameter(arguments.vararg, "many", None))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        made.append(_parameter(argument, "keyword", default))
    if arguments.kwarg is not None:
        made.append(_parameter(arguments.kwarg, "rest", None))
    return tuple(made)


def _parameter(argument: ast.arg, kind: str, default: ast.expr | None) -> Parameter:
    text = {"many": "*", "rest": "**"}.get(kind, "") + argument.arg
    if argument.annotation is not None:
        text += f": {ast.unparse(argument.annotation)}"
    if default is not None:
        equals = "=" if argument.annotation is None else " = "
        text += f"{equals}{ast.unparse(default)}"
    return Parameter(argument.arg, kind, text)


def current_of(parameters: tuple[Parameter, ...], call: OpenCall) -> int | None:
    """Which parameter the current argument goes to."""
    kinds = [parameter.kind for parameter in parameters]
    if call.keyword:
        for at, parameter in enumerate(parameters):
            if parameter.name == call.keyword and parameter.kind in ("plain", "keyword"):
                return at
        return kinds.index("rest") if "rest" in kinds else None
    before = call.position - len(call.used - {""})
    places = [at for at, kind in enumerate(kinds) if kind in ("positional", "plain")]
    if call.used - {""}:
        return None  # a name must come, but which one is not known yet
    if before < len(places):
        return places[before]
    return kinds.index("many") if "many" in kinds else None


def keywords_of(parameters: tuple[Parameter, ...], call: OpenCall) -> list[Parameter]:
    """The parameters that can still be given by name."""
    plain = [parameter for parameter in parameters if parameter.kind in ("positional", "plain")]
    taken = {parameter.name for parameter in plain[: call.position - len(call.used - {""})]}
    return [
        parameter
        for parameter in parameters
        if parameter.kind in ("plain", "keyword") and parameter.name not in taken | call.used
    ]


__all__ = ["Help", "Parameter", "bare", "current_of", "keywords_of", "parameters_of"]
