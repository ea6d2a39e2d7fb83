"""Types for remote objects: what an editor and a type checker know of the other side.

A type is a promise to the checker and nothing else. At run time the object is the cursor, or the
blocking proxy, that it would be without, so that a typed call costs what any call does.
`check_api` compares the promise with what the other side tells of the object.

The type of a cursor's call is what the method says, and the checker demands an `await` exactly if
the method is ``async def``. A class with ordinary methods is thus the type of a blocking proxy;
`call` is for such a class where the object is a cursor.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from inspect import Parameter, Signature
from typing import Any, Generic, ParamSpec, Protocol, cast, get_origin, overload

from .api import ApiClass, T, check_class
from .cursor import ProxyCursor
from .functions import describe
from .signatures import parse_signature

P = ParamSpec("P")

_MAX_SHOWN = 100
_METHOD_KINDS = ("method", "class")
_PLACED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_WRAPPERS = (staticmethod, classmethod)
_SILENT_BASES = (object, Protocol, Generic)


@overload
def call(
    method: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, T]: ...
@overload
def call(
    method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, T]: ...
async def call(method: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Calls a remote method and awaits its result: ``await call(shop.add, 2, 3)``.

    That is ``await shop.add(2, 3)`` with the type that the method has in its class, whether it is
    an ordinary one or ``async def``: so that the class of the object itself may describe it.

    If cancelled, the call is cancelled over there; it may or may not have run.

    Raises:
        TypeError: `method` is no cursor.
        Exception: What awaiting a cursor raises.
    """
    if type(method) is not ProxyCursor:
        raise TypeError(f"call takes a remote method, got a {type(method).__name__}")
    return await method(*args, **kwargs)


async def check_api(target: object, api: ApiClass[T]) -> T:
    """Compares a class with what a remote object offers, in one round trip.

    Each public name of the class, and of its bases, must be there; what is a method on one side
    must be one on the other; and each remote signature must take every call that the class allows.
    Types are not compared. It is read statically over there, as `describe` says: names that a
    ``__getattr__`` makes up are not told, and a class that describes such an object fails.

    Args:
        target: A cursor, whatever its type is to the checker.
        api: What it is to be.

    Returns:
        `target`, with its type.

    Raises:
        TypeError: It does not fit; the text names every difference. Or `target` is no cursor, or
            `api` no class.
        NotSupported: The peer is classic, and tells nothing of its objects.
    """
    check_class(api)
    compare(api, await describe(target), is_awaited=True)
    return cast(T, target)


def compare(api: ApiClass[Any], told: object, *, is_awaited: bool) -> None:
    """Raises TypeError, with every difference, unless a remote object is what a class says.

    Args:
        api: The class.
        told: What DESCRIBE answered; nothing of it is trusted.
        is_awaited: Whether calls give awaitables here, so that ``async def`` makes sense.
    """
    cls = cast(type, get_origin(api) or api)
    found = list(_differences(cls, told if isinstance(told, dict) else {}, is_awaited))
    if found:
        raise TypeError(f"the remote object is no {cls.__qualname__}: {'; '.join(found)}")


def _differences(cls: type, told: dict[Any, Any], is_awaited: bool) -> Iterator[str]:
    rows = told.get("members")
    offered = {
        row["name"]: row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    }
    for name in _public_names(cls):
        raw = inspect.getattr_static(cls, name, None)  # None for a bare annotation
        row = offered.get(name)
        if not is_awaited and _is_async(raw):
            yield f"{name} is 'async def', and a blocking proxy gives nothing to await"
        if row is None:
            if told.get("truncated") is not True:
                yield f"{name} is not there"
        elif isinstance(raw, (property, functools.cached_property)):
            if row.get("kind") in _METHOD_KINDS:
                yield f"{name} is a method there"
        elif (ours := _signature(raw)) is not None:
            if row.get("kind") not in _METHOD_KINDS:
                yield f"{name} is no method there"
            elif (theirs := parse_signature(row.get("signature"))) is not None:
                refusal = _refusal(ours, theirs)
                if refusal:
                    yield f"{name}{_shown(theirs)} there: {refusal}"


def _public_names(cls: type) -> list[str]:
    """Returns the names that a class and its bases bind or annotate, the furthest base's first."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if base not in _SILENT_BASES:
            names |= dict.fromkeys([*vars(base), *inspect.get_annotations(base)])
    return [name for name in names if name[:1] != "_"]


def _is_async(raw: object) -> bool:
    function = getattr(raw, "__func__", raw) if isinstance(raw, _WRAPPERS) else raw
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _signature(raw: object) -> Signature | None:
    """Returns how a method is called on an instance; None for what is no method."""
    function = raw.__func__ if isinstance(raw, _WRAPPERS) else raw
    if not inspect.isfunction(function):
        return None
    signature = inspect.signature(function)
    if isinstance(raw, staticmethod):
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _shown(signature: Signature) -> str:
    """Returns a signature without the types, which are not compared; clipped."""
    bare = [each.replace(annotation=Parameter.empty) for each in signature.parameters.values()]
    return f"{Signature(bare)!s:.{_MAX_SHOWN}}"


def _refusal(ours: Signature, theirs: Signature) -> str:
    """Says why `theirs` does not take a call that `ours` allows; nothing if it takes all."""
    parameters = list(ours.parameters.values())
    if any(each.kind in _VARIADIC for each in parameters):
        return ""  # `overload` leaves no more of a signature than this
    required = [each for each in parameters if each.default is Parameter.empty]
    try:
        for given in (required, parameters):
            for placed in (_PLACED, (Parameter.POSITIONAL_ONLY,)):  # by place; by name
                args = [None for each in given if each.kind in placed]
                kwargs = {each.name: None for each in given if each.kind not in placed}
                theirs.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


__all__ = ["call", "check_api", "compare"]
