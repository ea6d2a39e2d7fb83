"""The proxy that the other tests trust to break connections does what it says, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from connections import on_both_loops
from faults import Fault, FaultProxy, Link, draw_fault, faulty

SOON = 0.05
"""Seconds in which what passes has passed; nothing is waited for so long that does."""


class Ends:
    """A plain client, and what the server has of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def take(self, size: int) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readexactly(size)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(SOON):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@contextlib.asynccontextmanager
async def linked(
    path: Path | None = None, on_link: Callable[[Link], None] = lambda _link: None
) -> AsyncIterator[tuple[Link, Ends, Ends]]:
    """A client and a server of plain bytes, and the link between them."""
    came: asyncio.Queue[Ends] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(Ends(reader, writer))

    if path is None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        target = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(accept, path / "server")
        target = f"unix:{path / 'server'}"
    async with faulty(target, path=None if path is None else str(path / "proxy")) as proxy:
        proxy.on_link = on_link
        client = await dial(proxy)
        theirs = await came.get()
        try:
            yield await proxy.link(), client, theirs
        finally:
            for end in (client, theirs):
                end.writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await end.writer.wait_closed()
            server.close()
    assert all(link.is_over for link in proxy.links)


async def dial(proxy: FaultProxy) -> Ends:
    if proxy.address.startswith("unix:"):
        return Ends(*await asyncio.open_unix_connection(proxy.address.removeprefix("unix:")))
    host, _, port = proxy.address.removeprefix("tcp://").rpartition(":")
    return Ends(*await asyncio.open_connection(host, int(port)))


@pytest.mark.parametrize("is_unix", [False, True])
@on_both_loops
async def test_without_a_fault_everything_passes_in_order(is_unix: bool, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3_000_000)
    async with linked(tmp_path if is_unix else None) as (link, client, server):
        for sender, receiver in ((client, server), (server, client)):
            sender.writer.write(data)
            assert await receiver.take(len(data)) == data
        assert link.up.passed == link.down.passed == len(data)
        client.writer.write_eof()
        assert await server.reader.read() == b""
        server.writer.write(b"still")
        assert await client.take(5) == b"still"


@on_both_loops
async def test_a_stall_holds_one_direction_until_it_is_over() -> None:
    async with linked() as (link, client, server):
        link.up.stall()
        client.writer.write(b"held")
        server.writer.write(b"free")
        assert await client.take(4) == b"free"
        assert await server.hears_nothing()
        link.heal()
        assert await server.take(4) == b"held"


@on_both_loops
async def test_a_stall_is_felt_by_who_sends() -> None:
    async with linked() as (link, client, server):
        link.up.stall()
        client.writer.write(bytes(20_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await client.writer.drain()
        link.up.go_on()
        assert len(await server.take(20_000_000)) == 20_000_000


@on_both_loops
async def test_dribbling_changes_nothing_but_the_pieces() -> None:
    data = bytes(range(200))
    async with linked() as (link, client, server):
        link.up.dribble(150)
        client.writer.write(data)
        first = await server.reader.read(200)
        assert len(first) < 200
        assert first + await server.take(200 - len(first)) == data
        assert link.up.slowly == 0


@on_both_loops
async def test_a_delay_is_of_each_byte_and_not_of_each_read() -> None:
    loop = asyncio.get_running_loop()
    async with linked() as (link, client, server):
        link.down.delay = 0.1
        started = loop.time()
        for number in range(10):
            server.writer.write(bytes([number]))
            await asyncio.sleep(0.005)
        assert await client.take(10) == bytes(range(10))
        assert 0.1 <= loop.time() - started < 1.0  # one after another would take a second


@on_both_loops
async def test_a_rate_is_kept() -> None:
    loop = asyncio.get_running_loop()
    async with linked() as (link, client, server):
        link.up.rate = 100_000
        started = loop.time()
        client.writer.write(bytes(20_000))
        await server.take(20_000)
        assert loop.time() - started >= 0.19


@on_both_loops
async def test_a_cut_is_an_end_of_file_to_both() -> None:
    async with linked() as (link, client, server):
        link.cut()
        await link.wait_over()
        assert await client.reader.read() == await server.reader.read() == b""


@on_both_loops
async def test_a_link_cut_before_its_first_step_is_closed_too() -> None:
    async with linked(on_link=Link.cut) as (link, client, server):
        assert await client.reader.read() == await server.reader.read() == b""
        assert link.is_over


@on_both_loops
async def test_a_client_is_closed_where_no_server_is() -> None:
    async with faulty("tcp://127.0.0.1:1") as proxy:
        client = await dial(proxy)
        assert await client.reader.read() == b""
        client.writer.close()
        await client.writer.wait_closed()
    assert proxy.links == []


@on_both_loops
async def test_a_reset_is_one_to_both() -> None:
    async with linked() as (link, client, server):
        link.reset()
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                await end.reader.read()


@on_both_loops
async def test_a_reset_by_one_side_reaches_the_other() -> None:
    async with linked() as (link, client, server):
        server.writer.write(b"unread")
        await client.take(1)
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await link.wait_over()
        with pytest.raises(ConnectionResetError):
            await server.reader.read()


@on_both_loops
async def test_silence_is_told_to_nobody() -> None:
    async with linked() as (link, client, server):
        link.up.silence()
        client.writer.write(bytes(8_000_000))
        await client.writer.drain()  # it is taken from them
        server.writer.write(b"heard")
        assert await client.take(5) == b"heard"
        client.writer.transport.abort()
        server.writer.write(b"x" * 100_000)  # which is answered by a reset that nobody hears of
        assert await server.hears_nothing()
        assert not link.is_over
        assert link.up.passed == 0


@on_both_loops
async def test_drawn_faults_befall_a_link_and_a_seed_draws_them_again() -> None:
    drawn = [draw_fault(random.Random(seed), breaking=False) for seed in range(40)]
    assert drawn == [draw_fault(random.Random(seed), breaking=False) for seed in range(40)]
    assert len({fault.name for fault in drawn}) == 5
    assert not any(fault.breaks for fault in drawn)
    async with linked() as (link, client, server):
        for fault in drawn:
            fault.befall(link)
        link.heal()
        client.writer.write(b"all the same")
        assert await server.take(12) == b"all the same"
        Fault("cut").befall(link)
        assert await client.reader.read() == b""
        with pytest.raises(ValueError, match="expected the name of a fault, got 'flood'"):
            Fault("flood").befall(link)
    ends = {draw_fault(random.Random(seed), breaking=True) for seed in range(40)}
    assert all(fault.breaks for fault in ends)
