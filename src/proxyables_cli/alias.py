"""``alias``: names for addresses, kept in the configuration file.

The rest of the file stays as it is, comments included. It is written anew beside itself and then
put in its place, so that nobody ever reads half of it, and a full disk costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxyables.net.addresses import parse
from proxyables_cli import configuration, stdout, targets
from proxyables_cli.aliases import check_address
from proxyables_cli.configuration import ALIASES, Alias, Configuration, nearest
from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.options import Command, value, word, words
from proxyables_cli.output import Printing

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

ACTIONS = {"list": 0, "add": 2, "remove": 1}
"""How many words each takes."""


class AliasOptions(Printing):
    """The command line of ``alias``."""

    action: str = word(
        "ACTION", text="list (the default), add NAME ADDRESS, or remove NAME.", required=False
    )
    words: tuple[str, ...] = words("WORD", text="What ACTION takes.")
    token_file: str | None = value(
        "--token-file",
        metavar="PATH",
        text="With add: where the secret is that this server asks for.",
    )


def run(options: AliasOptions) -> int:
    """Lists, adds or removes names."""
    action = options.action or "list"
    if action not in ACTIONS:
        hint = nearest(action, ACTIONS) or f"it takes {', '.join(ACTIONS)}"
        raise Failure(Code.USAGE, f"alias has no action {action!r}", hint)
    if len(options.words) != ACTIONS[action]:
        written = {"list": "alias list", "add": "alias add NAME ADDRESS"}
        hint = written.get(action, "alias remove NAME")
        count = "1 word" if len(options.words) == 1 else f"{len(options.words)} words"
        raise Failure(Code.USAGE, f"alias {action} got {count}", hint)
    if options.is_typed("token_file") and action != "add":
        raise Failure(Code.USAGE, f"--token-file says nothing to alias {action}")
    file = configuration.find(options.config, os.environ)
    if action == "list":
        _list(file, options)
    elif action == "add":
        name, address = options.words
        # What is said for all connections is in force anyhow, and may change.
        token_file = options.token_file if options.is_typed("token_file") else None
        _add(file, Alias(_name(name), _address(address), token_file), options)
    else:
        _remove(file, _name(options.words[0]))
    return 0


def _list(file: Configuration, options: AliasOptions) -> None:
    found = file.aliases()
    if not found and not options.quiet:
        talk(f"no aliases in {file.path}; proxyables alias add NAME ADDRESS makes one")
    if not options.is_for_a_reader:
        options.printer.rows([_row(alias) for alias in found.values()])
        return
    wide = max(map(len, found), default=0) + 1
    for alias in found.values():
        told = f"@{alias.name:{wide}} {alias.address}"
        if alias.token_file is not None:
            told += f"  (token in {alias.token_file})"
        stdout.line(printable(told))


def _row(alias: Alias) -> dict[str, str]:
    row = {"name": alias.name, "address": alias.address}
    return row if alias.token_file is None else row | {"token_file": alias.token_file}


def _name(text: str) -> str:
    name = text.removeprefix("@")
    try:
        parse(f"@{name}")
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    return name


def _address(text: str) -> str:
    try:
        check_address(text)
    except ValueError as error:
        raise Failure(Code.USAGE, str(error)) from None
    scheme = "unix:" if text.startswith("unix:") else ""
    path = text.removeprefix(scheme)
    is_relative = not path.startswith(("/", "~", "@")) if scheme else path.startswith(("./", "../"))
    return scheme + targets.absolute(path) if is_relative else text  # it is used elsewhere too


def _add(file: Configuration, alias: Alias, options: AliasOptions) -> None:
    import tomlkit

    before = file.aliases().get(alias.name)
    with _rewritten(file) as document:
        if ALIASES not in document:
            document[ALIASES] = tomlkit.table()
        written: object = alias.address
        if alias.token_file is not None:
            written = tomlkit.inline_table()
            written["address"] = alias.address
            written["token-file"] = targets.absolute(os.path.expanduser(alias.token_file))
        document[ALIASES][alias.name] = written
    if before is not None and not options.quiet:
        talk(printable(f"@{alias.name} stood for {before.address}"))


def _remove(file: Configuration, name: str) -> None:
    known = file.aliases()
    if name not in known:
        raise Failure(Code.USAGE, f"there is no alias @{name} in {file.path}", nearest(name, known))
    with _rewritten(file) as document:
        del document[ALIASES][name]


@contextlib.contextmanager
def _rewritten(file: Configuration) -> Iterator[TOMLDocument]:
    """Gives the document, and writes what becomes of it in the block; the new file is 0600."""
    import tomlkit

    path = os.path.realpath(file.path)  # a link stays one
    try:
        with open(path, encoding="utf-8", newline="") as old:
            document = tomlkit.parse(old.read())
    except (FileNotFoundError, NotADirectoryError):
        document = tomlkit.document()
    yield document
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(prefix=".config-", suffix=".toml", dir=directory)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as new:
                new.write(tomlkit.dumps(document))
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Failure(Code.CONFIGURATION, f"cannot write {path}: {why}") from None


COMMANDS = (
    Command(
        "alias",
        AliasOptions,
        run,
        help="Name addresses: @NAME then stands for one wherever an address is taken.",
        epilog="Example: proxyables alias add prod tls://shop.example:9000",
    ),
)

__all__ = ["ACTIONS", "COMMANDS", "AliasOptions", "run"]
