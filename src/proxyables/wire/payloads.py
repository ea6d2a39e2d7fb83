"""What the loaders of extension types share: shapes checked, and what stands for the unknown."""

from __future__ import annotations

from typing import Any, Final

from proxyables.errors import LimitExceeded

NESTING: Final = 500
"""Arrays and maps inside one another that are always taken. MessagePack's decoder ends at 1024, and
what holds objects of ours, or paths, where Python's stack does."""


_read_module: Any = type.__dict__["__module__"].__get__  # asks no metaclass


def module_of(kind: type) -> str:
    """Returns the name of the module that defines a class, or an empty string."""
    try:
        name = _read_module(kind)
    except AttributeError:  # a class body may delete it
        return ""
    return name if type(name) is str else ""


def visible(text: str) -> str:
    """Returns text of the other side's without what steers a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Opaque:
    """Stands for a value whose type this side does not know.

    Attributes:
        type_name: What the sender calls the type.
        fields: What the sender told of it, as plain data.
    """

    __slots__ = ("fields", "type_name")

    def __init__(self, type_name: str, fields: object) -> None:
        self.type_name = type_name
        self.fields = fields

    def __repr__(self) -> str:
        return f"<proxyables.Opaque {visible(self.type_name)}: {self.fields!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return NotImplemented
        return self.type_name == other.type_name and self.fields == other.fields

    def __hash__(self) -> int:
        # It may have come as a key, which what it stands for can be.
        return hash((self.type_name, _hashable(self.fields)))


def _hashable(value: Any) -> Any:
    """Returns what is equal for equal values, and can be hashed if all inside of it can."""
    kind = type(value)
    if kind is list or kind is tuple:
        return (kind, *map(_hashable, value))
    if kind is dict:
        return frozenset((key, _hashable(each)) for key, each in value.items())
    return frozenset(value) if kind is set else value


class Malformed(ValueError):
    """An extension's payload has not the shape that its number promises."""


def too_deep() -> LimitExceeded:
    """Returns the error of a value that is nested deeper than `NESTING`, and too deep for us."""
    return LimitExceeded("nesting", NESTING, NESTING + 1, "arrays and maps inside one another")


def want(condition: object, what: str) -> None:
    """Raises `Malformed` unless the condition holds."""
    if not condition:
        raise Malformed(f"malformed {what}")


def fields(value: Any, count: int, what: str) -> list[Any]:
    """Returns a payload that must be a list of so many elements."""
    want(type(value) is list and len(value) == count, what)
    found: list[Any] = value
    return found


def whole(value: Any, what: str) -> int:
    """Returns a payload that must be a whole number, and no boolean."""
    want(type(value) is int, what)
    number: int = value
    return number
