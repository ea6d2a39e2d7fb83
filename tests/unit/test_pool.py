"""Streams between two calls: last in, first out, and only the idle ones are bounded."""

from __future__ import annotations

import asyncio

from proxyables import StreamPool
from proxyables.yamux import Session


def make(max_streams: int = 2) -> tuple[StreamPool, Session]:
    session = Session(client=True)
    return StreamPool(session, max_streams), session


def test_the_stream_that_was_used_last_is_taken_first() -> None:
    pool, session = make()
    first, second = pool.take(), pool.take()
    assert (first.id, second.id) == (1, 3)
    pool.give(first)
    pool.give(second)
    assert pool.take() is second
    assert pool.take() is first
    assert pool.take().id == 5
    assert len(session.streams) == 3


def test_idle_streams_are_bounded_and_open_ones_are_not() -> None:
    pool, session = make(max_streams=2)
    streams = [pool.take() for _ in range(100)]
    assert len(session.streams) == 100
    for stream in streams:
        pool.give(stream)
    assert pool.idle == streams[:2]
    assert len(session.streams) == 2
    assert all(stream.dead for stream in streams[2:])


def test_a_peer_that_wants_each_stream_once_gets_it_retired() -> None:
    pool, session = make()
    pool.reuse = False
    stream = pool.take()
    pool.give(stream)
    assert stream.dead
    assert not pool.idle
    assert not session.streams


def test_a_stream_that_the_peer_ended_is_forgotten() -> None:
    pool, _ = make()
    idle, busy = pool.take(), pool.take()
    pool.give(idle)
    pool.forget(busy)
    assert pool.idle == [idle]
    pool.forget(idle)
    assert pool.idle == []


def test_the_names_of_the_first_implementation() -> None:
    async def use() -> None:
        pool, _ = make()
        stream = await pool.acquire()
        pool.release(stream)
        assert await pool.acquire() is stream

    asyncio.run(use())
