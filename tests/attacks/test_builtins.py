"""What the policy refuses of an object is not had by giving the object to a builtin."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import operator
import pathlib
import uuid
from typing import Any

import numpy
import pytest

import proxyables
from connections import connected, on_both_loops
from nests import Nest
from proxyables import Policy, expose, hidden, restrict
from proxyables.errors import AccessDenied, ProxyError, RemoteError
from proxyables.objects.tables import RUN_BY_BUILTINS
from proxyables.wire.instructions import (
    CALL,
    COPY,
    ITEM,
    OPERATE,
    SETITEM,
    Step,
)
from proxyables.wire.registration import REGISTRATION
from vaults import RAN, vault, watched

IN_PLACE = {
    name for name in RUN_BY_BUILTINS if name[:3] == "__i" and f"__{name[3:]}" in RUN_BY_BUILTINS
}
DENYING = Policy(deny=sorted(RUN_BY_BUILTINS - {"__call__", "__add__", "__setitem__", *IN_PLACE}))


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


class Shelf:
    """One builtin container of each sort, and an author's own methods."""

    def __init__(self) -> None:
        self.list = [1, 2]
        self.set = {1, 2}
        self.dict = {"a": 1}
        self.ordered = collections.OrderedDict(a=1)
        self.default: Any = collections.defaultdict(int, a=1)
        self.counter = collections.Counter("ab")
        self.deque = collections.deque([1])
        self.bytes = bytearray(b"ab")
        self.array = array.array("i", [1])
        self.text = "text"
        self.number = 5
        self.part = restrict([1, 2])
        self.first = operator.itemgetter(0)
        self.joined = functools.partial("".join)
        self.cached = functools.lru_cache(lambda value: 1)
        self.user = collections.UserList([1])

    def take(self, value: Any) -> int:
        return 1


def call(name: str, method: str, *args: Any, **keywords: Any) -> list[Step]:
    """Returns a call in the form that it has as soon as an object of ours is in its message."""
    return [name, method, [CALL, list(args), keywords]]


def ways(x: Any) -> dict[str, list[Step]]:
    """Returns chains that give `x` to a builtin, by what they do."""
    calls = {
        "set": "union update difference intersection symmetric_difference issubset add discard",
        "list": "extend append index count remove",
        "dict": "update fromkeys get pop setdefault",
        "ordered": "update fromkeys move_to_end",
        "default": "update",
        "counter": "update fromkeys",
        "deque": "extend extendleft append rotate remove",
        "bytes": "extend append join",
        "array": "extend append fromlist",
        "text": "join zfill translate center count startswith encode",
        "number": "to_bytes from_bytes",
        "part": "extend append index",
        "user": "extend append index",
    }
    found = {
        f"{name}.{method}": call(name, method, x)
        for name, methods in calls.items()
        for method in methods.split()
    }
    for name in ("list", "set", "dict", "deque", "bytes", "array", "part", "counter", "user"):
        for operation in ("iadd", "ior", "iand", "isub", "ixor", "imul"):
            found[f"{name} {operation}"] = [name, [OPERATE, operation, [x]]]
    return found | {
        "list.sort": call("list", "sort", key=x),
        "list[:] =": ["list", [SETITEM, slice(0, 0), x]],
        "bytes[0] =": ["bytes", [SETITEM, 0, x]],
        "dict[] =": ["dict", [SETITEM, "a", x]],
        "inside": call("text", "join", [x]),
        "deeper": call("list", "append", {"a": [(x,)]}),
        "list + [x]": ["list", [OPERATE, "add", [[x]]]],
        "itemgetter": ["first", [CALL, [x]]],
        "partial": ["joined", [CALL, [x]]],
        "cached": ["cached", [CALL, [x]]],
        "partial, keyword": ["joined", [CALL, [], {"iterable": x}]],
        "iter": ["take", [OPERATE, "iter", [x]]],
        "item": ["text", [ITEM, x]],
    }


@pytest.mark.parametrize("way", ways(None))
def test_a_builtin_runs_nothing_that_is_refused(way: str) -> None:
    for policy, mark in (
        (Policy(), hidden),
        (Policy(strict=True), lambda method: method),
        (DENYING, lambda method: method),
    ):
        refused = vault(mark)
        with pytest.raises(AccessDenied):
            Nest(expose(Shelf)(), policy=policy).run(*ways(refused)[way])
        assert RAN == []


def allowed(policy: Policy, chains: dict[str, list[Step]]) -> None:
    for way, chain in chains.items():
        try:
            Nest(expose(Shelf)(), policy=policy).run(*chain)
        except AccessDenied as error:
            raise AssertionError(way) from error
        except Exception as error:  # whatever the builtin says of such an argument
            assert not isinstance(error, ProxyError), way


def test_what_the_policy_lets_pass_goes_on_as_in_python() -> None:
    lent = vault(lambda method: method)
    allowed(Policy(), ways(lent))
    assert set(RAN) >= {"__iter__", "keys", "__index__", "__hash__", "__eq__"}
    without = {way: chain for way, chain in ways(vault(expose)).items() if way != "itemgetter"}
    allowed(Policy(strict=True), without)


class Plain:
    """Has no special methods of its own."""


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any = 1


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("policy", [Policy(strict=True), DENYING])
def test_values_pass_whatever_the_policy(policy: Policy) -> None:
    values = [
        *(None, 1, 1.5, "x", b"x", (1, "x"), [1], {"a": [1]}, {1}, frozenset({1}), bytearray(b"x")),
        *(Plain(), Plain, len, Nest(1).caller.root, ValueError("x"), RemoteError("x"), range(2)),
        *(datetime.date(2024, 1, 1), decimal.Decimal(1), fractions.Fraction(1), 1 + 2j, ...),
        *(array.array("d", [1]), uuid.UUID(int=1), pathlib.PurePosixPath("x"), Point(), Colour.RED),
        *(numpy.array([1, 2]), numpy.float64(1)),
    ]
    proxyables.by_value(Point)
    proxyables.by_value(Colour)
    try:
        for value in values:
            allowed(policy, {repr(value): call("list", "append", value)})
            allowed(policy, {repr(value): call("dict", "get", "b", value)})
    finally:
        for cls in (Point, Colour):
            del REGISTRATION.values[REGISTRATION.names.pop(cls)]


def test_what_is_inside_of_a_value_is_looked_at() -> None:
    proxyables.by_value(Point)
    try:
        with pytest.raises(AccessDenied):
            Nest(Shelf()).run(*call("list", "append", Point(vault())))
    finally:
        del REGISTRATION.values[REGISTRATION.names.pop(Point)]


def test_what_was_by_value_is_an_object_once_it_is_by_reference() -> None:
    kept = proxyables.by_value(dataclasses.dataclass(eq=False)(vault().__class__), name="Kept")
    try:
        proxyables.by_reference(kept)
        with pytest.raises(AccessDenied):
            Nest(Shelf()).run(*call("set", "union", kept()))
    finally:
        REGISTRATION.names.pop(kept, None)
        del REGISTRATION.values["Kept"]


def test_the_methods_of_authors_are_given_what_they_are_given() -> None:
    steps: list[Step] = ["take", [CALL, [vault()], {}]]
    assert Nest(Shelf()).run(*steps) == 1


def test_the_refusal_tells_which() -> None:
    rows = type("Rows", (), {"__iter__": watched("__iter__", hidden)})()
    for chain, which in (
        (call("list", "insert", 0, vault()), "argument 2"),
        (call("list", "sort", key=vault()), "argument 'key'"),
        (["list", [OPERATE, "iadd", [rows]]], "the operand"),
        (["dict", [SETITEM, "a", vault()]], "the new item"),
    ):
        with pytest.raises(AccessDenied, match=f"is denied: {which} of a builtin may have it run"):
            Nest(Shelf()).run(*chain)


def test_under_an_allow_list_the_root_itself_is_no_argument() -> None:
    root = Shelf()
    type(root).__iter__ = watched("__iter__", lambda method: method)  # type: ignore[attr-defined]
    try:
        for _ in range(2):
            with pytest.raises(AccessDenied):
                Nest(root, policy=Policy(allow=["set"])).run(*call("set", "union", root))
            with pytest.raises(TypeError, match="__iter__"):
                Nest(root, policy=Policy(allow=["set"])).run(*call("set", "union", Shelf()))
    finally:
        del type(root).__iter__  # type: ignore[attr-defined]


class Copied(dict[str, int]):
    @hidden
    def keys(self) -> Any:
        RAN.append("keys")
        return super().keys()


class Number(int):
    @hidden
    def __int__(self) -> int:
        RAN.append("int")
        return 1


@pytest.mark.parametrize("value", [Copied(a=1), Number(5)])
def test_a_copy_runs_nothing_that_is_refused(value: Any) -> None:
    with pytest.raises(AccessDenied):
        Nest(Shelf()).executor.run(value, [[COPY]])
    assert RAN == []


@on_both_loops
async def test_over_a_connection() -> None:
    shelf: Any = Shelf()
    shelf.vault = vault()
    async with connected(shelf) as (client, _):
        root = client.root
        held, extend, update = await root.vault, await root.user.extend, await root.counter.update
        RAN.clear()
        for refused in (
            root.set.union(held),
            root.set.union(root.vault),
            root.part.extend(held),
            root.text.join([held]),
            root.user.extend(held),
            extend(held),
            update(root.vault),
            root.cached(held),
            proxyables.perform(root.list, "iadd", held),
            proxyables.assign(root.list[0:1], held),
        ):
            with pytest.raises(AccessDenied):
                await refused
        assert RAN == []
        assert await root.take(held) == 1
