"""``config``: what is in force, where it was said, and whether the file is right."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from proxyables_cli import commands, configuration, stdout
from proxyables_cli.aliases import check_address
from proxyables_cli.configuration import ALIASES, DEFAULTS, Configuration, nearest
from proxyables_cli.exits import Code, Failure, printable, talk
from proxyables_cli.options import Command, Common, Row, configurable, convert, word
from proxyables_cli.output import Printing
from proxyables_cli.settings import Settings

ACTIONS = ("show", "path", "check", "edit")
_SEVERAL = "*"
"""In place of a command's name: what is set is set for several."""


class ConfigOptions(Printing):
    """The command line of ``config``."""

    action: str = word(
        "ACTION",
        text="show (the default), path, check, or edit, which opens the file in $EDITOR.",
        required=False,
    )
    command: str = word(
        "COMMAND",
        text="With show: all options of this command. Else those that something was said about.",
        required=False,
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """One option of one command, as it is in force when nothing is typed.

    Attributes:
        command: Whose.
        option: Its name in the configuration.
        value: The built-in default, or what was said; as text where it was text.
        origin: ``default``, the name of a variable, or a place in a file.
    """

    command: str
    option: str
    value: Any
    origin: str


def run(options: ConfigOptions) -> int:
    """Does what the action says."""
    action = options.action or "show"
    if action not in ACTIONS:
        hint = nearest(action, ACTIONS) or f"it takes {', '.join(ACTIONS)}"
        raise Failure(Code.USAGE, f"config has no action {action!r}", hint)
    if options.command and action != "show":
        raise Failure(Code.USAGE, f"config {action} takes no command, got {options.command!r}")
    file = configuration.find(options.config, os.environ)
    if action == "path":
        stdout.line(file.path)
    elif action == "edit":
        return _edit(file)
    elif action == "check":
        check(file)
        if not options.quiet:
            told = "is right" if os.path.exists(file.path) else "does not exist, which is right"
            talk(f"{file.path} {told}")
    else:
        _show(file, options)
    return 0


def _show(file: Configuration, options: ConfigOptions) -> None:
    found = list(_settings(file, options.command))
    if not options.command:
        found = _together(found)
    if not found and not options.quiet:
        talk(f"nothing is set; proxyables config show COMMAND tells defaults, {file.path} is read")
    if not options.is_for_a_reader:
        options.printer.rows([asdict(each) for each in found])
        return
    texts = [(f"{each.command} {each.option}", _shown(each.value), each.origin) for each in found]
    wide = [max((len(row[place]) for row in texts), default=0) for place in (0, 1)]
    for name, content, origin in texts:
        stdout.line(printable(f"{name:{wide[0]}}  {content:{wide[1]}}  {origin}"))


def _settings(file: Configuration, only: str) -> Iterator[Setting]:
    """Finds the options of one command, or what was said about any of all.

    Raises:
        Failure: There is no such command, or something that was said is wrong.
    """
    known = {command.name: command for command in commands.every()}
    if only and only not in known:
        raise Failure(Code.USAGE, f"there is no command {only!r}", nearest(only, known))
    for command in [known[only]] if only else known.values():
        table = configurable(command.options)
        settings = Settings(command.name, [row.key for row in table], os.environ, file)
        defaults = _defaults(command.options)
        for row in table:
            said = settings.look_up(row)
            if said is not None:
                _convertible(row, said.content, said.origin)
                yield Setting(command.name, row.key, said.content, said.origin)
            elif only:
                yield Setting(command.name, row.key, defaults[row.key], "default")


def _together(settings: list[Setting]) -> list[Setting]:
    """Tells once what was said for several commands."""
    found: dict[tuple[str, str], Setting] = {}
    for each in settings:
        key = (each.option, each.origin)
        found[key] = replace(each, command=_SEVERAL) if key in found else each
    return list(found.values())


def _defaults(options: type[Common]) -> dict[str, Any]:
    return {row.key: row.default for row in configurable(options)}


def _shown(content: object) -> str:
    if content is None or content == "":
        return "-"
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, (list, tuple)):
        return " ".join(map(str, content)) or "-"
    return str(content)


def check(file: Configuration) -> None:
    """Looks at every table and every value.

    Raises:
        Failure: Something is wrong; the first such thing is told.
    """
    every = {command.name: configurable(command.options) for command in commands.every()}
    by_key: dict[str, dict[str, list[Row]]] = {DEFAULTS: {}}
    for name, rows in every.items():
        by_key[name] = {row.key: [row] for row in rows}
        for row in rows:
            by_key[DEFAULTS].setdefault(row.key, []).append(row)
    for alias in file.aliases().values():
        try:
            check_address(alias.address)
        except ValueError as error:
            raise file.failure(f"{ALIASES}.{alias.name}: {error}") from None
    for name in file.tables:
        if name == ALIASES:
            continue
        if name not in by_key:
            raise file.failure(f"there is no command {name!r}", nearest(name, list(every)))
        for key, content in file.table(name, by_key[name]).items():
            for row in by_key[name][key]:
                _convertible(row, content, f"{file.path}: {name}.{key}")


def _convertible(row: Row, content: object, origin: str) -> None:
    try:
        convert(row, content)
    except ValueError as error:
        raise Failure(Code.CONFIGURATION, f"{origin} {error}") from None


def _edit(file: Configuration) -> int:
    """Opens the file in the user's editor, and checks it afterwards."""
    said = (os.environ.get(name, "").strip() for name in ("VISUAL", "EDITOR"))
    editor = next(filter(None, said), "vi")
    try:
        os.makedirs(os.path.dirname(file.path) or ".", mode=0o700, exist_ok=True)
        code = subprocess.run([*shlex.split(editor), file.path], check=False).returncode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = "set EDITOR to one that is there"
        raise Failure(
            Code.CONFIGURATION, f"cannot run the editor {editor!r}: {why.lower()}", hint
        ) from None
    if code != 0:
        raise Failure(Code.RAISED, f"the editor {editor!r} ended with code {code}")
    check(file)
    return 0


COMMANDS = (
    Command(
        "config",
        ConfigOptions,
        run,
        help="Show what options are set to when nothing is typed, and where it was said.",
        epilog="Example: proxyables config show serve",
        needs_settings=False,
    ),
)

__all__ = ["ACTIONS", "COMMANDS", "ConfigOptions", "check", "run"]
