"""The program: one mode, told by its first argument, and what it says on the way out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from .bench import bench
from .driver import drive
from .lines import explain
from .options import Options, parse
from .server import bridge, serve

MODES: dict[str, Callable[[Options], Awaitable[int]]] = {
    "serve": serve,
    "drive": drive,
    "bench": bench,
    "bridge": bridge,
}
_DIALS = {"drive": "--port", "bench": "--port", "bridge": "--upstream-port"}


def main(words: Sequence[str]) -> int:
    """Runs the agent; returns the exit code: 0, or 1 or 2 if it cannot do what it is for."""
    mode = words[0] if words else ""
    if mode not in MODES:
        print(f"the first argument is one of {', '.join(MODES)}, got {mode!r}", file=sys.stderr)
        return 2
    options = parse(words[1:])
    wanted = options.upstream_address if mode == "bridge" else options.address
    if mode in _DIALS and wanted.endswith(":0"):
        print(f"{mode} needs {_DIALS[mode]}", file=sys.stderr)
        return 2
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(mode, options))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last seam
        print(explain(error), file=sys.stderr)
        return 1


async def _run(mode: str, options: Options) -> int:
    return await MODES[mode](options)
