"""``serve``: the daemon that exports one object on any number of addresses."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from proxyables.net.addresses import MAX_SOCKET_PATH, parse
from proxyables_cli import logs, loops, runtime, supervision, targets
from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.options import (
    Choice,
    Command,
    Common,
    duration,
    number,
    repeated,
    size,
    switch,
    value,
    word,
)
from proxyables_cli.tokens import read_token

if TYPE_CHECKING:
    import ssl

    from proxyables.net.endpoints import Server


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Common):
    """The command line of ``serve``."""

    target: str = word("TARGET", text="module:attribute, path/file.py:attribute, or module.")
    listen: tuple[str, ...] = repeated(
        "-l",
        "--listen",
        metavar="ADDRESS",
        text="Listen on any address of proxyables-address(7). Every listener may be repeated.",
    )
    tcp: tuple[str, ...] = repeated(
        "--tcp", metavar="[HOST]:PORT", text="Listen on TCP; without HOST on 127.0.0.1."
    )
    unix: tuple[str, ...] = repeated(
        "--unix", metavar="PATH", text="Listen on a Unix socket that only this user may open."
    )
    ws: tuple[str, ...] = repeated(
        "--ws",
        metavar="[HOST]:PORT[/PATH]",
        text="Listen for WebSockets; without HOST on 127.0.0.1.",
    )
    origin: tuple[str, ...] = repeated(
        "--origin",
        metavar="ORIGIN",
        text="Let web pages of this origin connect by WebSocket, such as https://app.example.",
    )
    stdio: bool = switch(
        "--stdio", text="Serve one peer over standard input and output; its end ends the server."
    )
    name: str = value(
        "--name",
        metavar="NAME",
        text="What the server calls its object. Else the last word of TARGET.",
        default="",
    )
    app_dir: str = value(
        "--app-dir",
        metavar="DIR",
        text="Where modules are searched first. Else the working directory.",
        default=".",
    )
    factory: bool = switch("--factory", text="TARGET is a function that makes the object.")
    instance: Literal["shared", "connection"] = value(
        "--instance",
        metavar="WHICH",
        text="shared (the default), or connection: TARGET is called for each connection.",
        convert=Choice("shared", "connection"),
        default="shared",
    )
    threads: int = value(
        "--threads",
        metavar="N",
        text="Run up to N sync methods at once, on worker threads; 1 is the default. 0 runs them"
        " on the event loop: fastest, for methods that never block.",
        convert=number,
        default=1,
    )
    loop: str = value(
        "--loop",
        metavar="LOOP",
        text="auto (the default: uvloop if it is installed), uvloop or asyncio.",
        convert=Choice(*loops.LOOPS),
        default="auto",
    )
    allow: tuple[str, ...] = repeated(
        "--allow",
        metavar="NAME",
        text="Lend only this name of the object, or those that fit a pattern such as get_*.",
    )
    deny: tuple[str, ...] = repeated(
        "--deny", metavar="NAME", text="Refuse this name, or pattern, on every object."
    )
    read_only: bool = switch(
        "--read-only", text="Refuse assignments, deletions, and what changes containers."
    )
    strict: bool = switch("--strict", text="Lend only what is marked with @expose.")
    max_streams: int | None = value(
        "--max-streams",
        metavar="N",
        text="How many calls each peer may have under way. Else 16384.",
        convert=number,
    )
    keepalive: float | None = value(
        "--keepalive",
        metavar="DURATION",
        text="Ping a peer that has been silent this long; 0 for never. Else 30s.",
        convert=duration,
    )
    idle_timeout: float | None = value(
        "--idle-timeout",
        metavar="DURATION",
        text="Close a connection that has carried no call for this long. Else never.",
        convert=duration,
    )
    max_message: int | None = value(
        "--max-message",
        metavar="SIZE",
        text="The largest message either way, such as 64MiB. Else 16MiB.",
        convert=size,
    )
    grace: float = value(
        "--grace",
        metavar="DURATION",
        text="How long calls may go on after the first SIGINT or SIGTERM. Else 10s.",
        convert=duration,
        default=10.0,
    )
    ready_fd: int | None = value(
        "--ready-fd",
        metavar="N",
        text="Write a line of JSON to this descriptor when every listener accepts, and close it.",
        convert=number,
    )
    pid_file: str = value(
        "--pid-file",
        metavar="PATH",
        text="Keep the process's number in this file while it runs.",
        default="",
    )
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="The secret that peers must know; a file that only you may read.",
    )
    tls_cert: str | None = value(
        "--tls-cert",
        metavar="FILE",
        text="The certificate that TLS listeners show; with it, TCP listeners are TLS ones.",
    )
    tls_key: str | None = value(
        "--tls-key", metavar="FILE", text="Its key, if it is not in the same file."
    )
    tls_client_ca: str | None = value(
        "--tls-client-ca",
        metavar="FILE",
        text="Let in only peers that have a certificate of this authority.",
    )
    insecure: bool = switch(
        "--insecure", text="Allow addresses that other machines or users can reach."
    )


def run(options: ServeOptions) -> int:
    """Serves until a signal comes, or until the peer on standard input ends."""
    target = targets.parse(options.target)
    addresses = _listeners(options, target)
    token = read_token(options.token_file)
    ready = supervision.claim(options.ready_fd)
    logs.configure(options)
    if "stdio:" in addresses:
        _claim_stdio()  # before the target can print while it is imported
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
        await _first(server.serve_forever(), signals.wait(), supervision.watchdog())
    finally:
        supervision.notify("STOPPING=1")
        server.close()
        await server.wait_closed()
    return Code.OK


async def _open(
    exported: Any, addresses: Sequence[str], options: ServeOptions, token: bytes | None
) -> Server:
    import proxyables

    bounds: dict[str, Any] = {"grace": options.grace}
    for name in ("max_message", "max_streams", "keepalive", "idle_timeout"):
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


class StopSignals:
    """SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once.

    The handlers are Python's and not the loop's, because the exported object may be the very
    thing that keeps the loop from turning: a handler of the loop would then never run, and the
    second signal could not end anything. They stay until the process ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked = asyncio.Event()
        self._count = 0
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._on_signal)

    async def wait(self) -> None:
        """Waits for the first signal."""
        await self._asked.wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1 or self._loop.is_closed():
            os._exit(128 + number)
        self._loop.call_soon_threadsafe(self._asked.set)


def _listeners(options: ServeOptions, target: targets.Target) -> list[str]:
    """Turns the listener options into canonical addresses.

    None given are the sockets that systemd passed, or else a private one.
    """
    written = [
        *options.listen,
        *(text if "://" in text else f"tcp://{text}" for text in options.tcp),
        *map(_socket, options.unix),
        *map(_websocket, options.ws),
        *(["stdio:"] if options.stdio else []),
    ]
    if not written:
        written += supervision.passed_sockets()
    if not written:
        written.append(f"unix:{runtime.socket_path(options.name or target.label)}")
    try:
        canonical = [str(parse(text, listening=True)) for text in written]
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    twice = {text for text in canonical if canonical.count(text) > 1 and not text.endswith(":0")}
    if twice:
        raise Failure(Code.USAGE, f"the listener {twice.pop()} is given twice")
    return canonical


def _websocket(text: str) -> str:
    """Makes the address of a WebSocket listener."""
    if "://" in text:
        return text
    return f"ws://127.0.0.1{text}" if text.startswith(":") else f"ws://{text}"


def _socket(text: str) -> str:
    """Makes the address of a socket path; absolute, so that what is printed holds anywhere.

    A path that would get too long for a socket that way stays relative.
    """
    path = text.removeprefix("unix:")
    absolute = os.path.abspath(path)
    if path.startswith(("@", "~")) or len(os.fsencode(absolute)) > MAX_SOCKET_PATH:
        return f"unix:{path}"
    return f"unix:{absolute}"


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
        talk(f"try: proxyables repl {shlex.quote(_reachable(dialled[0]))}")


def _reachable(address: str) -> str:
    """Makes an address that can be dialled from one that stands for every interface."""
    scheme, _, rest = address.partition("://")
    for everywhere in ("*:", "0.0.0.0:", "[::]:"):
        if rest.startswith(everywhere):
            return f"{scheme}://127.0.0.1:{rest.removeprefix(everywhere)}"
    return address


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

__all__ = ["COMMANDS", "ServeOptions", "StopSignals", "run"]
