"""Instances of the classes that are registered by value: enumerations, tuples, dataclasses.

A name off the wire is looked up in the registration only. Without the class, or where it is of
another kind, the value arrives as an `Opaque`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Iterable
from typing import Any

from proxyables.errors import EncodingError

from .payloads import Opaque, fields, want
from .registration import REGISTRATION, is_named_tuple

_HEAP_TYPE = 1 << 9
"""Of a class that was made by a class statement."""
_MOST_BITS = 128
_MOST_COMBINATIONS = 4096


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
    # The class keeps every combination that it was ever asked for, of unknown bits as well.
    known = cls._value2member_map_
    if plain not in known:
        most = max(_MOST_BITS, cls._flag_mask_.bit_length())
        want(plain.bit_length() <= most, f"member of {name}")
        want(len(known) < _MOST_COMBINATIONS, f"member of {name}: too many combinations")
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
    """Returns ``[name, {field: value}]``.

    Raises:
        EncodingError: A field has no value.
    """
    told = {}
    for each in dataclasses.fields(value):
        try:
            told[each.name] = getattr(value, each.name)
        except AttributeError as error:
            kind = type(value).__qualname__
            message = f"{kind}.{each.name} has no value, and a {kind} travels whole"
            raise EncodingError(message, error) from error
    return [REGISTRATION.names[type(value)], told]


def load_dataclass(value: Any) -> object:
    """Returns an instance whose fields are what came.

    The class's constructor is run first, as what it checks has to hold for what a peer sends. What
    it makes of the fields was made of them over there already. One that takes something else than
    the fields cannot be run.
    """
    name, told = fields(value, 2, "dataclass")
    want(type(name) is str and type(told) is dict and _are_names(told), "dataclass")
    cls: Any = REGISTRATION.values.get(name)
    if cls is None or not hasattr(cls, "__dataclass_fields__"):
        return Opaque(name, told)
    known = dataclasses.fields(cls)
    want({each.name for each in known} == set(told), f"dataclass {name}: other fields")
    if _takes_fields(cls):
        made = cls(**{each.name: _lent(told[each.name]) for each in known if each.init})
    else:
        made = _layout(cls).__new__(cls)
    for each in known:
        object.__setattr__(made, each.name, told[each.name])
    built: object = made
    return built


@functools.cache
def _takes_fields(cls: Any) -> bool:
    """Whether the constructor can be run with the fields that are its arguments."""
    import inspect  # dear

    given = {each.name: None for each in dataclasses.fields(cls) if each.init}
    try:
        inspect.signature(cls.__init__).bind(None, **given)
    except (TypeError, ValueError):
        return False
    return True


def _lent(value: Any) -> Any:
    """Returns what a constructor may change without changing the field."""
    return value.copy() if type(value) in (list, dict, set) else value


def _layout(cls: type) -> Any:
    """Returns the builtin class that lays out the instances: no other's ``__new__`` is taken."""
    return next(each for each in cls.__mro__ if not each.__flags__ & _HEAP_TYPE)


def _are_names(given: Iterable[object]) -> bool:
    return all(type(each) is str for each in given)
