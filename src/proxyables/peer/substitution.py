"""Chains among the values of a message: they run here first, and their values take their places."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from proxyables.objects.executor import Executor
from proxyables.wire.dialect import ByReference, Chain
from proxyables.wire.instructions import Message, Step

Outcome: TypeAlias = Callable[[None, list[Step], Any], Coroutine[Any, Any, Any]]
"""Awaits what a chain waits for; `None` says that nobody can take items of it."""


class Substitution:
    """Runs the chains that stand for values in the messages of one connection.

    Args:
        executor: Runs them.
        outcome: Sees to those that wait.
    """

    def __init__(self, executor: Executor, outcome: Outcome) -> None:
        self._executor = executor
        self._outcome = outcome

    async def fill(self, message: Message, chains: list[Chain]) -> None:
        """Runs `chains`, innermost first, and puts their values in their places in `message`."""
        values: dict[int, Any] = {}
        for chain in chains:
            chain.steps = _replace(chain.steps, values)
            result = self._executor.run(chain.source, chain.steps)
            result = await self._outcome(None, chain.steps, result)
            values[id(chain)] = result.value if type(result) is ByReference else result
        message[:] = _replace(message, values)


def _replace(value: Any, values: dict[int, Any]) -> Any:
    """Returns `value` with each `Chain` inside replaced by its outcome; containers are rebuilt."""
    kind = type(value)
    if kind is Chain:
        return values[id(value)]
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return kind(_replace(item, values) for item in value)
    if kind is slice:
        return slice(*(_replace(each, values) for each in (value.start, value.stop, value.step)))
    if kind is dict:
        return {_replace(key, values): _replace(item, values) for key, item in value.items()}
    return value
