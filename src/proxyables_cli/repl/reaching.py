"""`getattr` and its kin, and `format`, on remote objects, which are asked.

A cursor has every attribute until it is awaited, so `hasattr` itself would always say yes.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.notes import REPLACED, local_to
from proxyables_cli.repl.replacing import Replacement, UserValue

_REACHING = (getattr, hasattr, setattr, delattr, format)
_LOCAL = local_to("builtin").found


class Reaching(Replacement):
    """Stands for one of the builtins in a cell.

    Args:
        assign: Sets what a chain names.
        delete: Deletes it.
        perform: Makes the awaitable of an operation on a chain.
        given: As `Replacement` takes it.
    """

    __slots__ = ("_assign", "_delete", "_perform")

    def __init__(
        self,
        assign: Callable[[UserValue, UserValue], Awaitable[object]],
        delete: Callable[[UserValue], Awaitable[object]],
        perform: Callable[..., Awaitable[UserValue]],
        *given: UserValue,
    ) -> None:
        super().__init__(*given)
        self._assign = assign
        self._delete = delete
        self._perform = perform

    def __call__(self, *args: UserValue) -> UserValue:
        """Calls the builtin; a `Deferred` where the other side is asked."""
        few, many = (1, 2) if self._callee is format else (2, 3)
        if not (few <= len(args) <= many and self._is_remote(args[0])):
            self._note(sys._getframe(1), _LOCAL)
            return self._callee(*args)
        if self._callee is getattr and len(args) == few:
            return getattr(*args)  # a chain like any other
        self._note(sys._getframe(1), REPLACED)
        return Deferred(lambda: self._reached(*args))

    async def _reached(self, owner: UserValue, *rest: UserValue) -> UserValue:
        if self._callee is format:
            return await self._perform(owner, "format", *(rest or ("",)))
        name, *value = rest
        path = getattr(owner, name)
        if self._callee is setattr:
            return await self._assign(path, *value)
        if self._callee is delattr:
            return await self._delete(path, *value)
        try:
            found = await self._resolve(path)
        except AttributeError:
            return False if self._callee is hasattr else value[0]
        return True if self._callee is hasattr else found


def reaches(callee: object) -> bool:
    """Whether a function is one of the builtins that this module is about."""
    return any(callee is each for each in _REACHING)


__all__ = ["Reaching", "reaches"]
