"""How long a round trip takes, told by the session's pings: no code of anybody's runs for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from proxyables.errors import ProxyError
from proxyables.yamux import Session

from .ending import again
from .writer import Writer

_MOST = 0x3FFF_FFFF
"""The highest opaque value: above it are those of the hello and of the keep-alive."""


class Pings:
    """The pings of one connection that somebody waits for.

    Args:
        session: Sends them.
        writer: Has them leave.
        loop: Whose futures are waited for.
    """

    def __init__(self, session: Session, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._writer = writer
        self._loop = loop
        self._waiting: dict[int, tuple[float, asyncio.Future[float]]] = {}
        self._last = 0

    async def ping(self) -> float:
        """Sends one; returns the seconds until its answer, or raises what `close` was given."""
        opaque, answer = self._send()
        try:
            return await answer
        finally:
            self._waiting.pop(opaque, None)

    def notify(self, then: Callable[[], None]) -> None:
        """Sends one, and calls `then` when it is answered; never if the connection ends before."""
        _, answer = self._send()

        def on_done(answer: asyncio.Future[float]) -> None:
            if answer.exception() is None:
                then()

        answer.add_done_callback(on_done)

    def _send(self) -> tuple[int, asyncio.Future[float]]:
        self._last = opaque = self._last % _MOST + 1
        answer: asyncio.Future[float] = self._loop.create_future()
        self._waiting[opaque] = (time.perf_counter(), answer)  # uvloop's clock counts milliseconds
        self._session.ping(opaque)
        self._writer.flush_soon()
        return opaque, answer

    def on_answer(self, opaque: int, *, is_classic: bool) -> None:
        """Takes an answer."""
        if opaque == 0 and is_classic and self._waiting:
            opaque = next(iter(self._waiting))  # Python peers answer with 0
        started, answer = self._waiting.pop(opaque, (0.0, None))
        if answer is not None and not answer.done():
            answer.set_result(time.perf_counter() - started)

    def close(self, error: ProxyError) -> None:
        """Fails all that wait."""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(again(error))
