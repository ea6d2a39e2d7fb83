"""Wrappers of one object: what they let through, here and over a connection."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import logging
import math
import operator
import pathlib
import pickle
import weakref
from collections import UserString
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy
import pytest

import proxyables
from connections import connected, on_both_loops
from proxyables import AccessDenied, LimitExceeded, Policy, restrict, revocable
from proxyables.wire.instructions import OPERATIONS


class Ledger:
    """Entries and their sum."""

    def __init__(self) -> None:
        self.owner = "Emma"
        self.entries = [1, 2, 3]
        self.on_add: Callable[[int], Any] | None = None

    def add(self, amount: int, *, note: str = "") -> int:
        """Adds an entry."""
        self.entries.append(amount)
        return sum(self.entries)

    def total(self) -> int:
        return sum(self.entries)

    async def total_soon(self) -> int:
        await asyncio.sleep(0)
        return sum(self.entries)

    async def rows(self) -> AsyncIterator[int]:
        for entry in self.entries:
            yield entry

    def itself(self) -> Ledger:
        return self

    async def itself_soon(self) -> Ledger:
        return self

    @property
    def size(self) -> int:
        """How many."""
        return len(self.entries)

    @size.setter
    def size(self, size: int) -> None:
        del self.entries[size:]

    @staticmethod
    def rate() -> float:
        return 0.5

    @classmethod
    def named(cls, prefix: str) -> str:
        return prefix + cls.__name__

    @proxyables.hidden
    def burn(self) -> None:
        self.entries.clear()

    @proxyables.expose
    def audit(self) -> str:
        return "fine"

    def revoke(self) -> str:
        return "the ledger's own"

    def __getattr__(self, name: str) -> str:
        if name.startswith("made_"):
            return name
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int) -> int:
        return self.entries[key]

    def __setitem__(self, key: int, value: int) -> None:
        self.entries[key] = value

    def __delitem__(self, key: int) -> None:
        del self.entries[key]

    def __iadd__(self, amount: int) -> Ledger:
        self.entries.append(amount)
        return self

    def __add__(self, amount: int) -> int:
        return self.total() + amount

    def __eq__(self, other: object) -> bool:
        return other == "the ledger"

    __hash__ = None  # type: ignore[assignment]

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *args: object) -> None:
        self.entries.append(0)


class Office:
    """Lends one ledger in several ways."""

    def __init__(self, **lent: Any) -> None:
        self.ledger = Ledger()
        self.lent = lent

    def lend(self, name: str) -> Any:
        return self.lent[name]

    def is_lent(self, name: str, thing: Any) -> bool:
        return thing is self.lent[name]


# -- here ------------------------------------------------------------------------------------------


def test_only_what_is_allowed_is_there() -> None:
    ledger = Ledger()
    few = restrict(ledger, allow=["total*", "rate"])
    assert (few.total(), few.rate()) == (6, 0.5)
    assert asyncio.run(few.total_soon()) == 6
    for name in ("add", "owner", "entries", "burn", "made_up"):
        with pytest.raises(AccessDenied, match=f"access to '{name}' is denied"):
            getattr(few, name)
    with pytest.raises(TypeError, match="len"):
        len(few)
    assert dir(few) == ["rate", "total", "total_soon"]


def test_what_is_denied_is_not_there() -> None:
    most = restrict(Ledger(), deny=["add", "__len__"])
    assert (most.total(), most[1], most.size) == (6, 2, 3)
    with pytest.raises(AccessDenied):
        most.add(1)
    with pytest.raises(TypeError):
        len(most)


def test_a_read_only_object_is_not_changed() -> None:
    ledger = Ledger()
    ours: Any = restrict(ledger, read_only=True)
    assert (ours.owner, ours.size, ours[0], len(ours), ours + 1) == ("Emma", 3, 1, 3, 7)
    for change in (
        lambda: setattr(ours, "owner", "Max"),
        lambda: setattr(ours, "size", 0),
        lambda: delattr(ours, "owner"),
        lambda: operator.setitem(ours, 0, 5),
        lambda: operator.delitem(ours, 0),
    ):
        with pytest.raises(AccessDenied):
            change()
    assert ledger.owner == "Emma"
    assert ledger.entries == [1, 2, 3]


def test_a_read_only_container_is_not_changed() -> None:
    inside = [3, 1]
    values: Any = restrict(inside, read_only=True)
    assert (values[0], list(values), values.index(1), 1 in values) == (3, [3, 1], 1, True)
    for name in ("append", "clear", "sort"):
        with pytest.raises(AccessDenied):
            getattr(values, name)
    values += [1]  # as of a tuple: a new one
    assert (values, inside) == ([3, 1, 1], [3, 1])


def test_strictly_only_what_is_exposed_is_there() -> None:
    strict = restrict(Ledger(), strict=True)
    assert strict.audit() == "fine"
    with pytest.raises(AccessDenied):
        strict.total()


def test_changes_pass_to_the_object() -> None:
    ledger = Ledger()
    ours: Any = restrict(ledger)
    ours.owner = "Max"
    ours.size = 1
    ours.later = 5
    ours[0] = 7
    with ours as entered:
        assert entered is ours
    same = ours
    same += 4
    assert same is ours
    assert (ledger.owner, ledger.entries, ledger.later) == ("Max", [7, 0, 4], 5)
    assert ours.later == 5
    del ours.later
    assert "later" not in vars(ledger)
    assert ours == "the ledger"
    with pytest.raises(AccessDenied):
        ours.total = None  # behaviour, not data
    with pytest.raises(AccessDenied):
        ours.burn()


def test_the_object_itself_is_never_given() -> None:
    ours = restrict(Ledger(), allow=["itself*", "on_add"])
    assert ours.itself() is ours
    assert asyncio.run(ours.itself_soon()) is ours


class Hand:
    """Has no answer of its own to any operator, and keeps whom it is asked about."""

    def __init__(self) -> None:
        self.held: list[Any] = []


def _keep(self: Hand, other: Any, *_: Any) -> Any:
    self.held.append(other)
    return "asked"


class Silent:
    """Has every binary operator, and no answer to any."""

    def itself(self) -> Silent:
        return self

    def method(self) -> Any:
        return self.itself

    def coroutine(self) -> Any:
        async def later() -> Silent:
            return self

        return later()

    async def items(self) -> AsyncIterator[Silent]:
        yield self

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Silent:
        return self

    def __next__(self) -> Silent:
        return self

    def __pos__(self) -> Silent:
        return self

    def __getitem__(self, key: int) -> Silent:
        return self


BINARY = [
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift"),
    *("rshift", "and", "or", "xor"),
]
COMPARING = ("lt", "le", "eq", "ne", "gt", "ge")
for _name in (*BINARY, *(f"r{name}" for name in BINARY), *COMPARING):
    setattr(Hand, f"__{_name}__", _keep)
    setattr(Silent, f"__{_name}__", lambda self, other: NotImplemented)
for _name in BINARY:
    setattr(Silent, f"__i{_name}__", lambda self, other: NotImplemented)


@pytest.mark.parametrize("make", [restrict, revocable])
@pytest.mark.parametrize(
    "name",
    [
        *(
            f"{way}{name}"
            for way in ("", "r", "i")
            for name in BINARY
            if f"{way}{name}" in OPERATIONS
        ),
        *COMPARING,
    ],
)
def test_an_operand_is_asked_about_the_wrapper(make: Any, name: str) -> None:
    inside, hand = Silent(), Hand()
    ours = make(inside)
    for step in ([ours, hand], [hand, ours]):
        assert OPERATIONS[name](*step) == "asked"
        assert hand.held.pop() is ours
    for method in (f"__{name}__", f"__r{name}__"):
        if hasattr(type(ours), method):
            assert getattr(type(ours), method)(ours, hand) is NotImplemented
    assert hand.held == []


@pytest.mark.parametrize("make", [restrict, revocable])
def test_whatever_gives_the_object_gives_the_wrapper(make: Any) -> None:
    ours = make(Silent())

    async def look() -> None:
        assert await ours.coroutine() is ours
        assert [item async for item in ours.items()] == [ours]

    asyncio.run(look())
    assert ours.method()() is ours
    assert [iter(ours), next(ours), +ours, ours[0], ours.itself()] == [ours] * 5
    with ours as entered:
        assert entered is ours


def test_a_method_that_was_given_is_revoked_too() -> None:
    ours = revocable(Silent())
    method = ours.method()
    ours.revoke()
    with pytest.raises(AccessDenied, match="revoked"):
        method()


def test_what_an_instance_holds_is_judged_for_each() -> None:
    """Wrappers of one type share a class; what their objects hold under one name may differ."""
    first, second = Ledger(), Ledger()
    second.on_add = lambda amount: amount * 2
    assert restrict(first).on_add is None
    assert restrict(second).on_add(4) == 8  # type: ignore[misc]
    assert type(restrict(first)) is type(restrict(second))
    assert type(restrict(first)) is not type(restrict(first, read_only=True))


def test_a_revoked_object_is_gone_for_all() -> None:
    ledger = Ledger()
    ledger.on_add = lambda amount: amount
    ours = revocable(ledger)
    add, on_add = ours.add, ours.on_add
    assert (add(4), on_add(1)) == (10, 1)
    ours.revoke()
    ours.revoke()
    uses: list[Callable[[], Any]] = [
        lambda: add(1),
        lambda: on_add(1),
        lambda: ours.owner,
        lambda: ours.size,
        lambda: ours.made_up,
        lambda: ours[0],
        lambda: len(ours),
        lambda: ours + 1,
        lambda: setattr(ours, "owner", "Max"),
        lambda: dir(ours),
    ]
    for use in uses:
        with pytest.raises(AccessDenied, match="access to this object was revoked"):
            use()
    assert ledger.total() == 10
    gone = weakref.ref(ledger)
    del ledger, uses
    gc.collect()
    assert gone() is None


def test_wrappers_of_wrappers() -> None:
    whole = revocable(Ledger())
    part = restrict(whole, allow=["total", "itself"])
    assert part.total() == 6
    assert part.itself() is part
    whole.revoke()
    with pytest.raises(AccessDenied, match="revoked"):
        part.total()


def test_functions_classes_and_modules() -> None:
    function = revocable(lambda one, two=1: one + two)
    assert (function(1), function(1, two=2)) == (2, 3)
    function.revoke()
    with pytest.raises(AccessDenied):
        function(1)
    cls: Any = restrict(Ledger, allow=["__call__", "rate"])
    assert (type(cls()), cls.rate()) == (Ledger, 0.5)
    with pytest.raises(AccessDenied):
        cls.named("a")
    module: Any = restrict(math, allow=["sq*"])
    assert module.sqrt(4) == 2
    with pytest.raises(AccessDenied):
        module.cos(1)


@pytest.mark.parametrize("value", [None, 1, "text", b"", (1, 2), 1.5])
def test_what_travels_by_value_cannot_be_wrapped(value: object) -> None:
    with pytest.raises(TypeError, match="expected an object that is lent by reference"):
        restrict(value)
    with pytest.raises(TypeError):
        revocable(value)


def test_a_template_gets_no_operand() -> None:
    text: Any = restrict(UserString("%(name)s"))
    with pytest.raises(TypeError):
        text % {"name": 1}
    with pytest.raises(AccessDenied):
        text.format(1)


def test_probes_of_python_find_an_ordinary_object() -> None:
    ours = restrict(Ledger(), allow=["total"])
    assert not hasattr(ours, "__array__")
    assert type(ours).__name__ == "Ledger"
    assert repr(ours)
    assert copy.copy(ours) is copy.deepcopy(ours) is ours
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ours)


# -- over a connection -----------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 2])
@on_both_loops
async def test_a_peer_has_what_is_let_through(threads: int) -> None:
    office = Office(part=restrict(Ledger(), read_only=True, deny=["named"]))
    async with connected(office, server={"threads": threads}) as (client, _):
        part = await client.root.lend("part")
        assert await part.total() == await part.total_soon() == 6
        assert [row async for row in part.rows()] == [1, 2, 3]
        assert [await part.owner, await part.size, await part[2], await part.made_up] == [
            "Emma",
            3,
            3,
            "made_up",
        ]
        assert await proxyables.perform(part, "len") == 3
        assert await part.itself() is part
        assert await client.root.is_lent("part", part)
        for refused in (
            part.named("a"),
            part.burn(),
            proxyables.assign(part.owner, "Max"),
            proxyables.assign(part[0], 1),
            proxyables.delete(part[0]),
        ):
            with pytest.raises(AccessDenied):
                await refused
        assert await part.entries == [1, 2, 3]


@on_both_loops
async def test_a_peer_is_told_of_what_is_let_through_and_no_more() -> None:
    office = Office(part=restrict(Ledger(), allow=["add", "total_soon", "rate", "size"]))
    async with connected(office) as (client, _):
        told = await proxyables.describe(client.root.lend("part"))
        assert (told["name"], told["doc"]) == ("Ledger", "Entries and their sum.")
        rows = {row["name"]: row for row in told["members"]}
        assert sorted(rows) == ["add", "rate", "size", "total_soon"]
        assert rows["add"]["signature"] == "(amount: int, *, note: str = '') -> int"
        assert rows["add"]["doc"] == "Adds an entry."
        assert rows["total_soon"]["async"]
        assert (rows["size"]["kind"], rows["size"]["doc"]) == ("property", "How many.")


@on_both_loops
async def test_a_peer_loses_what_is_revoked() -> None:
    ours = revocable(Ledger())
    office = Office(ours=ours, function=revocable(lambda: 5))
    async with connected(office) as (client, _):
        theirs = await client.root.lend("ours")
        total, function = await theirs.total, await client.root.lend("function")
        assert await total() == 6
        assert await function() == 5
        with pytest.raises(AccessDenied, match="access to 'revoke' is denied"):
            await theirs.revoke()
        ours.revoke()
        office.lent["function"].revoke()
        for use in (total(), theirs.total_soon(), theirs.owner, theirs[0], function()):
            with pytest.raises(AccessDenied, match="revoked"):
                await use
        with pytest.raises(AccessDenied, match="revoked"):
            async for _ in theirs.rows():
                pass


class Account:
    """Knows how to be computed with, by its own kind."""

    def __init__(self) -> None:
        self.pin = "1234"

    def balance(self) -> int:
        return 5


for _name in (*BINARY, *COMPARING):
    setattr(Account, f"__{_name}__", lambda self, other: NotImplemented)
    setattr(Account, f"__r{_name}__", lambda self, other: NotImplemented)


class Asked:
    """A peer's object, which is computed with."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def _answer(self, other: Any) -> int:
        self.given.append(other)
        return 5


for _name in (*BINARY, *(f"r{name}" for name in BINARY), *COMPARING):
    setattr(Asked, f"__{_name}__", Asked._answer)


@on_both_loops
async def test_a_peers_operand_never_gets_the_object_itself() -> None:
    ours = revocable(Account())
    office = Office(part=restrict(Account(), deny=["pin"]), ours=ours)
    async with connected(office) as (client, _):
        asked = Asked()
        for lent in ("part", "ours"):
            theirs = await client.root.lend(lent)
            for name in (*BINARY, *(f"r{name}" for name in BINARY), *COMPARING):
                with contextlib.suppress(TypeError):
                    await proxyables.perform(theirs, name, asked)
            assert len(asked.given) >= len(BINARY)
            for given in asked.given:
                assert await client.root.is_lent(lent, given)
            asked.given.clear()


@on_both_loops
async def test_the_connections_own_policy_holds_as_well() -> None:
    office = Office(part=restrict(Ledger(), deny=["add"]))
    policy = Policy(strict=True)
    proxyables.expose(Office)
    async with connected(office, server={"policy": policy}) as (client, _):
        part = client.root.lend("part")
        assert await part.audit() == "fine"
        for refused in (part.total(), part.owner, part.add(1)):
            with pytest.raises(AccessDenied):
                await refused


@on_both_loops
async def test_what_is_never_lent_may_be_in_part() -> None:
    log = logging.getLogger("proxyables.test_wrappers")
    office = Office(log=restrict(log, allow=["info", "name"]))
    async with connected(office) as (client, _):
        assert await client.root.lend("log").name == log.name
        await client.root.lend("log").info("from a peer")
        for refused in (client.root.lend("log").manager, client.root.lend("log").handlers):
            with pytest.raises(AccessDenied):
                await refused


@on_both_loops
async def test_a_wrapper_opens_no_way_around_the_limits() -> None:
    office = Office(values=restrict([1]), many=restrict([0] * 20_000_000))
    async with connected(office) as (client, _):
        values = await client.root.lend("values")
        many = await client.root.lend("many")
        for refused in (
            values.extend(range(10**12)),
            values * 10**12,
            proxyables.perform(values, "imul", 10**12),
            proxyables.assign(values[0:1], range(10**12)),
            proxyables.assign(many[0:1], [0] * 100_000),
        ):
            with pytest.raises(proxyables.LimitExceeded):
                await refused


@pytest.mark.parametrize("make", [restrict, revocable])
def test_a_wrapped_array_shows_and_takes_no_more_than_an_array(make: Any) -> None:
    aligned = make(numpy.zeros(3, numpy.dtype("u1,u8", align=True)))
    with pytest.raises(AccessDenied):
        aligned.tobytes()
    numbers = make(numpy.zeros((1000, 1000), "u1"))
    with pytest.raises(AccessDenied):
        numbers.clip(0, 5, where=False)
    assert len(numbers.tobytes()) == 1_000_000
    assert numbers[[0] * 3].shape == (3, 1000)
    for grow in (lambda: numbers[[0] * 100_000], lambda: numbers + numpy.zeros((1000, 1, 1), "u1")):
        with pytest.raises(LimitExceeded):
            grow()


@pytest.mark.parametrize("make", [restrict, revocable])
def test_a_wrapped_path_takes_no_more_than_a_path(make: Any) -> None:
    path = make(pathlib.PurePosixPath("/srv/data.txt"))
    assert path.match("*.txt")
    assert path.name == "data.txt"
    with pytest.raises(ValueError, match="a pattern takes"):
        path.match("[" * 2000)
    with pytest.raises(ValueError, match="a path takes"):
        path / ("a" * 40_000)


@on_both_loops
async def test_a_remote_object_is_wrapped_by_its_owner() -> None:
    async with connected(Office()) as (client, _):
        with pytest.raises(TypeError, match="expected an object that is lent by reference"):
            restrict(client.root)
