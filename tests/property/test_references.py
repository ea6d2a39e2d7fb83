"""Two real pairs of tables over a link that delays and loses: no reference leaks or is lost.

At any moment, what one side has lent is what the other side holds, what it has dropped and not
given back yet, and what is on its way in either direction: counted, and to the last occurrence.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callers import Notebook
from proxyables import EncodingError, Limits, Policy, ReferenceNotFound, release
from proxyables.objects.registry import ObjectRegistry
from proxyables.peer.tables import Tables
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.compact import Compact
from proxyables.wire.instructions import RELEASE, RETURN


class Thing:
    """An object to lend."""


class Sent(NamedTuple):
    """A message on its way: what it lends, and what it gives back."""

    data: bytes
    journal: list[Any]
    releases: int = 0


class End:
    """One side: its tables, what its user holds, and what is on its way to it."""

    def __init__(self) -> None:
        limits = Limits()
        self.woken = 0
        self.registry = ObjectRegistry(itertools.count(1).__next__)
        root = Thing()
        self.tables = Tables(
            Notebook(), self.registry, Policy().for_root(root), limits, self.wake, lambda: root
        )
        self.codec = Compact(self.tables, limits)
        self.things = [Thing() for _ in range(3)]
        self.held: list[Any] = []
        self.coming: deque[Sent] = deque()

    def wake(self) -> None:
        self.woken += 1

    def encode(self, value: Any) -> Sent:
        """Encodes as `Calls` and `Service` do: what fails leaves nothing lent."""
        try:
            data = self.codec.encode_return(value)
        except BaseException:
            self.tables.confirm_types(sent=False)
            self.registry.roll_back(self.registry.take_journal())
            raise
        self.tables.confirm_types(sent=True)
        return Sent(data, self.registry.take_journal())

    def decode(self, sent: Sent) -> Any:
        op, value = self.codec.decode(sent.data)
        self.tables.borrowed.clear()
        if op == RELEASE:
            for reference, count in zip(value[::2], value[1::2], strict=True):
                assert self.registry.delete(reference, count), "given back below zero"
            return None
        assert op == RETURN
        return value

    def owed(self) -> int:
        """Occurrences that were received and not given back yet."""
        imports = self.tables.imports
        queued = sum(count for _, count in imports.dropped)
        return imports.snapshot()["retains"] + queued


sides = st.integers(0, 1)
picks = st.lists(st.integers(0, 2), max_size=3)
number = st.integers(0, 1 << 20)


class References(RuleBasedStateMachine):
    """Deeds of the two users, and of the link between them."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = (End(), End())

    def cursors(self, side: int) -> list[ProxyCursor]:
        return [each for each in self.ends[side].held if type(each) is ProxyCursor]

    @rule(side=sides, things=picks, back=st.lists(number, max_size=3), nested=st.booleans())
    def send(self, side: int, things: list[int], back: list[int], nested: bool) -> None:
        end, cursors = self.ends[side], self.cursors(side)
        value: list[Any] = [end.things[place] for place in things]
        value += [cursors[place % len(cursors)] for place in back if cursors]
        if nested:
            value = [{"k": (value, end.things[0])}]
        gone = any(cursor._reference.released for cursor in cursors if cursor in value)
        if nested or not gone:
            try:
                self.ends[1 - side].coming.append(end.encode(value))
            except ReferenceNotFound:
                assert any(cursor._reference.released for cursor in cursors)
        else:
            with pytest.raises(ReferenceNotFound):
                end.encode(value)

    @rule(side=sides, things=picks)
    def fail_to_send(self, side: int, things: list[int]) -> None:
        end = self.ends[side]
        cycle: list[Any] = [end.things[place] for place in things]
        cycle.append(cycle)
        with pytest.raises(EncodingError):
            end.encode(cycle)

    def next_of(self, side: int) -> Sent:
        return self.ends[side].coming.popleft()

    @precondition(lambda self: any(end.coming for end in self.ends))
    @rule(side=sides, keep=st.booleans(), torn=st.booleans())
    def deliver(self, side: int, keep: bool, torn: bool) -> None:
        side = side if self.ends[side].coming else 1 - side
        end, sender = self.ends[side], self.ends[1 - side]
        sent = self.next_of(side)
        if torn and not sent.releases:  # it came in pieces, and the first try was no message
            end.codec.decode(sent.data)
            end.tables.undo_borrowing()
        value = end.decode(sent)
        if keep and value is not None:
            flat = _flat(value)
            assert all(type(each) is ProxyCursor or each in end.things for each in flat)
            assert not any(each in sender.things for each in flat)
            end.held += flat

    @precondition(lambda self: any(end.coming for end in self.ends))
    @rule(side=sides)
    def lose(self, side: int) -> None:
        """A call that was cancelled: its message is not read, and its sender hears of that."""
        side = side if self.ends[side].coming else 1 - side
        if not self.ends[side].coming[0].releases:
            self.ends[1 - side].registry.roll_back(self.next_of(side).journal)

    @precondition(lambda self: any(end.held for end in self.ends))
    @rule(side=sides, place=number)
    def forget(self, side: int, place: int) -> None:
        held = self.ends[side].held or self.ends[1 - side].held
        del held[place % len(held)]

    @precondition(lambda self: self.cursors(0) or self.cursors(1))
    @rule(side=sides, place=number)
    def give_back(self, side: int, place: int) -> None:
        cursors = self.cursors(side) or self.cursors(1 - side)
        release(cursors[place % len(cursors)])

    @rule(side=sides)
    def flush(self, side: int) -> None:
        end = self.ends[side]
        counts = end.tables.imports.take_dropped()
        end.woken = 0
        for data in end.codec.encode_release(counts):
            total = sum(count for _, count in counts)
            self.ends[1 - side].coming.append(Sent(data, [], total))

    @invariant()
    def every_occurrence_is_somewhere(self) -> None:
        for end, other in (self.ends, self.ends[::-1]):
            snapshot = end.registry.snapshot()
            on_the_way = sum(len(sent.journal) for sent in other.coming)
            coming_back = sum(sent.releases for sent in end.coming)
            assert snapshot["retains"] == on_the_way + other.owed() + coming_back
            assert snapshot["entries"] <= snapshot["retains"]
            assert end.registry.journal == []
            assert end.tables.borrowed == []
            assert bool(end.woken) >= bool(end.tables.imports.dropped), "nobody would send these"

    def teardown(self) -> None:
        for end in self.ends:
            end.held.clear()
        while any(end.coming or end.tables.imports.dropped for end in self.ends):
            for side in (0, 1):
                while self.ends[side].coming:
                    self.ends[side].decode(self.next_of(side))
                self.flush(side)
        for end in self.ends:
            assert end.registry.snapshot() == {"entries": 0, "retains": 0}
            assert len(end.tables.imports) == 0


def _flat(value: Any) -> list[Any]:
    if type(value) is dict:
        return [each for item in value.values() for each in _flat(item)]
    if type(value) in (list, tuple):
        return [each for item in value for each in _flat(item)]
    return [value]


TestReferences = References.TestCase
TestReferences.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
