"""What most of the live Yamux tests begin with, or end with."""

from __future__ import annotations

import asyncio
import random

from interop.yamux_link import Channel
from interop.yamux_remote import Meeting


async def opened_by_us(met: Meeting) -> tuple[Channel, int]:
    """A stream that we open and they accept; returns our end and the id."""
    channel = met.link.open()
    accepted = await met.remote.ask("accept")
    assert accepted == {"stream": channel.stream.id}
    return channel, channel.stream.id


async def opened_by_them(met: Meeting) -> tuple[Channel, int]:
    """A stream that they open; returns our end and the id."""
    opened = await met.remote.ask("open")
    channel = await met.link.accept()
    assert opened == {"stream": channel.stream.id}
    return channel, channel.stream.id


async def assert_works(met: Meeting) -> None:
    """A new stream carries data both ways."""
    channel, number = await opened_by_us(met)
    await assert_carries(met, channel, number, 1000, 2000, seed=1)


async def assert_carries(
    met: Meeting, channel: Channel, number: int, out: int, back: int, *, seed: int
) -> None:
    """So many bytes go out and so many come back, at the same time, on one stream."""
    sent, received, told_sent, told_received = await asyncio.gather(
        channel.write(random.Random(seed).randbytes(out)),
        channel.read(back),
        met.remote.ask("write", stream=number, size=back, seed=seed),
        met.remote.ask("read", stream=number, size=out),
    )
    assert (told_received["size"], told_received["hash"]) == (out, sent)
    assert received == (told_sent["size"], told_sent["hash"])
    assert told_sent["size"] == back
