"""The link that the live tests stand on: two of them on one pair of sockets."""

from __future__ import annotations

import asyncio
import socket

from interop.yamux_link import Link


def test_whoever_waits_sees_what_this_side_does_itself() -> None:
    """Without it, a wait for empty tables hangs when our own end of a stream is the last."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = Link(client=True), Link(client=False)
        for link, end in zip((ours, theirs), socket.socketpair(), strict=True):
            await loop.create_connection(lambda link=link: link, sock=end)  # type: ignore[misc]
        try:
            channel = ours.open()
            await ours.ping()
            waiting = asyncio.create_task(ours.until(lambda: not ours.session.streams))
            await asyncio.sleep(0)  # it waits from here on
            channel.abort()
            async with asyncio.timeout(10):
                await waiting
        finally:
            await ours.close()
            await theirs.close()

    asyncio.run(main())
