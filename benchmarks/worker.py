"""One process of a contestant: ``python -m benchmarks.worker CONTESTANT serve|drive [PORT]``.

It talks to `contestants` in lines of JSON, and ends when its stdin does. It reads in a thread, and
never while it measures, so that its loop stays awake between the rounds.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import platform
import sys
from typing import Any

from .cases import EXPECTED, measure, measure_blocking

try:
    import uvloop as loops
except ImportError:
    import asyncio as loops  # type: ignore[no-redef]


def _tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


async def _serve(contestant: Any) -> None:
    async with contestant.serve() as port:
        _tell(port=port, python=platform.python_version(), loop=loops.__name__)
        await asyncio.to_thread(sys.stdin.read)


async def _drive(contestant: Any, port: int) -> None:
    operations = await contestant.connect(port)
    for name, operation in operations.items():
        _check(name, await operation())
    _tell(operations=list(operations), blocking=False)
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, tasks, seconds = json.loads(line)
        _tell(rate=await measure(operations[name], tasks, seconds))


def _serve_blocking(contestant: Any) -> None:
    with contestant.serve() as port:
        _tell(port=port, python=platform.python_version(), loop="blocking")
        sys.stdin.read()


def _drive_blocking(contestant: Any, port: int) -> None:
    operations = contestant.connect(port)
    for name, operation in operations.items():
        _check(name, operation())
    _tell(operations=list(operations), blocking=True)
    for line in sys.stdin:
        name, _, seconds = json.loads(line)
        _tell(rate=measure_blocking(operations[name], seconds))


def _check(name: str, result: object) -> None:
    if result != EXPECTED[name]:
        raise SystemExit(f"{name} gave {result!r:.80}")


def main(name: str, role: str, port: str = "0") -> None:
    """Runs one role of one contestant."""
    contestant = importlib.import_module(f"benchmarks.{name}")
    if not inspect.iscoroutinefunction(contestant.connect):
        if role == "serve":
            _serve_blocking(contestant)
        else:
            _drive_blocking(contestant, int(port))
        return
    with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
        runner.run(_serve(contestant) if role == "serve" else _drive(contestant, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
