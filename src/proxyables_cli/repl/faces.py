"""What stands for a value in rewritten code: local ones under asynchronous faces, and answers."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, TypeAlias

from proxyables_cli.repl.notes import only_here

UserValue: TypeAlias = Any
"""Anything that the user's code holds: a local object, or a cursor."""

EXHAUSTIVE = (list, tuple, set, frozenset, dict, sorted, sum, min, max, any, all)
"""Builtins that go through all items of their argument."""
_METHODS = frozenset({"join", "extend", "update", "union", "fromkeys"})
_OWNERS = (str, bytes, bytearray, list, set, frozenset, dict)


def takes_items(callee: UserValue) -> bool:
    """Whether a local function will go through all items of what it is given, and keep none."""
    if any(callee is each for each in EXHAUSTIVE):
        return True
    owner = getattr(callee, "__self__", None)
    is_builtin = any(owner is each or type(owner) is each for each in _OWNERS)
    return is_builtin and getattr(callee, "__name__", "") in _METHODS


class Generation:
    """A generator expression whose parts may be remote.

    It is asynchronous inside. As long as everything in it is local it never waits, so it can
    also be driven by a plain iteration and is then lazy as any generator expression.
    """

    __slots__ = ("source",)

    def __init__(self, source: AsyncGenerator[UserValue, None]) -> None:
        self.source = source

    def __aiter__(self) -> AsyncIterator[UserValue]:
        return self.source

    def __iter__(self) -> Iterator[UserValue]:
        return self

    def __next__(self) -> UserValue:
        # Without the loop's hooks: else an unfinished one would end in a task of the loop, and
        # not at once, as a plain generator does.
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            step = self.source.__anext__()
        finally:
            sys.set_asyncgen_hooks(*hooks)
        try:
            step.send(None)
        except StopIteration as item:
            return item.value
        except StopAsyncIteration:
            raise StopIteration from None
        # It waits for the other side, and a plain iteration cannot.
        step.throw(
            only_here(
                TypeError(
                    "this generator expression needs remote values while local code iterates over "
                    "it: write [...] for a list in its place"
                )
            )
        )
        raise RuntimeError("generator expression went on after an error was raised in it")

    def close(self) -> None:
        """Accepted for those who close generators; the loop finalises what is left over."""

    async def given_to(
        self, callee: UserValue, decide: Callable[[UserValue], Awaitable[UserValue]]
    ) -> UserValue:
        """What to pass in its place to a local function: as much of it as that will use.

        Args:
            callee: The function.
            decide: Gives something as true as an item, which may be remote.
        """
        if callee is any or callee is all:
            items = []
            async for item in self.source:
                items.append(await decide(item))
                if bool(items[-1]) is (callee is any):
                    break
            return items
        if callee is next:
            async for item in self.source:
                return iter([item])
            return iter(())
        if takes_items(callee):
            return [item async for item in self.source]
        return self


class Answer:
    """Stands for a remote object towards one builtin, whose answer is known already."""

    __slots__ = ("_answer",)

    def __init__(self, answer: UserValue) -> None:
        self._answer = answer

    def _tell(self) -> UserValue:
        return self._answer

    __len__ = __str__ = __repr__ = __dir__ = __bool__ = __next__ = __int__ = __float__ = _tell

    def __format__(self, spec: str) -> str:
        return format(self._answer, spec)


class Iteration:
    """A local iterator under an asynchronous face; it never waits."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[UserValue]) -> None:
        self._items = items

    def __aiter__(self) -> Iteration:
        return self

    async def __anext__(self) -> UserValue:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


class Context:
    """A local context manager under an asynchronous face; it never waits."""

    __slots__ = ("_exit", "_manager")

    def __init__(self, manager: UserValue) -> None:
        kind = type(manager)
        if not (hasattr(kind, "__enter__") and hasattr(kind, "__exit__")):
            raise TypeError(
                f"{kind.__name__!r} object does not support the context manager protocol"
            )
        self._manager = manager
        self._exit = kind.__exit__

    async def __aenter__(self) -> UserValue:
        return type(self._manager).__enter__(self._manager)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return bool(self._exit(self._manager, kind, error, traceback))


__all__ = ["Answer", "Context", "Generation", "Iteration", "UserValue", "takes_items"]
