"""What an operator is given: it may be an object of ours, whose own methods the operator then runs.

What travels by value passes, and so does an object whose class does not define such a method.
"""

from __future__ import annotations

from collections.abc import Iterable

from .inspection import find
from .policy import Policy

_ARITHMETIC = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
]
# Methods of the *other* operand that an operator may run; for items, of the key. An operand of a
# number's kind is asked for its `__index__` as well, and a key of a dictionary for its hash.
_METHODS: dict[str, tuple[str, ...]] = {
    **{name: (f"__r{name}__", "__index__") for name in _ARITHMETIC},
    **{f"i{name}": (f"__r{name}__", "__index__") for name in _ARITHMETIC},
    **{f"r{name}": (f"__{name}__",) for name in _ARITHMETIC},
    "contains": ("__eq__", "__hash__"),
    "eq": ("__eq__",),
    "ge": ("__le__", "__eq__"),
    "gt": ("__lt__", "__eq__"),
    "item": ("__index__", "__hash__", "__eq__"),
    "key": ("__hash__", "__eq__"),
    "le": ("__ge__", "__eq__"),
    "lt": ("__gt__", "__eq__"),
    "ne": ("__ne__", "__eq__"),
    "round": ("__index__",),
}
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})


def check_operands(policy: Policy, name: str, operands: Iterable[object]) -> None:
    """Refuses, or lets an operator have its other operands, and what is inside of containers.

    Args:
        policy: The gate.
        name: The operation; ``item`` for the key of an item, ``key`` for what is just hashed.
        operands: What the other side gave.

    Raises:
        AccessDenied: A method that could run is not for this peer.
    """
    methods = _METHODS.get(name, ())
    waiting = list(operands) if methods else []
    seen: set[int] = set()  # our own containers may hold themselves
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind in _PLAIN or id(each) in seen:
            continue
        seen.add(id(each))
        if kind in _CONTAINERS:
            waiting += each  # type: ignore[arg-type]  # it can be iterated
            if kind is dict:
                waiting += each.values()  # type: ignore[attr-defined]
        elif kind is slice:
            waiting += (each.start, each.stop, each.step)  # type: ignore[attr-defined]
        else:
            _check_methods(policy, methods, each)


def _check_methods(policy: Policy, methods: tuple[str, ...], operand: object) -> None:
    for method in methods:
        found = find(type(operand), method)
        if found is not None and found.owner is not object:
            policy.check_method(method, operand)
