"""`frozen`: dataclasses that cost next to nothing to define.

`dataclasses` compiles six methods for each frozen class, which takes longer than all else in most
modules that have one; and what is started anew for each connection pays for that each time. Here
all of these classes share the same six. They take no part in any call, so that these are slower
does not matter.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import Any, NoReturn, TypeVar, dataclass_transform

Class = TypeVar("Class", bound=type[Any])


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: Class) -> Class:
    """Makes a class what ``dataclass(frozen=True)`` makes of it.

    What works with those works with these: `dataclasses.fields`, `dataclasses.replace`, patterns,
    and ``__post_init__``. Fields for keywords only, or for `__init__` only, are not supported.
    """
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)  # notes the fields
    for name, shared in _SHARED.items():
        if name not in vars(cls):
            setattr(cls, name, shared)
    return cls


def _init(self: Any, /, *args: Any, **given: Any) -> None:
    fields = dataclasses.fields(self)
    if len(args) > len(fields):
        raise TypeError(f"{type(self).__name__} takes {len(fields)} values, got {len(args)}")
    content = vars(self)
    for place, field in enumerate(fields):
        if place < len(args):
            content[field.name] = args[place]
        else:
            content[field.name] = given.pop(field.name) if field.name in given else _default(field)
    if given:
        raise TypeError(f"{type(self).__name__} takes no {', '.join(map(repr, given))} here")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    if field.default is MISSING:
        raise TypeError(f"a value for {field.name!r} is missing")
    return field.default


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, each.name) for each in dataclasses.fields(self) if each.compare)


def _repr(self: Any) -> str:
    shown = [each.name for each in dataclasses.fields(self) if each.repr]
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({told})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _setattr(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _shown(field: Field[Any]) -> Any:
    """Returns the default for a signature; dots for one that is made anew each time."""
    if field.default_factory is not MISSING:
        return ...
    return inspect.Parameter.empty if field.default is MISSING else field.default


class _Signature:
    """What `inspect` says of a class: the fields. Made when somebody asks, for help perhaps."""

    def __get__(self, instance: object, cls: type[Any]) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature(
            [
                inspect.Parameter(each.name, kind, default=_shown(each), annotation=each.type)
                for each in dataclasses.fields(cls)
            ]
        )


_SHARED = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__signature__": _Signature(),
}

__all__ = ["frozen"]
