"""Floods of frames that carry nothing, by peers that read every answer: they are read slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgpack
import pytest

import proxyables
from connections import connected, on_both_loops
from proxyables.peer import brake
from proxyables.wire.instructions import CALL, EXECUTE, RETURN
from proxyables.yamux.frames import DATA, HEADER, PING, RST, SYN, WINDOW_UPDATE
from raw_peers import RawPeer, dialled

MANY = 32_000
RATE = 8_000
"""Frames in a second that are free here: fewer than any machine sends, however busy it is."""
BURST = RATE + 22_000
"""Frames that are free, and what the last read holds, whose time comes after it."""


class API:
    def add(self, a: int, b: int) -> int:
        return a + b

    async def later(self, number: int) -> int:
        await asyncio.sleep(0.01)
        return number


def pings() -> bytes:
    return HEADER.pack(0, PING, SYN, 0, 7) * MANY


def streams() -> bytes:
    return b"".join(
        HEADER.pack(0, WINDOW_UPDATE, flag, stream, 0)
        for stream in range(101, 101 + MANY, 2)
        for flag in (SYN, RST)
    )


def credit_for_a_stream_that_ended() -> bytes:
    begun = HEADER.pack(0, WINDOW_UPDATE, SYN, 101, 0) + HEADER.pack(0, WINDOW_UPDATE, RST, 101, 0)
    return begun + HEADER.pack(0, WINDOW_UPDATE, 0, 101, 1) * MANY


def empty_data() -> bytes:
    return HEADER.pack(0, WINDOW_UPDATE, SYN, 101, 0) + HEADER.pack(0, DATA, 0, 101, 0) * MANY


@pytest.mark.parametrize("make", [pings, streams, credit_for_a_stream_that_ended, empty_data])
@on_both_loops
async def test_a_flood_is_read_slowly_and_others_as_ever(
    make: Callable[[], bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "RATE", RATE)
    serving = proxyables.serve(API(), "tcp://127.0.0.1:0")
    async with serving as server, dialled(server.addresses[0]) as raw:
        await raw.greet()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        flooding = asyncio.ensure_future(flood(raw, make()))
        calls = 0
        async with proxyables.connect(server.addresses[0]) as honest:
            while not flooding.done():
                assert await honest.root.add(calls, 1) == calls + 1
                calls += 1
        await flooding
        # Slower machines take longer: only too quick is wrong.
        assert loop.time() - begun > (MANY - BURST) / RATE
        assert calls  # some, while this very loop floods itself; test_memory looks at how quickly
        told = [each for each in caplog.messages if "read more slowly" in each]
        assert len(told) == 1


async def flood(raw: RawPeer, data: bytes) -> None:
    """Sends a flood, and a call behind it; reads until that is answered."""
    stream = raw.session.open_stream()
    await raw.write(b"")
    call = msgpack.packb([EXECUTE, None, ["add", [CALL, [1, 2]]]])
    data += HEADER.pack(0, DATA, 0, stream.id, len(call)) + call
    writing = asyncio.ensure_future(raw.write(data))
    tail = b""
    while msgpack.packb([RETURN, 3]) not in tail:
        tail = (tail + await raw.reader.read(65536))[-65536 - 100 :]
    await writing


@on_both_loops
async def test_a_crowd_of_honest_calls_is_no_flood() -> None:
    async with connected(API()) as pair:
        for _ in range(4):
            results = await asyncio.gather(
                *(proxyables.run(pair.client.root.later(number)) for number in range(2500))
            )
            assert results == list(range(2500))
        assert pair.server._brake.held == pair.client._brake.held == 0
