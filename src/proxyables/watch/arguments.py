"""The arguments of a call as a short text, without what is named like a secret.

Nothing of the caller's and nothing of the exported object is run for it: plain values are shown,
of everything else the type. A positional argument has the name of its parameter; where that cannot
be found out without running code, a text is not shown, as it might be a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import FunctionType, MethodType
from typing import Any

from proxyables.objects.inspection import (
    find,
    instance_dict,
    mro_of,
    qualname_of,
    wrapped_function,
)
from proxyables.wire.instructions import GET, ITEM, SET, SETITEM, Message, Step
from proxyables.wire.pending import Own

from .paths import split

_SECRET = (
    r"(?i)pass(?:wd|word|phrase|code)?$|pwd|secret|token|credential"
    r"|(?:api|private|access)_?key|auth(?!or(?!i))|pin$"
)
_LONGEST = 200
_LONGEST_TEXT = 60
_MOST_ITEMS = 6
_DEEPEST = 3
_LARGE_BITS = 256
_METHODS = frozenset({FunctionType, classmethod, staticmethod})
_PLAIN = frozenset({type(None), bool, float, complex})
_BRACKETS: dict[type, str] = {
    list: "[{}]",
    tuple: "({})",
    set: "{{{}}}",
    frozenset: "frozenset({{{}}})",
}


def arguments_of(target: object, message: Message) -> str:
    """Returns the arguments of a request's last call, or the value that it sets, in one line.

    Args:
        target: The object that the request starts from.
        message: The request.

    Returns:
        Such as ``(25, note='gift', token=…)``; empty if it calls and sets nothing.
    """
    steps, call = split(message[2])
    if call is None:
        return _assigned(steps)
    names = _parameters(target, steps)
    given = call[1] if len(call) > 1 and type(call[1]) is list else []
    keywords = call[2] if len(call) > 2 and type(call[2]) is dict else {}
    parts = [
        _named(names[place] if place < len(names) else None, value)
        for place, value in enumerate(given[:_MOST_ITEMS])
    ]
    room = _MOST_ITEMS - len(parts)
    parts += [f"{_key(key)}={_keyed(key, value)}" for key, value in list(keywords.items())[:room]]
    if len(given) + len(keywords) > len(parts):
        parts.append("…")
    return _clip(f"({', '.join(parts)})", _LONGEST)


def _assigned(steps: list[Step]) -> str:
    last: Any = steps[-1] if steps else None
    if type(last) is not list or len(last) < 3 or last[0] not in (SET, SETITEM):
        return ""
    return _clip(f"= {_keyed(last[1], last[2])}", _LONGEST)


def _named(name: str | None, value: object) -> str:
    """Shows a positional argument."""
    if name is None and type(value) not in (bool, type(None)):
        return f"<{qualname_of(type(value))}>"
    return "…" if name is not None and re.search(_SECRET, name) else shown(value)


def _keyed(key: object, value: object) -> str:
    """Shows what stands under a name or a key."""
    return "…" if type(key) is str and re.search(_SECRET, key) else shown(value)


def _key(key: object) -> str:
    return key if type(key) is str and key.isidentifier() else shown(key)


def shown(value: Any, depth: int = 0) -> str:
    """Returns a bounded text of a plain value, and the type of any other."""
    if type(value) is Own:  # of a request that waits for a path
        value = value.value
    kind = type(value)
    if kind in _PLAIN or (kind is int and value.bit_length() <= _LARGE_BITS):
        return repr(value)
    if kind is str:
        return ascii(value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}…")
    if kind is bytes or kind is bytearray:
        return f"<{len(value)} bytes>"
    if depth < _DEEPEST and kind is dict:
        pairs = (
            f"{_key(key)}: {'…' if _keyed(key, None) == '…' else shown(item, depth + 1)}"
            for key, item in value.items()
        )
        return "{" + _joined(pairs, len(value)) + "}"
    if depth < _DEEPEST and kind in _BRACKETS:
        return _BRACKETS[kind].format(
            _joined((shown(item, depth + 1) for item in value), len(value))
        )
    return f"<{qualname_of(kind)}>"


def _joined(parts: Iterable[str], count: int) -> str:
    told = [part for part, _ in zip(parts, range(_MOST_ITEMS), strict=False)]
    return ", ".join([*told, "…"] if count > len(told) else told)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# -- the names of parameters ----------------------------------------------------------------------


def _parameters(target: Any, steps: list[Step]) -> tuple[str, ...]:
    """Returns the names of the positional parameters of what a path leads to, if they are known.

    The path is followed through what instances hold, what classes define, and items of builtin
    containers; a property, or a call on the way, ends it.
    """
    found = target
    for step in steps:
        kind, key = (GET, step) if type(step) is str else _pair(step)
        if kind is None or found is None:
            return ()
        found = _after(found, kind, key)
    is_bound = type(found) is MethodType
    function = found.__func__ if is_bound else found
    if type in mro_of(type(function)):
        defined = find(function, "__init__")
        function, is_bound = None if defined is None else defined.raw, True
    if type(function) is not FunctionType:
        return ()
    code = function.__code__
    return code.co_varnames[int(is_bound) : code.co_argcount]


def _pair(step: Any) -> tuple[object, object]:
    return (step[0], step[1]) if type(step) is list and len(step) == 2 else (None, None)


def _after(owner: Any, kind: object, key: Any) -> Any:
    """Returns what a step leads to, or None where finding out could run code."""
    if kind == ITEM:
        if type(owner) is dict and type(key) in (str, int):
            return owner.get(key)
        in_range = type(owner) in (list, tuple) and type(key) is int and abs(key) < len(owner)
        return owner[key] if in_range else None
    if kind != GET or type(key) is not str:
        return None
    held = instance_dict(owner)
    if key in held:
        return held[key]
    defined = find(type(owner), key)
    if defined is None:
        return None
    function = wrapped_function(defined.raw)
    if type(function) is not FunctionType or type(defined.raw) not in _METHODS:
        return None
    return function if type(defined.raw) is staticmethod else MethodType(function, owner)


__all__ = ["arguments_of", "shown"]
