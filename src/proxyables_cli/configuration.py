"""The configuration file: defaults for options, and names for addresses.

``$XDG_CONFIG_HOME/proxyables/config.toml``, unless ``--config`` or ``PROXYABLES_CONFIG`` names
another. A table has the name of its command, and in it stand options without their dashes;
``[defaults]`` is for every command that has such an option, ``[aliases]`` names addresses. A file
that is not there is an empty one, unless somebody asked for it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from proxyables.frozen import frozen
from proxyables_cli.exits import Code, Failure

ALIASES = "aliases"
DEFAULTS = "defaults"
VARIABLE = "PROXYABLES_CONFIG"

MOST_BYTES = 1 << 20
_ALIAS_KEYS = ("address", "token-file")

Table = dict[str, Any]


@frozen
class Alias:
    """A name for an address.

    Attributes:
        name: Without the ``@``.
        address: As it was written.
        token_file: The secret of the server that is there, if it asks for one.
    """

    name: str
    address: str
    token_file: str | None = None


class Configuration:
    """One configuration file, read when it is first asked.

    Args:
        path: Where it is.
        required: Whether somebody asked for this very file, so that it must be there.
        origin: The variable that did, if one did.
    """

    def __init__(self, path: str, *, required: bool = False, origin: str = "") -> None:
        self.path = path
        self._required = required
        self._origin = origin

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The tables of the file, by name.

        Raises:
            Failure: It cannot be read, or is not such a file; the code is for a wrong
                configuration.
        """
        try:
            with open(self.path, "rb") as file:
                content = file.read(MOST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._required:
                raise self._unreadable(error) from None
            return {}
        except OSError as error:
            raise self._unreadable(error) from None
        if len(content) > MOST_BYTES:
            raise self.failure(f"it has more than {MOST_BYTES} bytes")
        return self._parse(content)

    def _parse(self, content: bytes) -> dict[str, Table]:
        import tomllib  # most users have no such file

        try:
            document = tomllib.loads(content.decode())
        except UnicodeDecodeError:
            raise self.failure("it is not UTF-8 text") from None
        except (ValueError, RecursionError) as error:  # a number of too many digits is one as well
            raise self.failure(f"it is not TOML: {str(error).lower()}") from None
        for name, table in document.items():
            if not isinstance(table, dict):
                hint = "write options in the table of their command, as in [serve]"
                raise self.failure(f"{name!r} stands in no table", hint)
        return document

    def table(self, name: str, keys: Collection[str]) -> Table:
        """Returns a table, empty if there is none.

        Args:
            name: Of a command.
            keys: What may stand in it.

        Raises:
            Failure: Something else stands in it.
        """
        table = self.tables.get(name, {})
        for key in table:
            if key not in keys:
                raise self.failure(f"{name} has no option {key!r}", nearest(key, keys))
        return table

    def aliases(self) -> dict[str, Alias]:
        """Returns the names of addresses.

        Raises:
            Failure: One of them is written in another way than as text, or as a table with an
                address and perhaps a token-file.
        """
        return {
            name: self._alias(name, written)
            for name, written in self.tables.get(ALIASES, {}).items()
        }

    def _alias(self, name: str, written: object) -> Alias:
        if isinstance(written, str):
            return Alias(name, written)
        what = f"{ALIASES}.{name}"
        if not isinstance(written, dict) or not isinstance(written.get("address"), str):
            raise self.failure(f"{what} is no address", f'write {name} = "ADDRESS"')
        for key, content in written.items():
            if key not in _ALIAS_KEYS:
                raise self.failure(f"{what} has no {key!r}", nearest(key, _ALIAS_KEYS))
            if not isinstance(content, str):
                raise self.failure(f"{what}.{key} takes text, got {content!r}")
        return Alias(name, written["address"], written.get("token-file"))

    def failure(self, message: str, hint: str = "") -> Failure:
        """Makes the error that something in this file is wrong."""
        return Failure(Code.CONFIGURATION, f"{self.path}: {message}", hint)

    def _unreadable(self, error: OSError) -> Failure:
        why = (error.strerror or str(error)).lower()
        told = f"cannot read the configuration {self.path}: {why}"
        return Failure(Code.CONFIGURATION, f"{self._origin}: {told}" if self._origin else told)


def find(named: str | None, environment: Mapping[str, str]) -> Configuration:
    """Returns the configuration in force. Nothing is read yet.

    Args:
        named: What ``--config`` said, if anything.
        environment: Of the process.
    """
    origin = "" if named else VARIABLE
    named = named or environment.get(VARIABLE)
    if named:
        return Configuration(os.path.expanduser(named), required=True, origin=origin)
    base = environment.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # the specification has relative ones ignored
        base = os.path.join(os.path.expanduser("~"), ".config")
    return Configuration(os.path.join(base, "proxyables", "config.toml"))


def nearest(word: str, words: Collection[str]) -> str:
    """Asks whether the nearest of some words was meant; empty if none is near."""
    import difflib

    near = difflib.get_close_matches(word, words, 1)
    return f"did you mean {near[0]!r}?" if near else ""


__all__ = ["ALIASES", "DEFAULTS", "Alias", "Configuration", "find", "nearest"]
