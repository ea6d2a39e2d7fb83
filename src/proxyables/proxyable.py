"""`Proxyable`: an object on one end of any duplex stream, a cursor on it at the other.

These are the names of the first Python implementation. `serve` and `connect` do the same for
addresses.
"""

from __future__ import annotations

from typing import Any, cast

from proxyables.limits import Limits
from proxyables.net.streams import attach
from proxyables.objects.policy import Policy
from proxyables.peer.options import check_options
from proxyables.peer.peer import NOTHING, Peer
from proxyables.proxies.api import Api, ApiClass, check_class
from proxyables.proxies.cursor import ProxyCursor


class _End:
    """One end of a connection over a stream that the caller made."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def create_proxy(self) -> ProxyCursor:
        """Returns a cursor on the other side's root object."""
        return self.peer.root_as(ProxyCursor)

    def snapshot(self) -> dict[str, int]:
        """Returns ``{"entries": objects exported, "retains": occurrences that are out}``."""
        return self.peer.snapshot()

    def close(self) -> None:
        """Begins a graceful end; see `Peer.close`."""
        self.peer.close()

    async def wait_closed(self) -> None:
        """Waits until the connection has ended and every table is empty."""
        await self.peer.wait_closed()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
        await self.wait_closed()


class ExportedProxyable(_End):
    """What `Proxyable.Export` gives: the exporting end, which may also import (`peer.root`)."""


class ImportedProxyable(_End):
    """The importing end, made by `Proxyable.ImportFrom`; `proxyables.peer_of` finds its peer."""


class Proxyable:
    """Exports to, and imports from, any duplex stream.

    A stream is a ``(StreamReader, StreamWriter)`` pair, an object with ``read``, ``readexactly``,
    ``write`` and ``close`` coroutines, a connected ``socket.socket``, or an anyio byte stream. It
    belongs to the connection from then on.
    """

    @staticmethod
    async def Export(  # noqa: N802  # the name that users know
        obj: object,
        stream: object,
        *,
        policy: Policy | None = None,
        limits: Limits | None = None,
        token: str | bytes | None = None,
        by_reference: tuple[type, ...] = (),
    ) -> ExportedProxyable:
        """Lends `obj` to the other end of `stream`. Does not wait for the other side.

        Args:
            obj: The root object of this side.
            stream: See the class.
            policy: What the other side may touch.
            limits: This side's bounds.
            token: The secret that the other side must know.
            by_reference: Types whose instances stay here when a method returns one; the first
                implementation did so with ``(list, dict)``.

        Raises:
            TypeError, ValueError: `stream` is none of the kinds above, or an option makes no sense.
        """
        check_options(policy=policy, limits=limits, token=token, by_reference=by_reference)
        peer = Peer(
            client=False,
            export=obj,
            policy=policy,
            limits=limits,
            token=token,
            by_reference=by_reference,
        )
        await attach(stream, peer)
        return ExportedProxyable(peer)

    @staticmethod
    async def ImportFrom(  # noqa: N802  # the name that users know
        stream: object,
        api: ApiClass[Api] | None = None,
        *,
        export: object = NOTHING,
        policy: Policy | None = None,
        limits: Limits | None = None,
        token: str | bytes | None = None,
    ) -> Api:
        """Returns a cursor on the root at the other end of `stream`. The first use waits for it.

        Args:
            stream: See the class.
            api: What the cursor is to type checkers; see `connect`.
            export: A root object for the other side to use, on the same connection.
            policy: What the other side may touch of it, and of what it is lent.
            limits: This side's bounds.
            token: The secret that both sides must know.

        Raises:
            TypeError, ValueError: `stream` is none of the kinds above, or an option makes no sense.
        """
        if api is not None:
            check_class(api)
        check_options(policy=policy, limits=limits, token=token)
        peer = Peer(client=True, export=export, policy=policy, limits=limits, token=token)
        await attach(stream, peer)
        return cast(Api, peer.root)
