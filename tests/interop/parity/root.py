"""What an agent serves: one method, by which every scenario is asked for."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

from proxyables import ProxyCursor, current_peer

from .client import Settings, connected
from .loads import DELAY
from .measures import MEASURES
from .objects import Graph, Greeter, Nested, Shared
from .scenarios import ABORT, CALLBACK_TEXT, Sizes, canonical, digest, payload

_CALLBACK_TIMEOUT = 10.0
"""Seconds for a callback: some of the classic clients never answer one."""
_MOST_AT_ONCE = 4096
_MOST_BYTES = 8 << 20
_CHUNKS = 8


class Root:
    """The root object of a serving agent.

    Args:
        language: What the agent calls itself.
        find_address: Returns where the agent listens. What a scenario is about is measured on a
            connection of the agent's own to itself, unless the caller takes part in it.
    """

    def __init__(self, language: str, find_address: Callable[[], str]) -> None:
        self._language = language
        self._find_address = find_address
        self._shared = Shared()

    async def RunScenario(self, scenario: str, *args: Any) -> Any:  # noqa: N802  # theirs
        """Returns what the scenario gives.

        Raises:
            NotImplementedError: There is no such scenario.
            ValueError: A size makes no sense.
        """
        name = ABORT if scenario == ABORT else canonical(scenario)
        act = None if name is None else _ACTS.get(name)
        if act is not None:
            return await act(self, *args)
        if name in MEASURES:
            return await self._measure(name, *args)
        raise NotImplementedError(f"unsupported scenario: {scenario!r:.80}")

    runScenario = run_scenario = RunScenario  # noqa: N815  # the other spellings

    async def _measure(self, name: str, *args: Any) -> Any:
        settings = Settings(_sizes(name, args))
        async with connected(self._find_address(), settings) as client:
            return await MEASURES[name](client)

    # -- values and arguments ---------------------------------------------------------------------

    async def _get_scalars(self, *_: Any) -> dict[str, Any]:
        return {"intValue": 42, "boolValue": True, "stringValue": "hello", "nullValue": None}

    async def _add(self, first: Any = 20, second: Any = 22, *_: Any) -> Any:
        return first + second

    async def _get_nested(self, *_: Any) -> Nested:
        return Nested()

    async def _construct(self, *_: Any) -> str:
        return Greeter("Hello").greet("World")

    async def _call_back(self, callback: Any = None, *_: Any) -> Any:
        if type(callback) is not ProxyCursor:
            return CALLBACK_TEXT
        return await _within_reason(callback("value"))

    async def _take_object(self, thing: Any = None, *_: Any) -> Any:
        if type(thing) is not ProxyCursor:
            return "helper:Ada"
        return await _within_reason(thing.greet("Ada"))

    # -- with a part for the caller ---------------------------------------------------------------

    async def _fan_out(self, *args: Any) -> Any:
        callback = args[1] if len(args) > 1 else None
        if type(callback) is not ProxyCursor:
            return await self._measure("ConcurrentCallbackFanout", *args)
        count = _whole(args, Sizes.concurrency, _MOST_AT_ONCE)
        calls = (_within_reason(callback("value")) for _ in range(count))
        values = await asyncio.gather(*calls)
        is_consistent = all(value == values[0] for value in values)
        return {"consistent": is_consistent, "concurrency": len(values), "values": values}

    async def _feed(self, *args: Any) -> Any:
        consume = args[1] if len(args) > 1 else None
        if type(consume) is not ProxyCursor:
            return await self._measure("SlowConsumerBackpressure", *args)
        text = payload(_whole(args, Sizes.payload, _MOST_BYTES))
        size = len(text) // _CHUNKS + 1
        taken, began = 0, time.perf_counter()
        for start in range(0, len(text), size):
            taken += await _within_reason(consume(text[start : start + size]))
        is_delayed = time.perf_counter() - began >= DELAY
        report = {"bytes": taken, "digest": digest(text.encode()), "ok": taken == len(text)}
        return {**report, "delayed": is_delayed}

    async def _abort(self, *_: Any) -> NoReturn:
        current_peer().abort()
        # No answer leaves: the end of the connection cancels this.
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody completes it")

    # -- the agent's own state --------------------------------------------------------------------

    async def _tell_state(self, *_: Any) -> str:
        """What is lent to the caller: each connection has a table of its own."""
        counts = current_peer().snapshot()
        told = {"exportedEntries": counts["entries"], "exportedRetains": counts["retains"]}
        return json.dumps(told)

    async def _reset_state(self, *_: Any) -> str:
        self._shared = Shared()
        gc.collect()
        return "ok"

    async def _get_shared(self, *_: Any) -> Shared:
        return self._shared

    async def _get_graph(self, *_: Any) -> Graph:
        return Graph()

    async def _get_payload(self, *args: Any) -> str:
        return payload(_whole(args, Sizes.payload, _MOST_BYTES))

    async def _trace(self, *_: Any) -> str:
        return json.dumps([self._language])


async def _within_reason(call: Awaitable[Any]) -> Any:
    async with asyncio.timeout(_CALLBACK_TIMEOUT):
        return await call


def _whole(args: tuple[Any, ...], default: int, most: int) -> int:
    """Returns the size that a caller gave as its first argument.

    Raises:
        ValueError: It is none, or too large.
    """
    if not args or args[0] is None:
        return default
    size = args[0]
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # JavaScript has one kind of number
    if type(size) is not int or not 0 < size <= most:
        raise ValueError(f"a size is a whole number from 1 to {most}, got {size!r:.80}")
    return size


def _sizes(name: str, args: tuple[Any, ...]) -> Sizes:
    if name in ("LargePayloadRoundtrip", "SlowConsumerBackpressure"):
        return Sizes(payload=_whole(args, Sizes.payload, _MOST_BYTES))
    if name == "ReferenceChurnSoak":
        return Sizes(churn=_whole(args, Sizes.churn, _MOST_AT_ONCE))
    if name in ("ConcurrentSharedReference", "ConcurrentCallbackFanout"):
        return Sizes(concurrency=_whole(args, Sizes.concurrency, _MOST_AT_ONCE))
    return Sizes()


_Act: TypeAlias = Callable[..., Awaitable[Any]]
_ACTS: dict[str, _Act] = {
    ABORT: Root._abort,
    "CallAdd": Root._add,
    "CallbackRoundtrip": Root._call_back,
    "ConcurrentCallbackFanout": Root._fan_out,
    "ConstructGreeter": Root._construct,
    "GetScalars": Root._get_scalars,
    "NestedObjectAccess": Root._get_nested,
    "ObjectArgumentRoundtrip": Root._take_object,
    "ParityDebugState": Root._tell_state,
    "ParityGetDeepGraph": Root._get_graph,
    "ParityGetLargePayload": Root._get_payload,
    "ParityGetShared": Root._get_shared,
    "ParityResetState": Root._reset_state,
    "ParityTracePath": Root._trace,
    "SlowConsumerBackpressure": Root._feed,
}
"""What is done here; every other scenario is measured."""
