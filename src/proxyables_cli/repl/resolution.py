"""What rewritten code calls at run time: the choice between remote and local.

`Resolver` is the object behind the name ``__px__`` in a cell. Each of its coroutines leaves a
local value exactly as it is, without a turn of the loop, so local code behaves as in plain Python.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import AsyncGeneratorType, TracebackType
from typing import Any, TypeAlias

from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.ordering import Ordering, orders

UserValue: TypeAlias = Any
"""Anything that the user's code holds: a local object, or a cursor."""


@dataclass(frozen=True, slots=True)
class Remoting:
    """What the resolver has to know of the library.

    Attributes:
        cursor: The type of every remote chain.
        assign: Makes the awaitable that sets what a chain names.
        delete: Makes the awaitable that deletes what a chain names.
        perform: Makes the awaitable of an operation on a chain, by its name.
        ref: Makes the awaitable of a reference to what a chain gives.
        same_peer: Whether two cursors belong to one connection.
        pipelines: Whether a cursor's peer can take chains as arguments (classic ones cannot).
        is_settled: Whether a cursor is a reference with nothing left to run.
        takers: Local functions that want a chain itself, not its value.
    """

    cursor: type
    assign: Callable[[UserValue, UserValue], Awaitable[object]]
    delete: Callable[[UserValue], Awaitable[object]]
    perform: Callable[..., Awaitable[UserValue]]
    ref: Callable[[UserValue], Awaitable[UserValue]]
    same_peer: Callable[[UserValue, UserValue], bool]
    pipelines: Callable[[UserValue], bool]
    is_settled: Callable[[UserValue], bool]
    takers: tuple[Callable[..., object], ...] = ()


_AWAITABLE_TAKERS = (asyncio.gather, asyncio.wait_for, asyncio.ensure_future, asyncio.shield)
_OPERATIONS: dict[Callable[..., object], str] = {
    each: each.__name__ for each in (len, str, repr, dir, bool, next, int, float)
} | {print: "str"}
"""What a builtin asks of its argument, by the name of the operation."""
_EXHAUSTIVE = (list, tuple, set, frozenset, dict, sorted, sum, min, max, any, all, enumerate, zip)


class Resolver:
    """Decides, for each place that was rewritten, whether something remote is there.

    Args:
        remoting: The library's side.
    """

    __slots__ = ("_remoting",)

    def __init__(self, remoting: Remoting) -> None:
        self._remoting = remoting

    def is_remote(self, value: object) -> bool:
        return isinstance(value, self._remoting.cursor)

    async def resolve(self, value: UserValue) -> UserValue:
        """The value of a chain: one message if it is remote."""
        if isinstance(value, Deferred):
            value = await value
        if self.is_remote(value):
            return value if self._remoting.is_settled(value) else await value
        return value

    async def argument(self, callee: object, value: UserValue) -> UserValue:
        """A chain as the argument of `callee`: stays one if it can run over there."""
        if isinstance(value, Generation):
            return value.source if self.is_remote(callee) else await value.given_to(callee)
        if self._keeps_chain(callee, value):
            return value
        return await self.ask(callee, await self.resolve(value))

    async def consume(self, callee: object, generation: Generation) -> UserValue:
        """As `argument`, for a generator expression that nobody but `callee` can have."""
        given: UserValue = generation
        try:
            given = await self.argument(callee, generation)
            return given
        finally:
            if given is not generation and given is not generation.source:
                await generation.source.aclose()

    async def ask(self, callee: object, value: UserValue) -> UserValue:
        """What a local function gets for a remote object.

        A builtin that would go through all of its items gets them, one such as `len` gets
        something that answers as the object over there does; any other gets the cursor.
        """
        if not self.is_remote(value):
            return value
        if any(callee is each for each in _EXHAUSTIVE):
            return await self.unpack(value)
        for builtin, operation in _OPERATIONS.items():
            if callee is builtin:
                return _Answer(await self._remoting.perform(value, operation))
        return value

    async def text(self, value: UserValue, operation: str) -> UserValue:
        """What an f-string gets for a value: the text that a remote object has over there."""
        if not self.is_remote(value):
            return value
        return _Answer(await self._remoting.perform(value, operation))

    def ordering(self, callee: UserValue) -> UserValue:
        """What to call in place of `sorted`, `min` and `max`; any other function is itself."""
        return Ordering(callee, self.is_remote, self.resolve) if orders(callee) else callee

    async def contains(self, item: UserValue, container: UserValue) -> bool:
        """``item in container``; a remote container is asked, not fetched."""
        if not self._keeps_chain(container, item):
            item = await self.resolve(item)
        if isinstance(container, Deferred):
            container = await container
        if not self.is_remote(container):
            return item in container
        if not self._remoting.pipelines(container):
            return item in await self.unpack(container)
        return bool(await self._remoting.perform(container, "contains", item))

    async def hold(self, value: UserValue) -> UserValue:
        """What a chain with a call in it gives, once, for a use of it in several messages."""
        if not self.is_remote(value) or self._remoting.is_settled(value):
            return await self.resolve(value)
        pipelines = self._remoting.pipelines(value)
        return await (self._remoting.ref(value) if pipelines else value)

    def _keeps_chain(self, callee: object, value: UserValue) -> bool:
        if self.is_remote(callee):
            if not self.is_remote(value):
                return not isinstance(value, Deferred)
            same = self._remoting.same_peer(callee, value)
            return same and self._remoting.pipelines(callee)
        return any(callee is taker for taker in (*self._remoting.takers, *_AWAITABLE_TAKERS))

    async def unpack(self, value: UserValue) -> UserValue:
        """A value for ``*value`` or ``a, b = value``: remote items are fetched."""
        value = await self.resolve(value)
        if self.is_remote(value) or isinstance(value, Generation):
            return [item async for item in await self.iterate(value)]
        return value

    async def iterate(self, value: UserValue) -> AsyncIterator[UserValue]:
        """An asynchronous iterator over anything that a plain ``for`` takes, and remote ones.

        Raises:
            TypeError: `value` is local and not iterable.
        """
        if isinstance(value, Deferred) or (
            self.is_remote(value) and not self._remoting.pipelines(value)
        ):
            value = await value
        if self.is_remote(value) or isinstance(value, (Generation, AsyncGeneratorType)):
            return aiter(value)
        return _Iteration(iter(value))

    async def manage(self, value: UserValue) -> UserValue:
        """An asynchronous context manager for anything that a plain ``with`` takes."""
        if isinstance(value, Deferred):
            value = await value
        if self.is_remote(value):
            return value
        return _Context(value)

    def generation(self, source: AsyncGeneratorType[UserValue, None]) -> Generation:
        return Generation(source)

    make_slice = staticmethod(slice)

    async def set_attribute(self, value: UserValue, owner: UserValue, name: str) -> None:
        if self.is_remote(owner):
            await self._remoting.assign(getattr(owner, name), value)
        else:
            setattr(owner, name, value)

    async def set_item(self, value: UserValue, owner: UserValue, key: UserValue) -> None:
        if self.is_remote(owner):
            await self._remoting.assign(owner[key], value)
        else:
            owner[key] = value

    async def delete_attribute(self, owner: UserValue, name: str) -> None:
        if self.is_remote(owner):
            await self._remoting.delete(getattr(owner, name))
        else:
            delattr(owner, name)

    async def delete_item(self, owner: UserValue, key: UserValue) -> None:
        if self.is_remote(owner):
            await self._remoting.delete(owner[key])
        else:
            del owner[key]


class Generation:
    """A generator expression whose parts may be remote.

    It is asynchronous inside. As long as everything in it is local it never waits, so it can
    also be driven by a plain iteration and is then lazy as any generator expression.
    """

    __slots__ = ("source",)

    def __init__(self, source: AsyncGeneratorType[UserValue, None]) -> None:
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
            TypeError(
                "this generator expression needs remote values while local code iterates over it: "
                "write [...] for a list in its place"
            )
        )
        raise RuntimeError("generator expression went on after an error was raised in it")

    def close(self) -> None:
        """Accepted for those who close generators; the loop finalises what is left over."""

    async def given_to(self, callee: UserValue) -> UserValue:
        """What to pass in its place to a local function: as much of it as that will use."""
        if callee is any or callee is all:
            items = []
            async for item in self.source:
                items.append(item)
                if bool(item) is (callee is any):
                    break
            return items
        if callee is next:
            async for item in self.source:
                return iter([item])
            return iter(())
        joins = getattr(callee, "__name__", "") == "join" and isinstance(
            getattr(callee, "__self__", None), (str, bytes, bytearray)
        )
        if joins or any(callee is each for each in _EXHAUSTIVE[:-2]):
            return [item async for item in self.source]
        return self


class _Answer:
    """Stands for a remote object towards one builtin, whose answer is known already."""

    __slots__ = ("_answer",)

    def __init__(self, answer: UserValue) -> None:
        self._answer = answer

    def _tell(self) -> UserValue:
        return self._answer

    __len__ = __str__ = __repr__ = __dir__ = __bool__ = __next__ = __int__ = __float__ = _tell

    def __format__(self, spec: str) -> str:
        return format(self._answer, spec)


class _Iteration:
    """A local iterator under an asynchronous face; it never waits."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[UserValue]) -> None:
        self._items = items

    def __aiter__(self) -> _Iteration:
        return self

    async def __anext__(self) -> UserValue:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


class _Context:
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


__all__ = ["Generation", "Remoting", "Resolver", "UserValue"]
