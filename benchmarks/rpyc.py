"""RPyC, as its documentation shows it: a threaded server, and a service that exposes methods."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rpyc  # type: ignore[import-untyped, import-not-found, unused-ignore]
from rpyc.utils.server import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    ThreadedServer,
)

from .cases import BODY, BlockingOperation


class _Service(rpyc.Service):  # type: ignore[misc, unused-ignore]
    def exposed_add(self, a: int, b: int) -> int:
        return a + b

    def exposed_apply(self, callback: Any, value: int) -> int:
        result: int = callback(value)
        return result

    def exposed_echo(self, body: bytes) -> bytes:
        return body


def _increment(value: int) -> int:
    return value + 1


@contextmanager
def serve() -> Iterator[int]:
    """Serves while it is entered; gives the port."""
    server = ThreadedServer(_Service, hostname="127.0.0.1", port=0)
    thread = threading.Thread(target=server.start)
    thread.start()
    try:
        yield server.port
    finally:
        server.close()
        thread.join()


def connect(port: int) -> dict[str, BlockingOperation]:
    """Returns what can be measured.

    The methods are fetched once, which is RPyC at its best: ``service.add(1, 2)`` asks for the
    method before each call, and gives it back after it.
    """
    service = rpyc.connect("127.0.0.1", port).root
    add, apply, echo = service.add, service.apply, service.echo
    return {
        "add": lambda: add(1, 2),
        "apply": lambda: apply(_increment, 1),
        "echo": lambda: echo(BODY),
    }
