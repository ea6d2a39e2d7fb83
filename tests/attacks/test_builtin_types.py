"""No member and no operator of a builtin type runs what the policy refuses of its argument."""

from __future__ import annotations

import array
import binascii
import bisect
import collections
import contextlib
import datetime
import decimal
import enum
import fractions
import hashlib
import heapq
import ipaddress
import itertools
import json
import math
import operator
import pathlib
import random
import re
import statistics
import struct
import types
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

from nests import Nest
from proxyables import restrict, revocable
from proxyables.wire.instructions import (
    CALL,
    DELITEM,
    ITEM,
    OPERATE,
    OPERATIONS,
    SETITEM,
    Step,
)
from vaults import RAN, vault


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntFlag):
    LOW = 1


class Rows(list[int]):
    """An author's own, but for its methods."""


_MADE: list[Callable[[], Any]] = [
    *(lambda: [1, 2], lambda: (1, 2), lambda: {1, 2}, lambda: frozenset({1}), lambda: {"a": 1}),
    *(lambda: "text", lambda: b"text", lambda: bytearray(b"text"), lambda: 5, lambda: True),
    *(lambda: 1.5, lambda: 1 + 2j, lambda: range(3), lambda: slice(1, 2), lambda: Rows([1])),
    *(lambda: memoryview(bytearray(b"text")), lambda: {"a": 1}.keys(), lambda: {"a": 1}.items()),
    *(lambda: collections.deque([1]), lambda: collections.OrderedDict(a=1)),
    *(lambda: collections.Counter("ab"), lambda: collections.defaultdict(list)),
    *(lambda: collections.ChainMap({"a": 1}), lambda: collections.UserList([1])),
    *(lambda: collections.UserDict(a=1), lambda: collections.UserString("a")),
    *(lambda: array.array("d", [1.0]), lambda: decimal.Decimal(1), lambda: fractions.Fraction(1)),
    *(lambda: datetime.datetime(2024, 1, 1), lambda: datetime.date(2024, 1, 1)),
    *(lambda: datetime.timedelta(1), lambda: datetime.time(1), lambda: uuid.UUID(int=1)),
    *(lambda: pathlib.PurePosixPath("x"), lambda: random.Random(1), lambda: re.compile("a")),
    *(lambda: numpy.array([1.0, 2.0]), lambda: numpy.float64(1), lambda: numpy.add),
    *(lambda: struct.Struct("i"), lambda: hashlib.sha256(), lambda: zlib.compressobj()),
    *(lambda: itertools.count(), lambda: itertools.repeat(1), lambda: iter([1])),
    *(lambda: types.SimpleNamespace(a=1), lambda: types.MappingProxyType({"a": 1})),
    *(lambda: Colour.RED, lambda: Level.LOW, lambda: ipaddress.ip_address("1.1.1.1")),
    *(lambda: restrict([1, 2]), lambda: restrict({"a": 1}), lambda: restrict({1})),
    *(lambda: restrict(collections.Counter("ab")), lambda: revocable(collections.deque([1]))),
]
_MODULES = (math, itertools, bisect, heapq, statistics, json, operator, binascii, random)
TARGETS: dict[str, Callable[[], Any]] = {
    **{f"{type(made()).__name__} {place}": made for place, made in enumerate(_MADE)},
    **{f"{module.__name__}.": lambda module=module: module for module in _MODULES},  # type: ignore[misc]
}
_ALONE = [
    *("keys", "__iter__", "__len__", "__getitem__", "__index__", "__eq__", "__hash__", "__lt__"),
    *("__repr__", "__array__", "__call__", "__float__", "__radd__"),
]
VAULTS = [vault(), *(vault(names=[name]) for name in _ALONE)]
"""One with all special methods, and some with one alone: no other is in the way there."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


NEST = Nest(None)


def attempt(target: str, *steps: Any) -> None:
    with contextlib.suppress(Exception):
        if "." in target:  # a module is lent as the root only
            Nest(TARGETS[target]()).run(*steps)
        else:
            NEST.executor.run(TARGETS[target](), list(steps))


def forms(x: Any) -> Iterator[list[Step]]:
    """Yields calls that give `x` in many places."""
    for one in (x, [x], (1, x), {"a": x}, [[x, x]], slice(x)):
        for args in ([one], [1, one], ["a", one], [one, one, one]):
            yield [CALL, args, {}]
    for keywords in ({"key": x}, {"iterable": x}, {"default": x}):
        yield [CALL, [[1]], keywords]
    yield from ([CALL, [[1], x], {}], [CALL, [x, [1]], {}])


@pytest.mark.parametrize("target", TARGETS)
def test_no_member_of_a_builtin_type_runs_what_is_refused(target: str) -> None:
    for member in dir(TARGETS[target]()):
        if member.startswith("_"):
            continue
        for refused in VAULTS:
            for call in forms(refused) if refused is VAULTS[0] else [[CALL, [refused], {}]]:
                attempt(target, member, call)
                assert RAN == [], (member, call)


@pytest.mark.parametrize("target", [name for name in TARGETS if name[-1] != "."])
def test_no_operator_of_a_builtin_type_runs_what_is_refused(target: str) -> None:
    for refused in VAULTS:
        for x in (refused, [refused]):
            for operation in OPERATIONS:
                attempt(target, [OPERATE, operation, [x]])
                assert RAN == [], (operation, type(x))
            for operation in ("pow", "round", "int"):
                attempt(target, [OPERATE, operation, [1, x]])
            for key in ("a", 0, slice(0, 1), slice(None)):
                attempt(target, [SETITEM, key, x])
            for step in ([ITEM, x], [SETITEM, x, 1], [DELITEM, x], [CALL, [x], {}]):
                attempt(target, step)
            assert RAN == [], type(x)


HELD: list[Callable[[Any], Any]] = [
    *(lambda x: [x, x], lambda x: (x, 1), lambda x: {"a": x}, lambda x: [[x, 1], [x]]),
    *(lambda x: collections.deque([x]), lambda x: {"a": x}.values()),
]


def attempt_inside(refused: Any, *steps: Any) -> None:
    for make in HELD:
        with contextlib.suppress(Exception):
            NEST.executor.run(make(refused), list(steps))
        assert RAN == [], (type(make(1)), steps)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_inside_of_a_container_runs_by_an_operator(operation: str) -> None:
    for refused in VAULTS:
        for args in ([], [5], [[5, 6]], [(5, 6)], [{"a": 5}], [[[5, 6], [5]]]):
            attempt_inside(refused, [OPERATE, operation, args])


@pytest.mark.parametrize("member", ["sort", "index", "count", "remove", "values", "copy", "items"])
def test_nothing_inside_of_a_container_runs_by_a_method(member: str) -> None:
    for refused in VAULTS:
        for args in ([], [5], [[5]]):
            attempt_inside(refused, member, [CALL, args])
