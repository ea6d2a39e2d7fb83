"""A connection to an agent, as drivers use it: it asks, fetches, counts, and waits for counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import proxyables
from proxyables import ConnectionClosed, NotSupported, Peer, ProxyCursor, RemoteError

from . import scenarios
from .scenarios import ROOT_NAME, Sizes

T = TypeVar("T")

_DIAL_TIMEOUT = 5.0
_PAUSE = 0.005
"""Seconds between two looks at what nothing announces: the tables of the other process."""
_UNSUPPORTED = re.compile(
    r"unsupported|unimplemented|unknown scenario|no such scenario|not (supported|implemented)", re.I
)


class Unsupported(Exception):
    """The other side does not have the scenario."""


class Fault(Exception):
    """The other side does not do what it must."""


class Unmeasured(Exception):
    """This side cannot see for itself what the scenario is about: the other side has to tell."""


@dataclass(frozen=True)
class Settings:
    """How a driver goes about it; times are seconds."""

    sizes: Sizes = field(default_factory=Sizes)
    cleanup_timeout: float = 5.0
    disconnect_timeout: float = 5.0


class Counts(NamedTuple):
    """What the other side lends to this connection: objects, and occurrences of them."""

    entries: int
    retains: int


class Client:
    """One connection to an agent.

    Attributes:
        peer: The connection.
        sizes: How much the scenarios do.
        lent: Objects that this side lends.
    """

    def __init__(self, peer: Peer[Any], address: str, settings: Settings) -> None:
        self.peer = peer
        self.sizes = settings.sizes
        self._address = address
        self._settings = settings

    @property
    def lent(self) -> int:
        return self.peer.snapshot()["entries"]

    @property
    def is_ours(self) -> bool:
        """Whether the other side is an agent of this make, and no bridge to another."""
        return self.peer.info is not None and self.peer.info.root == ROOT_NAME

    def need_ours(self) -> None:
        """Raises Unmeasured, unless the other side is an agent of this make.

        What others do with callbacks that fail, or wait, is not to be relied upon, nor do all of
        them give callbacks back.
        """
        if not self.is_ours:
            raise Unmeasured("the other side is of another make")

    def another(self) -> contextlib.AbstractAsyncContextManager[Client]:
        """Returns one more connection to the same agent."""
        return connected(self._address, self._settings)

    async def part(self) -> None:
        """Closes in peace; at once, if that takes too long."""
        self.peer.close()
        try:
            async with asyncio.timeout(self._settings.disconnect_timeout):
                await self.peer.wait_closed()
        except TimeoutError:
            pass  # then by force
        finally:
            self.peer.abort()
        await self.peer.wait_closed()

    # -- asking -----------------------------------------------------------------------------------

    async def ask(self, name: str, *args: Any) -> Any:
        """Returns what a scenario gives, as it comes.

        Raises:
            Unsupported: The other side does not have it.
        """
        try:
            return await self.peer.root.RunScenario(name, *args)
        except RemoteError as error:
            if _UNSUPPORTED.search(error.message):
                raise Unsupported(error.message) from error
            raise

    async def fetch(self, name: str, *args: Any) -> Any:
        """Returns what a scenario gives, by value.

        A server may do in earnest what `ServerAbortInFlight` is about, and fail the call that asks
        for `ErrorPropagation`: then that is the result.
        """
        try:
            return await self._materialise(name, await self.ask(name, *args))
        except RemoteError as error:
            if name == "ErrorPropagation":
                return error.message
            raise
        except ConnectionClosed as error:
            if name == "ServerAbortInFlight" and not error.local:
                return describe_end(error)
            raise

    async def _materialise(self, name: str, found: Any) -> Any:
        names = scenarios.fields(name)
        if type(found) is ProxyCursor:
            if not names:
                raise Fault(f"{name} gave a reference where a value was expected")
            read = (getattr(found, each) for each in names)
            values = dict(zip(names, await asyncio.gather(*read), strict=True))
        elif names and isinstance(found, dict):
            values = {each: found[each] for each in names if each in found}
        else:
            return found
        for each, value in values.items():
            if type(value) is ProxyCursor:  # a list: classic peers lend those
                items = (value[place] for place in range(int(values["concurrency"])))
                values[each] = await asyncio.gather(*items)
        return values

    # -- references of theirs ---------------------------------------------------------------------

    async def borrow(self, name: str = "ParityGetShared") -> ProxyCursor:
        """Returns an object that the other side lends.

        Raises:
            Unmeasured: It gives a copy instead.
        """
        found = await self.ask(name)
        if type(found) is not ProxyCursor:
            raise Unmeasured(f"{name} gave no reference")
        return found

    async def borrow_shared(self, count: int) -> list[ProxyCursor]:
        """Returns the shared object so many times, asked for all at once.

        Raises:
            Unmeasured: It comes as several objects.
            Fault: The same, of an agent of this make.
        """
        found = await asyncio.gather(*(self.borrow() for _ in range(count)))
        if any(each is not found[0] for each in found):
            self.need_ours()
            raise Fault("the same object came as several")
        return found

    async def counts(self) -> Counts:
        """Returns what the other side says that it lends to this connection.

        Raises:
            Unmeasured: It says something else.
        """
        told = await self.ask("ParityDebugState")
        try:
            state = json.loads(told)
            return Counts(int(state["exportedEntries"]), int(state["exportedRetains"]))
        except (TypeError, ValueError, LookupError) as error:
            raise Unmeasured("ParityDebugState gave no counts") from error

    async def base(self) -> Counts:
        """Returns the counts before anything was borrowed.

        Raises:
            Unmeasured: They are not zero: what the other side tells of is not this connection.
        """
        counts = await self.counts()
        if counts != (0, 0):
            raise Unmeasured("ParityDebugState counts what others hold as well")
        return counts

    async def grown(self, base: Counts) -> Counts:
        """Returns the counts after something was borrowed.

        Raises:
            Unmeasured: They are not more: what the other side tells of is not this.
        """
        counts = await self.counts()
        if counts.retains <= base.retains:
            raise Unmeasured("ParityDebugState does not count what is lent")
        return counts

    async def shrunk(self, base: Counts) -> Counts:
        """Returns the counts when all has been given back, or when the time is up."""
        return await self.wait(self.counts, lambda counts: counts.retains <= base.retains)

    # -- connections, as the server sees them -----------------------------------------------------

    async def number(self) -> int:
        """Returns the number that this connection has over there."""
        return int(next(each["id"] for each in await self._connections() if each["you"]))

    async def exports_to(self, number: int) -> int:
        """Returns how many objects the server lends to one of its connections; 0 if that is gone.

        Raises:
            Unmeasured: The other side does not tell of its connections.
        """
        found = [each["exports"] for each in await self._connections() if each["id"] == number]
        return int(found[0]) if found else 0

    async def exports_gone(self, number: int) -> int:
        """Returns the same when it is nothing, or when the time is up."""
        return await self.wait(lambda: self.exports_to(number), lambda count: not count)

    async def _connections(self) -> list[Any]:
        try:
            return [dict(each) for each in (await self.peer.status())["connections"]]
        except (NotSupported, proxyables.AccessDenied) as error:
            raise Unmeasured("the peer tells of no connections") from error

    # -- waiting ----------------------------------------------------------------------------------

    async def unlent(self) -> int:
        """Returns how much this side lends when that is nothing, or when the time is up."""

        async def look() -> int:
            return self.lent

        return await self.wait(look, lambda count: not count)

    async def wait(self, look: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool]) -> T:
        """Looks again and again; returns what it saw last, when it is enough or the time is up."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.cleanup_timeout
        await asyncio.sleep(0)  # what was just dropped is given back before the first question
        while not is_enough(seen := await look()) and loop.time() < end:
            await asyncio.sleep(_PAUSE)
        return seen


@contextlib.asynccontextmanager
async def connected(address: str, settings: Settings) -> AsyncIterator[Client]:
    """A connection to the agent at an address."""
    peer = await proxyables.connect(address, timeout=_DIAL_TIMEOUT)
    client = Client(peer, address, settings)
    try:
        yield client
    finally:
        await client.part()


def describe_end(error: ConnectionClosed) -> dict[str, str]:
    """Returns the end of a connection in the harness's words."""
    ended = "transport closed" if error.local else "server aborted transport"
    return {"code": "TransportClosed", "message": ended}
