"""TLS and WebSockets at the end of a bridge.

They are protocols, and no descriptors: an event loop in a thread of its own speaks them, and the
relay's side of it is a plain socket.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future

from proxyables.net.addresses import Address
from proxyables.net.dialing import explain
from proxyables.net.transports import drive_socket
from proxyables_cli.bridge.dialling import Target
from proxyables_cli.bridge.ends import late
from proxyables_cli.bridge.pairs import Pair
from proxyables_cli.bridge.relay import End
from proxyables_cli.exits import Code, Failure


class Tunnel(End):
    """A connection that an event loop carries.

    Args:
        target: Where to.
        timeout: Seconds for dialling.
    """

    def __init__(self, target: Target, timeout: float) -> None:
        near, self._far = socket.socketpair()
        descriptor = near.detach()
        super().__init__(str(target.address), descriptor, descriptor)
        self._target = target
        self._timeout = timeout
        self._error: Exception | None = None
        self._opened: Future[tuple[asyncio.AbstractEventLoop, Pair]] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> None:
        """Waits until the connection stands.

        Raises:
            Failure: It does not come to that.
        """
        address = self._target.address
        self._thread.start()
        try:
            self._opened.result()
        except TimeoutError as error:
            raise late(address, self._timeout) from error
        except OSError as error:
            told = f"cannot connect to {address}: {explain(error, address)}"
            raise Failure(Code.NO_CONNECTION, told) from error

    def read(self) -> bytes:
        data = super().read()
        if not data and self._error is not None:
            reason = str(self._error) or type(self._error).__name__
            raise Failure(Code.LOST, f"{self.name}: {reason[:1].lower()}{reason[1:]}")
        return data

    def finish(self, patience: float) -> None:
        """Sends off what was written, and closes the connection."""
        self.end_writing()
        loop, pair = self._opened.result()
        try:
            loop.call_soon_threadsafe(pair.hurry)
        except RuntimeError:
            pass  # it has ended, and the loop with it
        self._thread.join(patience)

    def _run(self) -> None:
        try:
            asyncio.run(self._carry())
        except Exception as error:  # whoever waits gets it, and tells it
            self._error = error
            self._far.close()
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _carry(self) -> None:
        pair = Pair()
        pair.upstream.lost.add_done_callback(lambda _: self._note(pair))
        async with asyncio.timeout(self._timeout):
            await self._target.open(pair.upstream)
        await drive_socket(self._far, pair.client)
        self._opened.set_result((asyncio.get_running_loop(), pair))
        await pair.carry(None)

    def _note(self, pair: Pair) -> None:
        self._error = pair.upstream.error


def open_tunnel(address: Address, timeout: float) -> Tunnel:
    """Dials an address with TLS, or a WebSocket.

    Raises:
        Failure: Nobody is there, or its certificate is not good.
        NotSupported: A library is missing.
    """
    tunnel = Tunnel(Target(address), timeout)
    tunnel.open()
    return tunnel


__all__ = ["Tunnel", "open_tunnel"]
