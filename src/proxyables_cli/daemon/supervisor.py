"""The process that serves nothing itself: it holds the listeners, and keeps others serving."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from proxyables_cli.daemon import supervision
from proxyables_cli.daemon.children import Children
from proxyables_cli.daemon.opening import Guard, make_server, opened
from proxyables_cli.daemon.options import ServeOptions
from proxyables_cli.daemon.reloading import Edits, Reloader
from proxyables_cli.daemon.signals import StopSignals, first
from proxyables_cli.daemon.workers import Workers
from proxyables_cli.exits import Code, Failure


async def supervise(
    addresses: Sequence[str],
    options: ServeOptions,
    ready: int | None,
    guard: Guard,
    reopen: Callable[[], None] | None,
) -> int:
    """Serves until a signal comes; returns the exit code.

    Args:
        addresses: Where to listen.
        options: The command line.
        ready: The descriptor of ``--ready-fd``.
        guard: What whoever connects is asked for.
        reopen: Opens the log again, if it is a file.
    """
    edits = Edits(options) if options.reload else None
    binder = make_server(_nothing, addresses, options, guard)
    await opened(binder.bind())
    patience = supervision.allowed_silence() if options.workers else 0.0
    count = options.workers or 1
    children = Children(addresses, binder.sockets, options.grace, patience, count)
    signals = StopSignals(asyncio.get_running_loop(), on_end=children.kill_all)
    signals.heed_hang_up(reopen and functools.partial(_reopen_all, reopen, children))
    try:
        for address, sockets in zip(addresses, binder.sockets, strict=True):
            if not sockets:
                told = f"{address} is one connection, which processes cannot share"
                raise Failure(Code.USAGE, told)
        is_ready = asyncio.Event()

        def on_ready() -> None:
            _tell_ready(options, binder.addresses, ready)
            is_ready.set()

        work: list[Coroutine[Any, Any, Any]] = [signals.wait(), _watch_over(is_ready)]
        if edits is None:
            work.append(Workers(children, options.workers, on_ready).run())
        else:
            work += [Reloader(children, edits, on_ready).run(), edits.watch()]
        return await first(*work) or Code.OK
    finally:
        supervision.notify("STOPPING=1")
        binder.close()
        await children.stop_all()
        await binder.wait_closed()


def _nothing() -> None:
    """Stands for the object: the supervisor exports none."""


async def _watch_over(is_ready: asyncio.Event) -> None:
    await is_ready.wait()
    await supervision.watchdog()


def _reopen_all(reopen: Callable[[], None], children: Children) -> None:
    reopen()
    children.send_signal(signal.SIGHUP)


def _tell_ready(options: ServeOptions, addresses: Sequence[str], ready: int | None) -> None:
    if options.reload:
        note = "it starts again whenever its program is edited"
    else:
        note = f"{options.workers} processes share it, and each has its own object"
    supervision.announce(options, addresses, note)
    supervision.tell_ready(ready, addresses)


__all__ = ["supervise"]
