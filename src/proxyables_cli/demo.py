"""``demo``: the object that ships with the package, and a prompt on it."""

from __future__ import annotations

import logging
import shlex
import sys

from proxyables_cli import logs
from proxyables_cli.exits import talk
from proxyables_cli.options import Command, Common, switch, value

TARGET = "proxyables.demo:obj"


class DemoOptions(Common):
    """The command line of ``demo``."""

    code: str | None = value(
        "-c",
        "--code",
        metavar="CODE",
        text="Run this and print what its last statement gives, if that is an expression.",
    )
    plain: bool = switch("--plain", text="No colours, menus or key bindings; plain input lines.")


def address() -> str:
    """Tells the address that starts the demo object in a child process of its own.

    The child is this very interpreter, so that the demo works from a checkout and from an
    environment that is not on the PATH.
    """
    return (
        f"exec:{shlex.join([sys.executable, '-m', 'proxyables_cli', 'serve', TARGET, '--stdio'])}"
    )


def greet() -> None:
    """Says what there is to try, to somebody who sits there."""
    if sys.stdin is not None and sys.stdin.isatty():
        talk("obj is a bookshop in another process; try obj.books, obj.add(2, 3), help(obj)")


def run(options: DemoOptions) -> int:
    """Opens the prompt; its exit code is the command's."""
    logs.configure(options, logging.ERROR)
    from proxyables_cli.repl import start

    if options.code is None and not options.quiet:
        greet()
    return start.run(
        [address()],
        code=options.code,
        file=None,
        arguments=[],
        plain=options.plain,
        color=options.color,
        auto_await=True,
        name="obj",
        timeout=10.0,
        loop="auto",
    )


COMMANDS = (
    Command(
        "demo",
        DemoOptions,
        run,
        help="Start the demo object in a child process and open a prompt on it.",
    ),
)

__all__ = ["COMMANDS", "TARGET", "DemoOptions", "address", "run"]
