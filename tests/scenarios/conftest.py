"""A workshop in another process, for the scenarios of the blocking face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import proxyables.sync
from workshop import Running


@pytest.fixture(scope="session")
def workshop() -> Iterator[Running]:
    """The process; what is wanted of it dials it."""
    with Running() as running:
        # Starts the background thread for good, as a process has one; tests count descriptors.
        proxyables.sync.connect(running.address).close()
        yield running


@pytest.fixture
def peer(workshop: Running) -> Iterator[proxyables.sync.Peer]:
    """A connection with a workshop of its own, and nothing left of it afterwards."""
    with proxyables.sync.connect(workshop.address) as peer:
        yield peer
    counts = peer.statistics()
    assert counts["exports"] == counts["imports"] == counts["calls_waiting"] == 0


@pytest.fixture
def shop(peer: proxyables.sync.Peer) -> Any:
    """The proxy on it."""
    return peer.root
