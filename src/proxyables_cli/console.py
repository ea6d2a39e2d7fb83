"""``repl``: the command that opens a session on remote objects; the session itself is ``repl/``."""

from __future__ import annotations

import logging
import os
from functools import partial

from proxyables.net.addresses import parse
from proxyables_cli import connecting, demo, logs
from proxyables_cli.exits import Code, Failure
from proxyables_cli.loops import LOOPS
from proxyables_cli.options import (
    Checked,
    Choice,
    Command,
    Common,
    duration,
    switch,
    value,
    words,
)


def _check_name(text: str) -> None:
    from proxyables_cli.repl.connections import check_name

    try:
        check_name(text)
    except Failure as failure:
        raise ValueError(f"{failure}") from None


class ReplOptions(Common):
    """The command line of ``repl``."""

    words: tuple[str, ...] = words(
        "[NAME=]ADDRESS",
        text="Where the objects are; then, perhaps, the FILE of a script and its own words."
        " Without an address: the built-in demo object. Words for the script that begin with a"
        " dash follow --.",
    )
    code: str | None = value(
        "-c",
        "--code",
        metavar="CODE",
        text="Run this and print what its last statement gives, if that is an expression.",
    )
    interactive: bool = switch(
        "-i", "--interactive", text="Prompt when the code or the script has ended."
    )
    startup: str | None = value(
        "--startup", metavar="FILE", text="A script to run first; the names that it makes stay."
    )
    name: str = value(
        "--name",
        metavar="NAME",
        text="What the remote object is called. Else obj.",
        convert=Checked("a Python name", _check_name),
        default="obj",
    )
    plain: bool = switch("--plain", text="No colours, menus or key bindings; plain input lines.")
    vi: bool = switch("--vi", text="Keys at the prompt are those of vi, instead of Emacs.")
    no_await: bool = switch("--no-await", text="Leave remote calls as awaitables; you await.")
    timeout: float = value(
        "--timeout",
        metavar="DURATION",
        text="How long connecting may take, such as 500ms or 3s. Else 5s.",
        convert=duration,
        default=5.0,
    )
    wait: float = value(
        "--wait",
        metavar="DURATION",
        text="If nobody is there, or it is busy, try again for this long: a server may come up.",
        convert=duration,
        default=0.0,
    )
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="The secret that the servers ask for; a file that only you may read.",
    )
    loop: str = value(
        "--loop",
        metavar="LOOP",
        text="auto (the default: uvloop if it is installed), uvloop or asyncio.",
        convert=Choice(*LOOPS),
        default="auto",
    )


def run(options: ReplOptions) -> int:
    """Runs the session; its exit code is the command's."""
    addresses, file, arguments = split(options.words)
    if options.code is not None and file is not None:
        told = f"-c and the script {file!r} exclude each other"
        raise options.blamed(Failure(Code.USAGE, told), "code")
    if not options.name.isidentifier() or options.name.startswith("_"):  # made without a parser
        raise Failure(Code.USAGE, f"--name takes a Python name, got {options.name!r}")
    logs.configure(options, logging.ERROR)
    if not addresses and options.code is None and file is None and not options.quiet:
        demo.greet()
    from proxyables_cli.repl import scripts, start

    if options.startup is not None and not options.is_typed("startup"):
        with options.concerning("startup"):
            scripts.read_file(options.startup)  # where it is read in earnest, nobody knows who says
    find = partial(connecting.place, token_file=options.token_file, config=options.config)
    for address in addresses:
        find(_address_of(address))  # before anything is connected
    return start.run(
        addresses,
        code=options.code,
        file=file,
        arguments=arguments,
        startup=options.startup,
        interactive=options.interactive,
        plain=options.plain,
        vi=options.vi,
        color=options.color,
        auto_await=not options.no_await,
        name=options.name,
        timeout=options.timeout,
        wait=options.wait,
        find=find if addresses else connecting.Place,
        loop=options.loop,
    )


def split(written: tuple[str, ...]) -> tuple[list[str], str | None, list[str]]:
    """Splits the words into addresses, the script's file, and the script's own arguments.

    A path may be a socket or a script: it is a script if it is a regular file, or ends in
    ``.py``. The first script ends the addresses.

    Raises:
        Failure: A word is neither an address nor a file; the line says what is wrong with it.
    """
    addresses: list[str] = []
    for at, word in enumerate(written):
        if os.path.isfile(word) or (word.endswith(".py") and not word.startswith("exec:")):
            return addresses, word, list(written[at + 1 :])
        try:
            parse(_address_of(word))
        except ValueError as error:
            raise Failure(Code.USAGE, str(error)) from None
        addresses.append(word)
    return addresses, None, []


def _address_of(word: str) -> str:
    name, equals, address = word.partition("=")
    return address if equals and name.isidentifier() else word


COMMANDS = (
    Command(
        "repl",
        ReplOptions,
        run,
        help="Open a Python prompt on remote objects. With -c, a FILE, or piped input: run that"
        " and end.",
        epilog="Example: proxyables repl :9000 -c 'obj.add(2, 3)'",
    ),
)

__all__ = ["COMMANDS", "ReplOptions", "run", "split"]
