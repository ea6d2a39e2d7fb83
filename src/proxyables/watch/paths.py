"""What a request is called: ``shop.accounts[…].deposit``.

Without any value that the caller sent: keys and arguments are their own business. The steps come
off the wire as they are, so nothing in them is taken for what it should be.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

from proxyables.objects.inspection import qualname_of
from proxyables.wire.instructions import (
    CALL,
    CONSTRUCT,
    COPY,
    DEL,
    DELITEM,
    DESCRIBE,
    GET,
    ITEM,
    LOOKUP,
    OPERATE,
    REF,
    SET,
    SETITEM,
    STREAM,
    Message,
    Step,
)

_LONGEST = 200
_LONGEST_NAME = 60
_MOST_STEPS = 32

# How what comes last is fetched, which is not a part of what it is.
_FETCHING = frozenset({STREAM, COPY, REF})
_CALLS = frozenset({CALL, CONSTRUCT})


def path_of(root: str, target: object, message: Message) -> str:
    """Returns the path that a request asks for.

    Args:
        root: What the root object is called.
        target: The object that the request starts from, or None if that is not known.
        message: The request.
    """
    reference = message[1]
    if reference is None or (type(reference) is int and reference == 0):
        start = root or "root"
    else:
        start = _name_of(target)
    steps, _ = split(message[2])
    return _clip(start + "".join(_text(step) for step in steps[:_MOST_STEPS]), _LONGEST)


def _name_of(target: Any) -> str:
    if target is None:
        return "?"  # released, or never there
    function = target.__func__ if type(target) is MethodType else target
    if type(function) is FunctionType:
        return _clip(function.__qualname__, _LONGEST_NAME)
    return _clip(qualname_of(type(target)), _LONGEST_NAME)


def split(steps: object) -> tuple[list[Step], Step | None]:
    """Returns the steps to what a chain ends with, and the call of it, if it is called."""
    kept: list[Any] = list(steps) if type(steps) is list else []
    while kept and _kind(kept[-1]) in _FETCHING:
        kept.pop()
    if kept and _kind(kept[-1]) in _CALLS:
        return kept, kept.pop()
    return kept, None


def _kind(step: object) -> object:
    return step[0] if type(step) is list and step and type(step[0]) is int else None


def _text(step: Any) -> str:
    if type(step) is str:
        return f".{_name(step)}"
    kind = _kind(step)
    if kind in (GET, SET, DEL):
        name = f".{_name(_second(step))}"
        return name if kind == GET else f"{name}«{'set' if kind == SET else 'del'}»"
    if kind in (ITEM, SETITEM, DELITEM):
        return "[…]" if kind == ITEM else f"[…]«{'set' if kind == SETITEM else 'del'}»"
    if kind == LOOKUP:
        return f".{_name(step[-1])}" if type(step[-1]) is str else "[…]"
    if kind in _CALLS:
        return "()"
    if kind == OPERATE:
        return f"«{_name(_second(step))}»"
    if kind == DESCRIBE:
        path = _second(step)
        taken = path[:_MOST_STEPS] if type(path) is list else []
        return "".join(_text(each) for each in taken if _kind(each) != DESCRIBE) + "«describe»"
    return "" if kind in _FETCHING else "«?»"


def _second(step: list[Any]) -> object:
    return step[1] if len(step) > 1 else None


def _name(name: object) -> str:
    if type(name) is not str:
        return "?"
    # A name that is none may hold anything, line ends and half characters too.
    return _clip(name if name.isidentifier() else ascii(name[:_LONGEST])[1:-1], _LONGEST_NAME)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


__all__ = ["path_of", "split"]
