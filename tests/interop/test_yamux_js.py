"""The known defects of yamux-js 0.2.0 (Node), live: what it does, and what our side does about it.

Each test shows the defect itself, so that a version without it is noticed.
"""

from __future__ import annotations

import hashlib
import random

import pytest

from interop.yamux_link import Channel
from interop.yamux_remote import THEY_DIAL, WE_DIAL, YAMUX_JS, live, meeting
from interop.yamux_scenes import assert_carries, assert_works, opened_by_them, opened_by_us
from proxyables.yamux import NORMAL, SessionClosed
from proxyables.yamux.frames import DATA, HEADER, PING, SYN

MIB = 1024 * 1024

# The names that yamux-js has for these numbers.
ESTABLISHED = 3
RESET = 7

pytestmark = pytest.mark.parametrize("role", [THEY_DIAL, WE_DIAL])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@live
async def test_it_throws_away_a_payload_that_comes_with_the_syn(role: str) -> None:
    """Our session puts none there: a stream opens by a window update, data follows at once."""
    async with meeting(YAMUX_JS, role) as met:
        stream = met.link.session.open_stream()
        met.link.session.data_to_send()  # not like this, for once:
        lost = HEADER.pack(0, DATA, SYN, stream.id, 4) + b"lost"
        met.link.transport.write(lost + HEADER.pack(0, DATA, 0, stream.id, 4) + b"kept")
        Channel(met.link, stream)
        await met.remote.ask("accept")
        told = await met.remote.ask("read", stream=stream.id, size=4)
        assert told["hash"] == sha256(b"kept")

        channel = met.link.open()
        channel.send(b"all of it")
        await met.remote.ask("accept")
        told = await met.remote.ask("read", stream=channel.stream.id, size=9)
        assert told["hash"] == sha256(b"all of it")


@live
async def test_it_loses_the_first_part_of_a_frame_that_two_reads_cut(role: str) -> None:
    """Our side lets no more be under way than one read takes, a ping's answer telling when."""
    ping = HEADER.pack(0, PING, SYN, 0, 7)
    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_us(met)
        frame = HEADER.pack(0, DATA, 0, number, 8) + b"abcdefgh"
        met.link.transport.write(ping + frame[:15])
        await met.link.until(lambda: 7 in met.link.pongs)
        met.link.transport.write(frame[15:] + ping)
        told = await met.remote.ask("read", stream=number, size=8)
        assert told["hash"] == sha256(b"defgh" + ping[:3])
        assert met.link.pongs == [7]

    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_us(met)
        data = random.Random(1).randbytes(200_000)
        assert met.link.pace
        await channel.write(data)
        told = await met.remote.ask("read", stream=number, size=len(data))
        assert told["hash"] == sha256(data)


@live
async def test_it_never_notices_our_fin(role: str) -> None:
    """Our side counts on no FIN: what retires a stream is the RST behind it, which it takes."""
    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_us(met)
        await channel.write(b"hello")
        channel.finish()
        await met.link.ping()
        assert (await met.remote.ask("state", stream=number))["state"] == ESTABLISHED
        met.link.session.retire(channel.stream)
        met.link.flush()
        await met.link.ping()
        assert (await met.remote.ask("state", stream=number))["state"] == RESET


@live
async def test_it_counts_a_stream_until_that_is_reset(role: str) -> None:
    """Our side resets each stream that it retires, so its bound is one of live streams again."""
    async with meeting(YAMUX_JS, role, backlog=8) as met:
        finished = [await opened_by_us(met) for _ in range(8)]
        for channel, number in finished:
            channel.finish()
            await met.remote.ask("close", stream=number)
            assert await channel.take() is None
            assert channel.stream.dead
        refused = met.link.open()
        await refused.until(reset=True)

    async with meeting(YAMUX_JS, role, backlog=8) as met:
        for _ in range(20):
            channel, number = await opened_by_us(met)
            met.link.session.retire(channel.stream)
            met.link.flush()
        await assert_works(met)


@live
async def test_it_gives_credit_for_what_nobody_has_read(role: str) -> None:
    """Nothing holds our sender back; its memory is its own to bound, and our session's is not."""
    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_us(met)
        await channel.write(bytes(MIB))
        await met.link.ping()
        assert channel.stream.parked == 0
        assert channel.stream.send_window > 0
        assert (await met.remote.ask("state", stream=number))["buffered"] == MIB


@live
async def test_it_acknowledges_by_the_first_data_and_its_size(role: str) -> None:
    """Our session sends before the ACK, and tells what it carried: it is known by that."""
    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_us(met)
        await met.link.ping()
        assert met.link.acks == {}
        assert met.link.session.unacked == 1
        await channel.write(b"hello")
        await met.link.until(lambda: met.link.acks == {number: 5})
        assert met.link.session.unacked == 0


@live
async def test_it_accepts_streams_after_its_own_go_away(role: str) -> None:
    """Our session opens none once it has heard of it; one that crossed works, and is no error."""
    async with meeting(YAMUX_JS, role) as met:
        met.link.transport.pause_reading()
        await met.remote.ask("go_away")
        channel, number = await opened_by_us(met)
        met.link.transport.resume_reading()
        await met.link.until(lambda: met.link.went_away == [NORMAL])
        await assert_carries(met, channel, number, 1000, 1000, seed=1)
        with pytest.raises(SessionClosed):
            met.link.open()


@live
async def test_it_loses_what_stands_behind_a_go_away_in_the_same_read(role: str) -> None:
    """Our peers send none to it: they finish what is under way, then close."""
    async with meeting(YAMUX_JS, role) as met:
        channel, number = await opened_by_them(met)
        met.link.session.go_away()
        met.link.session.ping(0x10AD)
        met.link.flush()
        await met.remote.ask("refused")
        await met.link.ping()
        assert 0x10AD not in met.link.pongs
        await assert_carries(met, channel, number, 1000, 1000, seed=1)
