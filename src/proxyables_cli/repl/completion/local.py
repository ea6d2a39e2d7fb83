"""What local values offer, without running anything of theirs.

Attributes are found by `inspect.getattr_static`: no property, ``__getattr__`` or ``__dir__`` runs.
Items are taken of the builtin containers only.
"""

from __future__ import annotations

import ast
import inspect
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from proxyables_cli.repl.completion.place import Step

MISSING = object()
_CONTAINERS = (list, tuple, dict, str)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)


def step(value: object, taken: Step) -> object:
    """The value one step further; `MISSING` if it could only be known by running something."""
    match taken.kind:
        case "get":
            return _attribute(value, taken.value)
        case "item" if type(value) in _CONTAINERS:
            try:
                return value[taken.value]  # type: ignore[index]
            except (LookupError, TypeError):
                return MISSING
        case "string":
            return _text(taken.value)
    return MISSING


def _text(source: str) -> object:
    """The value of a string literal; an f-string is some string."""
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return ""


def _attribute(owner: object, name: str) -> object:
    value = inspect.getattr_static(owner, name, MISSING)
    if isinstance(owner, ModuleType) and isinstance(value, _FUNCTIONS):
        return value
    # What a descriptor would give is only known by running it.
    return MISSING if hasattr(type(value), "__get__") and not callable(value) else value


def names_of(value: object) -> list[str]:
    """The names of a value's attributes."""
    names: set[str] = set()
    if isinstance(value, (type, ModuleType)):
        names.update(vars(value))
    else:
        names.update(_own(value))
    bases = inspect.getmro(value) if isinstance(value, type) else type(value).__mro__
    for base in bases:
        names.update(vars(base))
    return sorted(name for name in names if isinstance(name, str))


def keys_of(value: object, at_most: int) -> list[object]:
    """The keys of a dictionary."""
    if type(value) is not dict:
        return []
    return [key for key, _ in zip(value, range(at_most), strict=False)]


def signature_of(value: object, owner: object) -> str:
    """The signature of a function or a class as text; empty if it has none.

    Args:
        value: What is called.
        owner: What it was found in: a function of a class is bound to its instances.
    """
    plain = isinstance(value, _FUNCTIONS) or type(value) is type
    if not plain:
        return ""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    parameters = list(signature.parameters.values())
    if _is_bound(value, owner) and parameters:
        signature = signature.replace(parameters=parameters[1:])
    return str(signature)


def doc_of(value: object) -> str:
    """The first line of a function's documentation, read like its signature."""
    doc = value.__doc__ if isinstance(value, _FUNCTIONS) or type(value) is type else None
    return inspect.cleandoc(doc).partition("\n")[0] if isinstance(doc, str) else ""


def _is_bound(value: object, owner: object) -> bool:
    inside = owner is not MISSING and not isinstance(owner, (type, ModuleType))
    return inside and isinstance(value, FunctionType) and not _holds(owner, value)


def _holds(owner: object, value: object) -> bool:
    """Whether an instance holds a function itself, which is then not bound to it."""
    return any(each is value for each in _own(owner).values())


def _own(instance: object) -> dict[Any, Any]:
    """What an instance holds for itself; nothing if only running something of it could tell."""
    descriptor = inspect.getattr_static(instance, "__dict__", None)
    if type(descriptor) not in (GetSetDescriptorType, MemberDescriptorType):
        return {}
    found = descriptor.__get__(instance)
    return found if type(found) is dict else {}


__all__ = ["MISSING", "doc_of", "keys_of", "names_of", "signature_of", "step"]
