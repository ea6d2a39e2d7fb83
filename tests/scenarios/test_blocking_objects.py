"""A script that uses the objects of another process as if they were its own."""

from __future__ import annotations

import collections
import copy
import enum
import inspect
import math
import os
import pickle
import pydoc
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import proxyables.sync
from proxyables import AccessDenied
from workshop import Money, Tool, Workshop

# --- attributes ----------------------------------------------------------------------------------


def test_the_objects_are_in_another_process(shop: Any) -> None:
    assert shop.pid() != os.getpid()


def test_an_attribute_is_read_written_and_deleted_over_there(shop: Any) -> None:
    shop.owner = "Bob"
    shop.phone = "555"
    assert (shop.owner, shop.phone) == ("Bob", "555")
    del shop.phone
    with pytest.raises(AttributeError, match="phone"):
        shop.phone
    with pytest.raises(AttributeError, match="phone"):
        del shop.phone


def test_attributes_by_name(shop: Any) -> None:
    setattr(shop.tool, "name", "saw")  # noqa: B010
    assert getattr(shop.tool, "name") == "saw"  # noqa: B009
    assert hasattr(shop.tool, "lift")
    assert not hasattr(shop.tool, "drop")
    assert getattr(shop.tool, "drop", None) is None


def test_properties_run_over_there(shop: Any) -> None:
    assert shop.tool.label == "HAMMER"
    shop.tool.label = "SAW"
    assert shop.tool.name == "saw"
    with pytest.raises(OSError, match="does not answer") as caught:
        shop.tool.broken
    assert caught.value.errno == 5
    with pytest.raises(AttributeError):
        del shop.tool.label


def test_an_assigned_object_of_ours_comes_back_as_itself(shop: Any) -> None:
    mine = Tool("mine")
    shop.tool = mine
    assert shop.tool is mine
    assert shop.is_tool(mine)
    assert shop.lift_tool() == "mine x1 by hand"
    mine.name = "changed here"
    assert shop.lift_tool() == "changed here x1 by hand"


def test_private_names_stay_private(shop: Any) -> None:
    with pytest.raises(AttributeError, match="underscore"):
        shop.shelf._places
    with pytest.raises(AttributeError, match="underscore"):
        shop._secret = 1
    with pytest.raises(AccessDenied):
        shop.tool.lift = "not a method any more"


# --- items ---------------------------------------------------------------------------------------


def test_a_remote_dict_is_changed_in_place(shop: Any) -> None:
    stock = shop.stock
    stock["nails"] -= 10
    stock["planes"] = 2
    del stock["saws"]
    assert dict(shop.stock) == {"nails": 90, "planes": 2}
    assert stock.get("saws", 0) == 0
    assert stock.setdefault("planes", 5) == 2
    with pytest.raises(KeyError, match="saws"):
        stock["saws"]


def test_slices_are_read_assigned_and_deleted(shop: Any) -> None:
    names = shop.names
    assert names[1:3] == ["b", "c"]
    assert names[::-2] == ["e", "c", "a"]
    assert names[-1] == "e"
    names[1:3] = ["x", "y", "z"]
    del names[::2]
    assert list(shop.names) == ["x", "z", "e"]


def test_a_container_of_its_own_make(shop: Any) -> None:
    shelf = shop.shelf
    assert not shelf
    shelf["left", 1] = "saw"
    shelf["left", 0] = "axe"
    assert ("left", 0) in shelf
    assert "left" not in shelf
    assert len(shelf) == 2
    assert list(shelf) == [("left", 0), ("left", 1)]
    assert shelf[1:2:3] == ["slice", 1, 2, 3]
    del shelf["left", 0]
    assert len(shelf) == 1


def test_membership(shop: Any) -> None:
    assert "nails" in shop.stock
    assert "glue" not in shop.stock
    assert "a" in shop.names
    assert "hand" in shop.kinds
    assert 500 not in shop.names


# --- operators -----------------------------------------------------------------------------------


def test_operators_work_from_both_sides(shop: Any) -> None:
    money = shop.money
    assert str(money + 50) == "3.00"
    assert str(1000 - money) == "7.50"
    assert str(2 * money) == "5.00"
    assert str(-money) == "-2.50"
    assert pow(money, 2, 7) == 4
    assert str(money + Money(50)) == "3.00"
    with pytest.raises(TypeError):
        money / 2


def test_our_own_operators_take_remote_operands(shop: Any) -> None:
    assert str(Money(50) + shop.money) == "3.00"
    assert ["z"] + shop.names == ["z", "a", "b", "c", "d", "e"]  # noqa: RUF005
    assert {"own"} | shop.kinds == {"own", "hand", "power"}


def test_in_place_operators_keep_the_object(shop: Any) -> None:
    money = shop.money
    shop.money += 50
    assert shop.money is money
    assert str(money) == "3.00"
    names = shop.names
    names += ["f"]
    assert names is shop.names
    shop.owner += "a"
    assert shop.owner == "Anna"


def test_comparisons_sort_and_hash_as_over_there(shop: Any) -> None:
    cheap, dear = shop.Money(1), shop.Money(999)
    assert cheap < dear
    assert sorted([dear, shop.money, cheap])[0] is cheap
    assert max(cheap, dear) is dear
    assert cheap < shop.money < dear
    assert not dear < shop.money < cheap
    assert [*filter(lambda money: money < dear, [dear, cheap])] == [cheap]
    assert not any(money < cheap for money in (cheap, dear))
    given = [dear, cheap]
    given.sort(key=lambda money: money)
    assert given[0] is cheap
    assert shop.Money(1) == cheap
    assert {cheap: "cheap"}[shop.Money(1)] == "cheap"
    assert sum([cheap, dear], shop.Money(0)) == shop.Money(1000)
    assert cheap != "cheap"


def test_truth_is_the_objects_own(shop: Any) -> None:
    assert shop.money
    assert not shop.Money(0)
    assert not shop.empty
    assert shop.tool
    assert (shop.empty or "nothing") == "nothing"


# --- text ----------------------------------------------------------------------------------------


def test_text_and_formats_are_the_objects_own(shop: Any) -> None:
    told = f"{shop.money:.2f}|{shop.money:>8.1f}|{shop.money!s}|{shop.names}"
    assert told == "2.50|     2.5|2.50|['a', 'b', 'c', 'd', 'e']"
    assert "%s" % shop.money == "2.50"  # noqa: UP031
    assert ", ".join(shop.names) == "a, b, c, d, e"


def test_a_repr_asks_nobody(shop: Any, peer: proxyables.sync.Peer) -> None:
    tool = shop.tool
    before = peer.statistics()["calls_made"]
    assert repr(tool).startswith("<BlockingProxy Tool#")
    assert f"{[tool]!r}".startswith("[<BlockingProxy Tool#")
    assert peer.statistics()["calls_made"] == before


def test_an_explorer_finds_its_way(shop: Any) -> None:
    assert {"tool", "names", "rows"} <= set(dir(shop))
    assert "_threads" not in dir(shop)
    assert set(dir(shop.tool)) >= {"lift", "label", "name", "weight", "material"}
    assert shop.tool.__doc__ == "Something to work with."
    assert shop.tool.lift.__name__ == "lift"
    assert str(inspect.signature(shop.Tool)) == "(name: 'str' = 'hammer', *, weight: 'int' = 1)" + (
        " -> 'None'"
    )
    shown = pydoc.render_doc(shop.tool.lift, renderer=pydoc.plaintext)
    assert "lift(times: 'int' = 1, *, by: 'str' = 'hand') -> 'str'" in shown
    assert "Lifts it." in shown


# --- classes -------------------------------------------------------------------------------------


def test_a_remote_class_makes_remote_objects(shop: Any) -> None:
    saw = shop.Tool("saw", weight=3)
    assert (saw.name, saw.weight) == ("saw", 3)
    assert saw.lift(2, by="both hands") == "saw x2 by both hands"
    with pytest.raises(TypeError, match="unexpected keyword"):
        shop.Tool(colour="red")


def test_class_methods_static_methods_and_class_attributes(shop: Any) -> None:
    assert shop.Tool.default().name == "hammer"
    assert shop.Tool.material == "iron"
    heavy = shop.Tool("anvil", weight=90)
    assert shop.Tool.heavier(heavy, shop.tool) is heavy
    assert shop.Tool.heavier(Tool("ours", weight=99), heavy).name == "ours"


def test_methods_of_base_classes_are_found(shop: Any) -> None:
    drill = shop.PowerTool("drill")
    assert drill.lift() == "drill x1 by crane"
    assert drill.label == "DRILL"
    assert shop.PowerTool.default().lift(by="robot") == "hammer x1 by robot"


def test_an_attribute_of_its_own_goes_before_a_method_of_its_class() -> None:
    class Page:
        def title(self) -> str:
            return "of the class"

        def other(self) -> str:
            return "other"

    class Book:
        def __init__(self) -> None:
            self.pages = [Page(), Page(), Page()]
            self.pages[1].title = "its own"  # type: ignore[method-assign, assignment]

        def page(self, number: int) -> Page:
            return self.pages[number]

    book = Book()
    with (
        proxyables.sync.serve(book, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        first, second, third = (peer.root.page(number) for number in range(3))
        assert first.title() == third.title() == "of the class"
        assert second.title == "its own"
        assert (first.other(), second.other()) == ("other", "other")
        del book.pages[1].title
        assert second.title() == "of the class"
        book.pages[2].title = "later"  # type: ignore[method-assign, assignment]
        again = peer.root.page(2)
        assert (again.title, third.title) == ("later", "later")


def test_what_is_reversed_and_what_is_not_iterable_is_as_locally() -> None:
    class Row:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, place: int) -> int:
            return place * 10

    class Shelf:
        def __init__(self) -> None:
            self.table = {"a": 1, "b": 2}
            self.items = [1, 2, 3]
            self.row = Row()
            self.nothing = object()
            self.elements = {1}

    with (
        proxyables.sync.serve(Shelf(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        root = peer.root
        assert list(reversed(root.table)) == ["b", "a"]
        assert list(reversed(root.items)) == [3, 2, 1]
        assert list(reversed(root.row)) == [20, 10, 0]
        with pytest.raises(TypeError, match="'object' object is not iterable"):
            iter(root.nothing)
        for value in (root.elements, root.nothing):
            with pytest.raises(TypeError, match="not reversible"):
                reversed(value)


class Scale:
    """Whose special methods all say something else."""

    def __init__(self) -> None:
        self.parts = [{"n": 1}, {"n": 2}]

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> int:
        return place

    def __reversed__(self) -> Iterator[str]:
        yield from ("last", "first")

    def __bytes__(self) -> bytes:
        return b"scale"

    def __complex__(self) -> complex:
        return 1 + 2j

    def __float__(self) -> float:
        return 9.5

    def __floor__(self) -> str:
        return "floor"

    def __ceil__(self) -> str:
        return "ceil"

    def __trunc__(self) -> str:
        return "trunc"

    def __round__(self, digits: int | None = None) -> str:
        return f"round {digits}"


class Sequence:
    """Has what Python goes on with where there is no method of its own."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> int:
        return range(3)[place]

    def __float__(self) -> float:
        return 2.5


class Number:
    def __index__(self) -> int:
        return 3


class Mapping(collections.abc.Mapping[str, int]):  # which says that it is not reversible
    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


CONVERSIONS: list[Callable[[Any], Any]] = [
    *(lambda x: list(reversed(x)), lambda x: next(reversed(x)), bytes, complex, float),
    *(math.floor, math.ceil, math.trunc, round, lambda x: round(x, 2), iter),
]


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize(
    "make",
    [
        *(Scale, Sequence, Number, Mapping, object, lambda: Scale),
        *(lambda: {"a": 1, "b": 2}, lambda: [1, 2], lambda: bytearray(b"ab"), lambda: {1}),
        *(lambda: {"a": 1, "b": 2}.items(), lambda: collections.deque([1, 2]), lambda: len),
    ],
)
def test_conversions_are_what_they_are_locally(make: Callable[[], Any], threads: int) -> None:
    holder = types.SimpleNamespace(held=make())
    with (
        proxyables.sync.serve(holder, "tcp://127.0.0.1:0", threads=threads) as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
        proxyables.sync.serve(make(), "tcp://127.0.0.1:0", threads=threads) as direct,
        proxyables.sync.connect(direct.addresses[0]) as other,
    ):
        for remote in (other.root, peer.root.held, proxyables.sync.ref(other.root)):
            for function in CONVERSIONS:
                local = outcome(function, make())
                assert outcome(function, remote) == local, (function, remote)


def outcome(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        found = function(value)
    except proxyables.AccessDenied:  # of a class, whose type has none
        return TypeError
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    if isinstance(found, list):
        return [repr(each) for each in found]
    return "an iterator" if function is iter else repr(found)


def test_what_has_no_conversion_says_so_as_python_does() -> None:
    with (
        proxyables.sync.serve(Mapping(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
        proxyables.sync.serve(object(), "tcp://127.0.0.1:0") as nothing,
        proxyables.sync.connect(nothing.addresses[0]) as other,
    ):
        with pytest.raises(TypeError, match="'Mapping' object is not reversible"):
            reversed(peer.root)
        for function, told in (
            (iter, "'object' object is not iterable"),
            (reversed, "'object' object is not reversible"),
            (bytes, "cannot convert 'object' object to bytes"),
            (complex, "complex"),
            (math.trunc, "__trunc__"),
        ):
            with pytest.raises(TypeError, match=told):
                function(other.root)


def test_a_list_that_is_reversed_stays_live() -> None:
    scale = Scale()
    with (
        proxyables.sync.serve(scale, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        for part in reversed(peer.root.parts):
            part["n"] *= 10
    assert scale.parts == [{"n": 10}, {"n": 20}]


def test_the_members_of_an_enumeration_are_reversed() -> None:
    with (
        proxyables.sync.serve(Colour, "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0]) as peer,
    ):
        assert [each.name for each in reversed(peer.root)] == ["BLUE", "RED"]


def test_a_method_is_not_iterated() -> None:
    with (
        proxyables.sync.serve(Workshop(), "tcp://127.0.0.1:0") as workshop,
        proxyables.sync.connect(workshop.addresses[0]) as other,
    ):
        for method in (other.root.lift_tool, other.root.tool.lift):
            with pytest.raises(TypeError, match="'method' object is not iterable"):
                iter(method)
            with pytest.raises(TypeError, match="'method' object is not reversible"):
                reversed(method)


def test_class_checks_look_at_this_side_only(shop: Any) -> None:
    assert isinstance(shop.tool, proxyables.sync.BlockingProxy)
    assert not isinstance(shop.tool, Tool)
    assert not isinstance(shop.names, list)
    for check in (lambda: isinstance(shop.tool, shop.Tool), lambda: issubclass(bool, shop.Tool)):
        with pytest.raises(TypeError, match="must be a"):
            check()


def test_what_is_callable_is_known_by_calling(shop: Any) -> None:
    assert list(map(shop.tool.lift, [1, 2])) == ["hammer x1 by hand", "hammer x2 by hand"]
    with pytest.raises(TypeError, match="not callable"):
        shop.tool()


# --- passing values and objects ------------------------------------------------------------------


def test_arguments_of_every_form(shop: Any) -> None:
    named = {"b": 5, "self": 6, "steps": 7}
    assert shop.pair(1, *(2, 3), a=4, **named) == [[1, 2, 3], {"a": 4} | named]
    assert shop.pair() == [[], {}]
    for value in (None, True, 1 << 80, 1.5, "é", b"\0", (1, (2,)), {1: {2}}, range(3), slice(1)):
        got = shop.same(value)
        assert (type(got), got) == (type(value), value)


def test_identity_in_both_directions(shop: Any) -> None:
    mine = Workshop()
    shop.keep(mine)
    assert shop.kept is mine
    assert shop.is_kept(mine)
    assert not shop.is_kept(Workshop())
    assert shop.tool is shop.tool
    assert shop.same({"deep": [shop.tool]})["deep"][0] is shop.tool
    assert shop.is_tool(shop.tool)
    assert shop.same(shop) is shop


def test_pickling_is_refused_and_copies_are_the_same_object(shop: Any) -> None:
    tool = shop.tool
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps({"tool": tool})
    assert copy.copy(tool) is tool
    assert copy.deepcopy({"tool": [tool]})["tool"][0] is tool


def test_a_remote_class_has_no_subclasses_here(shop: Any) -> None:
    for theirs in (shop.Tool, shop.Tool()):
        with pytest.raises(TypeError, match="a class of the other side"):

            class Ours(theirs):  # type: ignore[misc]
                pass


def test_a_copy_is_asked_for_by_name(shop: Any) -> None:
    names = proxyables.sync.copy(shop.names)
    assert type(names) is list
    names.append("only here")
    assert len(shop.names) == 5
    kept = proxyables.sync.ref(shop.same)
    assert kept([1]) == [1]
    assert proxyables.sync.copy(shop.counter()) == {"h": 1, "e": 1, "l": 2, "o": 1}
