"""What the methods of a wrapper do: they pass on what it is asked to the object it stands for.

Each call, item and operator is held to the limits that it would be held to without a wrapper. Where
the object gives itself, the wrapper is given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from types import CoroutineType, FunctionType, MethodType
from typing import Any, NoReturn

from proxyables.errors import AccessDenied
from proxyables.limits import Limits
from proxyables.wire.instructions import OPERATIONS

from .arrays import check_index
from .costs import check_assignment, check_call_cost, check_cost
from .inspection import is_array, is_async
from .memory import check_memory

_LIMITS = Limits()
GONE: Any = object()
"""What stands in the place of an object that was revoked."""


def target_of(wrapper: Any) -> Any:
    """Returns what a wrapper stands for.

    Raises:
        AccessDenied: It was revoked.
    """
    target = object.__getattribute__(wrapper, "_target")
    if target is GONE:
        raise AccessDenied(
            "access to this object was revoked",
            type_name="AccessDenied",
            module="proxyables.errors",
        )
    return target


def itself(wrapper: Any, *_: object) -> Any:
    """A copy would be the object itself, or one that is not revoked."""
    return wrapper


def refuse_pickling(wrapper: Any, protocol: object) -> NoReturn:
    """Raises TypeError: what is pickled would be the object itself."""
    raise TypeError("a wrapper of an object cannot be pickled")


def given(wrapper: Any, target: Any, value: Any) -> Any:
    """Returns what somebody gets who was given `value` by `target`: never the target itself."""
    if value is target:
        return wrapper
    if type(value) is CoroutineType:
        return _given_later(wrapper, target, value)
    if type(value) is MethodType and value.__self__ is target:
        return functools.partial(_forward_to(value), wrapper)
    return value


async def _given_later(wrapper: Any, target: Any, value: Any) -> Any:
    return given(wrapper, target, await value)


def _forward_to(method: MethodType) -> Callable[..., Any]:
    """As `forward`, for a method of the target's that the target has given."""

    def forward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        target = target_of(self)
        _check_call(method, args, kwargs)
        return given(self, target, method(*args, **kwargs))

    return forward


def read_of(wrapper: Any, target: Any, name: str) -> Any:
    """Returns an attribute of the target; a method as one that asks the wrapper."""
    value = getattr(target, name)
    if type(value) is not MethodType and type(value) is not FunctionType:
        return given(wrapper, target, value)
    return functools.partial(forward_as(name, value), wrapper)


def _call(wrapper: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    function = getattr(target_of(wrapper), name)
    _check_call(function, args, kwargs)
    return function(*args, **kwargs)


def _check_call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    check_call_cost(function, args, kwargs, _LIMITS)
    check_memory(function, args, kwargs)


def forward_as(name: str, behind: Any) -> Callable[..., Any]:
    """Returns a method that passes calls on, and is asynchronous if what stands behind it is."""
    if inspect.isasyncgenfunction(behind):
        return _forward_items(name)
    return forward_async(name) if is_async(behind) else forward(name)


def forward(name: str) -> Callable[..., Any]:
    """Returns a method that passes calls on to the target's of that name."""

    def forward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return given(self, target_of(self), _call(self, name, args, kwargs))

    forward.__name__ = name
    return forward


def forward_async(name: str) -> Callable[..., Any]:
    """As `forward`, for one that gives a coroutine."""

    async def forward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        target = target_of(self)
        return given(self, target, await _call(self, name, args, kwargs))

    return forward


def _forward_items(name: str) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def forward(self: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        target = target_of(self)
        items = _call(self, name, args, kwargs)
        try:
            async for item in items:
                yield given(self, target, item)
        finally:
            await items.aclose()

    return forward


def forward_key(method: str, check: Callable[[Any, Any], None]) -> Callable[..., Any]:
    """As `forward`, for getting, setting or deleting an item that `check` lets pass."""

    def forward(self: Any, key: Any, *new: Any) -> Any:
        target = target_of(self)
        check(target, key)
        if is_array(target):
            check_index(target, key, _LIMITS)
        for each in new:
            check_assignment(target, key, each, _LIMITS)
        return given(self, target, getattr(type(target), method)(target, key, *new))

    return forward


def operate(name: str) -> Callable[..., Any]:
    """As `forward`, for what carries out an operator."""

    def operate(self: Any, *args: Any) -> Any:
        target = target_of(self)
        check_cost(name, target, list(args), _LIMITS)
        if not args:
            return given(self, target, OPERATIONS[name](target))
        # Where this has no answer, whoever asked asks the other operand next: about the wrapper.
        # An operator would ask it here, about the target.
        return given(self, target, getattr(type(target), f"__{name}__")(target, *args))

    return operate
