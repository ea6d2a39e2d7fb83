"""The event loop that ``--loop`` names."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from proxyables_cli.exits import Code, Failure

LOOPS = ("auto", "uvloop", "asyncio")


def runner(loop: str) -> asyncio.Runner:
    """Makes the runner for ``--loop``.

    Args:
        loop: ``uvloop``, ``asyncio``, or ``auto`` for uvloop where it is installed.

    Raises:
        Failure: uvloop is demanded and not there; the code is for configuration.
    """
    return asyncio.Runner(loop_factory=_factory(loop))


def _factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "asyncio":
        return asyncio.SelectorEventLoop  # whatever policy the exported module sets
    try:
        import uvloop
    except ImportError:
        if loop == "auto":
            return asyncio.SelectorEventLoop
        hint = "pip install uvloop, or leave --loop at auto"
        raise Failure(
            Code.CONFIGURATION, f"uvloop is not installed for {sys.executable}", hint
        ) from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


__all__ = ["LOOPS", "runner"]
