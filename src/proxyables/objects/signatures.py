"""Signatures as text, read from code objects alone.

`inspect.signature` follows ``__signature__`` and ``__wrapped__`` wherever they lead and prints
defaults with their own `repr`: that would be the object's code, run because a stranger asked.
Here defaults are shown only where they are plain scalars, and annotations only where their names
can be read without asking them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

from . import rules
from .inspection import find, instance_dict, mro_of, namespace_of, qualname_of, wrapped_function

_MAX_SIGNATURE = 512
_MAX_SCALAR = 40
_MAX_PARAMETERS = 64
_MAX_WRAPPERS = 8
_MAX_NESTING = 4
_VARARGS, _VARKEYWORDS = 0x04, 0x08


def signature_of(obj: object, *, bound: bool = False) -> str | None:
    """Returns the signature of what stands in a class or module, or None if it cannot be read.

    Args:
        obj: A function, method, class, or their wrappers, no descriptor asked.
        bound: Whether reading `obj` from its place binds it, so that the first parameter is taken.
    """
    kinds = mro_of(type(obj))
    if staticmethod in kinds or classmethod in kinds:
        return signature_of(wrapped_function(obj), bound=classmethod in kinds)
    if type(obj) is types.MethodType:
        return signature_of(obj.__func__, bound=True)
    if type in kinds:
        return _class_signature(obj)  # type: ignore[arg-type]  # a class, just asked
    function = _innermost(obj)
    if function is not None:
        return _function_signature(function, skipped=int(bound))
    return _builtin_signature(obj)


def _innermost(obj: object) -> types.FunctionType | None:
    """Returns the function that decorators left in ``__wrapped__``, or `obj` if it is one.

    Only what `functools.wraps` leaves is followed, and only as far as it is plain functions.
    """
    function = obj if type(obj) is types.FunctionType else None
    for _ in range(_MAX_WRAPPERS):
        if rules.kind_of(type(obj)) is not rules.Kind.FUNCTION:
            break
        obj = instance_dict(obj).get("__wrapped__")
        if type(obj) is types.FunctionType:
            function = obj
    return function


def _class_signature(cls: type) -> str | None:
    found = find(type(cls), "__call__")
    if found is None or found.owner is not type:
        return None  # the metaclass takes the call
    for base in mro_of(cls):
        own = namespace_of(base)
        for name in ("__init__", "__new__"):
            maker = own.get(name)
            if type(maker) is staticmethod:
                maker = wrapped_function(maker)
            if type(maker) is types.FunctionType:
                return _function_signature(maker, skipped=1)
        if "__init__" in own or "__new__" in own:
            return "()" if base is object else None
    return None


def _builtin_signature(obj: object) -> str | None:
    """Takes what C code tells of itself, such as ``($self, object, /)``."""
    if type(obj) not in (
        types.BuiltinFunctionType,
        types.ClassMethodDescriptorType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
    ):
        return None
    text = obj.__text_signature__  # type: ignore[attr-defined]  # C types, just asked
    if type(text) is not str or not text.startswith("("):
        return None
    parameters = text[1:-1].split(", ")
    if parameters[0].startswith("$"):
        parameters = parameters[1:]
        if parameters[:1] == ["/"]:
            parameters = parameters[1:]
    return _clip(f"({', '.join(parameters)})")


def _function_signature(function: types.FunctionType, *, skipped: int) -> str:
    parts = list(_parameters(function, skipped))
    if len(parts) > _MAX_PARAMETERS:
        parts[_MAX_PARAMETERS:] = ["..."]
    returned = _annotation(_annotations(function).get("return"))
    arrow = f" -> {returned}" if returned else ""
    return _clip(f"({', '.join(parts)}){arrow}")


def _parameters(function: types.FunctionType, skipped: int) -> Iterator[str]:
    code = function.__code__
    names = code.co_varnames
    positional = code.co_argcount
    keyword_only = names[positional : positional + code.co_kwonlyargcount]
    defaults: tuple[object, ...] = function.__defaults__ or ()
    first_default = positional - len(defaults)
    annotations = _annotations(function)
    for index in range(skipped, positional):
        default = (defaults[index - first_default],) if index >= first_default else ()
        yield _parameter(names[index], annotations, default)
        if index == code.co_posonlyargcount - 1:
            yield "/"
    rest = positional + code.co_kwonlyargcount
    if code.co_flags & _VARARGS:
        yield f"*{_parameter(names[rest], annotations, ())}"
        rest += 1
    elif keyword_only:
        yield "*"
    keyword_defaults: dict[str, object] = function.__kwdefaults__ or {}
    for name in keyword_only:
        default = (keyword_defaults[name],) if name in keyword_defaults else ()
        yield _parameter(name, annotations, default)
    if code.co_flags & _VARKEYWORDS:
        yield f"**{_parameter(names[rest], annotations, ())}"


def _parameter(name: str, annotations: dict[str, object], default: tuple[object, ...]) -> str:
    annotation = _annotation(annotations.get(name))
    told = f"{name}: {annotation}" if annotation else name
    if not default:
        return told
    return f"{told} = {_scalar(default[0])}" if annotation else f"{told}={_scalar(default[0])}"


def _annotations(function: types.FunctionType) -> dict[str, object]:
    """Returns the annotations that stand there; from Python 3.14 on, reading them runs code."""
    if sys.version_info >= (3, 14):
        return {}
    annotations: Any = function.__annotations__
    return annotations if type(annotations) is dict else {}


def _annotation(annotation: object, depth: int = 0) -> str:
    """Returns an annotation as it was written, as far as that can be told without asking it."""
    if type(annotation) is str:
        return _clip(annotation)
    if annotation is None or annotation is types.NoneType:
        return "None" if depth or annotation is types.NoneType else ""
    if annotation is ...:
        return "..."
    if type in mro_of(type(annotation)):
        return qualname_of(annotation)  # type: ignore[arg-type]  # a class, just asked
    if depth == _MAX_NESTING or type(annotation) not in (types.GenericAlias, types.UnionType):
        return "..." if depth else ""
    alias: Any = annotation
    inner = [_annotation(each, depth + 1) for each in alias.__args__[:_MAX_PARAMETERS]]
    if type(annotation) is types.UnionType:
        return " | ".join(inner)
    return f"{_annotation(alias.__origin__, depth + 1)}[{', '.join(inner)}]"


def _scalar(value: object) -> str:
    """Returns the `repr` of a small builtin scalar, and ``...`` for everything else."""
    if type(value) is int and value.bit_length() > 64:
        return "..."
    if type(value) in (str, bytes) and len(value) > _MAX_SCALAR:  # type: ignore[arg-type]
        return "..."
    if value is None or type(value) in (bool, int, float, str, bytes):
        return repr(value)
    return "..."


def _clip(text: str) -> str:
    clipped = text if len(text) <= _MAX_SIGNATURE else f"{text[: _MAX_SIGNATURE - 1]}…"
    return clipped.encode("utf-8", "replace").decode("utf-8")


__all__ = ["signature_of"]
