"""Exports: identity, counts that never pass zero, the journal, the limit."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import pytest

from proxyables.errors import LimitExceeded
from proxyables.objects.registry import ObjectRegistry


class Thing:
    """Equal to every other, and yet another object."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing)

    def __hash__(self) -> int:
        return 1


def make(limit: int = 100) -> ObjectRegistry:
    return ObjectRegistry(itertools.count(1).__next__, limit=limit)


def test_the_same_object_keeps_its_reference_and_equal_ones_do_not_share() -> None:
    registry = make()
    thing, equal = Thing(), Thing()
    first = registry.register(thing)
    assert registry.register(thing) == first
    assert registry.register(equal) != first
    assert registry.get(first) is thing
    assert registry.snapshot() == {"entries": 2, "retains": 3}


def test_an_entry_goes_with_its_last_occurrence_only() -> None:
    registry = make()
    thing = Thing()
    reference = registry.register(thing)
    registry.register(thing)
    registry.register(thing)
    assert registry.delete(reference, 2)
    assert reference in registry
    assert registry.delete(reference)
    assert reference not in registry
    assert registry.get(reference) is None
    assert registry.register(thing) != reference, "references are never used again"


@pytest.mark.parametrize("count", [2, 0, -1, 10**30])
def test_more_than_was_lent_is_refused_and_changes_nothing(count: int) -> None:
    registry = make()
    reference = registry.register(Thing())
    assert not registry.delete(reference, count)
    assert registry.snapshot() == {"entries": 1, "retains": 1}


@pytest.mark.parametrize("reference", [0, 2, -1, "1", None])
def test_what_was_never_lent_cannot_be_deleted(reference: Any) -> None:
    registry = make()
    registry.register(Thing())
    assert not registry.delete(reference)
    assert registry.get(reference) is None


def test_an_object_is_held_as_long_as_it_is_lent() -> None:
    registry = make()
    thing = Thing()
    watch = weakref.ref(thing)
    reference = registry.register(thing)
    registry.take_journal()
    del thing
    gc.collect()
    assert watch() is not None
    registry.delete(reference)
    gc.collect()
    assert watch() is None


def test_none_can_be_lent_and_found() -> None:
    registry = make()
    reference = registry.register(None)
    assert registry.get(reference) is None
    assert reference in registry


def test_the_journal_takes_back_what_one_message_has_lent() -> None:
    registry = make()
    old, new = Thing(), Thing()
    kept = registry.register(old)
    assert registry.take_journal() == [kept]
    lent = [registry.register(each) for each in (old, new, new)]
    journal = registry.take_journal()
    assert journal == lent
    assert registry.take_journal() == []
    registry.roll_back(journal)
    assert registry.snapshot() == {"entries": 1, "retains": 1}
    assert registry.get(kept) is old


def test_rolling_back_what_was_given_back_meanwhile_does_no_harm() -> None:
    registry = make()
    reference = registry.register(Thing())
    journal = registry.take_journal()
    assert registry.delete(reference)
    registry.roll_back(journal)
    assert registry.snapshot() == {"entries": 0, "retains": 0}


def test_the_limit_counts_objects_not_occurrences() -> None:
    registry = make(limit=2)
    first, second = Thing(), Thing()
    registry.register(first)
    registry.register(second)
    registry.register(first)
    with pytest.raises(LimitExceeded, match="max_references=2") as caught:
        registry.register(Thing())
    assert caught.value.allowed == 2
    assert registry.snapshot() == {"entries": 2, "retains": 3}
    assert len(registry.take_journal()) == 3, "what failed is not in it"
    registry.delete(registry.register(second), 2)
    registry.register(Thing())


def test_clearing_drops_everything() -> None:
    registry = make()
    thing = Thing()
    reference = registry.register(thing)
    registry.clear()
    assert registry.snapshot() == {"entries": 0, "retains": 0}
    assert registry.take_journal() == []
    assert not registry.delete(reference)
    assert registry.register(thing) == reference + 1


def test_by_default_references_are_classic_ids() -> None:
    registry = ObjectRegistry()
    first, second = registry.register(Thing()), registry.register(Thing())
    assert isinstance(first, str)
    assert first < second
