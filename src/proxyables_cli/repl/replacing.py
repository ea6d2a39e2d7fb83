"""What stands for a builtin in a cell, where remote values need another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from proxyables_cli.repl.notes import Note

UserValue: TypeAlias = Any


class Replacement:
    """Stands for a builtin.

    Args:
        callee: The builtin.
        is_remote: Tells cursors from other values.
        resolve: Fetches the value of a chain.
        note: Hears what was done at the place that called; REPLACED if anything was remote.
    """

    __slots__ = ("_callee", "_is_remote", "_note", "_resolve")

    def __init__(
        self,
        callee: Callable[..., UserValue],
        is_remote: Callable[[object], bool],
        resolve: Callable[[UserValue], Awaitable[UserValue]],
        note: Note,
    ) -> None:
        self._callee = callee
        self._is_remote = is_remote
        self._resolve = resolve
        self._note = note


__all__ = ["Replacement", "UserValue"]
