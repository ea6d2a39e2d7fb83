"""What the commands that dial share: their options, and how they connect.

The library is imported when a command runs and not with this module, so that help and usage
errors do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from proxyables.net.addresses import parse
from proxyables_cli import aliases, collector, logs
from proxyables_cli.configuration import Alias
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Common, duration, value, word
from proxyables_cli.output import Printing
from proxyables_cli.tokens import read_token

if TYPE_CHECKING:
    from proxyables.peer.peer import Peer

CONNECT_SECONDS = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
"""Seconds between two attempts to reach a server that is coming up, at first and at the most."""
_PASSING = ("unreachable", "busy", "closed")
"""Why nobody could be met who may be met later: one that closes at once may be starting again."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is dialled.

    Attributes:
        address: Canonical.
        token: The secret that both sides must know, if any.
    """

    address: str
    token: bytes | None = field(default=None, repr=False)


class Connecting(Printing):
    """The options of every command that dials an address."""

    address: str = word("ADDRESS", text="Where the object is; see proxyables-address(7).")
    timeout: float | None = value(
        "--timeout",
        metavar="DURATION",
        text="Give up after this long, such as 500ms or 3s. Else 5s to connect, and no limit"
        " for the answer.",
        convert=duration,
    )
    wait: float | None = value(
        "--wait",
        metavar="DURATION",
        text="If nobody is there, or it is busy, try again for this long: a server may come up.",
        convert=duration,
    )
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="The secret that the server asks for; a file that only you may read.",
    )

    @cached_property
    def place(self) -> Place:
        """Where to connect, canonically, and with which secret.

        Raises:
            Failure: The address cannot be understood, or the token's file cannot be used.
        """
        alias, canonical = _resolved(self.address, self.config)
        with self.concerning("token_file"):
            return Place(canonical, read_token(self.token_file, alias.token_file))


def place(address: str, token_file: str | None, config: str | None) -> Place:
    """Finds out where an address leads, and which secret is needed there.

    Args:
        address: As it was written; perhaps a name that the configuration has for it.
        token_file: Where the secret is; else where the configuration says, if it does.
        config: Which configuration, if not the user's.

    Raises:
        Failure: The address cannot be understood, or the file not be used; the line says how.
    """
    alias, canonical = _resolved(address, config)
    return Place(canonical, read_token(token_file, alias.token_file))


def _resolved(address: str, config: str | None) -> tuple[Alias, str]:
    alias = aliases.resolve(address, config)
    try:
        return alias, str(parse(alias.address))
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None


@asynccontextmanager
async def connected(
    where: Place, timeout: float | None, wait: float | None = None
) -> AsyncIterator[Peer]:
    """Connects, and closes at the end of the block.

    Args:
        where: What is dialled.
        timeout: Seconds for dialling and for everything in the block together.
        wait: Seconds that a server which is not there yet gets to come up, before all that.

    Raises:
        Failure: The time was up, or this version cannot dial such an address.
    """
    try:
        async with asyncio.timeout(None) as clock:
            async with await _dial(where, timeout, wait, clock) as peer:
                yield peer
    except TimeoutError as error:
        if not clock.expired():
            raise
        hint = "give it more with --timeout"
        message = f"no answer from {where.address} within {timeout:g} s"
        raise Failure(Code.TIMED_OUT, message, hint) from error


async def _dial(
    where: Place, timeout: float | None, wait: float | None, clock: asyncio.Timeout
) -> Peer:
    """Dials until somebody is there, or `wait` seconds are over; `clock` runs from the last try."""
    import proxyables

    now = asyncio.get_running_loop().time
    limit = CONNECT_SECONDS if timeout is None else max(timeout, 0.001)
    end = now() + (wait or 0.0)
    pause = _FIRST_PAUSE
    while True:
        clock.reschedule(None if timeout is None else now() + timeout)
        try:
            return await proxyables.connect(where.address, timeout=limit, token=where.token)
        except (ValueError, proxyables.NotSupported) as error:
            raise Failure(Code.USAGE, str(error)) from None
        except proxyables.HandshakeFailed as error:
            if error.reason not in _PASSING or now() >= end:
                raise
        clock.reschedule(None)
        await asyncio.sleep(min(pause, max(end - now(), 0.0)))
        pause = min(2 * pause, _LONGEST_PAUSE)


def identity(info: Any) -> dict[str, Any]:
    """Returns who the other side says it is; what it did not tell is left out."""
    told = {
        "dialect": info.dialect,
        "software": info.software,
        "language": info.language,
        "pid": info.pid,
        "object": info.root,
    }
    return {key: value for key, value in told.items() if value}


def run(work: Coroutine[Any, Any, int], options: Common) -> int:
    """Runs the coroutine of a command that ends by itself.

    On asyncio's own loop: such a command makes a handful of calls, and importing uvloop would
    take longer than it saves.
    """
    stop = _Stop()
    heeded = stop.heeded(work)
    try:
        import proxyables.net.dialing  # noqa: F401 - while the collector rests

        collector.wake()
        logs.configure(options, logging.ERROR)
        with asyncio.Runner() as runner:
            code = runner.run(heeded)
    finally:
        heeded.close()  # Ctrl-C may come before they have begun
        work.close()
    return stop.obey() or code


class _Stop:
    """SIGTERM and SIGHUP: the first ends a command in order, with its children; then they end it.

    The process ends by the signal itself, so that whoever has started it is told.
    """

    def __init__(self) -> None:
        self._number = 0

    async def heeded(self, work: Coroutine[Any, Any, int]) -> int:
        """Awaits `work` until a signal comes."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        numbers = [
            number
            for number in (signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup wants it
        ]

        def on_signal(number: int) -> None:
            self._number = number
            for each in numbers:
                loop.remove_signal_handler(each)  # a second one does what it does by itself
            task.cancel()

        for number in numbers:
            loop.add_signal_handler(number, on_signal, number)
        try:
            return await work
        except asyncio.CancelledError:
            if not self._number:
                raise
            return 0

    def obey(self) -> int:
        """Ends this process as the signal would have that has come; 0 if none has."""
        if not self._number:
            return 0
        signal.signal(self._number, signal.SIG_DFL)
        os.kill(os.getpid(), self._number)
        return 128 + self._number  # not that it comes to this


__all__ = ["CONNECT_SECONDS", "Connecting", "Place", "connected", "identity", "place", "run"]
