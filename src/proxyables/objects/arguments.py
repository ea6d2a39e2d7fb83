"""What builtins are given: of an object of ours among it, they run whatever methods they please.

``set().union(vault)`` iterates the vault, ``"x".zfill(vault)`` asks it for its number. A method of
an author's own does with its arguments what its author meant; one that is written in C, or comes
with Python, does it for whoever called. So such a one gets an object only if this peer may have
each of the object's special methods run.
"""

from __future__ import annotations

import enum
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import Any

from proxyables.errors import AccessDenied

from . import rules, tables
from .inspection import find, held_members, mro_of
from .operands import check_operands
from .policy import Policy
from .rules import Kind

_IN_C = frozenset(
    {
        BuiltinFunctionType,
        ClassMethodDescriptorType,
        MethodDescriptorType,
        MethodWrapperType,
        WrapperDescriptorType,
    }
)
_ITERABLES: tuple[Any, ...] = (list, tuple, set, frozenset, deque)
_VIEWS: tuple[Any, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_CONTAINERS: Mapping[type, Callable[[Any], Iterable[object]]] = {
    **{kind: kind.__iter__ for kind in (*_ITERABLES, *_VIEWS)},
    dict: lambda table: [*dict.keys(table), *dict.values(table)],
    slice: lambda each: (each.start, each.stop, each.step),
}
"""How to look into them, whatever a subclass makes of it."""
# The operands of these, if they are no container, `operands` knows in full.
_KNOWN = frozenset(
    {bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range}
)
_CACHED = type(functools.lru_cache(maxsize=1)(len))
_FORWARDS = "proxyables.objects.forwarding"
_HASHED = frozenset({set, frozenset, dict})
_ORDER = ("__lt__", "__gt__", "__le__", "__ge__", "__eq__")
# What operators and methods of a container run of its items.
_RUN_OF_ITEMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("repr", "str", "format"), ("__repr__",)),
    **dict.fromkeys(("eq", "ne", "contains", "index", "count", "remove"), ("__eq__", "__ne__")),
    **dict.fromkeys(("lt", "le", "gt", "ge", "sort"), _ORDER),
    "hash": ("__hash__",),
}
_MAX_WRAPPERS = 8
_MAX_REMEMBERED = 4096


class Arguments:
    """Judges what is given to builtins over one connection; see `Policy.may_refuse_methods`.

    Args:
        policy: The gate.
        is_value: Whether what is of exactly this type has come by value.
    """

    def __init__(self, policy: Policy, is_value: Callable[[type], bool]) -> None:
        self._policy = policy
        self._is_value = is_value
        self._trusted = policy.trusted

    def check_call(self, function: Any, args: list[Any], keywords: Mapping[str, Any]) -> None:
        """Refuses, or lets a function have its arguments.

        Raises:
            AccessDenied: It is a builtin, and one of them has a method that is not for this peer.
        """
        if type(function) is BuiltinFunctionType and function.__name__ in _RUN_OF_ITEMS:
            self._check_items(function.__name__, function.__self__)
        if self._are_plain(args) and self._are_plain(keywords.values()):
            return
        if is_cached(function):
            check_operands(self._policy, "key", [*args, *keywords.values()])
        elif is_builtin(function):
            for place, each in enumerate(args, 1):
                self._check(each, f"argument {place}")
            for name, each in keywords.items():
                self._check(each, f"argument {name!r}")

    def check_operation(self, name: str, target: object, args: list[Any]) -> None:
        """Refuses, or lets an operator have its operands; `operands` does that for the direct ones.

        Raises:
            AccessDenied: As `check_call` does.
        """
        if name in _RUN_OF_ITEMS:
            self._check_items(name, target)
        if self._are_plain(args) or not _is_builtin_method(target, _methods(name)):
            return
        kind = type(_unwrapped(target))
        is_whole = kind not in _KNOWN or name in tables.IN_PLACE
        for each in args:
            if is_whole or any(base in _CONTAINERS for base in mro_of(type(each))):
                self._check(each, "the operand")

    def check_item(self, target: object, key: object, *new: object) -> None:
        """Refuses, or lets an item be got, set or deleted.

        Raises:
            AccessDenied: As `check_call` does.
        """
        if self._are_plain((key, *new)):
            return
        if not _is_builtin_method(target, ("__setitem__" if new else "__getitem__",)):
            return
        if type(_unwrapped(target)) not in _KNOWN:
            self._check(key, "the key")
        for each in new:
            self._check(each, "the new item")

    def _are_plain(self, values: Iterable[object]) -> bool:
        return self._trusted.issuperset(map(type, values))

    def _check_items(self, name: str, target: object) -> None:
        """Refuses what would run a method of the items of a builtin container."""
        target = _unwrapped(target)
        if type(target) in _HASHED and name == "contains":
            return  # only what was put there under the very same hash is compared
        if type(target) in self._trusted or not _is_builtin_method(target, _methods(name)):
            return
        for each in self._objects_in(target):
            for method in _RUN_OF_ITEMS[name] if each is not target else ():
                found = find(type(each), method)
                if found is not None and type(found.raw) is FunctionType:
                    self._policy.check_method(method, each)

    def _check(self, value: object, which: str) -> None:
        for each in self._objects_in(value):
            if type(each) not in _CONTAINERS:
                self._check_methods(each, which)

    def _objects_in(self, value: object) -> Iterator[object]:
        """Yields what is no plain value: `value`, and what is inside of it."""
        waiting = [value]
        seen: set[int] = set()  # containers may hold themselves
        while waiting:
            each = waiting.pop()
            kind = type(each)
            if kind in self._trusted or id(each) in seen:
                continue
            seen.add(id(each))
            for base in mro_of(kind):
                if base in _CONTAINERS:
                    inside = list(_CONTAINERS[base](each))
                    if not self._are_plain(inside):
                        waiting += inside
            if self._is_value(kind):
                if not rules.is_standard_value(kind) and enum.Enum not in mro_of(kind):
                    waiting += held_members(each).values()
            else:
                yield each

    def _check_methods(self, value: object, which: str) -> None:
        kind = type(value)
        try:
            is_settled = self._policy.check_handing(value)
        except AccessDenied as error:
            error.message += f": {which} of a builtin may have it run"
            raise
        if is_settled and not any(base in _CONTAINERS for base in mro_of(kind)):
            if len(self._trusted) >= _MAX_REMEMBERED:  # a program that makes classes without end
                self._trusted.clear()
            self._trusted.add(kind)


def is_builtin(function: Any) -> bool:
    """Whether what runs when `function` is called comes with Python or is written in C."""
    for _ in range(_MAX_WRAPPERS):
        kind = rules.kind_of(type(function))
        if kind is Kind.PARTIAL:
            function = rules.partial_target(function)
        elif kind is Kind.METHOD:
            inner: Any = rules.method_function(function)
            if type(inner) is FunctionType and inner.__module__ == _FORWARDS:
                target = _unwrapped(rules.method_owner(function))
                return _is_builtin_method(target, (inner.__name__,))
            function = inner
        elif kind is Kind.CLASS:
            made = find(type(function), "__call__")
            return (made is None or _is_foreign(made.raw)) and all(
                (found := find(function, name)) is None or _is_foreign(found.raw)
                for name in ("__init__", "__new__")
            )
        elif kind in (Kind.FUNCTION, Kind.BUILTIN):
            return _is_foreign(function)
        elif (target := _unwrapped(function)) is not function:
            function = target
        else:
            return _is_builtin_method(function, ("__call__",))
    return True


def is_cached(function: Any) -> bool:
    """Whether a call of `function` hashes its arguments before the author's code has them."""
    if type(function) is MethodType:
        function = rules.method_function(function)
    return type(function) is _CACHED


def _is_builtin_method(target: object, methods: Iterable[str]) -> bool:
    target = _unwrapped(target)
    for method in methods:
        found = find(type(target), method)
        if found is not None and found.owner is not object:
            return _is_foreign(found.raw)
    return True


def _is_foreign(raw: object) -> bool:
    """Whether a function, standing in a class or not, is no author's own."""
    kind = type(raw)
    if kind is classmethod or kind is staticmethod:
        raw = raw.__func__  # type: ignore[attr-defined]  # one of two C types
        kind = type(raw)
    if kind is FunctionType:
        return rules.callable_module(raw).partition(".")[0] in sys.stdlib_module_names
    return kind in _IN_C


def _methods(operation: str) -> tuple[str, ...]:
    method = f"__{operation.strip('_')}__"
    if operation in tables.IN_PLACE:
        return (method, f"__{operation[1:]}__")
    return tables.METHODS.get(operation, (method,))


def _unwrapped(value: object) -> object:
    """Returns what a wrapper of `restrict` or `revocable` stands for."""
    for _ in range(_MAX_WRAPPERS):
        reduce = find(type(value), "__reduce_ex__")
        if reduce is None or getattr(reduce.raw, "__module__", None) != _FORWARDS:
            break
        value = object.__getattribute__(value, "_target")
    return value


__all__ = ["Arguments", "is_builtin"]
