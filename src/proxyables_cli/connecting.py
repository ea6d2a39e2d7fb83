"""What the commands that dial share: their options, and how they connect.

The library is imported when a command runs and not with this module, so that help and usage
errors do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxyables.net.addresses import parse
from proxyables_cli import logs
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Choice, Common, duration, value, word
from proxyables_cli.output import FORMATS, Printer
from proxyables_cli.tokens import read_token

if TYPE_CHECKING:
    from proxyables.peer.peer import Peer

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Connecting(Common):
    """The options of every command that dials an address."""

    address: str = word("ADDRESS", text="Where the object is; see proxyables-address(7).")
    timeout: float | None = value(
        "--timeout",
        metavar="DURATION",
        text="Give up after this long, such as 500ms or 3s. Else 5s to connect, and no limit"
        " for the answer.",
        convert=duration,
    )
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="The secret that the server asks for; a file that only you may read.",
    )
    output: str = value(
        "-o",
        "--output",
        metavar="FORMAT",
        text="auto (the default: pretty on a terminal, else json), pretty, json, raw or repr.",
        convert=Choice(*FORMATS),
        default="auto",
    )

    @property
    def token(self) -> bytes | None:
        """The secret, if there is one; its file is read anew each time."""
        return read_token(self.token_file)

    @property
    def printer(self) -> Printer:
        """What prints results as these options ask for."""
        return Printer(self.output, self.color)


def checked(address: str) -> str:
    """Makes an address canonical.

    Raises:
        Failure: It cannot be understood; the line teaches how to write it.
    """
    try:
        return str(parse(address))
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None


@asynccontextmanager
async def connected(
    address: str, timeout: float | None, token: bytes | None = None
) -> AsyncIterator[Peer]:
    """Connects, and closes at the end of the block.

    Args:
        address: A canonical address.
        timeout: Seconds for dialling and for everything in the block together.
        token: The secret that both sides must know, if any.

    Raises:
        Failure: The time was up, or this version cannot dial such an address.
    """
    import proxyables

    limit = CONNECT_SECONDS if timeout is None else max(timeout, 0.001)
    try:
        dialling = proxyables.connect(address, timeout=limit, token=token)
    except (ValueError, proxyables.NotSupported) as error:
        raise Failure(Code.USAGE, str(error)) from None
    try:
        async with asyncio.timeout(timeout) as clock, dialling as peer:
            yield peer
    except TimeoutError as error:
        if not clock.expired():
            raise
        hint = "give it more with --timeout"
        message = f"no answer from {address} within {timeout:g} s"
        raise Failure(Code.TIMED_OUT, message, hint) from error


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
    logs.configure(options, logging.ERROR)
    with asyncio.Runner() as runner:
        return runner.run(work)


__all__ = ["CONNECT_SECONDS", "Connecting", "checked", "connected", "identity", "run"]
