"""Instances of the classes that are registered by value: enumerations, tuples, dataclasses.

A name off the wire is looked up in the registration only. Without the class, or where it is of
another kind, the value arrives as an `Opaque`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

from .payloads import Opaque, fields, want
from .registration import REGISTRATION, is_named_tuple


def dump_enum(value: enum.Enum) -> Any:
    """Returns ``[name, member, value]``."""
    # The value goes along for whoever does not know the class. A combination of flags has no
    # member's name, and is found by its value.
    plain = value.value if type(value.value) in (int, str, float, bool, type(None)) else None
    return [REGISTRATION.names[type(value)], value.name, plain]


def load_enum(value: Any) -> object:
    """Returns the member."""
    name, member, plain = fields(value, 3, "enumeration member")
    want(type(name) is str and type(member) in (str, type(None)), "enumeration member")
    cls: Any = REGISTRATION.values.get(name)
    if cls is None or not issubclass(cls, enum.Enum):
        return Opaque(name, {"name": member, "value": plain})
    if member in cls.__members__:
        return cls.__members__[member]
    want(issubclass(cls, enum.Flag) and type(plain) is int, f"member of {name}")
    return cls(plain)


def dump_named_tuple(value: Any) -> Any:
    """Returns ``[name, fields, items]``."""
    return [REGISTRATION.names[type(value)], list(value._fields), list(value)]


def load_named_tuple(value: Any) -> object:
    """Returns the tuple."""
    name, names, items = fields(value, 3, "named tuple")
    want(type(name) is str and type(names) is list and _are_names(names), "named tuple")
    want(type(items) is list and len(names) == len(items), "named tuple")
    cls: Any = REGISTRATION.values.get(name)
    if cls is None or not is_named_tuple(cls):
        return Opaque(name, dict(zip(names, items, strict=True)))
    want(list(cls._fields) == names, f"named tuple {name}: other fields")
    return cls._make(items)


def dump_dataclass(value: Any) -> Any:
    """Returns ``[name, {field: value}]``."""
    told = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return [REGISTRATION.names[type(value)], told]


def load_dataclass(value: Any) -> object:
    """Returns an instance, made by the class's own constructor."""
    name, told = fields(value, 2, "dataclass")
    want(type(name) is str and type(told) is dict and _are_names(told), "dataclass")
    cls: Any = REGISTRATION.values.get(name)
    if cls is None or not hasattr(cls, "__dataclass_fields__"):
        return Opaque(name, told)
    known = dataclasses.fields(cls)
    want({each.name for each in known} == set(told), f"dataclass {name}: other fields")
    made: object = cls(**{each.name: told[each.name] for each in known if each.init})
    for each in known:
        if not each.init:
            object.__setattr__(made, each.name, told[each.name])
    return made


def _are_names(given: Iterable[object]) -> bool:
    return all(type(each) is str for each in given)
