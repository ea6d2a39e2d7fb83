"""Floods, promises and silence against a server process: its memory stays within the bounds that
the page of limits states, its log says why a connection was ended, and others do not notice.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest

from attacks.victims import Attacker, Victim, attacked
from proxyables.limits import KIB, MIB
from proxyables.peer.refusals import MOST
from proxyables.wire.hello import PING as PING_OPAQUE
from proxyables.wire.instructions import CALL, GET, STREAM
from proxyables.yamux.frames import DATA, HEADER, PING, RST, SYN, WINDOW_UPDATE

A_CONNECTION = 40 * KIB
"""What an idle connection may cost."""
A_STREAM = 1 * KIB
"""What an open stream may cost, without the bytes that wait on it."""
CONSTANT = 12 * MIB
"""What any connection may cost for a moment: a read of 256 KiB may hold 20,000 frames, which are
events and answers until it has been dealt with."""


def nested(levels: int) -> bytes:
    """Returns tuples in tuples, as extensions in extensions."""
    heads: list[bytes] = []
    size = 1
    for _ in range(levels):
        heads.append(b"\xc9" + size.to_bytes(4, "big") + b"\x05")
        size += 6
    return b"".join(reversed(heads)) + b"\x01"


Start = Callable[..., contextlib.AbstractContextManager[Victim]]


@pytest.fixture
def attack(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Starts a server with the limits that are given, on the loop of this run."""
    loop = request.config.getoption("--loop")
    return lambda **limits: attacked(tmp_path / "log", loop, **limits)


def assert_undisturbed(victim: Victim, attack: Callable[[], None] | None = None) -> None:
    """Compares the honest client's median latency with and without the attack, taken in turns.

    Args:
        victim: Who is attacked.
        attack: What is begun anew in each turn; None if it goes on all the while.
    """
    if attack is None:
        attack = _nothing
    ratios = []
    for _ in range(3):  # two cores are easily busy with something else
        quiet, disturbed = [], []
        for _ in range(5):
            quiet.append(victim.latency(100))
            disturbed.append(victim.latency_while(attack, 100))
        ratios.append(sorted(disturbed)[2] / sorted(quiet)[2])
        if ratios[-1] < 2:
            return
    pytest.fail(f"the honest client's calls took {ratios} times as long")


def _nothing() -> None:
    """Is no attack."""


# -- bytes that are no session --------------------------------------------------------------------


def test_50_megabytes_of_garbage_cost_one_read(attack: Start) -> None:
    garbage = b"y\n" * 25_000_000

    def shout() -> None:
        with victim.dial() as attacker:
            attacker.send(garbage)
            assert attacker.is_cut_off()

    with attack() as victim, victim.costs_at_most(CONSTANT):
        assert_undisturbed(victim, shout)
        victim.until_told("not a proxyables peer: it sent b'y\\\\ny", 5)


BEGINNINGS = {
    "nothing": b"",
    "half a header": bytes(6),
    "a ping, and half a header": HEADER.pack(0, PING, SYN, 0, PING_OPAQUE) + bytes(6),
    "half a HELLO": HEADER.pack(0, PING, SYN, 0, PING_OPAQUE)
    + HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0)
    + HEADER.pack(0, DATA, 0, 1, 100)
    + bytes(50),
}


@pytest.mark.parametrize("said", BEGINNINGS)
def test_hundreds_that_fall_silent_are_cut_off_in_time(attack: Start, said: str) -> None:
    many = 400
    with attack(handshake_timeout=1.5) as victim:
        with victim.costs_at_most(many * A_CONNECTION + CONSTANT), crowd(victim, many) as silent:
            for attacker in silent:
                attacker.send(BEGINNINGS[said])
            assert_undisturbed(victim)
            assert all(attacker.is_cut_off() for attacker in silent)
        victim.until_refused("no answer to the hello within 1.5 s", many)


@contextlib.contextmanager
def crowd(victim: Victim, many: int) -> Iterator[list[Attacker]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(victim.dial()) for _ in range(many)]


# -- streams --------------------------------------------------------------------------------------


def syns(first: int, many: int) -> bytes:
    return b"".join(
        HEADER.pack(0, WINDOW_UPDATE, SYN, stream, 0)
        for stream in range(first, first + 2 * many, 2)
    )


def test_100_000_streams_are_refused_but_for_as_many_as_are_allowed(attack: Start) -> None:
    many, allowed = 100_000, 10_000
    flood = syns(3, many)
    with attack(max_streams=allowed) as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(allowed * A_STREAM + CONSTANT):
            reader = threading.Thread(target=attacker.read, args=(12 * many,))
            reader.start()
            attacker.send(flood)
            reader.join()
            assert_undisturbed(victim)
        resets = attacker.frames()[WINDOW_UPDATE, RST]
        assert resets == many - allowed + 1, "HELLO has a stream too"


def test_opened_and_reset_for_ever_leaves_nothing(attack: Start) -> None:
    many = 50_000
    flood = b"".join(
        HEADER.pack(0, WINDOW_UPDATE, flag, stream, 0)
        for stream in range(3, 3 + 2 * many, 2)
        for flag in (SYN, RST)
    )
    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(CONSTANT):
            reader = threading.Thread(target=attacker.read, args=(12 * many,))
            reader.start()
            attacker.send(flood)
            reader.join()
            assert_undisturbed(victim)


def test_streams_that_nobody_hears_the_answers_of(attack: Start) -> None:
    with attack(max_write_buffer=MIB) as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(20_000 * A_STREAM + 3 * MIB + CONSTANT):
            first = 3
            for _ in range(20):
                attacker.send(syns(first, 50_000))
                first += 100_000
            assert attacker.is_cut_off()
            assert_undisturbed(victim)
        victim.until_told("does not read")


def test_pings_whose_answers_nobody_reads(attack: Start) -> None:
    with attack(max_write_buffer=MIB) as victim, victim.dial() as attacker:
        attacker.greet()
        flood = HEADER.pack(0, PING, SYN, 0, 7) * 50_000
        with victim.costs_at_most(3 * MIB + CONSTANT):
            for _ in range(30):
                attacker.send(flood)
            assert attacker.is_cut_off()
            assert_undisturbed(victim)
        victim.until_told("does not read")


def test_pings_whose_answers_are_read(attack: Start) -> None:
    many = 100_000
    flood = HEADER.pack(0, PING, SYN, 0, 7) * many

    def ping() -> None:
        reader = threading.Thread(target=attacker.read, args=(12 * many,))
        reader.start()
        attacker.send(flood)
        reader.join()

    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(CONSTANT):
            assert_undisturbed(victim, ping)
        victim.until_told("read more slowly")


# -- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 300_000])
def test_a_frame_that_promises_too_much_ends_its_connection(attack: Start, length: int) -> None:
    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(CONSTANT):
            stream = attacker.session.open_stream()
            attacker.flush()
            attacker.send(HEADER.pack(0, DATA, 0, stream.id, length) + bytes(1000))
            assert attacker.is_cut_off()
            assert_undisturbed(victim)
        victim.until_told(f"data frame of {length} bytes")


def test_promises_in_thousands_of_messages_take_no_memory(attack: Start) -> None:
    many = 5000
    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(many * 2 * A_STREAM + CONSTANT):
            for number in range(many):
                header = (b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")[number % 5]
                begun = b"\x93\x03\xc0" + header + b"\xff\xff\xff\xff\x05"
                attacker.session.send(attacker.session.open_stream(), begun)
            attacker.flush()
            assert_undisturbed(victim)


def test_thousands_of_begun_messages_end_their_connection(attack: Start) -> None:
    bound = 8 * MIB
    with attack(max_read_buffer=bound) as victim, victim.dial() as attacker:
        attacker.greet()
        begun = b"\x93\x03\xc0\xc6\x00\x10\x00\x00" + bytes(10_000)
        with victim.costs_at_most(2 * bound + 1000 * A_STREAM + CONSTANT):
            with contextlib.suppress(ConnectionError):
                for _ in range(1000):
                    attacker.session.send(attacker.session.open_stream(), begun)
                    attacker.flush()
            assert attacker.is_cut_off()
            assert_undisturbed(victim)
        victim.until_told("bytes of unfinished messages")


def test_many_begun_messages_take_no_longer_each_than_few(attack: Start) -> None:
    many = 10_000
    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        streams = [attacker.session.open_stream() for _ in range(many)]
        for stream in streams:
            attacker.session.send(stream, b"\x93\x03\xc0\xc6\x00\x10\x00\x00")
        attacker.flush()

        def dribble() -> None:
            for stream in streams:
                attacker.session.send(stream, b"x")
            attacker.flush()

        assert_undisturbed(victim, dribble)


CONTAINERS = {"lists": b"\x90", "maps": b"\x80", "sets": b"\xd4\x06\x90"}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_message_of_empty_containers_is_refused_half_way(attack: Start, kind: str) -> None:
    allowed, many = 100_000, 4_000_000
    head = b"\x93\x03\xc0\x92\xa5count\x92\x02\x91\xdd" + many.to_bytes(4, "big")
    message = head + CONTAINERS[kind] * many
    with attack(max_containers=allowed) as victim, victim.dial() as attacker:
        attacker.greet()
        # The list that was to hold them is there already, and so is the message, twice.
        with victim.costs_at_most(allowed * 300 + 8 * many + 2 * len(message) + CONSTANT):
            stream = attacker.session.open_stream()
            attacker.session.send(stream, message)
            attacker.flush()
            while stream.parked:  # within the window
                attacker.session.receive_data(attacker.socket.recv(65536))
                attacker.flush()
            victim.until_told("max_containers")
            assert_undisturbed(victim)


DEEP = {
    "lists": b"\x91" * 200_000 + b"\x01",
    "maps": b"\x81\x01" * 100_000 + b"\x01",
    "tuples": nested(20_000),
}


@pytest.mark.parametrize("deep", DEEP)
def test_deep_nesting_is_refused_one_by_one(attack: Start, deep: str) -> None:
    head = b"\x93\x03\xc0\x92" + msgpack.packb([GET, "count"]) + b"\x92\x02\x91"
    message = head + DEEP[deep]

    def dig() -> None:
        for _ in range(5):
            attacker.session.send(attacker.session.open_stream(), message)
        attacker.flush()

    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(CONSTANT):
            assert_undisturbed(victim, dig)
        victim.until_told("refused", MOST)


# -- who asks and does not read -------------------------------------------------------------------


def test_who_asks_for_much_and_does_not_read_is_cut_off(attack: Start) -> None:
    bound = 16 * MIB
    with attack(max_write_buffer=bound) as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(3 * bound + CONSTANT):
            for _ in range(100):
                attacker.ask([GET, "large"], [CALL, [1 << 20]])
            with contextlib.suppress(ConnectionError):
                attacker.flush()
            victim.until_told("the peer does not read")
            assert attacker.is_cut_off()
            assert_undisturbed(victim)


@pytest.mark.parametrize("name", ["rows", "news"])
def test_endless_streams_wait_for_who_does_not_read(attack: Start, name: str) -> None:
    many, window = 50, 256 * KIB
    with attack() as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(2 * many * window + CONSTANT):
            for _ in range(many):
                attacker.ask([GET, name], [CALL, []], [STREAM, 10])
            attacker.flush()
            assert_undisturbed(victim)


def test_calls_that_never_end_hold_no_more_than_is_allowed(attack: Start) -> None:
    many = 5000
    with attack(max_calls=2000) as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(2000 * 8 * KIB + many * A_STREAM + CONSTANT):
            for _ in range(many):
                attacker.ask([GET, "never"], [CALL, []])
            attacker.flush()
            victim.until_told("max_calls", MOST)
            assert_undisturbed(victim)


def test_what_calls_that_never_end_were_given_is_bounded(attack: Start) -> None:
    bound = 8 * MIB
    with attack(max_read_buffer=bound) as victim, victim.dial() as attacker:
        attacker.greet()
        with victim.costs_at_most(2 * bound + CONSTANT):
            for _ in range(400):
                attacker.ask([GET, "never"], [CALL, [bytes(100_000)]])
            attacker.flush()
            victim.until_told("max_read_buffer", MOST)
            assert_undisturbed(victim)
