"""Imports: shared references, and the queue that finalisers fill."""

from __future__ import annotations

import gc
import threading
from collections import deque
from typing import Any

import pytest

from proxyables.errors import LimitExceeded
from proxyables.objects.imports import Imports


class Wakes:
    """Counts how often it is called, and from which threads."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def __call__(self) -> None:
        self.threads.append(threading.get_ident())


def make(limit: int = 100) -> tuple[Imports, Wakes]:
    wakes = Wakes()
    return Imports(wakes, limit=limit), wakes


def test_every_occurrence_shares_one_reference() -> None:
    imports, wakes = make()
    first = imports.receive(7, 1, {"name": "Thing"})
    assert imports.receive(7, 1, None) is first
    assert imports.receive(8, 1, None) is not first
    assert first.count == 2
    assert first.cursor() is None
    assert len(imports) == 1, "nobody kept the other"
    assert imports.take_dropped() == [(8, 1)]
    assert len(wakes.threads) == 1


def test_the_last_holder_gives_all_occurrences_back_at_once() -> None:
    imports, wakes = make()
    reference = imports.receive(7, 1, None)
    for _ in range(4):
        imports.receive(7, 1, None)
    assert imports.snapshot() == {"entries": 1, "retains": 5}
    del reference
    gc.collect()
    assert imports.snapshot() == {"entries": 0, "retains": 0}
    assert imports.take_dropped() == [(7, 5)]
    assert imports.take_dropped() == []
    assert len(wakes.threads) == 1


def test_a_batch_wakes_once_and_the_next_one_again() -> None:
    imports, wakes = make()
    kept = [imports.receive(n, 1, None) for n in range(50)]
    kept.clear()
    gc.collect()
    assert len(wakes.threads) == 1
    assert sorted(imports.take_dropped()) == [(n, 1) for n in range(50)]
    imports.receive(99, 1, None)
    assert len(wakes.threads) == 2


def test_finalisers_in_other_threads_wake_too() -> None:
    imports, wakes = make()
    kept = [imports.receive(n, 1, None) for n in range(10)]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert wakes.threads == [thread.ident]
    assert len(imports.take_dropped()) == 10


def test_no_release_is_left_behind_when_two_threads_meet() -> None:
    """The loop takes the queue at the worst moment: after a finaliser looked, before it queued."""
    imports, wakes = make()
    taken: list[tuple[Any, int]] = []

    class Interrupted(deque[tuple[Any, int]]):
        def append(self, item: tuple[Any, int]) -> None:
            taken.extend(imports.take_dropped())
            super().append(item)

    imports.drop(1, 1)
    imports.dropped = Interrupted(imports.dropped)
    imports.drop(2, 1)
    assert taken == [(1, 1)]
    assert len(wakes.threads) == 2, "the second release would wait for ever"
    assert imports.take_dropped() == [(2, 1)]


def test_an_object_that_comes_again_gets_a_reference_of_its_own() -> None:
    imports, _ = make()
    imports.receive(7, 1, None)
    again = imports.receive(7, 1, None)
    assert again.count == 1
    assert imports.take_dropped() == [(7, 1)]
    del again
    assert imports.take_dropped() == [(7, 1)]


def test_releasing_is_for_good_and_only_once() -> None:
    imports, _ = make()
    reference = imports.receive(7, 1, None)
    imports.receive(7, 1, None)
    reference.release()
    reference.release()
    assert reference.released
    assert imports.take_dropped() == [(7, 2)]
    another = imports.receive(7, 1, None)
    assert another is not reference
    assert not another.released
    reference.release()
    assert imports.receive(7, 1, None) is another, "the old one forgets only itself"
    del reference
    assert imports.take_dropped() == []
    del another
    assert imports.take_dropped() == [(7, 2)]


def test_releases_of_one_object_are_added_up() -> None:
    imports, _ = make()
    imports.drop(1, 2)
    imports.drop(2, 1)
    imports.drop(1, 3)
    assert imports.take_dropped() == [(1, 5), (2, 1)]


def test_descriptions_are_told_once_and_remembered() -> None:
    imports, _ = make()
    told = {"name": "Thing"}
    first = imports.receive(1, 5, told)
    second = imports.receive(2, 5, None)
    unknown = imports.receive(3, 6, None)
    assert first.type is told
    assert second.type is told
    assert unknown.type is None


def test_the_limit_counts_objects() -> None:
    imports, _ = make(limit=2)
    kept = [imports.receive(n, 1, None) for n in range(2)]
    imports.receive(1, 1, None)
    with pytest.raises(LimitExceeded, match="max_references=2"):
        imports.receive(2, 1, None)
    kept.pop()
    gc.collect()
    imports.receive(2, 1, None)


def test_after_the_end_nothing_is_given_back() -> None:
    imports, wakes = make()
    reference = imports.receive(1, 1, {"name": "Thing"})
    imports.drop(2, 1)
    imports.clear()
    assert imports.take_dropped() == []
    del reference
    gc.collect()
    assert imports.take_dropped() == []
    assert imports.types == {}
    assert len(wakes.threads) == 1
