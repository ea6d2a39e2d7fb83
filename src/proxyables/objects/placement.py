"""Which steps run on worker threads: those that may run synchronous code of the exported object.

Coroutine functions, plain attributes and everything that is answered statically stay on the loop.
``expose(run="loop")`` and ``expose(run="thread")`` go before that. Asking runs nothing of the
object (see `inspection`).
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .inspection import (
    find,
    instance_dict,
    is_async,
    is_data_descriptor,
    is_descriptor,
    mro_of,
    namespace_of,
)
from .markers import Where, class_mark, mark_of, name_mark, run_of

Perform = Callable[[Callable[..., Any], tuple[Any, ...], Sequence[Any], Mapping[str, Any]], Any]
"""Returns an awaitable of ``function(*fixed, *args, **kwargs)``, which a worker calls. What came
off the wire is in the last two."""

_HEAP_TYPE = 1 << 9
_MAX_REMEMBERED = 4096
_MAX_WRAPPERS = 8
# Reading and writing through these runs C code only.
_PLAIN_DESCRIPTORS = frozenset(
    {
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        classmethod,
        staticmethod,
    }
)
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
# Iterating these runs no code of anybody's.
_PLAIN_SOURCES = frozenset(
    {list, tuple, dict, set, frozenset, str, bytes, bytearray, range, memoryview}
)


# Whoever enters one waits until another has left it, and leaving one waits for nobody. Not those
# that belong to the thread that has entered them.
LOCKS: frozenset[type] = frozenset(
    {type(threading.Lock()), threading.Semaphore, threading.BoundedSemaphore}
)


class Placement:
    """Decides for one connection.

    Args:
        perform: Has a worker call something.
        everything: Whether workers get all synchronous code; else only what is marked for them.
    """

    def __init__(self, perform: Perform, *, everything: bool) -> None:
        self.perform = perform
        self.everything = everything
        self._calls: dict[tuple[object, type], bool] = {}
        self._accesses: dict[tuple[type, str, str], bool | None] = {}
        self._generators: dict[types.CodeType, bool] = {}

    def wants_call(self, target: Any) -> bool:
        """Whether a worker is to call `target`."""
        if type(target) is types.FunctionType and not target.__dict__:  # it carries no mark
            return self.everything and not is_async(target)
        if type(target) is not types.MethodType or type(target.__func__) is not types.FunctionType:
            return self._judge_call(target)
        key = (target.__func__, type(target.__self__))
        known = self._calls.get(key)
        if known is None:
            known = self._judge_call(target)
            _remember(self._calls, key, known)
        return known

    def wants_get(self, target: object, name: str) -> bool:
        """Whether a worker is to read an attribute."""
        return self._wants_access(target, name, "__getattribute__")

    def wants_change(self, target: object, name: str, method: str) -> bool:
        """Whether a worker is to change an attribute by ``__setattr__`` or ``__delattr__``."""
        return self._wants_access(target, name, method)

    def wants_assignment(self, target: object, new: object) -> bool:
        """Whether a worker is to assign `new`, although that runs no code.

        What is remote in it gets the face that code on workers can use.
        """
        if not self.everything or type(new) in _SCALARS:
            return False
        mark = class_mark(type(target))
        return mark is None or mark.run != "loop"

    def wants_iteration(self, source: Any) -> bool:
        """Whether workers are to advance an iterable."""
        if type(source) is types.GeneratorType:
            return self._generators.get(source.gi_code, self.everything)
        return self.everything and type(source) not in _PLAIN_SOURCES

    def _judge_call(self, target: Any) -> bool:
        if _is_coroutine_function(target):
            return False
        run = _run_of_callable(target)
        wanted = self.everything if run is None else run == "thread"
        function = target.__func__ if type(target) is types.MethodType else target
        if run is not None and type(function) is types.FunctionType:
            # A generator runs where its function was meant to, and only its code tells whose it is.
            _remember(self._generators, function.__code__, wanted)
        return wanted

    def _wants_access(self, target: object, name: str, method: str) -> bool:
        key = (type(target), name, method)
        if key in self._accesses:
            known = self._accesses[key]
        else:
            known = self._judge_access(type(target), name, method)
            _remember(self._accesses, key, known)
        return name not in instance_dict(target) if known is None else known

    def _judge_access(self, cls: type, name: str, method: str) -> bool | None:
        """None: if the instance does not hold the name, the class makes the answer up."""
        found = find(cls, name)
        mark = name_mark(cls, name) if found is not None else class_mark(cls)
        run = None if mark is None else mark.run
        if run == "loop" or (run is None and not self.everything):
            return False
        owner = find(cls, method)
        if owner is not None and type(owner.raw) is not types.WrapperDescriptorType:
            return True  # the class takes every access itself
        if found is None:
            return None if find(cls, "__getattr__") is not None and "get" in method else False
        if type(found.raw) in _PLAIN_DESCRIPTORS:
            return False
        return is_descriptor(found.raw) or is_data_descriptor(found.raw)


def is_marked_for_threads(value: Any) -> bool:
    """Whether a function, a class, or a method of it, is marked with ``run="thread"``."""
    if type(value) is types.FunctionType:
        mark = mark_of(value)
        return mark is not None and mark.run == "thread"
    if type not in mro_of(type(value)) or not value.__flags__ & _HEAP_TYPE:
        return False  # builtin classes cannot be marked
    for base in mro_of(value):
        if base.__flags__ & _HEAP_TYPE:
            for raw in (base, *namespace_of(base).values()):
                mark = mark_of(raw)
                if mark is not None and mark.run == "thread":
                    return True
    return False


def _is_coroutine_function(target: Any) -> bool:
    for _ in range(_MAX_WRAPPERS):
        if type(target) is functools.partial:
            target = target.func
        else:
            break
    if type(target) in (types.FunctionType, types.MethodType, types.BuiltinFunctionType):
        return is_async(target)
    if type in mro_of(type(target)):
        return False  # an instance is made
    found = find(type(target), "__call__")
    return found is not None and is_async(found.raw)


def _run_of_callable(target: Any) -> Where | None:
    kind = type(target)
    if kind is types.FunctionType or kind is types.MethodType or type in mro_of(kind):
        return run_of(target)
    mark = name_mark(kind, "__call__") or class_mark(kind)
    return None if mark is None else mark.run


def _remember(known: dict[Any, Any], key: object, value: object) -> None:
    if len(known) >= _MAX_REMEMBERED:  # a program that makes classes without end
        known.clear()
    known[key] = value


__all__ = ["Perform", "Placement", "is_marked_for_threads"]
