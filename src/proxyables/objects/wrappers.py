"""`restrict` and `revocable`: less of one object, or the object for a while.

Both return a wrapper, which is lent like any other object and stands for the one that it wraps,
over there and here. Its class is made for it, and has the names that are let through and no others:
whatever asks (the gate, a description, a worker's placement) sees an ordinary class, and a name
that is not there cannot be reached. A name that an instance gets later, or makes up in
``__getattr__``, is judged when it is asked for.

Where a method gives the object itself, the wrapper is given in its place; an operand is asked about
the wrapper. What its methods do is in `forwarding`.
"""

from __future__ import annotations

import functools
from collections import UserString
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, MethodType
from typing import Any, TypeVar

from proxyables.errors import AccessDenied
from proxyables.wire.instructions import OPERATIONS

from . import rules
from .forwarding import (
    GONE,
    forward,
    forward_as,
    forward_async,
    forward_key,
    itself,
    operate,
    read_of,
    refuse_pickling,
    target_of,
)
from .inspection import (
    find,
    instance_dict,
    is_async,
    is_data_descriptor,
    is_descriptor,
    module_of,
    namespace_of,
    qualname_of,
    wrapped_function,
)
from .markers import MARK, Mark, class_mark, hidden, mark_of, name_mark
from .policy import Policy
from .rules import Kind

T = TypeVar("T")

_BY_VALUE = (type(None), bool, int, float, complex, str, bytes, bytearray, memoryview, tuple)
_CHANGING = frozenset({"__setitem__", "__delitem__"})
_FORMATTING = frozenset({"__mod__", "__rmod__", "__imod__"})
"""Of a text: templates read items of what they are given."""
_FORWARDED = (
    "__aiter__",
    "__aenter__",
    "__aexit__",
    "__enter__",
    "__exit__",
    "__length_hint__",
    "__reversed__",
)
_MAX_CLASSES = 256
_classes: dict[tuple[Any, ...], type] = {}
"""A class for each way of wrapping; peers are told of a class once."""


def restrict(
    obj: T,
    *,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    read_only: bool = False,
    strict: bool = False,
) -> T:
    """Returns a wrapper of one object that lets less of it through.

    It offers what a connection would whose root the object is, under a `Policy` of these
    arguments; the connection's own policy holds as well. A peer that passes the wrapper back
    passes the wrapper. It can be used here too, and raises `AccessDenied` as it does over there.

    Args:
        obj: Any object that does not travel by value: a function, class or module too.
        allow, deny, read_only, strict: See `Policy`. They hold for this object, and not for those
            that it gives.

    Raises:
        TypeError: `obj` travels by value, or is a remote object; or `allow` or `deny` is not a
            collection of text.
    """
    policy = Policy(allow=allow, deny=deny, read_only=read_only, strict=strict)
    wrapper: T = _wrap(obj, policy, {})
    return wrapper


def revocable(obj: Any) -> Any:
    """Returns a wrapper of one object that can be taken back from everybody: ``wrapper.revoke()``.

    From then on each use of the wrapper, and of methods that were fetched from it, raises
    `AccessDenied`, and the wrapper lets the object go. Calls under way are not ended, and what the
    object has given stays. Peers cannot call `revoke`, nor a method of the object that has that
    name.

    Raises:
        TypeError: `obj` travels by value, or is a remote object.
    """
    return _wrap(obj, Policy(deny=["revoke"]), {"revoke": _revoke})


@hidden
def _revoke(wrapper: Any) -> None:
    """Takes the object back. Safe to call twice, and from any thread."""
    object.__setattr__(wrapper, "_target", GONE)


def _wrap(obj: Any, policy: Policy, own: dict[str, object]) -> Any:
    cls = type(obj)
    if issubclass(cls, _BY_VALUE) or module_of(cls).startswith("proxyables.proxies."):
        raise TypeError(f"expected an object that is lent by reference, got a {qualname_of(cls)}")
    if rules.kind_of(cls) is Kind.OPEN:
        held = frozenset(name for name in instance_dict(obj) if type(name) is str)
        key = (cls, held, repr(policy), *own)
        made = _classes.get(key)
        if made is None:
            if len(_classes) >= _MAX_CLASSES:
                _classes.clear()
            made = _classes[key] = _make_class(obj, policy, own)
    else:  # judged by itself, and not by its type
        made = _make_class(obj, policy.for_root(obj), own)
    wrapper: Any = object.__new__(made)
    object.__setattr__(wrapper, "_target", obj)
    return wrapper


# -- the class of a wrapper -----------------------------------------------------------------------


def _make_class(obj: Any, policy: Policy, own: dict[str, object]) -> type:
    cls = type(obj)
    # A class of a package that is never lent would be refused for its module's name.
    is_refused = rules.kind_of(cls) is Kind.REFUSED
    namespace: dict[str, object] = {
        "__slots__": ("__weakref__", "_target"),
        "__doc__": namespace_of(cls).get("__doc__"),
        "__module__": "proxyables" if is_refused else module_of(cls),
        "__qualname__": qualname_of(cls),
        **_make_access(policy),
        **dict(_make_special(obj, policy)),
    }
    for name, raw in policy.visible_members(obj):
        namespace[name] = _make_member(obj, name, raw)
    return type(cls.__name__, (), namespace | own)


def _make_access(policy: Policy) -> dict[str, object]:
    """Returns the methods for names that the class does not have, and for all changes."""

    def read(self: Any, name: str) -> Any:
        if name[:1] == "_":  # what copies, debuggers and the like ask every object for
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        target = target_of(self)
        policy.check_get(target, name)
        return read_of(self, target, name)

    def assign(self: Any, name: str, value: object) -> None:
        target = target_of(self)
        policy.check_set(target, name)
        setattr(target, name, value)

    def delete(self: Any, name: str) -> None:
        target = target_of(self)
        policy.check_delete(target, name)
        delattr(target, name)

    def names(self: Any) -> list[str]:
        return policy.visible_names(target_of(self))

    return {
        "__getattr__": read,
        "__setattr__": assign,
        "__delattr__": delete,
        "__dir__": names,
        "__copy__": itself,
        "__deepcopy__": itself,
        "__reduce_ex__": refuse_pickling,
    }


def _make_member(obj: Any, name: str, raw: object) -> object:
    """Returns what stands for one name that is let through."""
    mark = _mark_on(obj, name)
    is_bound = rules.kind_of(type(obj)) not in (Kind.MODULE, Kind.CLASS)
    if is_bound and name in instance_dict(obj):  # other objects of this type hold something else
        return _make_property(name, raw, mark)
    behind = wrapped_function(raw)
    if type(behind) is FunctionType:
        takes_self = is_bound and type(raw) in (FunctionType, classmethod)
        return _make_method(name, behind, mark, takes_self=takes_self)
    is_method = is_descriptor(behind) and not is_data_descriptor(behind)
    if is_method and find(type(behind), "__call__") is not None:
        return _mark(forward(name), mark)
    return _make_property(name, raw, mark)


def _mark_on(obj: Any, name: str) -> Mark | None:
    """Returns what the author says of a name of an object, on whatever it is said."""
    kind = rules.kind_of(type(obj))
    if kind is Kind.MODULE:
        return mark_of(instance_dict(obj).get(name))
    cls = obj if kind is Kind.CLASS else type(obj)
    found = find(cls, name)
    mark = name_mark(cls, name) or mark_of(cls if found is None else found.owner)
    whole = class_mark(cls)
    if mark is not None and mark.run is None and whole is not None:
        return Mark(mark.exposed, whole.run)
    return mark


def _mark(function: Any, mark: Mark | None) -> Any:
    function.__dict__.pop(MARK, None)  # another's, if `functools.wraps` has copied it
    if mark is not None:
        function.__dict__[MARK] = mark
    return function


def _make_method(name: str, behind: Any, mark: Mark | None, *, takes_self: bool) -> object:
    function: Any = functools.update_wrapper(forward_as(name, behind), behind)
    if not takes_self:
        del function.__wrapped__  # its signature has no first parameter to be taken away
    return _mark(function, mark)


def _make_property(name: str, raw: object, mark: Mark | None) -> property:
    def read(self: Any) -> Any:
        return read_of(self, target_of(self), name)

    doc = getattr(raw, "__doc__", None) if type(raw) is property else None
    return property(_mark(read, mark), doc=doc)


# -- special methods ------------------------------------------------------------------------------


def _make_special(obj: Any, policy: Policy) -> Iterator[tuple[str, object]]:
    """Yields what carries out the operators, items and calls that are let through."""
    cls = type(obj)
    if _passes(policy.check_call, obj) and find(cls, "__call__") is not None:
        yield "__call__", _make_call(obj)
    methods = {f"__{name.strip('_')}__": name for name in OPERATIONS}
    del methods["__reversed__"]  # forwarded: the operation counts some sequences down instead
    for method in ("__getitem__", *_CHANGING, *_FORWARDED, *methods):
        found = find(cls, method)
        if found is None or found.owner is object or not callable(found.raw):
            continue
        if not _passes(policy.check_method, method, obj):
            continue
        mark = _mark_on(obj, method)
        if method == "__getitem__":
            yield method, _mark(forward_key(method, policy.check_item), mark)
        elif method in _CHANGING:
            check = policy.check_set_item if method == "__setitem__" else policy.check_delete_item
            yield method, _mark(forward_key(method, check), mark)
        elif method in _FORWARDED:
            function = forward_async(method) if is_async(found.raw) else forward(method)
            yield method, _mark(function, mark)
        elif not (method in _FORMATTING and issubclass(cls, UserString)) and _passes(
            policy.check_operation, methods[method], obj
        ):
            yield method, _mark(operate(methods[method]), mark)


def _passes(check: Callable[..., None], *args: Any) -> bool:
    try:
        check(*args)
    except AccessDenied:
        return False
    return True


def _make_call(obj: Any) -> object:
    """Returns the `__call__` of a wrapper; with the signature of what is called."""
    kind = rules.kind_of(type(obj))
    found = find(type(obj), "__call__")
    behind: Any = found.raw if kind is Kind.OPEN and found is not None else obj
    mark = _mark_on(obj, "__call__") if kind is Kind.OPEN else mark_of(obj)
    if type(behind) is MethodType:
        behind = behind.__func__
    if type(behind) is not FunctionType:
        return _mark(forward("__call__"), mark)
    return _make_method("__call__", behind, mark, takes_self=kind in (Kind.OPEN, Kind.METHOD))


__all__ = ["restrict", "revocable"]
