"""`bench`: measures how long the calls of scenarios take."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from . import scenarios
from .client import Unsupported, connected
from .driver import arguments
from .lines import explain, tell_outcome
from .options import Options
from .scenarios import find_fault

_MOST = 1.0
"""Seconds for one call, on the average."""


async def bench(options: Options) -> int:
    """Tells the metrics of each scenario; returns the exit code."""
    for scenario in options.scenarios:
        name = scenarios.canonical(scenario)
        if name is None:
            status, more = "unsupported", {"message": "no such scenario"}
        else:
            status, more = await _measure(name, options)
        counts = {"iterations": options.iterations, "warmup": options.warmup}
        tell_outcome("benchmark", scenario, status, **counts, **more)
    return 0


async def _measure(name: str, options: Options) -> tuple[str, dict[str, Any]]:
    """Returns the status of one scenario, and its metrics or what went wrong."""
    sizes = options.settings.sizes
    given = arguments(name, sizes)
    seconds: list[float] = []
    patience = options.patience + (options.warmup + options.iterations) * _MOST
    try:
        link = connected(options.address, options.settings)
        async with asyncio.timeout(patience), link as client:
            for _ in range(options.warmup):
                await client.fetch(name, *given)
            for _ in range(options.iterations):
                began = time.perf_counter()
                actual = await client.fetch(name, *given)
                seconds.append(time.perf_counter() - began)
    except Unsupported as error:
        return "unsupported", {"message": str(error)}
    except Exception as error:  # whatever it is, the harness has to learn of it
        return "failed", {"message": explain(error)}
    fault = find_fault(name, actual, sizes)
    if fault is not None:
        return "failed", {"message": fault}
    return "passed", {"metrics": summarise(seconds)}


def summarise(seconds: list[float]) -> dict[str, float]:
    """Returns the metrics of calls that took so long; ``ops`` are calls in a second."""
    ordered = sorted(value * 1000 for value in seconds)
    total = sum(ordered)
    metrics = {
        "totalMs": total,
        "avgMs": total / len(ordered),
        "ops": len(ordered) * 1000 / total,
        "p50Ms": _percentile(ordered, 50),
        "p95Ms": _percentile(ordered, 95),
        "minMs": ordered[0],
        "maxMs": ordered[-1],
    }
    return {name: round(value, 6) for name, value in metrics.items()}


def _percentile(ordered: list[float], percent: int) -> float:
    """Returns the least value that so many percent of all do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
