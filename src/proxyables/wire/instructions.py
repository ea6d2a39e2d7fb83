"""The language in which peers ask for things, in the form that both dialects translate to.

A message is a list whose first element is one of the message numbers below. A step of a chain is
the name of an attribute, or a list whose first element is a step number. Wire data stays lists and
dicts: an object per message would make a call more than twice as dear. The px dialect (`compact`)
puts them on the wire as they are; the classic dialect (`classic`) translates. The specification of
both is `docs/reference/protocol.md`.

======== ============================================ ===========================================
message  shape                                        answer
======== ============================================ ===========================================
HELLO    ``[HELLO, map]``                             ``[HELLO, map]`` or THROW
AUTH     ``[AUTH, proof]``                            ``[AUTH, proof]`` or THROW
EXECUTE  ``[EXECUTE, target, steps(, metadata)]``     RETURN or THROW; ITEMS first if it streams
RETURN   ``[RETURN, value]``
THROW    ``[THROW, map]``
RELEASE  ``[RELEASE, [reference, count, …]]``         none
ITEMS    ``[ITEMS, [value, …]]``                      more ITEMS, then RETURN or THROW
======== ============================================ ===========================================

The metadata of an EXECUTE are a map: ``deadline_ms`` is the time that the caller gives it. Unknown
keys are ignored.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

WireValue: TypeAlias = Any
"""What MessagePack can hold, and what its extension types stand for."""
Step: TypeAlias = str | list[Any]
"""A name, which is read as GET reads it: most steps are that. Or a list."""
Message: TypeAlias = list[Any]

# Messages. The numbers are part of the protocol: never reuse one.
HELLO: Final = 1
AUTH: Final = 2
EXECUTE: Final = 3
RETURN: Final = 4
THROW: Final = 5
RELEASE: Final = 6
ITEMS: Final = 7

INSPECTOR: Final = -1
"""The target of an EXECUTE that stands for the server itself. References are positive."""

# Steps of a chain. The numbers are part of the protocol: never reuse one.
GET: Final = 1
"""The long form of a step that is just a name: taken, never sent."""
CALL: Final = 2
ITEM: Final = 3
SET: Final = 4
DEL: Final = 5
SETITEM: Final = 6
DELITEM: Final = 7
OPERATE: Final = 8
COPY: Final = 9
REF: Final = 10
DESCRIBE: Final = 11
STREAM: Final = 12
CONSTRUCT: Final = 13
"""As CALL; kept apart because the classic dialect has an instruction of its own for it."""
LOOKUP: Final = -1
"""The classic GET, which means attribute or item as the target decides. Never on the px wire."""


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(b, a)


_BINARY: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "matmul": operator.matmul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "divmod": divmod,
    "pow": pow,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}

OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    **_BINARY,
    **{f"r{name}": _swapped(function) for name, function in _BINARY.items()},
    **{
        f"i{name}": getattr(operator, f"i{name}")
        for name in _BINARY
        if hasattr(operator, f"i{name}")
    },
    "iand": operator.iand,
    "ior": operator.ior,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": operator.abs,
    "invert": operator.invert,
    "round": round,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "len": len,
    "bool": bool,
    "int": int,
    "float": float,
    "index": operator.index,
    "complex": lambda value: complex(value),  # a second number would be asked for its methods
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "bytes": lambda value: _own(value, "__bytes__", bytes),
    "contains": operator.contains,
    "iter": iter,
    "reversed": lambda value: _own(value, "__reversed__", reversed, but=_COUNTED_DOWN),
    "next": next,
    "anext": anext,
    "repr": repr,
    "str": str,
    "format": format,
    "hash": hash,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, error: type(manager).__exit__(manager, *_exit_arguments(error)),
    "aenter": lambda manager: _of_manager(manager, "__aenter__", "__enter__")(manager),
    "aexit": lambda manager, error: _of_manager(manager, "__aexit__", "__exit__")(
        manager, *_exit_arguments(error)
    ),
}
"""The closed table of operators and protocol functions, executed with Python's own semantics.

``dir`` is the one name that is not here: it is answered by the policy, which knows what is
hidden.
"""


_read_mro: Any = type.__dict__["__mro__"].__get__
_COUNTED_DOWN: tuple[Any, ...] = (list.__reversed__, deque.__reversed__)
"""Of sequences whose items can be asked for one by one, from the last; so each stays live."""


def _own(value: object, name: str, function: Callable[..., Any], but: tuple[Any, ...] = ()) -> Any:
    """Has a method of the object's own do it; without one, whoever asks goes on as Python does."""
    # Of its class and those above, and not of its metaclass.
    spaces = [vars(kind) for kind in _read_mro(type(value))]
    method = next((space[name] for space in spaces if name in space), NotImplemented)
    if method is NotImplemented or any(method is each for each in but):
        return NotImplemented
    return function(value)


def _of_manager(manager: object, *names: str) -> Callable[..., Any]:
    """Returns the first method there is: `async with` works on context managers of both kinds."""
    for name in names:
        method = getattr(type(manager), name, None)
        if method is not None:
            found: Callable[..., Any] = method
            return found
    raise TypeError(f"{type(manager).__name__!r} object is not a context manager")


def _exit_arguments(error: BaseException | None) -> tuple[object, object, object]:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)
