"""What could stand at the cursor of a command line that is being typed.

Nothing is imported or run to find it out: targets are read from the sources of modules, members of
remote objects are asked from their server, which runs nothing either, and gets a moment only.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyables_cli import alias, commands, config, configuration, man, runtime
from proxyables_cli.connecting import Place
from proxyables_cli.exits import Failure
from proxyables_cli.options import Choice, Common, Row, rows

PATIENCE = 0.3
"""Seconds that a remote server gets: after that no menu is better than a late one."""
_MAX_SOURCE = 1 << 20
_SCHEMES = ("tcp://", "unix:", "exec:", "ssh://", "tls://", "ws://", "fd:")

Candidate = tuple[str, str]
"""A word, and what it means in a few words."""


def candidates(words: Sequence[str]) -> list[Candidate]:
    """Returns what could stand for the last of the words.

    Args:
        words: The words after the program's name as far as the cursor. The last one is what was
            typed of the word at the cursor, and may be empty.
    """
    *before, current = words or [""]
    common = _by_flag(Common)
    name = next(iter(_positional(before, common)), "")
    command = commands.find(name)
    options = Common if command is None else command.options
    flags = _by_flag(options)
    elsewhere = Elsewhere(_value(before, "--config"), _value(before, "--token-file"))
    flag, equals, begun = current.partition("=")
    if equals and flag in flags:
        found = _values(flags[flag], begun, elsewhere)
        return _fitting(((f"{flag}={word}", told) for word, told in found), current)
    taken = flags.get(before[-1]) if before else None
    if taken is not None and not taken.is_switch:
        return _fitting(_values(taken, current, elsewhere), current)
    if current.startswith("-") and len(current) > 1:
        return _fitting(_flags(options) if command or not name else (), current)
    if command is None:
        return _fitting(_commands() if not name else (), current)
    positional = [row for _, row in rows(options) if not row.names]
    given = _positional(before, common | flags)[1:]
    if len(given) < len(positional):
        row = positional[len(given)]
    elif positional and positional[-1].many:
        row = positional[-1]
    else:
        return []
    return _fitting(_words(name, row.metavar, given, current, elsewhere), current)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the rest of the line says of where to look.

    Attributes:
        config: The value of ``--config``, if there is one.
        token_file: That of ``--token-file``.
    """

    config: str | None = None
    token_file: str | None = None


def _by_flag(options: type[Common]) -> dict[str, Row]:
    return {flag: row for _, row in rows(options) for flag in row.names}


def _value(words: Sequence[str], flag: str) -> str | None:
    """Returns what the last of an option says, if it is there."""
    found = None
    for place, word in enumerate(words):
        if word == flag and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found


def _fitting(found: Iterable[Candidate], current: str) -> list[Candidate]:
    return sorted({pair for pair in found if pair[0].startswith(current)})


def _positional(words: Sequence[str], flags: dict[str, Row]) -> list[str]:
    """Leaves the flags and their values out of the words of a command."""
    given: list[str] = []
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word.startswith("-") and len(word) > 1:
            row = flags.get(word)
            is_value = row is not None and not row.is_switch
        else:
            given.append(word)
    return given


def _commands() -> Iterator[Candidate]:
    for command in commands.every():
        yield command.name, command.help.split(". ")[0].removesuffix(".")


def _flags(options: type[Common]) -> Iterator[Candidate]:
    for _, row in rows(options):
        yield max(row.names, key=len, default=""), row.help.split(". ")[0].removesuffix(".")


def _values(row: Row, current: str, elsewhere: Elsewhere) -> Iterator[Candidate]:
    if isinstance(row.convert, Choice):
        yield from ((word, "") for word in row.convert.allowed)
    elif row.metavar == "ADDRESS":
        yield from addresses(current, elsewhere.config)
    elif row.metavar in ("PATH", "DIR", "FILE"):
        yield from files(current)


def _words(
    command: str, metavar: str, given: Sequence[str], current: str, elsewhere: Elsewhere
) -> Iterator[Candidate]:
    config_file = elsewhere.config
    if metavar == "[NAME=]ADDRESS":
        name, equals, written = current.rpartition("=")
        yield from (
            (f"{name}{equals}{each}", told) for each, told in addresses(written, config_file)
        )
    elif metavar == "ADDRESS":
        yield from addresses(current, config_file)
    elif metavar == "ACTION":
        actions: Iterable[str] = alias.ACTIONS if command == "alias" else config.ACTIONS
        yield from ((action, "") for action in actions)
    elif metavar == "COMMAND" and given == ["show"]:
        yield from _commands()
    elif metavar == "WORD" and given == ["remove"]:
        yield from ((name.removeprefix("@"), told) for name, told in _aliases(config_file))
    elif metavar == "WORD" and given[:1] == ["add"] and len(given) == 2:
        yield from addresses(current, config_file)
    elif metavar == "TARGET":
        yield from _targets(current)
    elif metavar == "PATH" and given:
        yield from _members(given[0], current, elsewhere)
    elif metavar == "PART":
        yield from _parts(current)
    elif metavar == "PAGE":
        yield from ((page, "") for page in man.pages() if page)
    elif metavar == "SHELL":
        from proxyables_cli.completion import SHELLS

        yield from ((shell, "") for shell in SHELLS)


def addresses(current: str, config_file: str | None = None) -> Iterator[Candidate]:
    """Lists addresses: sockets by their paths, the servers of this user, the schemes.

    Args:
        current: What was typed of it.
        config_file: Whose aliases are listed, if not those of the user's configuration.
    """
    if current.startswith(("/", "./", "../", "~/")):  # else a path is no address
        yield from files(current)
        return
    yield from _aliases(config_file)
    for path in runtime.sockets():
        yield f"unix:{path}", "a server of yours"
    yield from ((scheme, "") for scheme in _SCHEMES)


def _aliases(config_file: str | None) -> Iterator[Candidate]:
    try:
        named = configuration.find(config_file, os.environ).aliases()
    except Failure:
        return  # the command itself will say what is wrong with it
    yield from ((f"@{each.name}", each.address) for each in named.values())


def files(current: str, suffix: str = "") -> Iterator[Candidate]:
    """Lists directories, and files with a suffix, that a path begun could mean."""
    directory, slash, _ = current.rpartition("/")
    start = directory + slash
    try:
        entries = sorted(Path(os.path.expanduser(start) or ".").iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield f"{start}{entry.name}/", ""
        elif entry.name.endswith(suffix):
            yield f"{start}{entry.name}", ""


# -- parts of a status ----------------------------------------------------------------------------


def _parts(current: str) -> Iterator[Candidate]:
    """Lists the parts of a report that a path names so far."""
    from proxyables import Status

    container, dot, _ = current.rpartition(".")
    place: Any = Status
    for step in container.split(".") if dot else ():
        match = _STEP.fullmatch(step)
        place = _keys(place).get(match[1]) if match else None
        if match and match[2]:
            place = next(iter(typing.get_args(place)), None)
    for name, kind in _keys(place).items():
        is_list = typing.get_origin(kind) is list
        yield f"{container}{dot}{name}", "a list" if is_list else ""
        if is_list and _keys(typing.get_args(kind)[0]):
            yield f"{container}{dot}{name}[0].", "of the first"


_STEP = re.compile(r"(\w+)(\[\d+\])?")


def _keys(place: Any) -> dict[str, Any]:
    return typing.get_type_hints(place) if typing.is_typeddict(place) else {}


# -- targets --------------------------------------------------------------------------------------


def _targets(current: str) -> Iterator[Candidate]:
    module, colon, attribute = current.rpartition(":")
    if colon:
        source = _source(module)
        tree = None if source is None else _parsed(source)
        if tree is not None:
            container, dot, _ = attribute.rpartition(".")
            for name, kind in _defined(tree.body, container.split(".") if container else []):
                yield f"{module}:{container}{dot}{name}", kind
        return
    if "/" in current:
        for path, told in files(current, ".py"):
            yield (path if path.endswith("/") else f"{path}:"), told
        return
    package, dot, _ = current.rpartition(".")
    directory = Path(*package.split(".")) if package else Path()
    for name in _modules(directory):
        yield f"{package}{dot}{name}:", "module"
        if (directory / name).is_dir():
            yield f"{package}{dot}{name}.", "package"


def _modules(directory: Path) -> Iterator[str]:
    """Lists modules and packages in a directory, read like an import would."""
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return
    for entry in entries:
        if not entry.stem.isidentifier() or entry.stem.startswith("_"):
            continue
        if entry.suffix == ".py" or (entry / "__init__.py").exists():
            yield entry.stem


def _source(module: str) -> Path | None:
    """Finds the file of a module, without importing the packages around it."""
    if module.endswith(".py"):
        return Path(os.path.expanduser(module))
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for base in ["", *sys.path]:
        path = Path(base, *parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _parsed(path: Path) -> ast.Module | None:
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read(_MAX_SOURCE))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _defined(body: list[ast.stmt], inside: list[str]) -> Iterator[Candidate]:
    """Lists what a module, or a class in it, defines by a statement of its own."""
    if inside:
        for statement in body:
            if isinstance(statement, ast.ClassDef) and statement.name == inside[0]:
                yield from _defined(statement.body, inside[1:])
        return
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names, kind = [statement.name], "function"
        elif isinstance(statement, ast.ClassDef):
            names, kind = [statement.name], "class"
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names, kind = [each.id for each in targets if isinstance(each, ast.Name)], "object"
        else:
            continue
        yield from ((name, kind) for name in names if not name.startswith("_"))


# -- remote members -------------------------------------------------------------------------------

_LAST_NAME = re.compile(r"(?:^|(?<=\.))[^\W\d]?\w*$")


def _members(address: str, current: str, elsewhere: Elsewhere) -> Iterator[Candidate]:
    """Asks the server of an address for the members of what the path names so far."""
    from proxyables_cli import connecting, paths

    match = _LAST_NAME.search(current)
    if match is None:
        return
    start = current[: match.start()]
    try:
        steps = paths.parse(start.removesuffix("."))
        where = connecting.place(address, elsewhere.token_file, elsewhere.config)
        found = asyncio.run(_ask(where, steps))
    except Exception:  # whatever is wrong, the command itself will say it
        return
    for name, kind in found:
        yield f"{start}{name}", kind


async def _ask(place: Place, steps: list[tuple[str, object]]) -> list[Candidate]:
    from proxyables import connect, describe  # before the clock runs
    from proxyables_cli import paths

    async with (
        asyncio.timeout(PATIENCE),
        connect(place.address, timeout=PATIENCE, token=place.token) as peer,
    ):
        told = await describe(paths.walk(peer.root, steps), static=True)
    return members_of(told)


def members_of(told: dict[str, Any]) -> list[Candidate]:
    """Returns the members that a server has told of, as far as they are names.

    What is completed is run when somebody presses Enter: a server chooses no more than names.
    """
    rows_told = [(str(row["name"]), str(row["kind"])) for row in told["members"]]
    return [(name, kind) for name, kind in rows_told if name.isidentifier()]


__all__ = ["PATIENCE", "Candidate", "addresses", "candidates", "files", "members_of"]
