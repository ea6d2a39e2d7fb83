"""The table of failed attempts: who has to wait, how long, and how much it may hold."""

from __future__ import annotations

import pytest

from proxyables.errors import AuthenticationFailed
from proxyables.peer import attempts
from proxyables.peer.attempts import Attempts


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def must_wait(table: Attempts, source: str) -> bool:
    try:
        table.check(source)
    except AuthenticationFailed:
        return True
    return False


def test_the_first_failures_cost_nothing() -> None:
    table = Attempts(Clock())
    for _ in range(attempts.FREE):
        table.fail("a")
        table.check("a")
    table.fail("a")
    with pytest.raises(AuthenticationFailed, match=r"too many failed attempts .* in 1\.0 s"):
        table.check("a")


def test_each_further_one_doubles_the_wait_up_to_a_bound() -> None:
    clock = Clock()
    table = Attempts(clock)
    waits = []
    for _ in range(attempts.FREE):
        table.fail("a")
    for _ in range(100):
        table.fail("a")
        start = clock.now
        while must_wait(table, "a"):
            clock.now += 0.5
        waits.append(clock.now - start)
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[7:]) == {60}


def test_nobody_else_waits() -> None:
    table = Attempts(Clock())
    for _ in range(10):
        table.fail("a")
    table.check("b")


def test_success_and_time_make_a_stranger_of_it_again() -> None:
    clock = Clock()
    table = Attempts(clock)
    for _ in range(4):
        table.fail("a")
        table.fail("b")
    table.succeed("a")
    table.succeed("nobody")
    clock.now += attempts.MEMORY + 1
    for source in ("a", "b"):
        table.check(source)
        table.fail(source)
        table.check(source)


def test_the_table_is_bounded_and_keeps_whom_it_has_seen_last() -> None:
    table = Attempts(Clock())
    for _ in range(attempts.FREE + 1):
        table.fail("first")
    for number in range(3 * attempts.MOST_SOURCES):
        table.fail(f"source {number}")
        assert len(table) <= attempts.MOST_SOURCES
        if number == attempts.MOST_SOURCES // 2:
            table.fail("first")  # which makes it one of the latest
            last = number
    assert last
    assert not must_wait(table, "first")  # long gone
    table.fail("latest")
    assert len(table) == attempts.MOST_SOURCES
