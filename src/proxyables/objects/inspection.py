"""Reading objects without running any of their code.

`getattr`, `isinstance`, `dir`, `vars` and even ``cls.__mro__`` ask the object, its class or its
metaclass first, each of which may answer with code. Everything here goes through the
interpreter's own slots instead, so that asking what an object *is* cannot start anything that it
*does*. What exists only dynamically (`__getattr__`, `__dir__`) is not seen, on purpose.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from typing import Any

_read_mro: Any = type.__dict__["__mro__"].__get__
_read_namespace: Any = type.__dict__["__dict__"].__get__
_read_qualname: Any = type.__dict__["__qualname__"].__get__
_read_module: Any = type.__dict__["__module__"].__get__
_ASYNC_FLAGS = 0x80 | 0x100 | 0x200  # coroutine, iterable coroutine, async generator

UNREAD: Any = object()
"""Stands for what is there, or may be, but cannot be looked at without running code."""


class Definition:
    """Where a class or one of its bases defines a name.

    Attributes:
        owner: The first class of the method resolution order that has it.
        raw: What stands there, no descriptor asked.
    """

    __slots__ = ("owner", "raw")

    def __init__(self, owner: type, raw: object) -> None:
        self.owner = owner
        self.raw = raw


def mro_of(cls: type) -> tuple[type, ...]:
    """Returns the method resolution order, whatever the metaclass says of it."""
    order: tuple[type, ...] = _read_mro(cls)
    return order


def namespace_of(cls: type) -> Mapping[str, object]:
    """Returns the class's own ``__dict__``, read-only."""
    namespace: Mapping[str, object] = _read_namespace(cls)
    return namespace


def qualname_of(cls: type) -> str:
    """Returns the class's qualified name."""
    name: str = _read_qualname(cls)
    return name


def module_of(cls: type) -> str:
    """Returns the name of the module that defines the class, or an empty string."""
    try:
        module = _read_module(cls)
    except AttributeError:  # a class body may delete it
        return ""
    return module if type(module) is str else ""


def find(cls: type, name: str) -> Definition | None:
    """Returns the first definition of `name` by the class or its bases."""
    for owner in _read_mro(cls):
        namespace = _read_namespace(owner)
        if name in namespace:
            return Definition(owner, namespace[name])
    return None


def is_data_descriptor(raw: object) -> bool:
    """Whether `raw`, standing in a class, goes before what instances hold under its name."""
    return find(type(raw), "__set__") is not None or find(type(raw), "__delete__") is not None


def is_descriptor(raw: object) -> bool:
    """Whether `raw`, standing in a class, decides itself what reading its name gives."""
    return find(type(raw), "__get__") is not None


def wrapped_function(raw: object) -> object:
    """Returns what a `classmethod` or `staticmethod` wraps; anything else as it is."""
    kinds = mro_of(type(raw))
    for wrapper in (classmethod, staticmethod):
        if wrapper in kinds:
            slot: Any = wrapper.__dict__["__func__"]
            return slot.__get__(raw)
    return raw


def instance_dict(obj: object) -> dict[str, object]:
    """Returns the names that the object itself holds; empty where it has no plain ``__dict__``.

    The dictionary is the object's own if it is an exact one: for reading only.
    """
    found = find(type(obj), "__dict__")
    if found is None or type(found.raw) not in (GetSetDescriptorType, MemberDescriptorType):
        return {}  # none, or a class's own idea of it, which would be code
    held = found.raw.__get__(obj)  # type: ignore[attr-defined]  # one of two C descriptors
    if type(held) is dict:
        return held
    if dict in mro_of(type(held)):
        return dict(dict.items(held))  # a subclass, read past its overrides
    return {}


def is_enumeration(obj: object) -> bool:
    """Whether `obj` is an enumeration class."""
    return enum.EnumMeta in mro_of(type(obj))


class _Nobody:
    """Has no instances."""


def imported(module: str, name: str) -> type[Any]:
    """Returns a class of a module that somebody has imported, or else one that has no instances.

    A thread may be in the middle of the import: the module is there then, and the class is not yet.
    """
    found = sys.modules.get(module)
    held = None if found is None else vars(found).get(name)
    return _Nobody if held is None else held


def is_array(obj: object) -> bool:
    """Whether `obj` is an array of numpy, which is never imported for that."""
    return imported("numpy", "ndarray") in mro_of(type(obj))


def is_path(obj: object) -> bool:
    """Whether `obj` is a path."""
    return imported("pathlib", "PurePath") in mro_of(type(obj))


def enum_members(cls: type) -> Mapping[str, object]:
    """Returns the members of an enumeration by name, aliases too."""
    members: Any = namespace_of(cls).get("_member_map_")
    return members if type(members) is dict else {}


def class_members(cls: type) -> dict[str, object]:
    """Returns everything that `cls` and its bases define, the nearest definition of each name."""
    members: dict[str, object] = {}
    for base in reversed(mro_of(cls)):
        members.update(namespace_of(base))
    if is_enumeration(cls):
        members.update(enum_members(cls))
    return members


def held_members(obj: object) -> dict[str, object]:
    """Returns what the object itself holds, in its slots and its ``__dict__``.

    What a data descriptor of its class goes before is left out, as attribute access would.
    """
    members = class_members(type(obj))
    held = {
        name: value
        for name, value in list(instance_dict(obj).items())
        if type(name) is str and not (name in members and is_data_descriptor(members[name]))
    }
    for name, raw in members.items():
        if type(raw) is MemberDescriptorType:  # a slot: reading one runs C code only
            try:
                held[name] = raw.__get__(obj)
            except AttributeError:  # not set yet
                held[name] = UNREAD
    return held


def is_async(obj: object) -> bool:
    """Whether calling what stands there gives a coroutine or an asynchronous generator."""
    kinds = mro_of(type(obj))
    if staticmethod in kinds or classmethod in kinds:
        return is_async(wrapped_function(obj))
    if type(obj) is MethodType:
        return is_async(obj.__func__)
    return type(obj) is FunctionType and bool(obj.__code__.co_flags & _ASYNC_FLAGS)


__all__ = [
    "UNREAD",
    "Definition",
    "class_members",
    "enum_members",
    "find",
    "held_members",
    "imported",
    "instance_dict",
    "is_array",
    "is_async",
    "is_data_descriptor",
    "is_descriptor",
    "is_enumeration",
    "is_path",
    "module_of",
    "mro_of",
    "namespace_of",
    "qualname_of",
    "wrapped_function",
]
