"""The way out: one write a turn, and backpressure whatever is written."""

from __future__ import annotations

import asyncio
import socket

from connections import on_both_loops
from proxyables.limits import KIB, MIB, Limits
from proxyables.peer.writer import Writer
from proxyables.yamux import Session


class Reading(asyncio.Protocol):
    """Takes note of what the transport asks for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pause_writing(self) -> None:
        self.asked.append("pause")

    def resume_writing(self) -> None:
        self.asked.append("resume")


@on_both_loops
async def test_a_large_flush_to_a_socket_that_nobody_reads_pauses() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    ours.setblocking(False)
    transport, protocol = await loop.create_connection(Reading, sock=ours)
    try:
        session = Session(client=True)
        session.unlimited_send = True
        writer = Writer(session, Limits(), loop, lambda: None, lambda error: None)
        writer.transport = transport
        for size in (3 * MIB, 5 * MIB):
            session.send(session.open_stream(), bytes(size))
        writer.flush()
        assert writer.sent > 8 * MIB
        assert transport.get_write_buffer_size() > 64 * KIB
        assert protocol.asked == ["pause"]
    finally:
        transport.abort()
        theirs.close()
        await asyncio.sleep(0)
