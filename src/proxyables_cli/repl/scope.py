"""The names that cells see."""

from __future__ import annotations

import asyncio
import builtins
import itertools
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from proxyables_cli.repl.resolution import Resolver, UserValue
from proxyables_cli.repl.rewriting import RESOLVER

_KEPT_VALUES = ("_", "__", "_err")
MOST_SHOWN = 50
"""Shown values that are kept, and with them what they are over there."""


class Scope:
    """The module in which a session's code runs.

    It is called ``__main__``, as it is for any script: classes that are defined in it, and modules
    such as dataclasses that look classes up, expect a module of that name.

    Args:
        resolver: What rewritten code calls.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.module = ModuleType("__main__")
        self.names: dict[str, UserValue] = self.module.__dict__
        self.names.update(asyncio=asyncio, __builtins__=builtins)
        self.names[RESOLVER] = resolver
        self._given = set(self.names)
        self.shown: deque[tuple[int, UserValue]] = deque(maxlen=MOST_SHOWN)
        """The values that were shown last, and the number of each."""
        self._numbers = itertools.count(1)

    def bind(self, name: str, value: UserValue) -> None:
        """Gives a name to the user's code, as something of ours that `reset` keeps."""
        self.names[name] = value
        self._given.add(name)

    def unbind(self, name: str) -> None:
        self.names.pop(name, None)
        self._given.discard(name)

    def displayed(self, value: UserValue) -> None:
        """Keeps a value that was shown: ``_`` is the last one, ``__`` the one before."""
        if value is not None:
            self.names["__"] = self.names.get("_")
            self.names["_"] = value
            self.shown.append((next(self._numbers), value))

    def failed(self, error: BaseException) -> None:
        """Keeps an exception as ``_err``."""
        self.names["_err"] = error

    def forget(self, prefix: str) -> None:
        """Drops the names that begin with `prefix`, and with them what they keep alive."""
        for name in [name for name in self.names if name.startswith(prefix)]:
            del self.names[name]

    def reset(self) -> int:
        """Drops every name of the user's; returns how many there were."""
        mine = self.mine()
        for name in (*mine, *_KEPT_VALUES):
            self.names.pop(name, None)
        self.shown.clear()
        return len(mine)

    def mine(self) -> list[str]:
        """The names that the user made."""
        return [
            name for name in self.visible() if name not in self._given and name not in _KEPT_VALUES
        ]

    def visible(self) -> list[str]:
        """The names that a user means, without the hidden ones."""
        return [name for name in self.names if not name.startswith("__")]

    @contextmanager
    def as_main(self) -> Iterator[None]:
        """Puts the module where the interpreter looks for ``__main__``, and the old one back."""
        before = sys.modules.get("__main__")
        sys.modules["__main__"] = self.module
        try:
            yield
        finally:
            if before is not None:
                sys.modules["__main__"] = before


__all__ = ["Scope"]
