"""``call``, ``get`` and ``set``: one step on a remote object, from a shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from proxyables_cli import connecting, paths
from proxyables_cli.arguments import Words
from proxyables_cli.connecting import Connecting
from proxyables_cli.options import Command, word, words

_PATH = 'Names with dots between, and items: accounts["ada"].balance, items[0]. A dot alone is'


@dataclass(frozen=True, kw_only=True)
class CallOptions(Connecting):
    """The command line of ``call``."""

    path: str = word("PATH", text=f"{_PATH} the exported object itself.")
    arguments: tuple[str, ...] = words(
        "ARG",
        text="JSON, else text. =TEXT is always text, :=JSON must be JSON, @FILE is what a file"
        " holds, @- standard input, NAME=VALUE a keyword argument. After -- nothing is an option.",
    )


@dataclass(frozen=True, kw_only=True)
class GetOptions(Connecting):
    """The command line of ``get``."""

    path: str = word("PATH", text=f"{_PATH} the exported object itself.")


@dataclass(frozen=True, kw_only=True)
class SetOptions(Connecting):
    """The command line of ``set``."""

    path: str = word("PATH", text="The attribute or the item to assign to.")
    value: str = word("VALUE", text="The new value, written as an argument of call.")


def call(options: CallOptions) -> int:
    """Calls what the path names and prints what it returns."""
    positional, keywords = Words().arguments(options.arguments)
    return _on_cursor(options, options.path, lambda cursor: cursor(*positional, **keywords))


def get(options: GetOptions) -> int:
    """Reads what the path names and prints it."""
    return _on_cursor(options, options.path, lambda cursor: cursor)


def set_value(options: SetOptions) -> int:
    """Assigns to what the path names. Prints nothing."""
    import proxyables

    value = Words().value(options.value)
    return _on_cursor(
        options, options.path, lambda cursor: proxyables.assign(cursor, value), silent=True
    )


def _on_cursor(
    options: Connecting,
    path: str,
    action: Callable[[Any], Awaitable[Any]],
    *,
    silent: bool = False,
) -> int:
    steps = paths.parse(path)
    address = connecting.checked(options.address)

    async def work() -> int:
        async with connecting.connected(address, options.timeout) as peer:
            result = await action(paths.walk(peer.root, steps))
            # Inside the block: a reference means something only while the connection stands.
            if not silent:
                options.printer.value(result)
        return 0

    return connecting.run(work(), options)


COMMANDS = (
    Command(
        "call",
        CallOptions,
        call,
        help="Call a method of a remote object once and print the result.",
        epilog="Example: proxyables call :9000 accounts[ada].deposit 25 note=gift",
    ),
    Command("get", GetOptions, get, help="Print the value of a remote attribute or item."),
    Command("set", SetOptions, set_value, help="Assign to a remote attribute or item."),
)

__all__ = ["COMMANDS", "CallOptions", "GetOptions", "SetOptions", "call", "get", "set_value"]
