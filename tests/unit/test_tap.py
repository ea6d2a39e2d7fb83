"""Each failure is noted with the call that it ends, however close together calls come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connections import on_both_loops
from proxyables import ReferenceNotFound
from proxyables.watch.tap import Measured, Tap
from proxyables.wire.instructions import EXECUTE


class Stream:
    def __init__(self) -> None:
        self.owner: asyncio.Task[None] | None = None
        self.dead = False


class Service:
    """Does with each request what its target says, as `peer.service.Service` would."""

    def __init__(self) -> None:
        self.tap: Tap | None = None

    def watch(self, tap: Tap | None) -> None:
        self.tap = tap

    def find(self, reference: object) -> None:
        return None

    def on_request(self, stream: Stream, message: list[Any]) -> None:
        if not stream.dead:
            message[1](self, stream)


def answer(service: Service, stream: Stream) -> None:
    pass


def refuse(service: Service, stream: Stream) -> None:
    assert service.tap is not None
    service.tap.on_failure(stream, ReferenceNotFound())  # type: ignore[arg-type]


def later(what: Callable[[Service, Stream], None]) -> Callable[[Service, Stream], None]:
    def begin(service: Service, stream: Stream) -> None:
        async def run() -> None:
            stream.owner = None
            what(service, stream)

        stream.owner = asyncio.get_running_loop().create_task(run())

    return begin


class Told:
    """A tap, and what it has told: each call as the position of its request and how it ended."""

    def __init__(self) -> None:
        self.service = Service()
        self.tap = Tap(self.service, 1, "here", self)  # type: ignore[arg-type]
        self.tap.open()
        self.asked: list[Any] = []
        self.ended: dict[int, tuple[str, str]] = {}

    def on_begin(self, call: Measured) -> None:
        pass

    def on_end(self, call: Measured) -> None:
        number = next(at for at, each in enumerate(self.asked) if each is call.message)
        assert number not in self.ended
        self.ended[number] = (call.outcome, call.error)

    def ask(self, stream: Stream, what: Callable[[Service, Stream], None]) -> None:
        message = [EXECUTE, what, []]
        self.asked.append(message)
        self.tap.on_request(stream, message)  # type: ignore[arg-type]


HOW = {
    "answered": answer,
    "refused": refuse,
    "answered later": later(answer),
    "refused later": later(refuse),
}


@on_both_loops
@pytest.mark.parametrize("first", HOW)
@pytest.mark.parametrize("second", HOW)
async def test_the_next_call_comes_in_the_turn_of_the_answer(first: str, second: str) -> None:
    told, stream = Told(), Stream()
    told.ask(stream, HOW[first])
    asyncio.get_running_loop().call_soon(told.ask, stream, HOW[second])
    await several_turns()
    assert told.ended == {0: _end_of(first), 1: _end_of(second)}


@on_both_loops
async def test_calls_side_by_side() -> None:
    told, streams = Told(), [Stream() for _ in HOW]
    for stream, how in zip(streams, HOW.values(), strict=True):
        told.ask(stream, how)
    await several_turns()
    assert told.ended == dict(enumerate(_end_of(how) for how in HOW))


@on_both_loops
@pytest.mark.parametrize("first", HOW)
async def test_what_comes_behind_an_answer_and_is_no_request(first: str) -> None:
    told, stream = Told(), Stream()
    told.ask(stream, HOW[first])
    asyncio.get_running_loop().call_soon(refuse, told.service, stream)
    await several_turns()
    assert told.ended == {0: _end_of(first)}


def test_a_call_that_was_given_up_before_it_began() -> None:
    told, stream = Told(), Stream()
    stream.dead = True
    told.ask(stream, answer)
    assert told.ended == {0: ("cancelled", "")}


def _end_of(how: str) -> tuple[str, str]:
    return ("ok", "") if how.startswith("answered") else ("error", "ReferenceNotFound")


async def several_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
