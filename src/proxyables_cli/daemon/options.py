"""The command line of ``serve``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from proxyables.net.addresses import parse
from proxyables_cli import loops
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import (
    Checked,
    Choice,
    Common,
    duration,
    number,
    permissions,
    repeated,
    size,
    switch,
    value,
    word,
)


def tcp_address(text: str) -> str:
    """Makes the address that ``--tcp`` stands for."""
    return text if "://" in text else f"tcp://{text}"


def unix_address(text: str) -> str:
    """Makes the address that ``--unix`` stands for."""
    return f"unix:{text.removeprefix('unix:')}"


def fd_address(text: str) -> str:
    """Makes the address that ``--fd`` stands for."""
    return text if text.startswith("fd:") else f"fd:{text}"


def ws_address(text: str) -> str:
    """Makes the address that ``--ws`` stands for."""
    if "://" in text:
        return text
    return f"ws://127.0.0.1{text}" if text.startswith(":") else f"ws://{text}"


def _listener(address_of: Callable[[str], str]) -> Callable[[str], object]:
    return lambda text: parse(address_of(text), listening=True)


def check_listener(text: str) -> None:
    """Looks whether ``--listen`` takes a text. What a name stands for, the configuration says.

    Raises:
        ValueError: It is no address, cannot be listened on, or names files that are of no use.
    """
    address = parse(text, listening=not text.startswith("@"))
    if address.scheme == "tls" and "?" in text:
        from proxyables.net.tls import server_context

        server_context(address, None)


def _check_origin(text: str) -> None:
    from proxyables.net.serving import check_origins

    check_origins([text])


def _check_group(text: str) -> None:
    from proxyables.net.socket_files import understand_access

    understand_access(None, text)


def _positive(name: str) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (found := number(text)):
            raise ValueError(f"takes N; {name} takes a positive number, got {found}")
        return found

    return convert


class ServeOptions(Common):
    """The command line of ``serve``."""

    target: str = word("TARGET", text="module:attribute, path/file.py:attribute, or module.")
    listen: tuple[str, ...] = repeated(
        "-l",
        "--listen",
        metavar="ADDRESS",
        text="Listen on any address of proxyables-address(7). Every listener may be repeated.",
        convert=Checked("ADDRESS", check_listener),
    )
    tcp: tuple[str, ...] = repeated(
        "--tcp",
        metavar="[HOST]:PORT",
        text="Listen on TCP; without HOST on 127.0.0.1.",
        convert=Checked("[HOST]:PORT", _listener(tcp_address)),
    )
    unix: tuple[str, ...] = repeated(
        "--unix",
        metavar="PATH",
        text="Listen on a Unix socket that only this user may open.",
        convert=Checked("PATH", _listener(unix_address)),
    )
    unix_mode: int | None = value(
        "--unix-mode",
        metavar="MODE",
        text="The permissions of Unix sockets, such as 0660: who may write may connect. Else 0600.",
        convert=permissions,
    )
    unix_group: str | None = value(
        "--unix-group",
        metavar="GROUP",
        text="The group of Unix sockets, whose members may connect. Their mode is 0660 then.",
        convert=Checked("GROUP", _check_group),
    )
    fd: tuple[str, ...] = repeated(
        "--fd",
        metavar="N",
        text="Use an inherited socket, by its number or by the name that systemd gave it.",
        convert=Checked("N", _listener(fd_address)),
    )
    ws: tuple[str, ...] = repeated(
        "--ws",
        metavar="[HOST]:PORT[/PATH]",
        text="Listen for WebSockets; without HOST on 127.0.0.1.",
        convert=Checked("[HOST]:PORT[/PATH]", _listener(ws_address)),
    )
    origin: tuple[str, ...] = repeated(
        "--origin",
        metavar="ORIGIN",
        text="Let web pages of this origin connect by WebSocket, such as https://app.example.",
        convert=Checked("ORIGIN", _check_origin),
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
    env_file: str | None = value(
        "--env-file",
        metavar="FILE",
        text="Read variables for TARGET's environment from lines of NAME=VALUE.",
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
    introspection: Literal["full", "names", "off"] = value(
        "--introspection",
        metavar="WHAT",
        text="What peers may ask about the object and the server: full (the default), names"
        " (of members and their kinds, of the type and its module), or off."
        " Where an error was raised is told with full only.",
        convert=Choice("full", "names", "off"),
        default="full",
    )
    show_arguments: bool = switch(
        "--show-arguments", text="Let trace --args show the arguments of everybody's calls."
    )
    access_log: Literal["off", "calls", "args"] = value(
        "--access-log",
        metavar="WHAT",
        text="Log a line for each call: off (the default), calls, or args with the arguments.",
        convert=Choice("off", "calls", "args"),
        default="off",
    )
    max_connections: int | None = value(
        "--max-connections",
        metavar="N",
        text="How many connections there may be; one more is refused. Else no end is set.",
        convert=_positive("max_connections"),
    )
    max_streams: int | None = value(
        "--max-streams",
        metavar="N",
        text="How many calls each peer may have under way. Else 16384.",
        convert=_positive("max_streams"),
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
    call_timeout: float | None = value(
        "--call-timeout",
        metavar="DURATION",
        text="End a call that takes longer, with a time-out at the caller. Else never.",
        convert=duration,
    )
    once: bool = switch("--once", text="Serve one connection, and end with it.")
    exit_when_idle: bool = switch(
        "--exit-when-idle",
        text="End when there has been no connection for the time of --idle-timeout, or for 30s.",
    )
    max_message: int | None = value(
        "--max-message",
        metavar="SIZE",
        text="The largest message either way, such as 64MiB. Else 16MiB.",
        convert=size,
    )
    workers: int = value(
        "--workers",
        metavar="N",
        text="Share the listeners among N processes; each imports TARGET, and has its own object.",
        convert=number,
        default=0,
    )
    reload: bool = switch(
        "--reload", text="Start again whenever the program is edited; the listeners stay."
    )
    reload_dir: tuple[str, ...] = repeated(
        "--reload-dir",
        metavar="DIR",
        text="Where --reload looks for edits of Python files. Else where TARGET is.",
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
    log_file: str | None = value(
        "--log-file",
        metavar="PATH",
        text="Append the log to this file, which SIGHUP opens again, and not to standard error.",
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


def check(options: ServeOptions, addresses: Sequence[str]) -> None:
    """Refuses options that do not go together.

    Args:
        options: The command line.
        addresses: Where it listens.

    Raises:
        Failure: The code is for bad usage.
    """
    if options.is_typed("reload_dir") and not options.reload:
        raise Failure(Code.USAGE, "--reload-dir is for --reload")
    if options.ready_fd in (0, 1) and "stdio:" in addresses:
        told = f"--ready-fd {options.ready_fd} would write into what --stdio says to its peer"
        failure = Failure(Code.USAGE, told, "standard error is --ready-fd 2")
        raise options.blamed(failure, "ready_fd", "stdio")
    if not (options.reload or options.workers):
        return
    ours = "reload" if options.reload else "workers"
    others = {
        "workers": options.reload and options.workers,
        "stdio": "stdio:" in addresses,
        "once": options.once,
        "exit_when_idle": options.exit_when_idle,
    }
    for other, is_given in others.items():
        if is_given:
            told = f"--{ours} and --{other.replace('_', '-')} exclude each other"
            raise options.blamed(Failure(Code.USAGE, told), other, ours)


__all__ = [
    "ServeOptions",
    "check",
    "check_listener",
    "fd_address",
    "tcp_address",
    "unix_address",
    "ws_address",
]
