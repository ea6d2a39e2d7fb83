"""What runs on workers is told without running anything."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from proxyables import expose
from proxyables.objects.placement import Placement, is_marked_for_threads


class Descriptor:
    def __get__(self, owner: object, cls: type) -> int:
        raise AssertionError("nothing is to be read")


class Thing:
    plain = 1
    described = Descriptor()

    def __init__(self) -> None:
        self.held = 2

    @property
    def computed(self) -> int:
        raise AssertionError("nothing is to be read")

    @computed.setter
    def computed(self, value: int) -> None:
        raise AssertionError("nothing is to be set")

    @functools.cached_property
    def lazy(self) -> int:
        raise AssertionError("nothing is to be read")

    @property
    @expose(run="loop")
    def quick(self) -> int:
        raise AssertionError("nothing is to be read")

    def method(self) -> None: ...
    async def later(self) -> None: ...
    async def ticks(self) -> AsyncIterator[int]:
        yield 1

    @classmethod
    def of_class(cls) -> None: ...
    @staticmethod
    def static() -> None: ...

    @expose(run="loop")
    def on_loop(self) -> None: ...
    @expose(run="thread")
    def on_thread(self) -> None: ...
    @expose(run="thread")
    async def never(self) -> None: ...

    def count(self) -> Iterator[int]:
        yield 1

    @expose(run="loop")
    def count_here(self) -> Iterator[int]:
        yield 1

    @expose(run="thread")
    def count_there(self) -> Iterator[int]:
        yield 1

    def __call__(self) -> None: ...


class MadeUp(Thing):
    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):  # pytest asks for some
            raise AttributeError(name)
        raise AssertionError("nothing is to be read")


class Watched(Thing):
    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class AsyncCallable:
    async def __call__(self) -> None: ...


def placement(*, everything: bool) -> Placement:
    def perform(*call: Any) -> Any:
        raise AssertionError("nothing is to be run")

    return Placement(perform, everything=everything)


THING = Thing()


@pytest.mark.parametrize(
    ("target", "with_threads", "without"),
    [
        (THING.method, True, False),
        (THING.later, False, False),
        (THING.ticks, False, False),
        (THING.of_class, True, False),
        (THING.static, True, False),
        (THING.on_loop, False, False),
        (THING.on_thread, True, True),
        (THING.never, False, False),
        (THING.count, True, False),
        (THING, True, False),
        (AsyncCallable(), False, False),
        (Thing, True, False),
        (functools.partial(THING.method), True, False),
        (functools.partial(functools.partial(THING.later)), False, False),
        ([].append, True, False),
        (lambda: None, True, False),
    ],
)
def test_calls(target: Any, with_threads: bool, without: bool) -> None:
    both = placement(everything=True), placement(everything=False)
    for _ in range(2):  # the second time from memory
        assert both[0].wants_call(target) is with_threads
        assert both[1].wants_call(target) is without


@pytest.mark.parametrize(
    ("target", "name", "wanted"),
    [
        (THING, "plain", False),
        (THING, "held", False),
        (THING, "method", False),
        (THING, "of_class", False),
        (THING, "static", False),
        (THING, "missing", False),
        (THING, "computed", True),
        (THING, "lazy", True),
        (THING, "described", True),
        (THING, "quick", False),
        (MadeUp(), "held", False),
        (MadeUp(), "missing", True),
        (MadeUp(), "method", False),
        (Watched(), "held", False),
    ],
)
def test_reading(target: Any, name: str, wanted: bool) -> None:
    place = placement(everything=True)
    for _ in range(2):
        assert place.wants_get(target, name) is wanted
    assert placement(everything=False).wants_get(target, name) is False


@pytest.mark.parametrize(
    ("target", "name", "wanted"),
    [
        (THING, "held", False),
        (THING, "new", False),
        (THING, "computed", True),
        (MadeUp(), "new", False),
        (Watched(), "held", True),
    ],
)
def test_changing(target: Any, name: str, wanted: bool) -> None:
    assert placement(everything=True).wants_change(target, name, "__setattr__") is wanted


def test_assigning_what_may_be_remote() -> None:
    @expose(run="loop")
    class OnLoop:
        pass

    place = placement(everything=True)
    assert place.wants_assignment(THING, [object()])
    assert not place.wants_assignment(THING, 5)
    assert not place.wants_assignment(OnLoop(), object())
    assert not placement(everything=False).wants_assignment(THING, object())


def test_iterating() -> None:
    place = placement(everything=True)
    assert place.wants_iteration(THING.count())
    assert not place.wants_call(THING.count_here)
    assert not place.wants_iteration(THING.count_here())
    assert not place.wants_iteration([1])
    assert place.wants_iteration(map(str, [1]))
    rarely = placement(everything=False)
    assert rarely.wants_call(THING.count_there)
    assert rarely.wants_iteration(THING.count_there())
    assert not rarely.wants_iteration(THING.count())


def test_what_is_marked_for_threads() -> None:
    @expose(run="thread")
    class Slow: ...

    class Slower(Slow): ...

    @expose(run="thread")
    def slow() -> None: ...

    assert is_marked_for_threads(Thing)
    assert is_marked_for_threads(MadeUp)
    assert is_marked_for_threads(Slow)
    assert is_marked_for_threads(Slower)
    assert is_marked_for_threads(slow)
    for other in (int, Descriptor, len, lambda: None, 1, THING):
        assert not is_marked_for_threads(other)
