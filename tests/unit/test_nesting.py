"""Containers that were put into each other by reference: too deep, or too often the same."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import pytest

from lenders import Lender, Path
from proxyables.errors import LimitExceeded
from proxyables.limits import Limits
from proxyables.objects.costs import check_cost
from proxyables.wire.compact import Compact
from proxyables.wire.nesting import MOST_DEPTH, Nesting

Pair = collections.namedtuple("Pair", "one two")
MAKERS: dict[str, Callable[[Any], Any]] = {
    "tuples": lambda inner: (inner,),
    "frozen sets": lambda inner: frozenset({inner}),
    "slices": lambda inner: slice(None, inner),
    "named tuples": lambda inner: Pair(1, inner),
}


def nested(make: Callable[[Any], Any], levels: int) -> Any:
    value: Any = ()
    for _ in range(levels):
        value = make(value)
    return value


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind != "frozen sets"])
def test_what_is_too_deep_is_refused_before_it_is_hashed(kind: str) -> None:
    Nesting(1000).check(nested(MAKERS[kind], MOST_DEPTH - 1))
    deep = nested(MAKERS[kind], 200_000)
    with pytest.raises(RecursionError, match="nested deeper than 1000"):
        Nesting(1000).check(deep)
    with pytest.raises(RecursionError):
        check_cost("hash", deep, [], Limits())


def test_frozen_sets_that_are_too_deep_are_refused() -> None:
    with pytest.raises(RecursionError):
        Nesting(1000).check(nested(MAKERS["frozen sets"], 5000))


def test_what_is_twice_in_everything_that_it_is_in_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="max_containers"):
        Nesting(1000).check(nested(lambda inner: (inner, inner), 60))
    Nesting(1000).check(nested(lambda inner: (inner, inner), 8))


@pytest.mark.parametrize("name", ["repr", "str", "format", "eq", "lt", "contains"])
def test_what_goes_through_lists_as_often_as_they_are_held_is_refused(name: str) -> None:
    many = nested(lambda inner: [inner, inner], 60)
    with pytest.raises(LimitExceeded):
        check_cost(name, many, [1], Limits())
    with pytest.raises(LimitExceeded):
        check_cost(name, [{"a": many}], [1], Limits())


@pytest.mark.parametrize(
    "value",
    [
        [(place, "row") for place in range(5000)],
        tuple((place, "row") for place in range(5000)),
        ((1, 2),) * 5000,
        {place: {(place,)} for place in range(5000)},
        5,
    ],
    ids=lambda value: type(value).__name__,
)
def test_many_that_are_just_many_pass(value: object) -> None:
    Nesting(1000).check(value)
    Nesting(1000, shown=True).check(value)


def test_a_list_may_hold_itself() -> None:
    value: list[Any] = [1]
    value.append(value)
    Nesting(1000, shown=True).check(value)


@pytest.mark.parametrize("place", ["argument", "key", "element", "inside"])
def test_a_container_of_ours_that_is_too_deep_comes_back_nowhere(place: str) -> None:
    lender = Lender()
    lender.lent = [nested(MAKERS["tuples"], 200_000)]
    own = Path(1, [])
    codec = Compact(lender, Limits())
    message = {"argument": own, "key": {own: 1}, "element": {own}, "inside": ((own,),)}[place]
    with pytest.raises(ValueError, match="nested deeper than 1000"):
        codec.decode(codec.encode_return(message))
