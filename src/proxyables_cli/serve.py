"""``serve``: the daemon that exports one object on any number of addresses."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from proxyables_cli import logs, loops, targets
from proxyables_cli.daemon import environment, lifetime, listeners, supervision
from proxyables_cli.daemon.options import ServeOptions
from proxyables_cli.daemon.signals import StopSignals
from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.options import Command
from proxyables_cli.tokens import read_token

if TYPE_CHECKING:
    import ssl

    from proxyables.net.endpoints import Server


def run(options: ServeOptions) -> int:
    """Serves until a signal comes, or until the peer on standard input ends."""
    target = targets.parse(options.target)
    addresses = listeners.addresses(options, target.label)
    token = read_token(options.token_file)
    ready = supervision.claim(options.ready_fd)
    logs.configure(options)
    if "stdio:" in addresses:
        _claim_stdio()  # before the target can print while it is imported
    if options.env_file is not None:
        environment.load(options.env_file)
    exported: Any = targets.load(target, options.app_dir)
    if (options.factory or options.instance == "connection") and not callable(exported):
        flag = "--factory" if options.factory else "--instance connection"
        raise Failure(
            Code.NO_TARGET,
            f"{options.target!r} cannot be called, as {flag} demands",
            "name a class or a function",
        )
    with supervision.pid_file(options.pid_file), loops.runner(options.loop) as runner:
        return runner.run(_serve(exported, addresses, options, ready, token))


async def _serve(
    exported: Any,
    addresses: Sequence[str],
    options: ServeOptions,
    ready: int | None,
    token: bytes | None,
) -> int:
    signals = StopSignals(asyncio.get_running_loop())
    if options.factory and options.instance == "shared":
        exported = await targets.make(exported, options.target)
    server = await _open(exported, addresses, options, token)
    try:
        if not options.quiet:
            _announce(options.target, server.addresses)
        supervision.tell_ready(ready, server.addresses)
        await _first(*_ends(server, options), signals.wait(), supervision.watchdog())
    finally:
        supervision.notify("STOPPING=1")
        server.close()
        await server.wait_closed()
    return Code.OK


def _ends(server: Server, options: ServeOptions) -> list[Coroutine[Any, Any, None]]:
    """What the server may end by."""
    ends = [server.serve_forever()]
    if options.once:
        ends.append(lifetime.served_once(server))
    if options.exit_when_idle:
        ends.append(lifetime.idle(server, options.idle_timeout or lifetime.IDLE_SECONDS))
    return ends


async def _open(
    exported: Any, addresses: Sequence[str], options: ServeOptions, token: bytes | None
) -> Server:
    import proxyables

    bounds: dict[str, Any] = {"grace": options.grace}
    for name in ("max_message", "max_streams", "keepalive", "idle_timeout", "call_timeout"):
        if getattr(options, name) is not None:
            bounds[name] = getattr(options, name)
    policy = proxyables.Policy(
        allow=options.allow,
        deny=options.deny,
        read_only=options.read_only,
        strict=options.strict,
    )
    try:
        server = proxyables.serve(
            exported,
            *addresses,
            instance=options.instance,
            factory=options.factory and options.instance == "connection",
            policy=policy,
            limits=proxyables.Limits(**bounds),
            threads=options.threads,
            name=options.name or targets.parse(options.target).label,
            insecure=options.insecure,
            token=token,
            ssl=_tls_context(options),
            origins=options.origin,
            max_connections=options.max_connections,
            unix_mode=options.unix_mode,
            unix_group=options.unix_group,
        )
    except (ValueError, proxyables.NotSupported) as error:
        raise Failure(Code.USAGE, str(error)) from None
    try:
        return await server
    except proxyables.ProxyError:
        raise  # some of them are OSErrors as well
    except OSError as error:
        raise Failure(Code.CANNOT_LISTEN, error.strerror or str(error)) from error


def _tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    """Makes what every TLS listener uses; it is the library's that a ``tls://`` address makes."""
    files = {
        "cert": options.tls_cert,
        "key": options.tls_key,
        "ca": options.tls_client_ca,
    }
    given = tuple((name, path) for name, path in files.items() if path is not None)
    if not given:
        return None
    if options.tls_cert is None:
        raise Failure(Code.USAGE, "--tls-key and --tls-client-ca take a certificate: --tls-cert")
    from proxyables.net.addresses import TlsAddress
    from proxyables.net.tls import server_context

    return server_context(TlsAddress("*", 0, given), None)


async def _first(*work: Coroutine[Any, Any, None]) -> None:
    """Waits until one of the coroutines ends, and cancels the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _claim_stdio() -> None:
    if os.isatty(0) or os.isatty(1):
        raise Failure(
            Code.USAGE,
            "--stdio speaks to a program, and this is a terminal",
            "listen with --tcp :9000, or run it as exec:proxyables serve TARGET --stdio",
        )
    from proxyables.net.stdio import claim_stdio

    claim_stdio()


def _announce(target: str, addresses: Sequence[str]) -> None:
    """Says that every listener accepts. Who was started with pipes knows without being told."""
    dialled = [address for address in addresses if not address.startswith("stdio:")]
    for address in dialled:
        talk(printable(f"serving {target} on {address}"))
    if dialled:
        talk(f"try: proxyables repl {shlex.quote(listeners.reachable(dialled[0]))}")


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
