"""What was said about an option elsewhere than on the command line.

The environment is asked first, then the configuration's table of the command, then its table for
all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from proxyables.frozen import frozen
from proxyables_cli.configuration import DEFAULTS, Configuration, Table

if TYPE_CHECKING:
    from proxyables_cli.options import Row


@frozen
class Said:
    """A setting as it was found.

    Attributes:
        content: The text of a variable, or a value of TOML.
        origin: How an error, and ``config show``, names where it stands.
    """

    content: object
    origin: str


class Settings:
    """The environment and the configuration, as one command sees them.

    Args:
        command: Whose table is read.
        keys: The options of that command.
        environment: Of the process.
        configuration: The file.
    """

    def __init__(
        self,
        command: str,
        keys: Collection[str],
        environment: Mapping[str, str],
        configuration: Configuration,
    ) -> None:
        self._command = command
        self._keys = keys
        self._environment = environment
        self._configuration = configuration

    @cached_property
    def _tables(self) -> dict[str, Table]:
        """What the file says, nearest first."""
        own = self._configuration.table(self._command, self._keys)
        return {self._command: own, DEFAULTS: self._configuration.tables.get(DEFAULTS, {})}

    def look_up(self, row: Row) -> Said | None:
        """Returns what was said of an option, if anything.

        Raises:
            Failure: The configuration is wrong.
        """
        if not row.variable:
            return None
        if text := self._environment.get(row.variable):
            return Said(text, row.variable)
        for name, table in self._tables.items():
            if row.key in table:
                origin = f"{self._configuration.path}: {name}.{row.key}"
                return Said(table[row.key], origin)
        return None


__all__ = ["Said", "Settings"]
