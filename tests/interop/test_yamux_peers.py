"""Our Yamux session live against hashicorp/yamux (Go) and yamux-js (Node), dialled and dialling.

What both makes do is here; what only one does, and the known defects of each, are in
`test_yamux_hashicorp` and `test_yamux_js`.
"""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from interop.yamux_link import Ended
from interop.yamux_remote import (
    HASHICORP,
    THEY_DIAL,
    WE_DIAL,
    YAMUX_JS,
    Failed,
    live,
    meeting,
)
from interop.yamux_scenes import assert_carries, assert_works, opened_by_them, opened_by_us
from proxyables.yamux import INITIAL_WINDOW, KEEPALIVE_OPAQUE, NORMAL, Config, SessionClosed

SEED = 20_240_229
MIB = 1024 * 1024

pytestmark = [
    pytest.mark.parametrize("role", [THEY_DIAL, WE_DIAL]),
    pytest.mark.parametrize("make", [HASHICORP, YAMUX_JS]),
]


# ---- data


@live
async def test_many_streams_of_random_sizes_both_ways_at_once(make: str, role: str) -> None:
    source = random.Random(SEED)
    async with meeting(make, role) as met:
        streams = [await opened_by_us(met) for _ in range(12)]
        streams += [await opened_by_them(met) for _ in range(12)]
        await asyncio.gather(
            *(
                assert_carries(
                    met,
                    channel,
                    number,
                    source.randrange(1, 400_000),
                    source.randrange(1, 400_000),
                    seed=number,
                )
                for channel, number in streams
            )
        )
        assert met.link.session.unacked == 0


@live
async def test_a_thousand_streams_of_ours_ping_and_pong(make: str, role: str) -> None:
    places = asyncio.Semaphore(100)

    async def one(number: int) -> None:
        message = number.to_bytes(4, "big") * 16
        async with places:
            channel = met.link.open()
            sent = await channel.write(message)
            assert await channel.read(len(message)) == (len(message), sent)
            # FIN and RST: yamux-js takes no FIN, and counts every stream until it is reset.
            met.link.session.retire(channel.stream)
            met.link.flush()

    async with meeting(make, role) as met:
        await met.remote.ask("echo")
        await asyncio.gather(*(one(number) for number in range(1000)))
        assert not met.link.session.streams
        await met.link.ping()


@live
async def test_a_thousand_streams_of_theirs_ping_and_pong(make: str, role: str) -> None:
    async with meeting(make, role) as met:
        met.link.echoing = True
        assert await met.remote.ask("pingpong", count=1000, size=64) == {"count": 1000}
        await met.link.until(lambda: not met.link.session.streams)


@live
async def test_64_mib_of_ours_on_one_stream(make: str, role: str) -> None:
    data = random.Random(SEED).randbytes(MIB) * 64
    async with meeting(make, role) as met:
        channel, number = await opened_by_us(met)
        received = met.remote.ask("read", stream=number, size=len(data))
        sent = await channel.write(data)
        assert await received == {"size": len(data), "hash": sent, "ended": False}


@live
async def test_64_mib_of_theirs_on_one_stream(make: str, role: str) -> None:
    # yamux-js looks at an empty window every 100 ms only, so the window is a large one there.
    window = 16 * MIB if make == YAMUX_JS else INITIAL_WINDOW
    async with meeting(make, role, config=Config(keepalive=0, initial_window=window)) as met:
        channel, number = await opened_by_us(met)
        sending = met.remote.ask("write", stream=number, size=64 * MIB, seed=SEED)
        received = await channel.read(64 * MIB)
        sent = await sending
        assert received == (64 * MIB, sent["hash"])


@live
async def test_a_stalled_reader_of_ours_stops_them_at_the_window_to_the_byte(
    make: str, role: str
) -> None:
    async with meeting(make, role) as met:
        channel, number = await opened_by_them(met)
        sending = met.remote.ask("write", stream=number, size=MIB, seed=SEED)
        await channel.until(arrived=INITIAL_WINDOW)
        for _ in range(3):
            await met.remote.ask("ping")
        assert channel.arrived == INITIAL_WINDOW
        assert channel.stream.receive_window == 0
        assert not sending.done()
        received = await channel.read(MIB)
        assert received == (MIB, (await sending)["hash"])


@live
async def test_they_fill_a_window_of_ours_that_has_grown(make: str, role: str) -> None:
    times = [0.0]
    config = Config(keepalive=0, max_window=4 * MIB, window_budget=4 * MIB)
    async with meeting(make, role, config=config, clock=lambda: times[-1]) as met:
        met.link.session.ping(0)
        times.append(10.0)  # so long a round trip that no part of a window lasts for one
        await met.link.ping()
        channel, number = await opened_by_them(met)
        sending = met.remote.ask("write", stream=number, size=4 * MIB, seed=SEED)
        assert await channel.read(4 * MIB) == (4 * MIB, (await sending)["hash"])
        assert channel.stream.window > INITIAL_WINDOW

        sending = met.remote.ask("write", stream=number, size=4 * MIB, seed=SEED)
        await channel.until(receive_window=0)
        assert channel.arrived - 4 * MIB > INITIAL_WINDOW
        assert await channel.read(4 * MIB) == (4 * MIB, (await sending)["hash"])


# ---- ends


@live
async def test_half_close_they_finish_and_still_read_all_of_ours(make: str, role: str) -> None:
    data = random.Random(SEED).randbytes(600_000)
    async with meeting(make, role) as met:
        channel, number = await opened_by_them(met)
        wrote = await met.remote.ask("write", stream=number, size=1000, seed=SEED)
        await met.remote.ask("close", stream=number)
        assert await channel.read() == (1000, wrote["hash"])
        assert channel.stream.remote_closed
        received = met.remote.ask("read", stream=number, size=len(data))
        sent = await channel.write(data)
        told = await received
        assert (told["size"], told["hash"]) == (len(data), sent)
        channel.finish()
        assert channel.stream.dead
        await assert_works(met)


@live
async def test_half_close_we_finish_and_still_read_all_of_theirs(make: str, role: str) -> None:
    data = random.Random(SEED).randbytes(1000)
    async with meeting(make, role) as met:
        channel, number = await opened_by_us(met)
        sent = await channel.write(data)
        channel.finish()
        await met.link.ping()
        told = await met.remote.ask("read", stream=number, size=len(data))
        assert told["hash"] == sent
        writing = met.remote.ask("write", stream=number, size=600_000, seed=SEED)
        received = await channel.read(600_000)
        assert received == (600_000, (await writing)["hash"])
        assert not channel.stream.dead
        await met.remote.ask("close", stream=number)
        assert await channel.take() is None
        assert channel.stream.dead
        await assert_works(met)


@live
async def test_our_reset_in_mid_transfer_stops_them_and_only_that_stream(
    make: str, role: str
) -> None:
    async with meeting(make, role) as met:
        channel, number = await opened_by_them(met)
        other, other_number = await opened_by_them(met)
        sending = met.remote.ask("write", stream=number, size=MIB, seed=SEED)
        await channel.until(arrived=INITIAL_WINDOW)
        channel.abort()
        with pytest.raises(Failed, match="connection reset"):
            await sending
        await assert_carries(met, other, other_number, 5000, 5000, seed=SEED)


@live
async def test_their_reset_in_mid_transfer_ends_our_writer_and_only_that_stream(
    make: str, role: str
) -> None:
    # Neither make lets its user reset a stream. They do it by themselves to one over the backlog,
    # and here its data is under way by then.
    async with meeting(make, role, backlog=1) as met:
        channel, refused = met.link.open(), met.link.open()
        with pytest.raises(Ended):
            await refused.write(bytes(2 * MIB))
        assert refused.reset
        assert refused.stream.dead
        number = (await met.remote.ask("accept"))["stream"]
        assert number == channel.stream.id
        await assert_carries(met, channel, number, 5000, 5000, seed=SEED)


@live
async def test_their_accept_backlog_refuses_streams_of_ours_beyond_it(make: str, role: str) -> None:
    async with meeting(make, role, backlog=16) as met:
        channels = [met.link.open() for _ in range(20)]
        await met.link.ping()
        await met.link.until(lambda: sum(channel.reset for channel in channels) == 4)
        assert [channel.reset for channel in channels] == [False] * 16 + [True] * 4
        assert met.link.session.unacked == 16
        first = await met.remote.ask("accept")
        assert first == {"stream": channels[0].stream.id}
        await assert_carries(met, channels[0], first["stream"], 500, 500, seed=SEED)


@live
async def test_our_bound_of_streams_refuses_theirs_beyond_it(make: str, role: str) -> None:
    async with meeting(make, role, config=Config(keepalive=0, max_streams=8)) as met:
        numbers = [(await met.remote.ask("open"))["stream"] for _ in range(10)]
        channels = [await met.link.accept() for _ in range(8)]
        assert [channel.stream.id for channel in channels] == numbers[:8]
        await met.remote.ask("ping")
        for number in numbers[8:]:
            with pytest.raises(Failed, match="connection reset"):
                await met.remote.ask("write", stream=number, size=10, seed=SEED)
        await assert_carries(met, channels[0], numbers[0], 500, 500, seed=SEED)


# ---- the session


@live
async def test_pings_of_both_sides_are_answered(make: str, role: str) -> None:
    async with meeting(make, role) as met:
        for opaque in range(3):
            await met.remote.ask("ping")
            assert met.link.pings[-1] == opaque
        await met.link.ping()
        await asyncio.gather(*(met.link.ping() for _ in range(20)))


@live
async def test_after_their_go_away_we_open_no_stream_and_live_ones_go_on(
    make: str, role: str
) -> None:
    async with meeting(make, role) as met:
        ours, theirs = await opened_by_us(met), await opened_by_them(met)
        await met.remote.ask("go_away")
        await met.link.until(lambda: met.link.went_away == [NORMAL])
        with pytest.raises(SessionClosed, match="gone away"):
            met.link.open()
        await assert_carries(met, *ours, 300_000, 300_000, seed=SEED)
        await assert_carries(met, *theirs, 300_000, 300_000, seed=SEED)
        # They may open more themselves: a go-away is one direction.
        await assert_carries(met, *await opened_by_them(met), 1000, 1000, seed=SEED)


@live
async def test_after_our_go_away_they_open_no_stream_and_live_ones_go_on(
    make: str, role: str
) -> None:
    async with meeting(make, role) as met:
        ours, theirs = await opened_by_us(met), await opened_by_them(met)
        met.link.session.go_away()
        met.link.flush()
        if make == HASHICORP:
            await met.link.ping()
        else:
            await met.remote.ask("refused")
        with pytest.raises(Failed, match="not accepting"):
            await met.remote.ask("open")
        await assert_carries(met, *ours, 300_000, 300_000, seed=SEED)
        await assert_carries(met, *theirs, 300_000, 300_000, seed=SEED)
        await assert_carries(met, *await opened_by_us(met), 1000, 1000, seed=SEED)


@live
async def test_their_keepalive_is_answered_for_as_long_as_it_asks(make: str, role: str) -> None:
    async with meeting(make, role, keepalive=0.02, timeout=5) as met:
        await met.link.until(lambda: len(met.link.pings) >= 5)
        assert met.link.pings == list(range(len(met.link.pings)))
        await assert_works(met)


@live
async def test_their_keepalive_ends_the_session_when_we_are_silent(make: str, role: str) -> None:
    async with meeting(make, role, keepalive=0.05, timeout=0.5) as met:
        await met.link.until(lambda: len(met.link.pings) >= 2)
        met.link.transport.pause_reading()
        if make == HASHICORP:
            await met.remote.ask("closed")
        else:
            with pytest.raises(Failed, match="i/o deadline reached"):
                await met.remote.ask("closed")
        met.link.transport.resume_reading()
        await met.link.closed()


@live
async def test_our_keepalive_is_answered_and_a_stopped_process_is_found_dead(
    make: str, role: str
) -> None:
    config = Config(keepalive=0.03, keepalive_timeout=0.6)
    async with meeting(make, role, config=config) as met:
        await met.link.until(lambda: met.link.pongs.count(KEEPALIVE_OPAQUE) >= 5)
        assert not met.link.dead
        met.remote.process.send_signal(signal.SIGSTOP)
        try:
            await met.link.until(lambda: met.link.dead)
        finally:
            met.remote.process.send_signal(signal.SIGCONT)


@live
async def test_they_shut_down_while_data_is_under_way(make: str, role: str) -> None:
    async with meeting(make, role) as met:
        ours, number = await opened_by_us(met)
        theirs, other = await opened_by_them(met)
        writing = asyncio.ensure_future(ours.write(bytes(32 * MIB)))
        sending = met.remote.ask("write", stream=other, size=32 * MIB, seed=SEED)
        reading = met.remote.ask("read", stream=number, size=32 * MIB)
        await theirs.take()
        await met.remote.ask("shutdown")
        await met.link.closed()
        for ended in (writing, sending, reading):
            with pytest.raises((Ended, Failed)):
                await ended
        with pytest.raises(Ended):
            await theirs.read(32 * MIB)
        # hashicorp/yamux only closes; yamux-js says that it goes.
        assert met.link.went_away == ([] if make == HASHICORP else [NORMAL])


@live
async def test_we_close_while_data_is_under_way(make: str, role: str) -> None:
    async with meeting(make, role) as met:
        ours, number = await opened_by_us(met)
        theirs, other = await opened_by_them(met)
        writing = asyncio.ensure_future(ours.write(bytes(32 * MIB)))
        sending = met.remote.ask("write", stream=other, size=32 * MIB, seed=SEED)
        reading = met.remote.ask("read", stream=number, size=32 * MIB)
        await theirs.take()
        met.link.transport.close()
        await met.remote.ask("closed")
        for ended in (writing, sending, reading):
            with pytest.raises((Ended, Failed)):
                await ended
