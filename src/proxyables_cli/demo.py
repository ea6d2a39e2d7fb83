"""``demo``: the object that ships with the package, and a prompt on it."""

from __future__ import annotations

import logging
import os
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
    environment that is not on the PATH. It runs this module, so that it works as well whatever is
    set for the user's own servers.
    """
    words = [sys.executable, "-m", "proxyables_cli.demo", "serve", TARGET, "--stdio"]
    return f"exec:{shlex.join(words)}"


def serve_as_shipped(words: list[str]) -> int:
    """Runs the command line of ``serve`` as if nothing were set elsewhere."""
    from proxyables_cli.main import main

    for name in [each for each in os.environ if each.startswith("PROXYABLES_")]:
        del os.environ[name]
    return main([*words, "--config", os.devnull])


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

__all__ = ["COMMANDS", "TARGET", "DemoOptions", "address", "run", "serve_as_shipped"]

if __name__ == "__main__":
    sys.exit(serve_as_shipped(sys.argv[1:]))
