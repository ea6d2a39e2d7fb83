"""Telling somebody of the calls that this side makes: `Peer.on_call`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from proxyables.frozen import frozen
from proxyables.objects.imports import Reference
from proxyables.proxies.cursor import ProxyCursor
from proxyables.wire.instructions import Step

if TYPE_CHECKING:
    from .calls import Calls
    from .peer import Peer


@frozen
class Call:
    """One call that was made.

    Attributes:
        path: The chain in Python's notation, without its arguments.
        seconds: From asking to the answer; None for an iteration, which is told of as it begins.
        error: What it raised, if anything.
    """

    path: str
    seconds: float | None = None
    error: BaseException | None = None


OnCall = Callable[[Call], None]


def traced(
    peer: Peer[Any], calls: Calls, on_call: OnCall, reference: Reference | None, steps: list[Step]
) -> Generator[Any, None, Any]:
    """Makes a call as `Calls.request` does, and tells of it when it has ended."""
    path = path_text(peer, reference, steps)
    started = time.perf_counter()
    try:
        value = yield from calls.request(reference, steps)
    except BaseException as error:
        on_call(Call(path, time.perf_counter() - started, error))
        del reference  # else the traceback keeps what it led to
        raise
    on_call(Call(path, time.perf_counter() - started))
    return value


def path_text(peer: Peer[Any], reference: Reference | None, steps: list[Step]) -> str:
    """Returns a chain in Python's notation, without the address."""
    text = repr(ProxyCursor(peer, reference, steps))
    return text.removeprefix("<ProxyCursor ").removesuffix(">").removesuffix(f" at {peer.address}")


__all__ = ["Call", "OnCall", "path_text", "traced"]
