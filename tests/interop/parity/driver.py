"""`drive`: plays scenarios against an agent, each on a fresh connection."""

from __future__ import annotations

import asyncio
from typing import Any

from . import scenarios
from .client import Client, Fault, Unmeasured, Unsupported, connected
from .lines import explain, tell_outcome
from .measures import MEASURES
from .objects import Helper, call_back
from .options import Options
from .scenarios import Sizes, find_fault


async def drive(options: Options) -> int:
    """Tells the outcome of each scenario; returns the exit code."""
    for scenario in options.scenarios:
        name = scenarios.canonical(scenario)
        if name is None:
            tell_outcome("scenario", scenario, "unsupported", message="no such scenario")
        else:
            status, more = await _play(name, options)
            tell_outcome("scenario", scenario, status, **more)
    return 0


async def _play(name: str, options: Options) -> tuple[str, dict[str, Any]]:
    """Returns the status of one scenario, and what else is told of it."""
    settings = options.settings
    # Of cleaning up, and of disconnecting, a scenario has two at the most.
    patience = options.patience + 2 * (settings.cleanup_timeout + settings.disconnect_timeout)
    try:
        async with asyncio.timeout(patience), connected(options.address, settings) as client:
            actual = await _observe(name, client)
    except Unsupported as error:
        return "unsupported", {"message": str(error)}
    except Exception as error:  # whatever it is, the harness has to learn of it
        return "failed", {"message": explain(error)}
    fault = find_fault(name, actual, settings.sizes)
    if fault is not None:
        return "failed", {"actual": actual, "message": fault}
    return "passed", {"actual": actual}


async def _observe(name: str, client: Client) -> Any:
    """Returns what this side sees of a scenario, or else what the server says.

    The server is asked in any case.

    Raises:
        Unsupported: The server does not have it.
        Fault: Only what the server says is wrong.
    """
    seen = None
    try:
        if name in MEASURES:
            seen = await MEASURES[name](client)
    except (Unmeasured, Unsupported):
        pass  # the server may tell all the same
    told = await client.fetch(name, *arguments(name, client.sizes))
    if seen is None:
        return told
    fault = find_fault(name, told, client.sizes)
    if fault is not None and find_fault(name, seen, client.sizes) is None:
        raise Fault(f"this side sees what it should, and the server says otherwise: {fault}")
    return seen


def arguments(name: str, sizes: Sizes) -> tuple[Any, ...]:
    """Returns what a driver gives with a scenario."""
    given: dict[str, tuple[Any, ...]] = {
        "CallAdd": (20, 22),
        "CallbackRoundtrip": (call_back,),
        "ObjectArgumentRoundtrip": (Helper(),),
        "ReferenceChurnSoak": (sizes.churn,),
        "ConcurrentSharedReference": (sizes.concurrency,),
        "ConcurrentCallbackFanout": (sizes.concurrency, call_back),
        "LargePayloadRoundtrip": (sizes.payload,),
        "SlowConsumerBackpressure": (sizes.payload,),
        "ParityGetLargePayload": (sizes.payload,),
    }
    return given.get(name, ())
