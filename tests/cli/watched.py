"""A server that is looked into, in a process of its own; and who plays a peer of another make."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import proxyables

SOURCE = """
import asyncio, time

class Account:
    def pay(self, amount, password=None):
        return amount

class Shop:
    def __init__(self):
        self.accounts = {"ada": Account()}
    def add(self, a, b):
        return a + b
    def fail(self):
        raise ValueError("no")
    def spin(self):
        while True:
            pass
    async def wait(self):
        await asyncio.Event().wait()
    async def block(self, seconds):
        time.sleep(seconds)

shop = Shop()
"""
_LINES = [line.strip() for line in SOURCE.splitlines()]
SPINNING = [_LINES.index("while True:") + 1, _LINES.index("pass") + 1]
"""Which lines of it a call of ``spin`` can stand at."""


def told(address: str) -> Any:
    """The status of a server, in a moment."""

    async def ask() -> Any:
        async with asyncio.timeout(20), proxyables.connect(address) as peer:
            return await peer.status()

    return asyncio.run(ask())


def call(address: str, *names: str) -> None:
    """Calls methods without arguments, whatever comes of it."""

    async def work() -> None:
        async with asyncio.timeout(20), proxyables.connect(address) as peer:
            for name in names:
                try:
                    await getattr(peer.root, name)()
                except proxyables.RemoteError:
                    pass

    asyncio.run(work())


@contextmanager
def classic() -> Iterator[str]:
    """The address of somebody who answers pings as peers of the other makes do, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                ping = connection.recv(12)
                connection.sendall(b"\x00\x02\x00\x02" + ping[4:])
                while connection.recv(4096):
                    pass

        answering = threading.Thread(target=answer)
        answering.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        answering.join()
