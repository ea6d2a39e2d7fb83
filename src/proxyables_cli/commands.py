"""The commands of the program, found by name without importing the others."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from proxyables.frozen import frozen
from proxyables_cli import configuration
from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, build, configurable
from proxyables_cli.settings import Settings

# In the order of the help. `call.py` has three commands, and `repl` is the name of a package.
_MODULES = {
    "serve": "serve",
    "repl": "console",
    "call": "call",
    "get": "call",
    "set": "call",
    "ls": "ls",
    "describe": "describe",
    "ping": "ping",
    "status": "status",
    "top": "top",
    "trace": "trace",
    "bridge": "bridge.command",
    "demo": "demo",
    "alias": "alias",
    "config": "config",
    "completion": "completion",
    "man": "man",
    "doctor": "doctor",
}


PROTECTED = "\0"
"""Stands before a word that parsers must not take for an option; no word of a shell holds it."""


@frozen
class Invocation:
    """What a command line asks for.

    Attributes:
        command: The command.
        options: An instance of the command's own table.
    """

    command: Command
    options: Any

    def run(self) -> int:
        """Does it, and returns the exit code."""
        return self.command.run(self.options)


def understand(command: Command, typed: Mapping[str, Any]) -> Invocation:
    """Makes an invocation of what a parser read, and of what was said elsewhere.

    Raises:
        Failure: An option's value is wrong.
    """
    typed = unprotected(typed)
    file = configuration.find(typed.get("config"), os.environ)
    keys = [row.key for row in configurable(command.options)]
    settings = Settings(command.name, keys, os.environ, file)
    try:
        return Invocation(command, build(command.options, typed, settings))
    except Failure as failure:
        if command.needs_settings or failure.code != Code.CONFIGURATION:
            raise
    return Invocation(command, build(command.options, typed))


def unprotected(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was typed, as it was written."""
    return {name: _unprotected(content) for name, content in typed.items()}


def _unprotected(content: Any) -> Any:
    if isinstance(content, str):
        return content.removeprefix(PROTECTED)
    return [_unprotected(each) for each in content] if isinstance(content, list) else content


def find(name: str) -> Command | None:
    """Returns the command with this name, if there is one."""
    if name not in _MODULES:
        return None
    module = importlib.import_module(f"proxyables_cli.{_MODULES[name]}")
    declared: tuple[Command, ...] = module.COMMANDS
    return next(command for command in declared if command.name == name)


def first(words: Sequence[str]) -> str:
    """Returns the name of the command in a command line; empty if there is none."""
    return next((word for word in words if word in _MODULES), "")


def every() -> list[Command]:
    """Returns all commands, in the order of the help."""
    return [command for name in _MODULES if (command := find(name)) is not None]


__all__ = ["PROTECTED", "Invocation", "every", "find", "first", "understand", "unprotected"]
