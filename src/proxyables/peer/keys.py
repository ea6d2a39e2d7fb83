"""What the other side may have hashed: the keys and elements that it sends, objects of ours too.

Hashing an object runs its ``__hash__``, and ``__eq__`` where two hashes are the same; if the policy
denies these, nobody gets them run by sending the object back in a set.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from proxyables.objects.inspection import find, held_members, mro_of
from proxyables.objects.operands import check_operands
from proxyables.objects.policy import Policy
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.arrays import is_numpy
from proxyables.wire.payloads import Opaque
from proxyables.wire.registration import REGISTRATION
from proxyables.wire.values import row_of

_HOLDERS = frozenset({tuple, frozenset, slice})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
# Hashing these runs no code of the exported objects', or fails.
_VALUES = frozenset(
    {type(None), bool, int, float, str, bytes, list, dict, set, bytearray, ProxyCursor}
)


def is_quiet(kind: type) -> bool:
    """Whether hashing and comparing what is of exactly this type runs no code of anybody's."""
    return all(_owner(kind, method) is object for method in ("__hash__", "__eq__"))


def _owner(kind: type, method: str) -> type | None:
    found = find(kind, method)
    return None if found is None else found.owner


def check_key(policy: Policy, value: object) -> None:
    """Refuses, or lets a value, and what is hashed with it, be hashed.

    Raises:
        AccessDenied: A method of an object of ours would run, and is not for this peer.
    """
    waiting = [value]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind in _VALUES or id(each) in seen:
            continue
        if kind not in _HOLDERS and row_of(kind) is not None:
            continue
        seen.add(id(each))
        bases = mro_of(kind)
        is_value = kind in REGISTRATION.names
        if slice in bases:
            waiting += (each.start, each.stop, each.step)  # type: ignore[attr-defined]
        elif tuple in bases:
            waiting += tuple.__iter__(each)  # type: ignore[arg-type]
        elif frozenset in bases:
            waiting += frozenset.__iter__(each)  # type: ignore[arg-type]
        elif kind is Opaque:
            waiting += _parts(each.fields)  # type: ignore[attr-defined]
            continue
        elif is_value and enum.Enum not in bases:
            waiting += held_members(each).values()
        if not (is_value or kind in _HOLDERS or is_numpy(kind)):
            check_operands(policy, "key", [each])


def _parts(fields: object) -> Iterator[object]:
    """Yields what is hashed with a stand-in: it may be hashed although lists are inside of it."""
    waiting = [fields]
    seen: set[int] = set()  # one of our own lists may hold itself
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind not in _CONTAINERS:
            yield each
        elif id(each) not in seen:
            seen.add(id(each))
            waiting += each  # type: ignore[arg-type]  # it can be iterated
            if kind is dict:
                waiting += each.values()  # type: ignore[attr-defined]


__all__ = ["check_key", "is_quiet"]
