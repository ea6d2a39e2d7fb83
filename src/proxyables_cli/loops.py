"""The event loop of a command, and what must be true before there is one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from proxyables_cli.exits import Code, Failure

LOOPS = ("auto", "uvloop", "asyncio")


def guard_descriptors() -> None:
    """Opens the standard descriptors that were closed at start (``<&-``) on the null device.

    Else the first socket or epoll descriptor would become number 0, 1 or 2, and whatever prints
    would write into it; uvloop ends the process with an abort when it meets that.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            if opened != descriptor:  # the lowest free number is given out, so they are equal
                os.dup2(opened, descriptor)
                os.close(opened)
            # Descriptors that Python opens are not inheritable; a child of the exported object
            # would find the hole again.
            os.set_inheritable(descriptor, True)


def runner(loop: str) -> asyncio.Runner:
    """Makes the runner for ``--loop``.

    Args:
        loop: ``uvloop``, ``asyncio``, or ``auto`` for uvloop where it is installed.

    Raises:
        Failure: uvloop is demanded and not there; the code is for configuration.
    """
    return asyncio.Runner(loop_factory=_factory(loop))


def _factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if loop == "auto":
            return None
        hint = "pip install uvloop, or leave --loop at auto"
        raise Failure(
            Code.CONFIGURATION, f"uvloop is not installed for {sys.executable}", hint
        ) from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


__all__ = ["LOOPS", "guard_descriptors", "runner"]
