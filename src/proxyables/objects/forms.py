"""The form of a step: what is looked at before any object is."""

from __future__ import annotations

from typing import Any

from proxyables.errors import ProxyError
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
    Step,
)

_MAX_CHUNK = 4096
_MAX_PATH = 32
_ARITY = {GET: 2, CALL: 2, ITEM: 2, SET: 3, DEL: 2, SETITEM: 3, DELITEM: 2, OPERATE: 2}
_ARITY |= {COPY: 1, REF: 1, DESCRIBE: 1, STREAM: 2, CONSTRUCT: 2, LOOKUP: 2}


def is_known(step: Any, *, is_classic: bool) -> bool:
    """Whether a step is a name, or has a number of the peer's dialect and enough elements."""
    if type(step) is str:
        return True
    if type(step) is not list or not step or type(step[0]) is not int:
        return False
    return len(step) >= _ARITY.get(step[0], 1 << 30) and (is_classic or step[0] != LOOKUP)


def no_such_step(step: Any) -> ProxyError:
    """Tells the step's number only: the rest of it may be objects of ours."""
    number = step[0] if type(step) is list and step else None
    is_told = type(number) is int and number.bit_length() <= 64
    told = f"step {number}" if is_told else "step"
    return ProxyError(f"malformed chain: no such {told}, or not enough of it")


def without_lookup(step: Step) -> Step:
    """Returns the classic GET as what it most likely means: only the object's owner could tell."""
    if step[0] != LOOKUP:
        return step
    return [ITEM, step[1]] if type(step[1]) is int else step[1]


def path_in(step: Step) -> list[Step]:
    """Returns the path that a DESCRIBE says: names, and items whose keys are numbers or text.

    Raises:
        ProxyError: It is none, or too long: each step looks at all that an object has.
    """
    path: object = step[1] if len(step) > 1 else []
    if type(path) is list and len(path) <= _MAX_PATH and all(map(_leads_on, path)):
        return path
    raise ProxyError("malformed chain: DESCRIBE takes a path of names and items")


def _leads_on(step: Any) -> bool:
    if type(step) is str:
        return True
    if type(step) is not list or len(step) != 2 or type(step[0]) is not int:
        return False
    if step[0] == GET:
        return type(step[1]) is str
    return step[0] == ITEM and type(step[1]) in (int, str)


def chunk_size(step: Step) -> int:
    """Returns how many items a STREAM asks for at a time."""
    size = step[1] if len(step) > 1 else 0
    if type(size) is not int or size < 1:
        raise ProxyError("malformed chain: STREAM takes a positive number of items")
    return min(size, _MAX_CHUNK)
