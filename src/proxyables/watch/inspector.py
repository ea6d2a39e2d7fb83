"""The object that a peer asks about the server.

It is found at a target of its own, and otherwise an object like all that are lent: the executor
runs its methods, and the policy's gate is before each step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from proxyables.errors import AccessDenied
from proxyables.objects.markers import expose
from proxyables.objects.policy import Policy
from proxyables.peer.peer import Peer

from .traces import Trace

if TYPE_CHECKING:
    from proxyables.peer.reports import Status, TraceEvent

    from .watch import Watch


@expose(run="loop")  # the workers may all be busy, and that is what one wants to see
class Inspector:
    """Tells one peer about the server."""

    __slots__ = ("_peer", "_policy", "_watch")

    def __init__(self, watch: Watch, peer: Peer[Any], policy: Policy) -> None:
        self._watch = watch
        self._peer = peer
        self._policy = policy

    async def status(self) -> Status:
        """Returns a snapshot of the server; see `proxyables.Peer.status`."""
        return await self._watch.status(self._peer)

    async def trace(
        self, pattern: str = "*", errors_only: bool = False, arguments: bool = False
    ) -> AsyncIterator[TraceEvent]:
        """Yields the calls that the server serves, as they happen; see `proxyables.Peer.trace`."""
        if arguments and not self._policy.show_arguments:
            raise AccessDenied(
                "the server does not show the arguments of calls",
                type_name="AccessDenied",
                module="proxyables.errors",
            )
        trace = Trace(pattern, errors_only, arguments, self._watch.siblings)
        with self._watch.tracing(trace, self._peer):
            while (event := await trace.next()) is not None:
                yield event


__all__ = ["Inspector"]
