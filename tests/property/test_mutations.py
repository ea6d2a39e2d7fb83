"""Valid bytes with a few changes, to all that reads from the wire; `fuzz` looks for longer.

The seed of the changes is fixed, so that a failure can be had again; its number names the change.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import seeds
from invariants import DECODERS, check_session

ROUNDS = 40
CHANGES = 4
TELLING = [b"", b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xc1", b"\x91" * 40]
TELLING += [b"\xdd", b"\xdf", b"\xc6", b"\xc9", b"\xd4\x05", b"\x80", b"\x90", b"\xc0", b"\x00\x01"]


def changed(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Returns `data` with a few bytes flipped, replaced, cut out, doubled, or taken from others."""
    for _ in range(chance.randint(1, CHANGES)):
        place = chance.randint(0, len(data))
        end = min(len(data), place + chance.choice([0, 1, 1, 2, 4, 12, 40]))
        kind = chance.randrange(5)
        if kind == 0 and place < len(data):
            new = bytes([data[place] ^ 1 << chance.randrange(8)])
            end = place + 1
        elif kind == 1:
            new = chance.choice(TELLING)
        elif kind == 2:
            new = data[place:end] * 2
        elif kind == 3:
            new = chance.choice(others)[place : place + chance.randint(0, 40)]
        else:
            new = chance.randbytes(end - place)
        data = data[:place] + new + data[end:]
    return data[: chance.randint(0, len(data))] if chance.random() < 0.1 else data


def mutate(check: Callable[[bytes], None], begun: list[bytes]) -> None:
    for data in begun:
        check(data)
    for number in range(ROUNDS * len(begun)):
        chance = random.Random(number)
        data = changed(begun[number % len(begun)], chance, begun)
        try:
            check(data)
        except Exception as error:
            error.add_note(f"the bytes, change {number}: {data.hex()}")
            raise


@pytest.mark.parametrize("name", DECODERS)
def test_changed_messages_are_documented_errors_or_messages(name: str) -> None:
    mutate(DECODERS[name], seeds.messages())


def test_changed_conversations_are_offences_or_events() -> None:
    mutate(check_session, seeds.sessions())
