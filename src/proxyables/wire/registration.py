"""Which of the user's classes travel by value, and which exceptions arrive as themselves.

Registration is of the process, as `copyreg`'s is: a class is what it is on every connection. Both
sides register the class; what a peer names is only ever looked up among these names, so that
nothing is imported or constructed at its choosing.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from proxyables.errors import RemoteError

T = TypeVar("T", bound=type)


class Registration:
    """Classes by the names under which they travel, and the other way round.

    Attributes:
        values: Classes of which what comes by value is made, by name.
        names: Names of the classes that travel by value, by exact type.
        exceptions: Exception classes, by ``(module, qualified name)``.
    """

    def __init__(self) -> None:
        self.values: dict[str, type] = {}
        self.names: dict[type, str] = {}
        self.exceptions: dict[tuple[str, str], type[Exception]] = {}

    def add_value(self, cls: type, name: str | None) -> None:
        """Has instances of `cls` travel by value.

        Raises:
            TypeError: `cls` is no enumeration, dataclass or named tuple.
            ValueError: Another class has that name.
        """
        if not isinstance(cls, type) or not (
            is_named_tuple(cls) or issubclass(cls, enum.Enum) or dataclasses.is_dataclass(cls)
        ):
            raise TypeError(
                f"by_value takes an enumeration, a dataclass or a named tuple, got {cls!r}"
            )
        name = name or f"{cls.__module__}.{cls.__qualname__}"
        known = self.values.get(name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"by_value: {name!r} is the name of {known!r} already")
        self.values[name] = cls
        self.names[cls] = name

    def withdraw_value(self, cls: type) -> None:
        """Has instances of `cls` stay; what still comes under its name is made one, as before."""
        self.names.pop(cls, None)

    def add_exception(self, cls: type[Exception]) -> None:
        """Has `cls` arrive as itself.

        Raises:
            TypeError: `cls` is no class of exceptions that report.
        """
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise TypeError(f"register_exception takes a subclass of Exception, got {cls!r}")
        if issubclass(cls, (StopIteration, StopAsyncIteration, RemoteError)):
            raise TypeError(f"register_exception: {cls.__name__} would act here, not report")
        self.exceptions[cls.__module__, cls.__qualname__] = cls


REGISTRATION: Final = Registration()


def is_named_tuple(cls: type) -> bool:
    """Whether `cls` was made by `typing.NamedTuple` or `collections.namedtuple`."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


@overload
def by_value(cls: T, *, name: str | None = None) -> T: ...
@overload
def by_value(cls: None = None, *, name: str | None = None) -> Callable[[T], T]: ...
def by_value(cls: Any = None, *, name: str | None = None) -> Any:
    """Marks an enumeration, dataclass or named tuple whose instances travel by value.

    Both sides register the class, each its own; they find each other by `name`. A side without
    it gets an `Opaque` with the same fields. Subclasses are registered by themselves, and
    `by_reference` takes it back.

    Args:
        cls: The class; ``@by_value`` and ``@by_value(name=…)`` both decorate.
        name: What the class is called on the wire; ``module.QualifiedName`` by default.

    Raises:
        TypeError: It is a class of another kind.
        ValueError: The name is taken by another class.
    """

    def register(cls: T) -> T:
        REGISTRATION.add_value(cls, name)
        return cls

    return register if cls is None else register(cls)


def by_reference(cls: T) -> T:
    """Marks a class whose instances stay where they are; takes a `by_value` before it back.

    Of the two, the last one counts, for instances of exactly this class.

    Raises:
        TypeError: It is no class, or one whose instances always travel by value, as do builtin
            containers and exceptions: those are for ``by_reference=`` of `serve`, `connect` and
            `Proxyable.Export`.
    """
    if not isinstance(cls, type):
        raise TypeError(f"by_reference takes a class, got {cls!r}; for one object, there is ref()")
    from .values import is_value_type  # which asks this module

    if is_value_type(cls):
        name = cls.__name__
        raise TypeError(
            f"by_reference: {name} always travels by value; use serve(…, by_reference=({name},))"
        )
    REGISTRATION.withdraw_value(cls)
    return cls


def register_exception(cls: type[Exception]) -> type[Exception]:
    """Marks an exception class that arrives as itself where both sides have registered it.

    What arrives is an instance of `cls` and of `RemoteError`, with its arguments and with those
    attributes of its own that are plain values; its constructor does not run. Usable as a
    decorator.

    Raises:
        TypeError: It is no class of exceptions, or of one that steers the interpreter.
    """
    REGISTRATION.add_exception(cls)
    return cls
