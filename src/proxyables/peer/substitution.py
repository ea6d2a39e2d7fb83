"""Chains among the values of a message: they run here first, and their values take their places."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from proxyables.errors import PeerProtocolError
from proxyables.objects.executor import Executor
from proxyables.wire.compact import Compact
from proxyables.wire.dialect import ByReference, Chain
from proxyables.wire.instructions import EXECUTE, Message, Step
from proxyables.wire.payloads import Malformed, too_deep
from proxyables.wire.pending import lengthen_calls

Outcome: TypeAlias = Callable[[None, list[Step], Any], Coroutine[Any, Any, Any]]
"""Awaits what a chain waits for; `None` says that nobody can take items of it."""


class Substitution:
    """Runs the chains that stand for values in the messages of one connection.

    Args:
        executor: Runs them.
        outcome: Sees to those that wait.
        dialect: Decoded the messages, and puts the values in their places.
    """

    def __init__(self, executor: Executor, outcome: Outcome, dialect: Compact) -> None:
        self._executor = executor
        self._outcome = outcome
        self._dialect = dialect

    async def fill(self, message: Message, chains: list[Chain]) -> None:
        """Runs `chains`, innermost first, and puts their values in their places in `message`.

        Raises:
            PeerProtocolError: A value around one of them is malformed.
            LimitExceeded: They are nested too deep.
            AccessDenied: The policy refuses a step, or to have a value hashed.
            BaseException: Whatever the exported code raises.
        """
        values: dict[int, Any] = {}
        for chain in chains:
            chain.steps = self._settle(chain.steps, values)
            lengthen_calls([EXECUTE, None, chain.steps])
            result = self._executor.run(chain.source, chain.steps)
            result = await self._outcome(None, chain.steps, result)
            values[id(chain)] = result.value if type(result) is ByReference else result
        message[:] = self._settle(message, values)
        lengthen_calls(message)

    def _settle(self, value: Any, outcomes: dict[int, Any]) -> Any:
        try:
            return self._dialect.settle(value, outcomes)
        except Malformed as error:
            raise PeerProtocolError(f"malformed message: {error}") from error
        except RecursionError:
            raise too_deep() from None
