"""Objects whose special methods tell that they have run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from proxyables import hidden
from proxyables.objects.tables import RUN_BY_BUILTINS

RAN: list[str] = []
"""The methods of vaults that have run, in order."""


def watched(name: str, mark: Any = hidden) -> Any:
    """Returns a marked method that tells that it has run."""

    def method(self: Any, *args: Any) -> Any:
        RAN.append(name)
        raise TypeError(name)

    return mark(method)


def vault(mark: Any = hidden, names: Iterable[str] = RUN_BY_BUILTINS) -> Any:
    """Returns an object that has these special methods, all of them marked."""
    return type("Vault", (), {name: watched(name, mark) for name in names})()
