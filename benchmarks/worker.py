"""One process of a contestant: ``python -m benchmarks.worker CONTESTANT serve|drive [PORT]``.

It talks to `contestants` in lines of JSON, and ends when its stdin does. It reads in a thread, and
never while it measures, so that its loop stays awake between the rounds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import platform
import sys
from typing import Any

from .cases import EXPECTED, measure

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
        result = await operation()
        if result != EXPECTED[name]:
            raise SystemExit(f"{contestant.__name__}: {name} gave {result!r:.80}")
    _tell(operations=list(operations))
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, tasks, seconds = json.loads(line)
        _tell(rate=await measure(operations[name], tasks, seconds))


def main(name: str, role: str, port: str = "0") -> None:
    """Runs one role of one contestant."""
    contestant = importlib.import_module(f"benchmarks.{name}")
    with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
        runner.run(_serve(contestant) if role == "serve" else _drive(contestant, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
