"""`bridge`: serves what another agent serves, on a connection of its own to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from .client import Client, Settings, Unsupported, connected
from .options import Options
from .scenarios import canonical


class Upstream:
    """The connection to the agent behind a bridge; made anew when it has ended.

    Some agents do in earnest what `ServerAbortInFlight` is about.
    """

    def __init__(self, address: str, settings: Settings) -> None:
        self._address = address
        self._settings = settings
        self._client: Client | None = None
        self._dialling = asyncio.Lock()
        self._exits = contextlib.AsyncExitStack()

    async def client(self) -> Client:
        """Returns the connection."""
        async with self._dialling:
            if self._client is None or self._client.peer.closed:
                await self._exits.aclose()
                opened = connected(self._address, self._settings)
                self._client = await self._exits.enter_async_context(opened)
            return self._client

    async def close(self) -> None:
        """Closes it, if there is one."""
        await self._exits.aclose()


class BridgeRoot:
    """The root object of a bridge: what is asked of it is asked of the upstream.

    What callers lend is lent on, so that their callbacks are called from the upstream, through
    this process. Objects that the upstream lends stay here: callers get their fields.

    Args:
        language: What the agent calls itself.
        upstream_language: What the upstream is called, if it cannot say so itself.
        upstream: The connection to it.
    """

    def __init__(self, language: str, upstream_language: str, upstream: Upstream) -> None:
        self._language = language
        self._upstream_language = upstream_language
        self._upstream = upstream

    async def RunScenario(self, scenario: str, *args: Any) -> Any:  # noqa: N802  # theirs
        """Returns what the upstream gives, by value."""
        name = canonical(scenario)
        if name is None:
            raise NotImplementedError(f"unsupported scenario: {scenario!r:.80}")
        if name == "ParityTracePath":
            return json.dumps([self._language, *await self._trace_on()])
        return await (await self._upstream.client()).fetch(name, *args)

    runScenario = run_scenario = RunScenario  # noqa: N815  # the other spellings

    async def _trace_on(self) -> list[str]:
        try:
            told = await (await self._upstream.client()).fetch("ParityTracePath")
            path = json.loads(told) if isinstance(told, str) else None
        except (Unsupported, ValueError):
            path = None
        return path if path and isinstance(path, list) else [self._upstream_language]


async def open_bridge(options: Options) -> tuple[BridgeRoot, Upstream]:
    """Returns a bridge's root, with a connection to its upstream that stands."""
    upstream = Upstream(options.upstream_address, options.settings)
    await upstream.client()
    return BridgeRoot(options.language, options.upstream_language, upstream), upstream
