"""Cursors deep inside of plain containers, as blocking proxies.

Nothing here recurses: values may be nested deeper than what calls us leaves of Python's stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .blocking import blocking
from .cursor import ProxyCursor

_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})


def with_proxies(value: Any, is_ours: Callable[[object], bool]) -> Any:
    """Returns `value` with each cursor, also deep inside plain containers, as a blocking proxy.

    A container that holds none is returned as it is, and so is one of our own objects.

    Args:
        value: What was decoded.
        is_ours: Whether an object is one that the other side knows by reference.
    """
    if type(value) is ProxyCursor:
        return blocking(value)
    if type(value) not in _CONTAINERS or not _holds_cursor(value, is_ours):
        return value
    return _rebuilt(value, is_ours)


def _holds_cursor(value: Any, is_ours: Callable[[object], bool]) -> bool:
    seen: set[int] = set()  # our own may contain themselves
    todo = [value]
    while todo:
        each = todo.pop()
        if not each or id(each) in seen:
            continue
        seen.add(id(each))
        if is_ours(each):
            continue
        parts = _parts(each)
        kinds = set(map(type, parts))  # most are of few types, and none of those here
        if ProxyCursor in kinds:
            return True
        if not _CONTAINERS.isdisjoint(kinds):
            todo += [part for part in parts if type(part) in _CONTAINERS]
    return False


def _rebuilt(value: Any, is_ours: Callable[[object], bool]) -> Any:
    """Builds the innermost first: each container is met once before its parts, and once after."""
    built: dict[int, Any] = {}
    """By the `id` of each container what stands for it; itself until its parts are built."""
    finished: set[int] = set()
    todo = [value]
    while todo:
        each = todo[-1]
        if id(each) not in built:
            built[id(each)] = each
            if not each or is_ours(each):
                finished.add(id(each))
            else:
                parts = [part for part in _parts(each) if type(part) in _CONTAINERS]
                todo += [part for part in parts if id(part) not in built]
            continue
        todo.pop()
        if id(each) not in finished:
            finished.add(id(each))
            built[id(each)] = _built(each, built)
    return built[id(value)]


def _built(value: Any, built: dict[int, Any]) -> Any:
    """Returns a container of what stands for its parts; itself if they all stay."""
    parts = _parts(value)
    made = [
        blocking(part) if type(part) is ProxyCursor else built.get(id(part), part) for part in parts
    ]
    if all(map(_is, made, parts)):
        return value
    if type(value) is not dict:
        return type(value)(made)
    half = len(value)
    return dict(zip(made[:half], made[half:], strict=True))


def _parts(value: Any) -> list[Any]:
    return [*value, *value.values()] if type(value) is dict else list(value)


def _is(one: object, other: object) -> bool:
    return one is other


__all__ = ["with_proxies"]
