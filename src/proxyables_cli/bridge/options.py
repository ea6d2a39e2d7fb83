"""The command line of ``bridge``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import (
    Checked,
    Common,
    duration,
    number,
    repeated,
    switch,
    value,
    words,
)


def _check_listener(text: str) -> None:
    from proxyables_cli.daemon.options import check_listener  # most bridges listen on nothing

    check_listener(text)


class BridgeOptions(Common):
    """The command line of ``bridge``."""

    addresses: tuple[str, ...] = words(
        "ADDRESS",
        text="One or two addresses of any kind. One alone is bridged to standard input and output."
        " With --listen: where each connection leads. -- PROGRAM is an exec: address.",
    )
    listen: tuple[str, ...] = repeated(
        "-l",
        "--listen",
        metavar="ADDRESS",
        text="Listen here, and open ADDRESS anew for each connection. May be repeated. Counts on"
        " the command line only.",
        convert=Checked("ADDRESS", _check_listener),
    )
    shared: bool = switch(
        "--shared",
        text="Open ADDRESS once, and lend its object to every connection: they share one server.",
    )
    reconnect: bool = switch(
        "--reconnect", text="With --shared: open ADDRESS again when its connection is lost."
    )
    max_children: int = value(
        "--max-children",
        metavar="N",
        text="How many children there may be at once; one more connection is closed. Else 64.",
        convert=number,
        default=64,
    )
    idle_timeout: float | None = value(
        "--idle-timeout",
        metavar="DURATION",
        text="Close a connection that has carried nothing for this long. Else never.",
        convert=duration,
    )
    grace: float = value(
        "--grace",
        metavar="DURATION",
        text="How long connections may go on after the first SIGINT or SIGTERM. Else 10s.",
        convert=duration,
        default=10.0,
    )
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="With --shared: the secret that peers must know; a file that only you may read.",
    )
    insecure: bool = switch(
        "--insecure", text="Allow addresses that other machines or users can reach."
    )
    timeout: float = value(
        "--timeout",
        metavar="DURATION",
        text="How long connecting may take, such as 500ms or 3s. Else 5s.",
        convert=duration,
        default=5.0,
    )


def with_child(typed: Sequence[str]) -> list[str]:
    """Writes ``-- PROGRAM WORDS`` as the address of a child, which parsers cannot mistake.

    Raises:
        Failure: There is no program; the code is for bad usage.
    """
    if "--" not in typed:
        return list(typed)
    place = typed.index("--")
    program = typed[place + 1 :]
    if not program:
        raise Failure(Code.USAGE, "bridge: -- takes a program", "such as -- node server.js")
    return [*typed[:place], f"exec:{shlex.join(program)}"]


def check(options: BridgeOptions) -> None:
    """Refuses options that do not go together.

    Raises:
        Failure: The code is for bad usage.
    """
    # What was said elsewhere is there for when it has a meaning.
    for name in ("shared", "idle_timeout", "insecure"):
        if options.is_typed(name) and not options.is_typed("listen"):
            raise Failure(Code.USAGE, f"{options.title(name)} is for --listen")
    for name in ("reconnect", "token_file"):
        if options.is_typed(name) and not options.shared:
            raise Failure(Code.USAGE, f"{options.title(name)} is for --shared")
    if options.is_typed("listen") and not options.shared and options.token_file is not None:
        # Whoever has said so takes the listeners for guarded.
        raise options.blamed(Failure(Code.USAGE, "--token-file is for --shared"), "token_file")


__all__ = ["BridgeOptions", "check", "with_child"]
