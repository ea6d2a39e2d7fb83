"""This library, through its blocking face."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import proxyables.sync

from .cases import BODY, BlockingOperation
from .ours import API, increment


@contextmanager
def serve() -> Iterator[int]:
    """Serves while it is entered; gives the port."""
    with proxyables.sync.serve(API(), "tcp://127.0.0.1:0", threads=0) as server:
        yield int(server.addresses[0].rpartition(":")[2])


def connect(port: int) -> dict[str, BlockingOperation]:
    """Returns what can be measured."""
    proxy = proxyables.sync.connect(f"tcp://127.0.0.1:{port}").root
    return {
        "add": lambda: proxy.add(1, 2),
        "add_async": lambda: proxy.add_async(1, 2),
        "apply": lambda: proxy.apply(increment, 1),
        "echo": lambda: proxy.echo(BODY),
        "rows": lambda: proxy.rows(),
    }
