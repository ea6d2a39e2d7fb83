"""Ids in the form of every implementation: in order, unlike, 64 bits in base32hex."""

from __future__ import annotations

import threading
import time

import pytest

from proxyables import make_muid
from proxyables.muid import MuidGenerator

DIGITS = "0123456789abcdefghijklmnopqrstuv"


def number_of(muid: str) -> int:
    number = 0
    for digit in muid:
        number = number << 5 | DIGITS.index(digit)
    return number


def test_ids_are_twelve_digits_and_never_alike() -> None:
    ids = [make_muid() for _ in range(5000)]  # more than a millisecond's 512
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {12}


def test_an_id_tells_its_moment_and_its_machine() -> None:
    before = time.time_ns() // 1_000_000
    number = number_of(MuidGenerator(machine=0x1234).make())
    after = time.time_ns() // 1_000_000
    assert before <= (number >> 23) + 1_700_000_000_000 <= after
    assert number >> 9 & 0x3FFF == 0x1234


@pytest.mark.parametrize("machine", [0x3FFF, 0xFFFF, -1])
def test_a_machine_has_14_bits_and_never_reaches_the_others(machine: int) -> None:
    number = number_of(MuidGenerator(machine=machine).make())
    assert number >> 9 & 0x3FFF == 0x3FFF
    assert number.bit_length() <= 60


def test_a_burst_runs_ahead_of_the_clock_in_order() -> None:
    generator = MuidGenerator(machine=1)
    numbers = [number_of(generator.make()) for _ in range(2000)]
    assert numbers == sorted(set(numbers))


def test_ids_do_not_repeat_between_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(ids: list[str]) -> None:
        ids += [make_muid() for _ in range(10_000)]

    threads = [threading.Thread(target=make, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for ids in made for each in ids}) == 40_000
