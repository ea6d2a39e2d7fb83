"""What an object offers, told without running anything of it.

Plain data for the wire: `describe_type` travels once per type with the first reference to one of
its instances, so it is small; `describe` answers a DESCRIBE step. Both tell only what the policy
lets a peer touch, read classes statically (no property, `__getattr__`, `__dir__`, metaclass or
foreign `__repr__` runs), and are bounded in every direction. `peek` is how a DESCRIBE that says
where its target is finds it, under the same rules.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

from proxyables.wire.instructions import ITEM, Step

from . import rules
from .inspection import (
    UNREAD,
    find,
    held_members,
    instance_dict,
    is_async,
    is_data_descriptor,
    is_descriptor,
    module_of,
    mro_of,
    namespace_of,
    qualname_of,
    wrapped_function,
)
from .policy import Policy, denied
from .rules import Kind
from .signatures import signature_of

_MAX_MEMBERS = 512
_MAX_TYPE_NAMES = 256
_MAX_LINE = 200
_MAX_DOC = 4096
_NONE: frozenset[str] = frozenset()

# What the type's description says an instance can do, by the special methods behind it.
_ABILITIES = {
    "callable": ("__call__",),
    "iterable": ("__iter__", "__getitem__"),
    "async_iterable": ("__aiter__",),
    "awaitable": ("__await__",),
    "sized": ("__len__",),
    "indexable": ("__getitem__",),
    "context": ("__enter__",),
    "async_context": ("__aenter__",),
}
# Counting these runs C code only, and only for the exact types.
_COUNTED = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset, range})
_SUBSCRIBED = (list, tuple, dict)
_KIND_NAMES = {
    Kind.MODULE: "module",
    Kind.CLASS: "class",
    Kind.FUNCTION: "function",
    Kind.BUILTIN: "function",
    Kind.METHOD: "method",
}


def describe_type(cls: type, policy: Policy) -> dict[str, object]:
    """Returns what every instance of `cls` offers.

    Returns:
        ``{"name", "module", "doc", "methods": [names], "attributes": [names]}`` and one flag per
        ability: ``callable, iterable, async_iterable, awaitable, sized, indexable, context,
        async_context``. At most 256 names of each sort; `doc` is the first line. What each
        instance holds for itself is not there: `describe` tells it, and `shadows_of` what of this
        does not hold for it.
    """
    methods: list[str] = []
    attributes: list[str] = []
    for name, raw in sorted(policy.type_members(cls), key=_by_name):
        (methods if _member_kind(raw) in ("method", "class") else attributes).append(name)
    description: dict[str, object] = {
        "name": _clip(qualname_of(cls), _MAX_LINE),
        "module": _clip(module_of(cls), _MAX_LINE),
        "doc": _first_line(namespace_of(cls).get("__doc__")),
        "methods": methods[:_MAX_TYPE_NAMES],
        "attributes": attributes[:_MAX_TYPE_NAMES],
    }
    for ability, special in _ABILITIES.items():
        description[ability] = any(policy.offers(cls, method) for method in special)
    if policy.introspection == "names":
        description["doc"] = ""
    return description


def shadows_of(cls: type, description: dict[str, Any]) -> Callable[[object], frozenset[str]] | None:
    """Returns what tells which methods in its type's description an instance hides by its own.

    None where instances hold nothing of their own.
    """
    found = find(cls, "__dict__")
    names = frozenset(description["methods"])
    if not names or found is None or type(found.raw) not in _SLOTS:
        return None
    read = found.raw.__get__  # type: ignore[attr-defined]  # one of two C descriptors

    def find_shadows(obj: object) -> frozenset[str]:
        held = read(obj)
        # Run for each object that is lent, so the shorter of the two is gone through.
        if type(held) is not dict or held.keys().isdisjoint(names):
            return _NONE
        return names.intersection(held)

    return find_shadows


def describe(obj: object, policy: Policy) -> dict[str, object]:
    """Returns what `obj` offers.

    Returns:
        ``{"kind", "name", "type", "module", "doc", "signature", "async", "members",
        "truncated"}``: `kind` is ``function``, ``method``, ``class``, ``module`` or ``object``;
        `doc` is the whole docstring, clipped; `signature` is text such as ``"(a, b=1)"`` or None;
        `members` are rows of ``{"name", "kind", "signature", "doc", "async", "type"}`` with the
        kinds ``method``, ``property``, ``attribute`` and ``class``, at most 512, and `truncated`
        says that there are more. Builtin containers have ``"len"`` besides.
    """
    kind = rules.kind_of(type(obj))
    members = sorted(policy.visible_members(obj), key=_by_name)
    called = obj
    if kind in (Kind.OPEN, Kind.REFUSED):  # an instance is called through its class
        found = find(type(obj), "__call__") if policy.offers(type(obj), "__call__") else None
        called = None if found is None else found.raw
    description: dict[str, object] = {
        "kind": _KIND_NAMES.get(kind, "object"),
        "name": _name_of(obj, kind),
        "type": _clip(qualname_of(type(obj)), _MAX_LINE),
        "module": _module_name(obj, kind),
        "doc": _clip(_unindented(_doc_of(obj)), _MAX_DOC),
        "signature": signature_of(called, bound=called is not obj),
        "async": is_async(called),
        "members": _rows(obj, kind, members[:_MAX_MEMBERS]),
        "truncated": len(members) > _MAX_MEMBERS,
    }
    if type(obj) in _COUNTED:
        description["len"] = len(obj)  # type: ignore[arg-type]  # one of the builtin containers
    if policy.introspection == "names":
        _strip(description)
    return description


def peek(obj: object, step: Step, policy: Policy) -> object:
    """Returns what a step leads to, if taking it runs nothing of the object.

    That holds for what a description calls an attribute or a class, and for the items of a builtin
    list, tuple or dict.

    Args:
        obj: Where the step is taken.
        step: A name, or an ITEM whose key is a number or text.
        policy: The gate.

    Raises:
        AccessDenied: Something would run, or the name is not there, or hidden.
        LookupError: The container has no such item.
    """
    if type(step) is list and step[0] == ITEM:
        if type(obj) not in _SUBSCRIBED:
            raise denied(step[1], "an item of what is no builtin container runs code")
        policy.check_item(obj, step[1])
        value: object = obj[step[1]]  # type: ignore[index]  # one of the builtin containers
    else:
        name = step if type(step) is str else step[1]
        value = dict(policy.visible_members(obj)).get(name, UNREAD)
        if value is UNREAD or _member_kind(value) not in ("attribute", "class"):
            raise denied(name, "it is not there, or reading it runs code")
        if type(value) in _SLOTS:  # of the interpreter: reading one runs C code only
            if rules.kind_of(type(obj)) is Kind.CLASS:
                raise denied(name, "only an instance has it")
            value = value.__get__(obj)  # type: ignore[attr-defined]  # one of two C descriptors
    policy.check_value(value)
    return value


def _strip(description: dict[str, Any]) -> None:
    """Leaves the names of a description, and what kind of thing each is."""
    for row in (description, *description["members"]):
        row |= {"doc": "", "signature": None, "async": False}
    for member in description["members"]:
        member.pop("type", None)


def _rows(obj: object, kind: Kind, members: Iterable[tuple[str, object]]) -> list[dict[str, Any]]:
    """Describes members; a function is bound to the object unless the object itself holds it."""
    held = held_members(obj)
    in_class = kind not in (Kind.MODULE, Kind.CLASS)
    return [
        _describe_member(name, raw, bound=in_class and held.get(name) is not raw)
        for name, raw in members
    ]


def _describe_member(name: str, raw: object, *, bound: bool) -> dict[str, Any]:
    kind = _member_kind(raw)
    row: dict[str, Any] = {"name": name, "kind": kind, "signature": None, "doc": "", "async": False}
    if kind == "attribute":
        if raw is not UNREAD and not is_descriptor(raw):
            row["type"] = _clip(qualname_of(type(raw)), _MAX_LINE)
        return row
    row["doc"] = _first_line(_doc_of(raw))
    if kind != "property":
        row["signature"] = signature_of(raw, bound=bound)
        row["async"] = is_async(raw)
    return row


def _member_kind(raw: object) -> str:
    """Tells what reading a name gives, from what stands there."""
    kinds = mro_of(type(raw))
    if type in kinds:
        return "class"
    if rules.kind_of(type(raw)) in _CALLED or any(kind in _WRAPPED_METHODS for kind in kinds):
        return "method"
    if type(raw) in _SLOTS or not is_descriptor(raw):
        return "attribute"
    # Descriptors that others wrote: a compiled method can be called, a lazy property cannot.
    return (
        "property" if is_data_descriptor(raw) or find(type(raw), "__call__") is None else "method"
    )


_CALLED = (Kind.FUNCTION, Kind.BUILTIN, Kind.METHOD, Kind.PARTIAL)
_WRAPPED_METHODS = (
    classmethod,
    staticmethod,
    functools.partialmethod,
    functools.singledispatchmethod,
    types.ClassMethodDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def _name_of(obj: object, kind: Kind) -> str:
    if kind is Kind.MODULE:
        name = instance_dict(obj).get("__name__")
    elif kind in (Kind.FUNCTION, Kind.BUILTIN, Kind.CLASS):
        name = rules.callable_name(obj)
    elif kind is Kind.METHOD:
        name = rules.callable_name(obj.__func__)  # type: ignore[attr-defined]  # a bound method
    else:
        name = qualname_of(type(obj))
    return _clip(name, _MAX_LINE)


def _module_name(obj: object, kind: Kind) -> str:
    if kind is Kind.MODULE:
        return _name_of(obj, kind)
    if kind in (Kind.FUNCTION, Kind.BUILTIN, Kind.CLASS):
        return _clip(rules.callable_module(obj), _MAX_LINE)
    return _clip(module_of(type(obj)), _MAX_LINE)


def _doc_of(obj: object) -> object:
    """Returns the docstring that stands there; that of its class for an instance."""
    kinds = mro_of(type(obj))
    if type in kinds:
        return namespace_of(obj).get("__doc__")  # type: ignore[arg-type]  # a class, just asked
    if type(obj) is types.MethodType:
        return _doc_of(obj.__func__)
    if classmethod in kinds or staticmethod in kinds:
        return _doc_of(wrapped_function(obj))
    found = find(type(obj), "__doc__")
    if found is not None and type(found.raw) in _SLOTS:  # functions, properties, builtins
        return found.raw.__get__(obj)  # type: ignore[attr-defined]  # one of two C descriptors
    held = instance_dict(obj).get("__doc__")
    return held if held is not None or found is None else found.raw


def _unindented(doc: object) -> object:
    """Returns a docstring as Python 3.13 keeps it: without the indentation of its source."""
    return inspect.cleandoc(doc) if type(doc) is str else doc


def _first_line(doc: object) -> str:
    text = _clip(doc, _MAX_DOC).strip()
    return _clip(text.partition("\n")[0].rstrip(), _MAX_LINE)


def _clip(text: object, length: int) -> str:
    """Returns text that fits and can be encoded; nothing for what is not text."""
    if type(text) is not str:
        return ""
    clipped = text if len(text) <= length else f"{text[: length - 1]}…"
    return clipped.encode("utf-8", "replace").decode("utf-8")


def _by_name(member: tuple[str, object]) -> str:
    return member[0]


__all__ = ["describe", "describe_type", "peek", "shadows_of"]
