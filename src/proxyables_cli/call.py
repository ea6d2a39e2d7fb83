"""``call``, ``get`` and ``set``: one step on a remote object, from a shell."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from proxyables_cli import connecting, paths
from proxyables_cli.advising import advised
from proxyables_cli.arguments import Argument, Words, settle
from proxyables_cli.connecting import Connecting
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, switch, value, word, words

_PATH = (
    'Names with dots between, and items: accounts["ada"].balance, items[0]. A dot alone is the'
    " exported object itself."
)


class CallOptions(Connecting):
    """The command line of ``call``."""

    path: str = word("PATH", text=_PATH)
    arguments: tuple[str, ...] = words(
        "ARG",
        text="JSON, else text. =TEXT is always text, :=JSON must be JSON, @FILE is what a file"
        " holds, @- standard input, NAME=VALUE a keyword argument. After -- nothing is an option.",
    )
    args_json: str | None = value(
        "--args-json",
        metavar="FILE",
        text="Read arguments from a file, or - for standard input: a JSON array of positional"
        " ones, or a JSON object of keyword ones. Those of the command line follow.",
    )
    stream: bool = switch("--stream", text="The result is iterated: print each item when it comes.")


class GetOptions(Connecting):
    """The command line of ``get``."""

    path: str = word("PATH", text=_PATH)


class SetOptions(Connecting):
    """The command line of ``set``."""

    path: str = word("PATH", text="The attribute or the item to assign to.")
    value: str = word("VALUE", text="The new value, written as an argument of call.")


def call(options: CallOptions) -> int:
    """Calls what the path names and prints what it returns."""
    reader = Words()
    given: list[Argument] = []
    if options.args_json is not None:
        with options.concerning("args_json"):
            given = reader.from_file(options.args_json)
    arguments = reader.following(given, options.arguments)

    async def work(found: Any) -> None:
        guessed = any(each.is_guess for each in arguments)
        signature = await _signature(found) if guessed else None
        positional, keywords = settle(arguments, signature)
        result = found(*positional, **keywords)
        if not options.stream:
            options.printer.value(await result)
            return
        async for item in result:
            options.printer.value(item)

    return _on_cursor(options, options.path, work, is_called=True)


async def _signature(found: Any) -> str | None:
    """Asks for the signature of what is called; None where nobody tells."""
    import proxyables

    try:
        told = await proxyables.describe(found)
    except (proxyables.RemoteError, proxyables.NotSupported):
        return None  # what is wrong with it, the call itself will say
    signature = told.get("signature") if isinstance(told, dict) else None
    return signature if isinstance(signature, str) else None


def get(options: GetOptions) -> int:
    """Reads what the path names and prints it."""

    async def work(found: Any) -> None:
        options.printer.value(await found)

    return _on_cursor(options, options.path, work)


def set_value(options: SetOptions) -> int:
    """Assigns to what the path names. Prints nothing."""
    new = Words().value(options.value)
    if not paths.parse(options.path):
        told = f"cannot set {options.path!r}: the object itself is no place to put a value"
        raise Failure(Code.USAGE, told, "write the path of an attribute or an item")

    async def work(found: Any) -> None:
        import proxyables

        await proxyables.assign(found, new)

    return _on_cursor(options, options.path, work)


def _on_cursor(
    options: Connecting,
    path: str,
    work: Callable[[Any], Coroutine[Any, Any, None]],
    *,
    is_called: bool = False,
) -> int:
    """Runs something on the cursor that a path names, and has it print what it finds.

    It prints while the connection stands: a reference means nothing afterwards.
    """
    steps = paths.parse(path)
    place = options.place

    async def connect() -> int:
        async with (
            connecting.connected(place, options.timeout, options.wait) as peer,
            advised(peer.root, steps, is_called=is_called),
        ):
            await work(paths.walk(peer.root, steps))
        return 0

    return connecting.run(connect(), options)


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
