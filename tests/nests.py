"""Chains on real objects without a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from callers import Notebook
from proxyables import Limits, Policy
from proxyables.objects.executor import Executor
from proxyables.objects.outcomes import Suspended
from proxyables.peer.tables import Tables


class Nest:
    """What one connection would be: tables, an executor, and the objects that it lends."""

    def __init__(self, root: Any, *, policy: Policy | None = None, **limits: Any) -> None:
        self.root = root
        self.caller = Notebook()
        bound = (policy or Policy()).for_root(self.root)
        self.limits = Limits(**limits)
        registry = _registry()
        self.tables = Tables(
            self.caller, registry, bound, self.limits, lambda: None, lambda: self.root
        )
        self.executor = Executor(
            lambda: self.root, bound, self.tables.own, self.tables, self.limits
        )

    def run(self, *steps: Any, target: Any = None) -> Any:
        return self.executor.start(target, list(steps))

    def finish(self, *steps: Any) -> Any:
        """Runs a chain to its end, and awaits on the way."""

        async def wait(awaitable: Awaitable[Any]) -> Any:
            return await awaitable

        chain = list(steps)
        result = self.executor.start(None, chain)
        while type(result) is Suspended:
            value = asyncio.run(wait(result.awaitable))
            result = self.executor.proceed(value, chain, result.index)
        return result


def _registry() -> Any:
    import itertools

    from proxyables.objects.registry import ObjectRegistry

    return ObjectRegistry(itertools.count(1).__next__)
