"""The rules that hold whatever the policy is: how a type, a name or a value is judged.

Pure questions, put to `tables`. An author's own classes are lent whole: every public name, as the
author wrote it. Every function named ``…_reason`` gives a reason for this side's log, or None if
there is nothing to refuse.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Mapping
from typing import Any

from . import tables
from .inspection import (
    enum_members,
    find,
    instance_dict,
    is_data_descriptor,
    is_descriptor,
    is_enumeration,
    module_of,
    mro_of,
    qualname_of,
    wrapped_function,
)


class Kind(enum.Enum):
    """How a type's instances are judged."""

    OPEN = "lent whole, but for a few names"
    MODULE = "only as the root, and only what it offers"
    CLASS = "to be called, and for what works without an instance"
    FUNCTION = "judged by the module that it comes from"
    BUILTIN = "judged by its module, or by what it is bound to"
    METHOD = "bound to an object that was reached by allowed steps"
    PARTIAL = "judged by what it calls"
    REFUSED = "never lent"


_KINDS: Mapping[type, Kind] = types.MappingProxyType(
    {
        types.FunctionType: Kind.FUNCTION,
        type(functools.lru_cache(maxsize=1)(len)): Kind.FUNCTION,
        types.BuiltinFunctionType: Kind.BUILTIN,
        types.MethodType: Kind.METHOD,
    }
)


def kind_of(cls: type) -> Kind:
    """Returns how instances of exactly `cls` are judged."""
    special = _KINDS.get(cls)
    if special is not None:
        return special
    bases = mro_of(cls)
    if type in bases:
        return Kind.CLASS
    if types.ModuleType in bases:
        return Kind.MODULE
    if any(_is_refused_type(base) for base in bases):
        return Kind.REFUSED
    if functools.partial in bases:
        return Kind.PARTIAL
    return Kind.OPEN


def _is_refused_type(cls: type) -> bool:
    if cls in tables.REFUSED_TYPES:
        return True
    module = module_of(cls)
    if f"{module}.{qualname_of(cls)}" in tables.REFUSED_NAMES:
        return True
    package, _, rest = module.partition(".")
    if package == "proxyables":
        package = f"proxyables.{rest.partition('.')[0]}"
    return package in tables.REFUSED_PACKAGES


def member_reason(cls: type, name: str) -> str | None:
    """Judges a public name of an instance of `cls` that may itself be lent."""
    for base in mro_of(cls):
        lent = tables.LENT_MEMBERS.get(base)
        if lent is not None:
            return None if name in lent else f"{name!r} of a {qualname_of(base)} is not lent"
        dotted = f"{module_of(base)}.{qualname_of(base)}"
        if name in tables.LENT_AGAIN_BY_NAME.get(dotted, ()):
            return None
        refused = tables.REFUSED_MEMBERS.get(base) or tables.REFUSED_MEMBERS_BY_NAME.get(dotted)
        if refused is not None and name in refused:
            return f"{name!r} of {dotted} reaches behind the object"
        if dotted in ("pathlib.Path", "pathlib._local.Path"):
            return _path_reason(cls, name)
    return None


def change_reason(cls: type, name: str) -> str | None:
    """Judges the setting of a name that may be read; ``__setitem__`` stands for all items."""
    for base in mro_of(cls):
        dotted = f"{module_of(base)}.{qualname_of(base)}"
        if name in tables.UNCHANGED_BY_NAME.get(dotted, ()):
            return f"{name!r} of {dotted} reaches behind the object"
    return None


def _path_reason(cls: type, name: str) -> str | None:
    """A path that an object shows must not become a way to the whole file system."""
    found = find(cls, name)
    if found is None or module_of(found.owner).partition(".")[0] != "pathlib":
        return None
    if qualname_of(found.owner) in tables.LENT_PATHS:
        return None
    return f"{name!r} of a path touches the file system"


def is_mutator(cls: type, name: str) -> bool:
    """Whether `name` changes the builtin container that `cls` is or extends."""
    return any(
        name in tables.MUTATORS.get(base, ())
        or name in tables.MUTATORS_BY_NAME.get(f"{module_of(base)}.{qualname_of(base)}", ())
        for base in mro_of(cls)
    )


def class_member_reason(cls: type, name: str) -> str | None:
    """Judges a public name read on the class itself: what needs no instance is lent.

    Plain functions are refused, because a caller could forge their `self`; so are the
    descriptors of properties and slots, and what only the metaclass has, such as ``mro``.
    """
    if is_enumeration(cls) and name in enum_members(cls):
        return None
    of_metaclass = find(type(cls), name)
    if of_metaclass is not None and is_data_descriptor(of_metaclass.raw):
        return f"{name!r} belongs to the metaclass"
    found = find(cls, name)
    if found is None:
        return None if of_metaclass is None else f"{name!r} belongs to the metaclass"
    kinds = mro_of(type(found.raw))
    bound = (classmethod, staticmethod, types.ClassMethodDescriptorType)
    if any(kind in kinds for kind in bound) or not is_descriptor(found.raw):
        return member_reason(cls, name)
    return f"{name!r} needs an instance"


def module_names(module: types.ModuleType) -> list[str]:
    """Returns the names that a module offers as the root.

    Those of its ``__all__``, else the public functions and classes that it defines itself; never
    a module that it imports.
    """
    namespace = instance_dict(module)
    listed = namespace.get("__all__")
    if type(listed) in (list, tuple):
        names = [name for name in listed if type(name) is str]  # type: ignore[attr-defined]
    else:
        own = namespace.get("__name__")
        names = [name for name, value in list(namespace.items()) if _is_defined(value, own)]
    return [name for name in names if not name.startswith("_") and not _is_module(namespace, name)]


def _is_module(namespace: dict[str, object], name: str) -> bool:
    return types.ModuleType in mro_of(type(namespace.get(name)))


def _is_defined(value: object, module: object) -> bool:
    return (
        kind_of(type(value)) in (Kind.FUNCTION, Kind.BUILTIN, Kind.CLASS)
        and type(module) is str
        and callable_module(value) == module
    )


def callable_module(value: object) -> str:
    """Returns the module that a function or class comes from, or an empty string."""
    module: Any
    if type(value) in (types.FunctionType, types.BuiltinFunctionType):
        module = value.__module__
    elif type in mro_of(type(value)):
        module = module_of(value)  # type: ignore[arg-type]  # a class, just asked
    else:
        module = instance_dict(value).get("__module__")
    return module if type(module) is str else ""


def callable_name(value: object) -> str:
    """Returns the name under which a function or class was defined, or an empty string."""
    name: Any
    if type(value) in (types.FunctionType, types.BuiltinFunctionType):
        name = value.__name__  # type: ignore[attr-defined]  # one of two C types
    elif type in mro_of(type(value)):
        name = qualname_of(value)  # type: ignore[arg-type]  # a class, just asked
    else:
        name = instance_dict(value).get("__name__")
    return name if type(name) is str else ""


def origin_reason(module: str, name: str) -> str | None:
    """Judges a function or class of the standard library by where it comes from.

    Gadgets come from there: `getattr`, `eval`, `open`, `os.system`, `importlib.import_module`.
    What other packages define was lent by its author.
    """
    package = module.partition(".")[0]
    if package == "builtins":
        lent = name in tables.LENT_BUILTINS
    elif package == "pathlib":
        lent = name in tables.LENT_PATHS
    else:
        lent = package in tables.LENT_STANDARD or package not in sys.stdlib_module_names
    return None if lent else f"{module}.{name} is not lent"


def class_reason(cls: type) -> str | None:
    """Judges a class as a value, which may then be called."""
    bases = mro_of(cls)
    if type in bases:
        return "a metaclass makes classes"
    if kind_of(cls) is not Kind.OPEN:
        return f"instances of {qualname_of(cls)} are not lent"
    if BaseException in bases:
        return None
    return origin_reason(module_of(cls), qualname_of(cls))


def function_reason(value: object) -> str | None:
    """Judges a function written in Python by its module."""
    module = callable_module(value)
    if module in ("", "builtins"):  # made by `exec`: no builtin is written in Python
        return None
    return origin_reason(module, callable_name(value))


def bound_name(value: Any) -> tuple[type, str]:
    """Returns the type that a function written in C is bound to an instance of, and its name."""
    return type(value.__self__), value.__name__


def method_function(value: object) -> object:
    """Returns what a bound method calls."""
    slot: Any = types.MethodType.__dict__["__func__"]
    return slot.__get__(value)


def method_owner(value: object) -> object:
    """Returns what a bound method is bound to."""
    slot: Any = types.MethodType.__dict__["__self__"]
    return slot.__get__(value)


def is_member(cls: type, name: str, function: object) -> bool:
    """Whether `function` is what stands in `cls` under this name."""
    found = find(cls, name)
    return found is not None and wrapped_function(found.raw) is function


def partial_target(value: object) -> object:
    """Returns what a `functools.partial` calls."""
    slot: Any = functools.partial.__dict__["func"]
    return slot.__get__(value)


def is_reserved_key(cls: type, key: object) -> bool:
    """Whether an item's key is a special name, put to a class that might look up attributes."""
    return type(key) is str and key[:2] == key[-2:] == "__" and module_of(cls) != "builtins"


def operation_reason(name: str, target: object) -> str | None:
    """Judges an operator on a module or class, on which only a few make sense."""
    fitting = tables.OPERATIONS_ON_ANYTHING
    if type in mro_of(type(target)):
        fitting = tables.OPERATIONS_ON_CLASSES
        if is_enumeration(target):
            fitting = tables.OPERATIONS_ON_ENUMERATIONS
    return None if name in fitting else f"{name!r} of a {qualname_of(type(target))} is not lent"


def method_behind(cls: type, operation: str) -> str:
    """Returns the name of the special method that an operator on an instance of `cls` runs."""
    methods = tables.METHODS.get(operation) or (f"__{operation.strip('_')}__",)
    for method in methods:
        found = find(cls, method)
        if found is not None and found.owner is not object:  # whose own only ask for the next
            return method
    return methods[0]


def is_standard_value(cls: type) -> bool:
    """Whether `cls` is a builtin or library class whose instances are mere values.

    So is a cursor: what it stands for is guarded by the policy of its own side.
    """
    module = module_of(cls)
    package = module.partition(".")[0]
    return (
        package == "builtins"
        or package in tables.LENT_STANDARD
        or module.startswith("proxyables.proxies.")
    )


def builtin_reason(value: types.BuiltinFunctionType) -> str | None:
    """Judges a function written in C, by its module or by the object that it is bound to."""
    name = value.__name__
    owner: Any = value.__self__
    if owner is None or types.ModuleType in mro_of(type(owner)):
        module = callable_module(value)
        # A static method of a C class, such as str.maketrans, has neither module nor object.
        return origin_reason(module, name) if module or owner is not None else None
    if name.startswith("_"):
        return f"{name!r} of a {qualname_of(type(owner))} is not lent"
    kind = kind_of(type(owner))
    if kind is Kind.CLASS:
        return class_member_reason(owner, name) or class_reason(owner)
    if kind is Kind.OPEN:
        return member_reason(type(owner), name)
    return f"{name!r} is bound to what is not lent"


__all__ = [
    "Kind",
    "bound_name",
    "builtin_reason",
    "callable_module",
    "callable_name",
    "change_reason",
    "class_member_reason",
    "class_reason",
    "function_reason",
    "is_member",
    "is_mutator",
    "is_reserved_key",
    "is_standard_value",
    "kind_of",
    "member_reason",
    "method_behind",
    "method_function",
    "method_owner",
    "module_names",
    "operation_reason",
    "origin_reason",
    "partial_target",
]
