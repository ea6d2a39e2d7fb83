"""``serve``: the daemon that exports one object on any number of addresses."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from proxyables_cli import collector, logs, loops, targets
from proxyables_cli.daemon import handover, listeners, supervision
from proxyables_cli.daemon.handover import Handover
from proxyables_cli.daemon.opening import Guard, make_server, opened, read_guard
from proxyables_cli.daemon.options import ServeOptions, check
from proxyables_cli.daemon.signals import Stopped, StopSignals, first
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command

if TYPE_CHECKING:
    from proxyables import Server


def run(options: ServeOptions) -> int:
    """Serves until a signal comes, or until the peer on standard input ends."""
    try:
        return _run(options)
    except Stopped:
        return Code.OK


def _run(options: ServeOptions) -> int:
    target = targets.parse(options.target)
    handed = handover.take()
    listen, secret = _looked_up(options)
    guard = read_guard(options, secret)
    if handed is not None:
        reopen = _configure_log(options)
        exported = _load(target, options)
        with loops.runner(options.loop) as runner:
            return runner.run(_serve_supervised(exported, handed, options, guard, reopen))
    addresses = listeners.addresses(options, listen, target.label)
    check(options, addresses)
    with options.concerning("ready_fd"):
        ready = supervision.claim(options.ready_fd)
    reopen = _configure_log(options)
    if options.reload or options.workers:
        from proxyables_cli.daemon.supervisor import supervise

        collector.wake()
        with supervision.pid_file(options), loops.runner("asyncio") as runner:
            return runner.run(supervise(addresses, options, ready, guard, reopen))
    if "stdio:" in addresses:
        _claim_stdio()  # before the target can print while it is imported
    with supervision.pid_file(options):
        exported = _load(target, options)
        with loops.runner(options.loop) as runner:
            return runner.run(_serve(exported, addresses, options, ready, guard, reopen))


def _looked_up(options: ServeOptions) -> tuple[Sequence[str], str | None]:
    """Returns where ``--listen`` says, with names looked up, and the secret that they demand."""
    if not any(text.startswith("@") for text in options.listen):
        return options.listen, None
    from proxyables_cli import aliases  # seldom needed

    with options.concerning("listen"):
        return aliases.listening(options.listen, options.config)


def _configure_log(options: ServeOptions) -> Callable[[], None] | None:
    with options.concerning("log_file"):
        return logs.configure(options, file=options.log_file)


def _load(target: targets.Target, options: ServeOptions) -> Any:
    """Imports the target, in the environment that it is to have."""
    import proxyables.net.serving  # noqa: F401 - while the collector rests

    collector.wake()
    if options.reload:
        # Compiled modules are told apart by size and second, and edits may come faster.
        sys.dont_write_bytecode = True
    if options.env_file is not None:
        from proxyables_cli.daemon import environment

        with options.concerning("env_file"):
            environment.load(options.env_file)
    if not target.is_file:
        with options.concerning("app_dir"):
            targets.check_directory(options.app_dir)
    exported: Any = targets.load(target, options.app_dir)
    if (options.factory or options.instance == "connection") and not callable(exported):
        flag = "--factory" if options.factory else "--instance connection"
        told = f"{options.target!r} cannot be called, as {flag} demands"
        failure = Failure(Code.NO_TARGET, told, "name a class or a function")
        raise options.blamed(failure, "factory" if options.factory else "instance")
    return exported


async def _serve(
    exported: Any,
    addresses: Sequence[str],
    options: ServeOptions,
    ready: int | None,
    guard: Guard,
    reopen: Callable[[], None] | None,
) -> int:
    """Serves in this very process."""
    signals = StopSignals(asyncio.get_running_loop())
    signals.heed_hang_up(reopen)
    exported = await _made(exported, options, signals)
    server = await opened(make_server(exported, addresses, options, guard))
    try:
        supervision.announce(options, server.addresses)
        supervision.tell_ready(ready, server.addresses)
        ends = [*_ends(server, options), signals.wait()]
        await first(*ends, supervision.watchdog(), supervision.tell_status(server))
    finally:
        supervision.notify("STOPPING=1")
        server.close()
        await server.wait_closed()
    return Code.OK


async def _serve_supervised(
    exported: Any,
    handed: Handover,
    options: ServeOptions,
    guard: Guard,
    reopen: Callable[[], None] | None,
) -> int:
    """Serves for a supervisor, which alone says when to stop, and talks to the world."""
    from proxyables_cli.daemon.line import open_line

    signals = StopSignals(asyncio.get_running_loop(), heeds_interrupt=False)
    signals.heed_hang_up(reopen)
    line = await open_line(handed, signals.ask)
    try:
        exported = await _made(exported, options, signals)
        sockets = handed.open_sockets()
        server = make_server(exported, handed.addresses, options, guard, sockets)
        if handed.count > 1:
            line.tell = server.look_with(line)
        async with server:
            line.tell_ready()
            await first(signals.wait(), line.keep_telling())
    finally:
        line.close()
    return Code.OK


async def _made(exported: Any, options: ServeOptions, signals: StopSignals) -> Any:
    if options.factory and options.instance == "shared":
        with signals.ending_at_once():
            return await targets.make(exported, options.target)
    return exported


def _ends(server: Server, options: ServeOptions) -> list[Coroutine[Any, Any, None]]:
    """What the server may end by."""
    ends = [server.serve_forever()]
    if options.once or options.exit_when_idle:
        from proxyables_cli.daemon import lifetime

        if options.once:
            ends.append(lifetime.served_once(server))
        if options.exit_when_idle:
            ends.append(lifetime.idle(server, options.idle_timeout or lifetime.IDLE_SECONDS))
    return ends


def _claim_stdio() -> None:
    if os.isatty(0) or os.isatty(1):
        raise Failure(
            Code.USAGE,
            "--stdio speaks to a program, and this is a terminal",
            "listen with --tcp :9000, or run it as exec:proxyables serve TARGET --stdio",
        )
    from proxyables.net.stdio import claim_stdio

    claim_stdio()


COMMANDS = (
    Command(
        "serve",
        ServeOptions,
        run,
        help="Export an object on any number of addresses. Without a listener: on a socket of"
        " this user's own, whose path is printed.",
        epilog="Example: proxyables serve proxyables.demo:obj --tcp :9000",
    ),
)

__all__ = ["COMMANDS", "ServeOptions", "run"]
