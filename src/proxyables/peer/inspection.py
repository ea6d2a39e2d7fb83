"""How a peer looks into the server on the other side: one more object, at a target of its own."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from proxyables.errors import NotSupported
from proxyables.objects.imports import Reference
from proxyables.objects.policy import Policy
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.hello import INSPECTS
from proxyables.wire.instructions import CALL, INSPECTOR, STREAM, Message, Step

from .items import Items

if TYPE_CHECKING:
    from .peer import Peer
    from .reports import Status, TraceEvent
    from .service import Service

_CHUNK = 256
_NOTHING = "the peer tells nothing about itself: it is no server, or of another make"


class Overseer(Protocol):
    """Knows all connections of one server."""

    def join(self, peer: Peer[Any], service: Service) -> Callable[[Policy], object]:
        """Takes a new connection; returns what makes the object that its peer may ask."""


class _Target:
    """Stands for the inspector as a `Reference` does for an object: nobody counts it."""

    id = INSPECTOR
    released = False
    type = None


_TARGET = cast(Reference, _Target())


async def status(peer: Peer[Any]) -> Status:
    """See `Peer.status`."""
    await _check(peer)
    return cast("Status", await ProxyCursor(peer, _TARGET, ["status", [CALL, []]]))


class Trace(AsyncIterator["TraceEvent"]):
    """The calls that a server serves, as they happen; made by `Peer.trace`."""

    def __init__(
        self, peer: Peer[Any], pattern: str, *, errors_only: bool, arguments: bool
    ) -> None:
        self._peer = peer
        self._steps: list[Step] = [
            "trace",
            [CALL, [pattern, errors_only, arguments]],
            [STREAM, _CHUNK],
        ]
        self._items: Items | None = None
        self._is_stopped = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TraceEvent:
        return cast("TraceEvent", await (await self._begin()).__anext__())

    async def take(self) -> list[TraceEvent]:
        """Returns the events that have arrived, at least one; nothing at the end."""
        return await (await self._begin()).take()

    async def _begin(self) -> Items:
        if self._items is None:
            await _check(self._peer)
        if self._items is None:  # still: another task may have come first
            self._items = self._peer.iterate(_TARGET, self._steps, self._peer)
            if self._peer.traces is None:
                self._peer.traces = weakref.WeakSet()
            self._peer.traces.add(self)
            if self._is_stopped:
                self._items.stop()
        return self._items

    def stop(self) -> None:
        """Ends the trace, also one that has not begun. Safe to call twice."""
        self._is_stopped = True
        if self._items is not None:
            self._items.stop()

    async def aclose(self) -> None:
        """As `stop`; generators have it."""
        self.stop()


def is_inspection(message: Message) -> bool:
    """Whether a request is for the inspector, and so no call of anybody's object."""
    # Nothing of another type is compared: it may be an object of ours.
    return type(message[1]) is int and message[1] == INSPECTOR


async def _check(peer: Peer[Any]) -> None:
    """Raises NotSupported, with nothing sent, if the other side has no inspector."""
    await peer.until_ready()
    if peer.info is None or INSPECTS not in peer.info.features:
        raise NotSupported(_NOTHING)


__all__ = ["Overseer", "Trace", "is_inspection", "status"]
