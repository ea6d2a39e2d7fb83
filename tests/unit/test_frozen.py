"""`proxyables.frozen`: whatever a frozen dataclass does, such a class does."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from proxyables.frozen import frozen


@frozen
class Point:
    """A place."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="", repr=False)


@frozen
class Tall(Point):
    """A place above another."""

    height: int = 0

    def __post_init__(self) -> None:
        if self.height < 0:
            raise ValueError("it is no hole")

    def __str__(self) -> str:
        return f"{self.x}/{self.y}/{self.height}"


@dataclasses.dataclass(frozen=True)
class Model:
    """A place."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="", repr=False)


def test_values_come_by_place_and_by_name() -> None:
    made = Point(1, tags=["a"])
    assert (made.x, made.y, made.tags, made.secret) == (1, 2, ["a"], "")
    assert Tall(1, 2, [], "", 3) == Tall(x=1, height=3)


def test_a_factory_makes_one_for_each() -> None:
    assert Point(1).tags is not Point(1).tags


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Point(), "'x' is missing"),
        (lambda: Point(1, 2, [], "", 5), "takes 4 values, got 5"),
        (lambda: Point(1, x=1), "no 'x'"),
        (lambda: Point(1, z=1), "no 'z'"),
    ],
)
def test_values_that_do_not_fit(make: Callable[[], object], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make()


@pytest.mark.parametrize("cls", [Point, Model])
def test_it_is_frozen(cls: Any) -> None:
    made = cls(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        made.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del made.x
    with pytest.raises(AttributeError):
        made.new = 1
    assert made == cls(1)


@pytest.mark.parametrize("cls", [Point, Model])
def test_equality_and_hash(cls: Any) -> None:
    assert cls(1, 2, ["a"]) == cls(1, 2, ["b"])
    assert hash(cls(1)) == hash(cls(1, 2, ["b"]))
    assert cls(1) != cls(1, 3)
    assert cls(1) != (1, 2, [], "")


def test_other_classes_are_not_equal() -> None:
    assert Point(1) != Model(1)
    assert Point(1) != Tall(1)


def test_texts() -> None:
    assert repr(Point(1, secret="s")) == repr(Model(1, secret="s")).replace("Model", "Point")
    assert str(Tall(1)) == "1/2/0"
    assert Point.__doc__ == "A place."


def test_what_dataclasses_offers() -> None:
    assert dataclasses.is_dataclass(Point)
    assert dataclasses.asdict(Point(1)) == dataclasses.asdict(Model(1))
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert [each.name for each in dataclasses.fields(Tall)][-1] == "height"
    match Point(1, 7):
        case Point(x, y=7):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_copies() -> None:
    made = Tall(1, tags=["a"], height=3)
    for copied in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied == made
        assert copied.tags == ["a"]


def test_what_is_checked_after_it_was_made() -> None:
    with pytest.raises(ValueError, match="no hole"):
        Tall(1, height=-1)
    with pytest.raises(ValueError, match="no hole"):
        dataclasses.replace(Tall(1), height=-1)


def test_the_signature() -> None:
    told = inspect.signature(Point)
    model = inspect.signature(Model)
    assert list(told.parameters) == list(model.parameters)
    assert told.parameters["y"] == model.parameters["y"]
    assert told.parameters["x"] == model.parameters["x"]
    assert told.parameters["tags"].default is ...
    assert inspect.signature(Tall).parameters["height"].default == 0


def test_nothing_is_compiled_for_a_class() -> None:
    assert Point.__eq__ is Tall.__eq__
    assert Point.__init__ is Tall.__init__
