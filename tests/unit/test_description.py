"""What descriptions tell, and that telling it runs nothing."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import logging
import math
import os
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgpack
import pytest

from proxyables.objects.description import describe, describe_type, shadows_of
from proxyables.objects.inspection import is_async
from proxyables.objects.markers import expose, hidden
from proxyables.objects.policy import Policy
from proxyables.objects.signatures import signature_of


def words(text: str) -> list[str]:
    return text.split()


class Shop:
    """Sells things.

    And more of that.
    """

    limit = 10
    _private = 1

    class Order:
        """One order."""

        def __init__(self, what: str, n: int = 1) -> None: ...

    def __init__(self) -> None:
        self.count = 0
        self.notify = lambda event, code=1: None
        self.log = logging.getLogger("shop")
        self.os = os

    def add(self, a: int, b: int = 0, *, note: str | None = None) -> int:
        """Adds two numbers.

        At length.
        """
        return a + b

    async def later(self) -> None:
        """Waits."""

    async def stream(self) -> AsyncIterator[int]:
        yield 1

    @property
    def total(self) -> int:
        """The sum of it all."""
        raise AssertionError("a property ran")

    @functools.cached_property
    def lazy(self) -> int:
        raise AssertionError("a property ran")

    @classmethod
    def build(cls, size: int) -> Shop:
        """Builds one."""
        return cls()

    @staticmethod
    def twice(n: float) -> float:
        return 2 * n

    @hidden
    def secret(self) -> None: ...

    def __len__(self) -> int:
        raise AssertionError("a special method ran")

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("a special method ran")


@dataclasses.dataclass(slots=True)
class Slotted:
    name: str
    log: logging.Logger
    missing: int = dataclasses.field(init=False)


def members(obj: object, policy: Policy | None = None) -> dict[str, dict[str, Any]]:
    rows: Any = describe(obj, policy or Policy())["members"]
    return {row["name"]: row for row in rows}


# -- types ----------------------------------------------------------------------------------------


def test_a_type_is_told_in_short() -> None:
    assert describe_type(Shop, Policy()) == {
        "name": "Shop",
        "module": __name__,
        "doc": "Sells things.",
        "methods": ["Order", "add", "build", "later", "stream", "twice"],
        "attributes": ["lazy", "limit", "total"],
        "callable": False,
        "iterable": True,
        "async_iterable": False,
        "awaitable": False,
        "sized": True,
        "indexable": False,
        "context": False,
        "async_context": False,
    }


@pytest.mark.parametrize(
    ("cls", "abilities"),
    [
        (list, {"iterable", "sized", "indexable"}),
        (int, set()),
        (type(Shop().add), {"callable"}),
        (type, {"callable"}),
        (type(x for x in ()), {"iterable"}),
        (types.ModuleType, set()),
    ],
)
def test_abilities(cls: type, abilities: set[str]) -> None:
    description = describe_type(cls, Policy())
    assert {name for name, value in description.items() if value is True} == abilities


def test_builtin_types_are_told() -> None:
    description = describe_type(list, Policy())
    assert "append" in description["methods"]  # type: ignore[operator]
    assert description["attributes"] == []
    assert "format" not in describe_type(str, Policy())["methods"]  # type: ignore[operator]
    assert "append" not in describe_type(list, Policy(read_only=True))["methods"]  # type: ignore[operator]


def test_a_type_is_told_as_the_policy_lets_it() -> None:
    strict = describe_type(Shop, Policy(strict=True))
    assert (strict["methods"], strict["attributes"], strict["sized"]) == ([], [], False)
    denied = describe_type(Shop, Policy(deny=["add", "__iter__"]))
    assert "add" not in denied["methods"]  # type: ignore[operator]
    assert denied["iterable"] is False
    bound = Policy(allow=["add"]).for_root(Shop())
    assert describe_type(Shop, bound)["methods"] == ["add"]
    assert "append" in describe_type(list, bound)["methods"]  # type: ignore[operator]


def test_shadows_are_found_without_running_anything() -> None:
    class Page:
        def title(self) -> None:
            pass

        def __getattribute__(self, name: str) -> object:
            raise AssertionError("asked")

    page = Page()
    find_shadows: Any = shadows_of(Page, describe_type(Page, Policy()))
    assert find_shadows(page) == set()
    object.__setattr__(page, "title", 1)
    object.__setattr__(page, "other", 1)
    assert find_shadows(page) == {"title"}
    for cls in (Slotted, list, type(len), types.FunctionType):
        assert shadows_of(cls, describe_type(cls, Policy())) is None


def test_slots_are_told_by_the_object_only() -> None:
    description = describe_type(Slotted, Policy())
    assert description["attributes"] == []


@pytest.mark.parametrize("cls", [type, types.ModuleType, types.FunctionType, enum.EnumMeta])
def test_nothing_is_told_of_the_inside(cls: type) -> None:
    description = describe_type(cls, Policy())
    assert (description["methods"], description["attributes"]) == ([], [])


# -- objects --------------------------------------------------------------------------------------


def test_an_object_is_told() -> None:
    description = describe(Shop(), Policy())
    rows = description.pop("members")
    assert description == {
        "kind": "object",
        "name": "Shop",
        "type": "Shop",
        "module": __name__,
        "doc": "Sells things.\n\nAnd more of that.",
        "signature": None,
        "async": False,
        "truncated": False,
    }
    assert [row["name"] for row in rows] == (  # type: ignore[attr-defined]
        words("Order add build count later lazy limit notify stream total twice")
    )


def test_members_are_told() -> None:
    rows = members(Shop())
    assert rows["add"] == {
        "name": "add",
        "kind": "method",
        "signature": "(a: int, b: int = 0, *, note: str | None = None) -> int",
        "doc": "Adds two numbers.",
        "async": False,
    }
    assert rows["later"]["async"] is True
    assert rows["stream"]["async"] is True
    assert rows["total"]["kind"] == rows["lazy"]["kind"] == "property"
    assert rows["total"]["doc"] == "The sum of it all."
    assert rows["build"]["signature"] == "(size: int) -> Shop"
    assert rows["twice"]["signature"] == "(n: float) -> float"
    assert rows["Order"]["kind"] == "class"
    assert rows["Order"]["signature"] == "(what: str, n: int = 1) -> None"
    assert rows["notify"]["signature"] == "(event, code=1)"
    assert (rows["count"]["kind"], rows["count"]["type"]) == ("attribute", "int")


def test_the_value_of_a_lazy_property_is_told_once_it_is_there() -> None:
    shop = Shop()
    shop.__dict__["lazy"] = 1
    shop.__dict__["total"] = os  # behind the property, and never found
    rows = members(shop)
    assert rows["lazy"]["type"] == "int"
    assert rows["total"]["kind"] == "property"


def test_slots_are_told_by_what_they_hold() -> None:
    rows = members(Slotted("a", logging.getLogger("x")))
    assert set(rows) == {"name", "missing"}
    assert rows["name"]["type"] == "str"
    assert "type" not in rows["missing"]


@pytest.mark.parametrize(
    ("obj", "kind", "name", "signature"),
    [
        (Shop().add, "method", "add", "(a: int, b: int = 0, *, note: str | None = None) -> int"),
        (Shop.build, "method", "build", "(size: int) -> Shop"),
        (
            signature_of,
            "function",
            "signature_of",
            "(obj: object, *, bound: bool = False) -> str | None",
        ),
        (Shop, "class", "Shop", "() -> None"),
        (Shop.Order, "class", "Shop.Order", "(what: str, n: int = 1) -> None"),
        (len, "function", "len", "(obj, /)"),
        ([].append, "function", "append", "(object, /)"),
        (7, "object", "int", None),
        (object, "class", "object", "()"),
        (int, "class", "int", None),
        (functools.partial(len), "object", "partial", None),
        (None, "object", "NoneType", None),
    ],
)
def test_kinds(obj: object, kind: str, name: str, signature: str | None) -> None:
    description = describe(obj, Policy())
    assert (description["kind"], description["name"], description["signature"]) == (
        kind,
        name,
        signature,
    )


def test_a_callable_object_has_the_signature_of_its_call() -> None:
    class Called:
        async def __call__(self, a: int) -> None: ...

    description = describe(Called(), Policy())
    assert (description["signature"], description["async"]) == ("(a: int) -> None", True)
    assert describe(Called(), Policy(strict=True))["signature"] is None


def test_a_module_is_told_as_a_root_only() -> None:
    assert describe(math, Policy())["members"] == []
    rows = members(math, Policy().for_root(math))
    assert rows["sqrt"]["kind"] == "method"
    assert rows["sqrt"]["signature"] == "(x, /)"
    description = describe(json, Policy().for_root(json))
    assert (description["kind"], description["name"]) == ("module", "json")


def test_a_class_tells_what_needs_no_instance() -> None:
    assert set(members(Shop)) == {"Order", "build", "limit", "twice"}
    assert members(Shop)["build"]["signature"] == "(size: int) -> Shop"


@pytest.mark.parametrize(
    "obj",
    [[1, 2], (1, 2), {1: 1, 2: 2}, {1, 2}, "ab", b"ab", range(2)],
    ids=lambda x: type(x).__name__,
)
def test_builtin_containers_are_counted(obj: object) -> None:
    assert describe(obj, Policy())["len"] == 2


def test_other_containers_are_not_counted() -> None:
    class Counted(list[int]):
        def __len__(self) -> int:
            raise AssertionError("a special method ran")

    assert "len" not in describe(Counted(), Policy())


def test_an_exposed_surface_is_all_that_is_told() -> None:
    class Api:
        @expose
        def shown(self) -> None: ...

        def other(self) -> None: ...

    assert set(members(Api(), Policy(strict=True))) == {"shown"}


def test_everything_told_is_plain_data() -> None:
    for obj in (Shop(), Shop, Shop().add, math, "text", len, Slotted("a", logging.getLogger("x"))):
        policy = Policy().for_root(obj)
        for description in (describe(obj, policy), describe_type(type(obj), policy)):
            packed = msgpack.packb(description, strict_types=True)
            assert msgpack.unpackb(packed) == description


# -- bounds ---------------------------------------------------------------------------------------


def test_descriptions_are_bounded() -> None:
    many = {f"m{i}": (lambda self: None) for i in range(3000)}
    cls = type("C" * 10_000, (), {**many, "__doc__": "d" * 1_000_000, "__module__": "m" * 10_000})
    obj = cls()
    obj.__dict__.update((f"a{i}", i) for i in range(3000))
    assert len(msgpack.packb(describe_type(cls, Policy()))) < 8192
    description = describe(obj, Policy())
    assert description["truncated"] is True
    assert len(description["members"]) == 512  # type: ignore[arg-type]
    assert len(msgpack.packb(description)) < 100_000


def test_text_that_cannot_be_encoded() -> None:
    def function(a: str = "\ud800") -> None: ...

    function.__doc__ = "\ud800 half"
    description = describe(function, Policy())
    assert description["doc"] == "? half"
    msgpack.packb(description)


# -- signatures -----------------------------------------------------------------------------------


def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Loud:
    def __repr__(self) -> str:
        raise AssertionError("a repr ran")


class LoudInt(int):
    def __repr__(self) -> str:
        raise AssertionError("a repr ran")


def everything(a, b, /, c, d=1, *args, e, f=None, **kwargs):  # type: ignore[no-untyped-def]
    pass


def keyword_only(*, a, b=2):  # type: ignore[no-untyped-def]
    pass


def defaults(a=Loud(), b=LoudInt(1), c=10**5000, d="x" * 100, e=(), f=[], g=1.5, h=b"x", i=True):  # type: ignore[no-untyped-def]  # noqa: B006, B008
    pass


def positional(self, a, /):  # type: ignore[no-untyped-def]
    pass


def variable(*args):  # type: ignore[no-untyped-def]
    pass


def annotated(a: list[int], b: dict[str, list[int]], c: Loud, d: "Loud") -> tuple[int, ...]: ...  # type: ignore[empty-body]  # noqa: UP037


@pytest.mark.parametrize(
    ("function", "bound", "text"),
    [
        (everything, False, "(a, b, /, c, d=1, *args, e, f=None, **kwargs)"),
        (everything, True, "(b, /, c, d=1, *args, e, f=None, **kwargs)"),
        (keyword_only, False, "(*, a, b=2)"),
        (positional, True, "(a, /)"),
        (variable, True, "(*args)"),
        (lambda: None, True, "()"),
        (defaults, False, "(a=..., b=..., c=..., d=..., e=..., f=..., g=1.5, h=b'x', i=True)"),
        (wrap(keyword_only), False, "(*, a, b=2)"),
        (functools.lru_cache(keyword_only), False, "(*, a, b=2)"),
        (dict.get, True, "(key, default=None, /)"),
        (dict.__dict__["fromkeys"], False, "(iterable, value=None, /)"),
        (int.__add__, True, "(value, /)"),
        (1, False, None),
        (Loud(), False, None),
    ],
)
def test_signatures(function: object, bound: bool, text: str | None) -> None:
    assert signature_of(function, bound=bound) == text


def test_annotations_that_are_objects() -> None:
    annotated.__annotations__.update(
        a=list[int], b=dict[str, list[int]], c=Loud, d=Loud(), **{"return": tuple[int, ...] | None}
    )
    assert signature_of(annotated) == (
        "(a: list[int], b: dict[str, list[int]], c: Loud, d) -> tuple[int, ...] | None"
    )


def test_what_claims_a_signature_is_not_believed() -> None:
    def function(a: int) -> None: ...

    function.__signature__ = Loud()  # type: ignore[attr-defined]
    function.__wrapped__ = Loud()  # type: ignore[attr-defined]
    assert signature_of(function) == "(a: int) -> None"
    function.__wrapped__ = function  # type: ignore[attr-defined]
    assert signature_of(function) == "(a: int) -> None"
    assert is_async(function) is False


def test_signatures_are_bounded() -> None:
    names = ", ".join(f"parameter_{i}" for i in range(1000))
    function = eval(f"lambda {names}: None")
    text = signature_of(function)
    assert text is not None
    assert len(text) <= 512


def test_classes_whose_metaclass_takes_the_call_have_no_signature() -> None:
    class Meta(type):
        def __call__(cls) -> Any:
            raise AssertionError

    class Made(metaclass=Meta):
        def __init__(self, a: int) -> None: ...

    assert signature_of(Made) is None


# -- nothing runs ---------------------------------------------------------------------------------


def explode(*args: object, **kwargs: object) -> Any:
    raise AssertionError("describing ran code of the object")


_SPECIAL = words(
    "getattribute getattr dir repr str len bool iter next contains getitem call eq get set index "
    "subclasscheck instancecheck prepare"
)


def untouchable() -> Any:
    special = {f"__{each}__": explode for each in _SPECIAL}
    of_metaclass: dict[str, Any] = {k: v for k, v in special.items() if k != "__eq__"}
    of_metaclass |= dict.fromkeys(
        ("__doc__", "__name__", "__mro__", "__dict__", "__bases__"), property(explode)
    )
    meta: Any = type("Untouchable", (type,), of_metaclass)
    namespace: dict[str, Any] = {**special, "__hash__": explode}
    namespace |= dict.fromkeys(
        ("__doc__", "__module__", "__class__", "__wrapped__", "name"), property(explode)
    )
    namespace["__annotations__"] = property(explode)
    namespace["lazy"] = functools.cached_property(explode)
    namespace["descriptor"] = object.__new__(type("D", (), dict(special)))
    namespace["method"] = lambda self, a=explode: explode()
    return object.__new__(type.__new__(meta, "C", (), namespace))


@pytest.mark.parametrize("strict", [False, True])
def test_describing_runs_nothing(strict: bool) -> None:
    target = untouchable()
    policy = Policy(strict=strict)
    description = describe(target, policy)
    assert description["name"] == "C"
    if not strict:
        names = [row["name"] for row in description["members"]]  # type: ignore[attr-defined]
        assert names == ["descriptor", "lazy", "method", "name"]
    describe(type(target), policy)
    describe_type(type(target), policy)
    describe_type(type(type(target)), policy)
