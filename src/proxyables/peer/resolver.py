"""Answers that name paths on our own objects: each is followed here before the caller has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from proxyables.errors import ProxyError
from proxyables.wire.dialect import Chain
from proxyables.wire.exceptions import dump_exception, load_exception
from proxyables.wire.instructions import Message

from .cancelling import cancel_begun
from .ending import Ending, again, as_proxy_error
from .substitution import Substitution

if TYPE_CHECKING:
    from .peer import Peer


class Resolver:
    """Completes such calls of one connection, each in a task.

    Args:
        peer: The connection.
        substitution: Runs what the paths say.
        ending: Why the connection ended, if it has; and closes it after the last.
    """

    def __init__(self, peer: Peer, substitution: Substitution, ending: Ending) -> None:
        self._peer = peer
        self._substitution = substitution
        self._ending = ending
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """Answers that are not resolved yet."""
        return len(self._tasks)

    def start(self, future: Any, message: Message, chains: list[Chain]) -> None:
        """Has `future` get the value of an answer in the end."""
        task = self._peer.loop.create_task(self._complete(future, message, chains))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    async def _complete(self, future: Any, message: Message, chains: list[Chain]) -> None:
        try:
            value = await self._resolve(message, chains)
        except BaseException as error:  # the seam to exported code
            if not future.done():
                ended = self._ending.error
                future.set_exception(again(ended) if ended is not None else as_proxy_error(error))
        else:
            if not future.done():
                future.set_result(value)

    async def _resolve(self, message: Message, chains: list[Chain]) -> Any:
        """Returns the value of the answer.

        Raises:
            RemoteError: A path failed: it is the answer's failure, though the code is ours.
        """
        try:
            await self._substitution.fill(message, chains)
        except (ProxyError, asyncio.CancelledError):
            raise
        except BaseException as error:  # the seam to exported code
            limits = self._peer.limits
            raise load_exception(dump_exception(error, limits), limits) from None
        return message[1]

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ending.close_if_drained()

    def close(self) -> None:
        """Cancels all that runs."""
        for task in self._tasks:
            cancel_begun(task)
