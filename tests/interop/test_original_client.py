"""The first Python implementation as the client of our server, live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from interop import sample
from interop.originals import Original
from proxyables import Limits, Proxyable, current_peer
from proxyables.peer.peer import Peer


class API(sample.API):
    """The recorded object, and what only a live peer can be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging = False
        self.cancelled = False

    def echo(self, value: Any) -> Any:
        return value

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    async def hang(self) -> None:
        self.hanging = True
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True

    def is_classic(self) -> bool:
        return current_peer().is_classic

    def software(self) -> str:
        info = current_peer().info
        assert info is not None
        return info.software

    def tooLarge(self) -> int:  # noqa: N802  # named as its neighbours are
        return 2**64


@contextlib.asynccontextmanager
async def listening(make_peer: Callable[[], Peer]) -> AsyncIterator[int]:
    """A port on which `make_peer` answers."""
    server = await asyncio.get_running_loop().create_server(make_peer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def run(client: Original, scenario: str, export: object, **options: Any) -> tuple[Any, Peer]:
    """Returns what the client got, and our end, when the connection has ended."""
    peers: list[Peer] = []

    def make_peer() -> Peer:
        peers.append(Peer(client=False, export=export, **options))
        return peers[-1]

    async with asyncio.timeout(60), listening(make_peer) as port:
        result = await client.run(port, scenario)
        await peers[0].wait_closed()
    counts = peers[0].statistics()
    assert counts["exports"] == counts["imports"] == counts["calls_running"] == 0
    return result, peers[0]


EXPECTED: dict[str, Any] = {
    "attributes": [[42, "hello", 1.5, True, None, -7], [2**63 - 1, 2**64 - 1], [0, 1, 255]],
    "callbacks": ["cb:val", "later:7", "no way"],
    "constructs": "Hi Bob",
    "containers": [2, 1, 3],
    "errors": [
        "Boom",
        "'API' object has no attribute 'noSuchThing'",
        "'Nested' object has no attribute 'noSuchThing'",
        "access to '_secret' is denied",
        "the peer is classic: an integer has more than 64 bits",
        "the peer is classic: it has no form for passing its own object, or a cursor that was not "
        "awaited, back to it",
        2,
    ],
    "identity": [True, "stateforward-proxyables (Python)"],
    "large": [2 << 20, True],
    "many": sum(range(1, 3001)),
    "methods": [42, "ab", "x"],
    "nested": ["nested", "pong", 42],
    "nesting": 7,
    "pings": 3,
    "releases": [{"entries": 20, "retains": 20}, {"entries": 0, "retains": 0}],
    "together": sum(range(300)),
}


@pytest.mark.parametrize("scenario", EXPECTED)
def test_scenario(original_client: Original, scenario: str) -> None:
    result, peer = asyncio.run(run(original_client, scenario, API()))
    assert result == EXPECTED[scenario]
    assert peer.is_classic


def test_client_that_leaves_ends_what_it_asked_for(original_client: Original) -> None:
    api = API()
    result, peer = asyncio.run(run(original_client, "leaves", api))
    assert result == [3, "Empty response"]
    assert api.hanging
    assert api.cancelled
    assert peer.closed


def test_client_that_blocks_is_not_taken_for_dead(original_client: Original) -> None:
    """It answers no pings while its own code runs, so there is no keep-alive for it."""
    limits = Limits(keepalive=0.02, keepalive_timeout=0.02)
    result, _ = asyncio.run(run(original_client, "blocks", API(), limits=limits))
    assert result == 3


def test_export_as_in_the_readme_of_the_original(original_client: Original) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            exported = await Proxyable.Export(API(), (reader, writer))
            await exported.wait_closed()
            assert exported.snapshot() == {"entries": 0, "retains": 0}
            ended.set()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with asyncio.timeout(20), server:
            port = server.sockets[0].getsockname()[1]
            assert await original_client.run(port, "nested") == ["nested", "pong", 42]
            await ended.wait()

    asyncio.run(main())
