"""`Proxyable` as the first implementation's users know it, on every kind of stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

import proxyables
from connections import on_both_loops
from proxyables import (
    Limits,
    Proxyable,
    ProxyInstructionKinds,
    create_apply_instruction,
    create_execute_instruction,
    create_get_instruction,
    decode,
    encode,
)
from proxyables.yamux import Session


class API:
    def __init__(self) -> None:
        self.items = [1, 2]

    def echo(self, msg: str) -> str:
        return f"echo {msg}"

    def compute(self, a: int, b: int) -> int:
        return a + b

    def get_items(self) -> list[int]:
        return self.items

    async def call(self, callback: Any) -> Any:
        return await callback("back")


class Duplex:
    """The original's own protocol of a stream: four coroutines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def readexactly(self, n: int) -> bytes:
        return await self._reader.readexactly(n)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def pair_of(sock: socket.socket) -> Any:
    return await asyncio.open_connection(sock=sock)


async def duplex_of(sock: socket.socket) -> Any:
    return Duplex(*await asyncio.open_connection(sock=sock))


async def socket_of(sock: socket.socket) -> Any:
    return sock


async def anyio_of(sock: socket.socket) -> Any:
    return await anyio.abc.SocketStream.from_socket(sock)


KINDS: dict[str, Callable[[socket.socket], Any]] = {
    "reader and writer": pair_of,
    "coroutines": duplex_of,
    "socket": socket_of,
    "anyio": anyio_of,
}


@contextlib.asynccontextmanager
async def both(kind: str, api: object, **options: Any) -> AsyncIterator[Any]:
    make = KINDS[kind]
    one, other = socket.socketpair()
    exported = await Proxyable.Export(api, await make(one), **options)
    proxy = await Proxyable.ImportFrom(await make(other))
    yield exported, proxy
    peer = proxyables.peer_of(proxy)
    assert isinstance(peer, proxyables.Peer)
    peer.close()
    await peer.wait_closed()
    await exported.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
@on_both_loops
async def test_the_example_of_the_originals_readme(kind: str) -> None:
    async with both(kind, API()) as (exported, proxy):
        assert await proxy.echo("hello") == "echo hello"
        assert await proxy.compute(10, 20) == 30
        assert await proxy.call(lambda word: f"called {word}") == "called back"
        assert len(await proxy.echo("x" * 1_000_000)) == 1_000_005
        assert exported.snapshot() == {"entries": 0, "retains": 0}


@on_both_loops
async def test_neither_call_waits_for_the_other_side() -> None:
    one, other = socket.socketpair()
    async with asyncio.timeout(5):
        proxy = await Proxyable.ImportFrom(one)
        first = asyncio.ensure_future(proxy.echo("early"))
        await asyncio.sleep(0.02)
        assert not first.done()
        async with await Proxyable.Export(API(), other) as exported:
            assert await first == "echo early"
            assert exported.create_proxy() is exported.peer.root


@on_both_loops
async def test_both_ends_can_have_a_root() -> None:
    one, other = socket.socketpair()
    async with await Proxyable.Export(API(), one) as exported:
        proxy = await Proxyable.ImportFrom(other, export=API())
        assert await proxy.compute(1, 2) == 3
        assert await exported.peer.root.compute(3, 4) == 7


@on_both_loops
async def test_by_reference_restores_live_containers() -> None:
    api = API()
    async with both("socket", api, by_reference=(list, dict)) as (_, proxy):
        items = await proxy.get_items()
        await items.append(3)
        assert api.items == [1, 2, 3]
        assert await items[2] == 3


@on_both_loops
async def test_options_that_make_no_sense_are_refused() -> None:
    stream = object()
    for options, told in (({"limits": 5}, "limits takes"), ({"policy": {}}, "policy takes")):
        with pytest.raises(TypeError, match=told):
            await Proxyable.Export(API(), stream, **options)
        with pytest.raises(TypeError, match=told):
            await Proxyable.ImportFrom(stream, **options)


@on_both_loops
async def test_what_is_no_stream_is_refused() -> None:
    for wrong in (5, "tcp://:9000", object(), None):
        with pytest.raises(TypeError, match="StreamReader"):
            await Proxyable.ImportFrom(wrong)
    with socket.socket() as unconnected, pytest.raises(OSError, match="connect"):
        await Proxyable.Export(API(), unconnected)


@on_both_loops
async def test_a_token_is_proven_both_ways() -> None:
    one, other = socket.socketpair()
    exported = await Proxyable.Export(API(), one, token="secret")
    proxy = await Proxyable.ImportFrom(other, token=b"secret")
    assert await proxy.compute(1, 2) == 3
    await exported.__aexit__()
    for theirs, ours in (("secret", None), (None, "secret"), ("secret", "guess")):
        one, other = socket.socketpair()
        exported = await Proxyable.Export(API(), one, token=theirs)
        proxy = await Proxyable.ImportFrom(other, token=ours)
        with pytest.raises(proxyables.AuthenticationFailed):
            await proxy.compute(1, 2)
        await exported.wait_closed()


def test_a_cursor_of_another_loop_is_refused_instead_of_hanging() -> None:
    async def start() -> Any:
        one, other = socket.socketpair()
        exported = await Proxyable.Export(API(), one)
        return exported, await Proxyable.ImportFrom(other)

    async def use(proxy: Any) -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await proxy.echo("x")

    async def stop(exported: Any, proxy: Any) -> None:
        await proxy.echo("x")
        exported.close()
        await exported.wait_closed()
        await proxyables.peer_of(proxy).wait_closed()  # type: ignore[attr-defined]

    with asyncio.Runner() as runner:
        exported, proxy = runner.run(start())
        asyncio.run(use(proxy))
        runner.run(stop(exported, proxy))


@on_both_loops
async def test_a_classic_peer_without_the_token_is_told_so() -> None:
    class Root:
        def __init__(self) -> None:
            self.touched = False

        def touch(self) -> None:
            self.touched = True

    one, other = socket.socketpair()
    root = Root()
    exported = await Proxyable.Export(
        root, one, token="secret", limits=Limits(handshake_timeout=0.5)
    )
    session = Session(client=True)
    stream = session.open_stream()
    request = create_execute_instruction(
        [create_get_instruction("touch"), create_apply_instruction([])]
    )
    session.send(stream, encode(request))
    reader, writer = await asyncio.open_connection(sock=other)
    writer.writelines([bytes(piece) for piece in session.data_to_send()])
    answers = []
    while data := await reader.read(65536):
        answers += [payload for _, _, payload in session.receive_data(data) if payload]
    writer.close()
    await writer.wait_closed()
    answer = decode(b"".join(each for each in answers if isinstance(each, bytes)))
    assert answer.kind == ProxyInstructionKinds.THROW
    assert "a token is demanded" in answer.data["message"]
    assert not root.touched
    await exported.wait_closed()
    with pytest.raises(proxyables.AuthenticationFailed):
        await exported.peer.handshake()
