"""What hashicorp/yamux (Go) does and yamux-js does not, live, dialled and dialling."""

from __future__ import annotations

import hashlib
import random

import pytest

from interop.yamux_remote import HASHICORP, THEY_DIAL, WE_DIAL, Failed, live, meeting
from interop.yamux_scenes import assert_works, opened_by_them, opened_by_us
from proxyables.yamux import INITIAL_WINDOW, NORMAL, PROTOCOL_ERROR, Config

SEED = 20_240_301
MIB = 1024 * 1024
NOTHING = hashlib.sha256().hexdigest()

pytestmark = pytest.mark.parametrize("role", [THEY_DIAL, WE_DIAL])


@live
async def test_a_stalled_reader_of_theirs_stops_us_at_the_window_to_the_byte(role: str) -> None:
    data = random.Random(SEED).randbytes(MIB)
    async with meeting(HASHICORP, role) as met:
        channel, number = await opened_by_us(met)
        channel.send(data)
        for _ in range(3):
            await met.link.ping()
        assert channel.stream.parked == MIB - INITIAL_WINDOW
        assert channel.stream.send_window == 0
        told = await met.remote.ask("read", stream=number, size=MIB)
        assert told["hash"] == hashlib.sha256(data).hexdigest()
        await channel.drained()


@live
async def test_one_who_overruns_their_window_loses_the_session(role: str) -> None:
    """Why the window is obeyed to the byte: they answer one byte more with a protocol error."""
    async with meeting(HASHICORP, role) as met:
        channel, _ = await opened_by_us(met)
        channel.send(bytes(INITIAL_WINDOW))
        await met.link.ping()
        met.link.session.unlimited_send = True
        channel.send(b"x")
        await met.link.closed()
        assert met.link.went_away in ([PROTOCOL_ERROR], [])  # they close without waiting for it


@live
async def test_they_fill_a_larger_window_that_is_announced(role: str) -> None:
    async with meeting(HASHICORP, role, config=Config(keepalive=0, initial_window=MIB)) as met:
        for channel, number in (await opened_by_us(met), await opened_by_them(met)):
            sending = met.remote.ask("write", stream=number, size=MIB + 1, seed=SEED)
            await channel.until(arrived=MIB)
            assert channel.stream.receive_window == 0
            assert not sending.done()
            assert await channel.read(MIB + 1) == (MIB + 1, (await sending)["hash"])


@live
async def test_they_read_all_of_ours_and_then_the_end(role: str) -> None:
    data = random.Random(SEED).randbytes(MIB)
    async with meeting(HASHICORP, role) as met:
        channel, number = await opened_by_us(met)
        reading = met.remote.ask("read", stream=number, size=-1)
        await channel.write(data)
        channel.finish()
        digest = hashlib.sha256(data).hexdigest()
        assert await reading == {"size": MIB, "hash": digest, "ended": True}
        sending = met.remote.ask("write", stream=number, size=MIB, seed=SEED)
        received = await channel.read(MIB)
        assert received == (MIB, (await sending)["hash"])
        await met.remote.ask("close", stream=number)
        assert await channel.take() is None
        assert channel.stream.dead


@live
async def test_a_stream_that_we_finish_before_they_accept_it_arrives_whole(role: str) -> None:
    async with meeting(HASHICORP, role) as met:
        channel = met.link.open()
        channel.send(b"all of it")
        channel.finish()
        await met.link.ping()
        assert met.link.session.unacked == 1
        number = (await met.remote.ask("accept"))["stream"]
        assert number == channel.stream.id
        told = await met.remote.ask("read", stream=number, size=-1)
        assert told["hash"] == hashlib.sha256(b"all of it").hexdigest()
        await met.remote.ask("close", stream=number)
        assert await channel.take() is None
        assert met.link.session.unacked == 0
        assert not met.link.session.streams


@live
async def test_a_stream_that_crosses_their_go_away_is_refused(role: str) -> None:
    async with meeting(HASHICORP, role) as met:
        met.link.transport.pause_reading()
        await met.remote.ask("go_away")
        channel = met.link.open()
        channel.send(b"too late")
        met.link.transport.resume_reading()
        await channel.until(reset=True)
        assert met.link.went_away == [NORMAL]
        assert met.link.session.unacked == 0


@live
async def test_a_stream_of_theirs_that_crosses_our_go_away_is_refused(role: str) -> None:
    async with meeting(HASHICORP, role) as met:
        met.link.session.go_away()  # it leaves with the refusal
        number = (await met.remote.ask("open"))["stream"]
        reading = met.remote.ask("read", stream=number, size=1)
        with pytest.raises(Failed, match="connection reset"):
            await reading
        assert not met.link.session.streams


@live
async def test_known_limitation_a_reader_of_theirs_who_has_closed_is_told_an_end_too_early(
    role: str,
) -> None:
    """In the version that Debian packages, closing also ends reading as soon as nothing is there.

    Our side sees a half-close like any other, and goes on sending: nothing of it is lost to one
    who reads on.
    """
    async with meeting(HASHICORP, role) as met:
        channel, number = await opened_by_them(met)
        await met.remote.ask("close", stream=number)
        told = await met.remote.ask("read", stream=number, size=-1)
        assert told == {"size": 0, "hash": NOTHING, "ended": True}
        assert await channel.take() is None
        channel.send(b"still here")
        told = await met.remote.ask("read", stream=number, size=10)
        assert told["hash"] == hashlib.sha256(b"still here").hexdigest()
        channel.finish()
        await assert_works(met)
