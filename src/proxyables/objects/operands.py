"""What an operator is given: it may be an object of ours, whose own methods the operator then runs.

What travels by value passes, and so does an object whose class does not define such a method.

A remote operand has methods as well, and Python asks them when ours have no answer: they ask its
owner, where Python asks our object in turn, and so on without end. So what has been turned round
already (``radd``), and comparisons, which are their own reflections, ask our object alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from proxyables.wire.payloads import Opaque

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
    **{f"r{name}": (f"__{name}__", "__index__") for name in _ARITHMETIC},
    "contains": ("__eq__", "__hash__", "__index__"),
    "eq": ("__eq__",),
    "ge": ("__le__", "__eq__"),
    "gt": ("__lt__", "__eq__"),
    "int": ("__index__",),
    "item": ("__index__", "__hash__", "__eq__"),
    "iter": ("__eq__",),
    "key": ("__hash__", "__eq__"),
    "le": ("__ge__", "__eq__"),
    "lt": ("__gt__", "__eq__"),
    "ne": ("__ne__", "__eq__"),
    "round": ("__index__",),
}
_ITERATING = ("__iter__", "__len__", "__length_hint__")
# Methods that a builtin type may run of what it is to make an instance of.
_CONVERTING: dict[type, tuple[str, ...]] = {
    dict: (*_ITERATING, "keys", "__getitem__"),
    list: _ITERATING,
    tuple: _ITERATING,
    set: _ITERATING,
    frozenset: _ITERATING,
    bytearray: (*_ITERATING, "__bytes__", "__buffer__", "__index__"),
    bytes: (*_ITERATING, "__bytes__", "__buffer__", "__index__"),
    str: ("__str__", "__repr__"),
    bool: ("__bool__", "__len__"),
    int: ("__int__", "__index__", "__trunc__"),
    float: ("__float__", "__index__"),
    complex: ("__complex__", "__float__", "__index__"),
}
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_ALONE = _COMPARISONS | {f"r{name}" for name in _ARITHMETIC}
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
        elif kind is Opaque:
            waiting.append(each.fields)  # type: ignore[attr-defined]  # hashed and compared with it
        else:
            _check_methods(policy, methods, each)


def check_conversion(policy: Policy, kind: type, value: object) -> None:
    """Refuses, or lets an instance of a subclass of a builtin type be made a plain one.

    Raises:
        AccessDenied: A method that the subclass defines for that is not for this peer.
    """
    for method in _CONVERTING[kind]:
        found = find(type(value), method)
        if found is not None and type(found.raw) is FunctionType:
            policy.check_method(method, value)


def alone(name: str, *, is_final: bool) -> Callable[[Any, Any], Any] | None:
    """Returns what an operation with a remote operand is carried out by, if not as usual.

    Args:
        name: The operation.
        is_final: Whether a comparison that our object has no answer to is decided here, as Python
            does when nobody has one; else it gives NotImplemented, and whoever asked goes on.
    """
    if name not in _ALONE:
        return None

    def operate(value: Any, other: Any) -> Any:
        method = getattr(type(value), f"__{name}__", None)
        result = NotImplemented if method is None else method(value, other)
        if result is not NotImplemented or not (is_final or name not in _COMPARISONS):
            return result
        if name in ("eq", "ne"):
            return name == "ne"
        raise TypeError(f"__{name}__ of {type(value).__name__!r} does not take a remote object")

    return operate


def _check_methods(policy: Policy, methods: tuple[str, ...], operand: object) -> None:
    for method in methods:
        found = find(type(operand), method)
        if found is not None and found.owner is not object:
            policy.check_method(method, operand)
