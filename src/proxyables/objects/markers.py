"""`expose` and `hidden`: what the author of a class says about its names.

A mark is one attribute on the function or class itself; nothing is wrapped and nothing runs. A
mark belongs to the *name*: an override without a mark of its own keeps that of the nearest base,
so a hidden method stays hidden in subclasses until an override is itself exposed. A mark on a
class speaks for the names that its body defines and for its instances' own attributes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Literal, TypeVar, overload

from proxyables.frozen import frozen

from .inspection import find, instance_dict, mro_of, namespace_of, wrapped_function

MARK = "__proxyables_mark__"
_is_anything_hidden = False

Where = Literal["loop", "thread"]
T = TypeVar("T")


@frozen
class Mark:
    """What an author said of one function or class.

    Attributes:
        exposed: True for `expose`, False for `hidden`.
        run: Where calls are to run; None leaves it to the server.
    """

    exposed: bool
    run: Where | None = None


@overload
def expose(obj: T, *, run: Where | None = None) -> T: ...
@overload
def expose(obj: None = None, *, run: Where | None = None) -> Callable[[T], T]: ...
def expose(obj: Any = None, *, run: Where | None = None) -> Any:
    """Marks a function, method, property or class as meant for peers.

    Needed under `Policy(strict=True)`; also undoes an inherited `hidden`, and says where calls
    run. It never opens what the policy's own rules refuse, such as names that begin with ``_``.

    Args:
        obj: What to mark; without it, a decorator is returned.
        run: ``"loop"`` or ``"thread"``: where calls of a synchronous function run, whatever the
            server's ``threads`` says. On a class, for all of its methods.

    Raises:
        TypeError: `obj` cannot carry a mark.
        ValueError: `run` is neither.
    """
    if run not in (None, "loop", "thread"):
        raise ValueError(f"run takes 'loop' or 'thread', got {run!r}")
    mark = Mark(exposed=True, run=run)
    if obj is None:
        return lambda obj: _put(obj, mark)
    return _put(obj, mark)


def hidden(obj: T) -> T:
    """Marks a function, method, property or class as not meant for peers.

    The name is refused and never listed, in subclasses too. Of a hidden class, neither the class
    nor its instances are lent.

    Raises:
        TypeError: `obj` cannot carry a mark.
    """
    global _is_anything_hidden
    marked = _put(obj, Mark(exposed=False))
    _is_anything_hidden = True
    return marked


def is_anything_hidden() -> bool:
    """Whether `hidden` was ever used in this process."""
    return _is_anything_hidden


def mark_of(raw: object) -> Mark | None:
    """Returns the mark on what stands in a class or module, asking no descriptor."""
    if type(raw) is FunctionType:  # by far the most
        own = raw.__dict__.get(MARK)
        return own if type(own) is Mark else None
    place = _bearer(raw)
    if place is None:
        return None
    if type in mro_of(type(place)):
        mark = namespace_of(place).get(MARK)  # type: ignore[arg-type]  # a class, just asked
    else:
        mark = instance_dict(place).get(MARK)
    return mark if type(mark) is Mark else None


def class_mark(cls: type) -> Mark | None:
    """Returns the nearest mark on the class or its bases."""
    return next((mark for base in mro_of(cls) if (mark := mark_of(base))), None)


def name_mark(cls: type, name: str) -> Mark | None:
    """Returns the nearest mark on any definition of `name` in the class and its bases."""
    for base in mro_of(cls):
        namespace = namespace_of(base)
        if name in namespace and (mark := mark_of(namespace[name])) is not None:
            return mark
    return None


def run_of(target: object) -> Where | None:
    """Returns where the author wants calls of `target` to run; None if it was not said.

    A bound method's own (or inherited) mark goes before that of its object's class. It walks the
    class each time: remember the answer per function if it is asked often.
    """
    mark = mark_of(target)
    if type(target) is not MethodType:
        return None if mark is None else mark.run
    owner: Any = target.__self__
    cls = owner if type in mro_of(type(owner)) else type(owner)
    if mark is None and type(target.__func__) is FunctionType:
        mark = name_mark(cls, target.__func__.__name__)
    if mark is None or mark.run is None:
        mark = class_mark(cls)
    return None if mark is None else mark.run


def _put(obj: T, mark: Mark) -> T:
    place = _bearer(obj)
    if place is not None and type in mro_of(type(place)):
        try:
            type.__setattr__(place, MARK, mark)  # past the metaclass
        except TypeError:
            raise TypeError(f"{place!r} is a builtin class and cannot be marked") from None
        return obj
    if place is None or find(type(place), "__call__") is None:
        raise TypeError(
            f"expected a function, method, property or class to mark, got a {type(obj).__name__}"
        )
    instance_dict(place)[MARK] = mark
    if mark_of(obj) is not mark:
        raise TypeError(f"a {type(obj).__name__} has no place for a mark")
    return obj


def _bearer(raw: object) -> object | None:
    """Returns what carries the mark: the function inside of wrappers that cannot, or `raw`."""
    for _ in range(8):  # wrappers in wrappers, but no circle
        kinds = mro_of(type(raw))
        if type in kinds or type(raw) is FunctionType:
            return raw
        if property in kinds:
            raw = _accessor(raw)
        elif classmethod in kinds or staticmethod in kinds:
            raw = wrapped_function(raw)
        elif type(raw) is MethodType:
            raw = raw.__func__
        elif any(kind in kinds for kind in _WRAPPERS):
            raw = instance_dict(raw).get("func")
        elif find(type(raw), "__dict__") is None or type(raw) is BuiltinFunctionType:
            return None
        else:
            return raw
    return None


def _accessor(raw: Any) -> object | None:
    """Returns the function of a property that carries its mark: the first that it has."""
    slots = (property.__dict__[slot] for slot in ("fget", "fset", "fdel"))
    return next((each for slot in slots if (each := slot.__get__(raw)) is not None), None)


_WRAPPERS = (functools.cached_property, functools.partialmethod, functools.singledispatchmethod)

__all__ = [
    "MARK",
    "Mark",
    "Where",
    "class_mark",
    "expose",
    "hidden",
    "is_anything_hidden",
    "mark_of",
    "name_mark",
    "run_of",
]
