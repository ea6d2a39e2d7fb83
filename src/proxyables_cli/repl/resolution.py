"""What rewritten code calls at run time: the choice between remote and local.

`Resolver` is the object behind the name ``__px__`` in a cell. Each of its coroutines leaves a
local value exactly as it is, without a turn of the loop, so local code behaves as in plain Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import AsyncGeneratorType, CoroutineType, FrameType
from typing import TYPE_CHECKING

from proxyables_cli.repl.calling import Calling
from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.faces import (
    Answer,
    Context,
    Generation,
    Iteration,
    UserValue,
    takes_items,
)
from proxyables_cli.repl.notes import (
    AWAITED,
    CELLS,
    COPIED,
    KEPT,
    LOOP,
    NESTED,
    REFLECTED,
    REMOTE,
    UNPACKED,
    Note,
    Site,
    local_to,
    note_nothing,
    only_here,
)
from proxyables_cli.repl.ordering import Ordering, orders
from proxyables_cli.repl.reaching import Reaching, reaches
from proxyables_cli.repl.unpacking import Entering, Shape, Unpack, Unpacking, unpacked_inside

if TYPE_CHECKING:
    from proxyables_cli.repl.remoting import Remoting


_AWAITABLE_TAKERS = (asyncio.gather, asyncio.wait_for, asyncio.ensure_future, asyncio.shield)
_LAZY = (enumerate, zip, iter, map, filter)
"""Builtins that would go through a remote object's items later, when nothing can wait for them."""
_ARGUMENT, _CHANGED, _CONTAINS = local_to("argument"), local_to("changed"), local_to("contains")
_DECIDE, _RESOLVE, _UNPACK = local_to("decide"), local_to("resolve"), local_to("unpack")
_COMPARED, _HOLD, _TEXT = (local_to(each).given for each in ("compared", "hold", "text"))
_BUILTIN, _ITERATE, _MANAGE = (local_to(each).given for each in ("builtin", "iterate", "manage"))
_COPIED, _STORE = (local_to(each).given for each in ("copied", "store"))
_CHANGEABLE = frozenset({list, dict, set, bytearray})
"""Types of containers that the blocking face leaves where they are when they are read."""
_OPERATIONS: dict[Callable[..., object], str] = {
    each: each.__name__ for each in (len, str, repr, dir, bool, next, int, float)
} | {print: "str"}
"""What a builtin asks of its argument, by the name of the operation."""


class Resolver:
    """Decides, for each place that was rewritten, whether something remote is there.

    Args:
        remoting: The library's side.
        note: Hears what was done at a place in the code: the frame that waits there, or where it
            waited, and one of the words of `notes` or the name of an operation.
    """

    __slots__ = ("_note", "_remoting", "_waiting")

    def __init__(self, remoting: Remoting, note: Note | None = None) -> None:
        self._remoting = remoting
        self._waiting = (remoting.cursor, Deferred)  # all else is given back at once
        self._note: Note = note_nothing if note is None else note

    def is_remote(self, value: object) -> bool:
        return isinstance(value, self._remoting.cursor)

    async def resolve(self, value: UserValue) -> UserValue:
        """The value of a chain: one message if it is remote."""
        site = sys._getframe(1)
        if not isinstance(value, self._waiting):
            self._note(site, _RESOLVE.given)
            return value
        if self.is_remote(value) and self._remoting.is_settled(value):
            self._note(site, _RESOLVE.given)
            return value
        found = await self._value(value, site)
        self._note(site, COPIED if type(found) in _CHANGEABLE else _COPIED)
        return found

    async def _value(self, value: UserValue, site: FrameType | Site | None = None) -> UserValue:
        if isinstance(value, Deferred):
            value = await value
        if not self.is_remote(value) or self._remoting.is_settled(value):
            return value
        if site is not None:
            self._note(site, AWAITED)
        return await value

    def meant(self, value: UserValue) -> Awaitable[UserValue]:
        """The operand of an explicit ``await``, for which nothing is done but to note it."""
        site = sys._getframe(1)
        if self.is_remote(value):
            return self._meant(value, Site(site.f_code, site.f_lasti))
        is_own = isinstance(value, CoroutineType) and value.cr_code.co_filename.startswith(CELLS)
        self._note(site, _COPIED if is_own or isinstance(value, Deferred) else LOOP)
        awaitable: Awaitable[UserValue] = value
        return awaitable

    async def _meant(self, chain: UserValue, site: Site) -> UserValue:
        found = await chain
        self._note(site, COPIED if type(found) in _CHANGEABLE else _COPIED)
        return found

    async def argument(self, callee: object, value: UserValue) -> UserValue:
        """A chain as the argument of `callee`: stays one if it can run over there."""
        return await self._given(callee, value, sys._getframe(1))

    async def _given(self, callee: object, value: UserValue, site: FrameType) -> UserValue:
        if isinstance(value, Generation):
            if self.is_remote(callee):
                return value.source
            place = Site(site.f_code, site.f_lasti)
            return await value.given_to(callee, lambda item: self._decided(item, place))
        if self._keeps_chain(callee, value):
            self._note(site, KEPT)
            return value
        if not isinstance(value, self._waiting):
            self._note(site, _ARGUMENT.given)
            return value
        found = await self._value(value, site)
        is_copied = type(found) in _CHANGEABLE and not self._leaves(callee)
        self._note(site, COPIED if is_copied else _COPIED)
        return await self._asked(callee, found, site)

    def _leaves(self, callee: object) -> bool:
        """Whether a function neither keeps nor changes what it is given, nor looks at its type."""
        if takes_items(callee):
            return True
        return callee is not repr and any(callee is each for each in _OPERATIONS)

    async def consume(self, callee: object, generation: Generation) -> UserValue:
        """As `argument`, for a generator expression that nobody but `callee` can have."""
        given: UserValue = generation
        try:
            given = await self._given(callee, generation, sys._getframe(1))
            return given
        finally:
            if given is not generation and given is not generation.source:
                await generation.source.aclose()

    async def ask(self, callee: object, value: UserValue) -> UserValue:
        """What a local function gets for a remote object.

        A builtin that would go through all of its items gets them, one such as `len` gets
        something that answers as the object over there does; any other gets the cursor.
        """
        site = sys._getframe(1)
        if not self.is_remote(value):
            self._note(site, _ARGUMENT.given)
            return value
        return await self._asked(callee, value, site)

    async def ask_each(self, callee: object, values: UserValue) -> UserValue:
        """As `ask`, for the arguments that ``*values`` gives, all at the same time."""
        if callee is not print or not isinstance(values, Iterable):
            return values
        site = sys._getframe(1)
        items = list(values)
        remote = [place for place, item in enumerate(items) if self.is_remote(item)]
        texts = await asyncio.gather(*[self._asked(callee, items[place], site) for place in remote])
        for place, text in zip(remote, texts, strict=True):
            items[place] = text
        return items

    async def _asked(
        self, callee: object, value: UserValue, site: FrameType | None = None
    ) -> UserValue:
        if not self.is_remote(value):
            if site is not None:
                self._note(site, _ARGUMENT.found)
            return value
        if takes_items(callee) or any(callee is each for each in _LAZY):
            if site is not None:
                self._note(site, UNPACKED)
            return await self._items(value)
        for builtin, operation in _OPERATIONS.items():
            if callee is builtin:
                return await self._answer(value, operation, site)
        if site is not None:
            self._note(site, _ARGUMENT.found)
        return value

    async def _answer(self, value: UserValue, operation: str, site: FrameType | None) -> UserValue:
        if operation in ("str", "repr") and not self._remoting.pipelines(value):
            return value  # a classic peer cannot be asked, so the cursor tells what it knows
        if site is not None:
            self._note(site, operation)
        try:
            return Answer(await self._remoting.perform(value, operation))
        except Exception as error:
            if operation != "next" or not self._remoting.is_exhausted(error):
                raise
            return iter(())

    async def text(self, value: UserValue, operation: str, spec: str = "") -> UserValue:
        """What an f-string gets for a value: the text that a remote object has over there.

        Args:
            value: Anything.
            operation: What the string asks for: ``str``, ``repr``, or ``format`` by `spec`.
            spec: What stands behind the colon.
        """
        site = sys._getframe(1)
        if not self.is_remote(value) or not self._remoting.pipelines(value):
            self._note(site, _TEXT)
            return format(value, spec) if spec else value
        self._note(site, operation)
        if operation == "format":
            return await self._remoting.perform(value, operation, spec)
        return Answer(await self._remoting.perform(value, operation))

    async def decide(self, value: UserValue) -> UserValue:
        """What a condition gets for a value: a remote object is asked whether it is true."""
        site = sys._getframe(1)
        if not isinstance(value, self._waiting):
            self._note(site, _DECIDE.given)
            return value
        return await self._decided(value, site)

    async def _decided(self, value: UserValue, site: FrameType | Site | None = None) -> UserValue:
        value = await self._value(value, site)
        outcome, done = value, _DECIDE.found
        if self.is_remote(value) and self._remoting.pipelines(value):
            # One whose truth is its owner's secret is true, as any object is.
            with contextlib.suppress(self._remoting.denied):
                outcome, done = bool(await self._remoting.perform(value, "bool")), "bool"
        if site is not None:
            self._note(site, done)
        return outcome

    async def changed(
        self, value: UserValue, operand: UserValue, operation: str, owner: UserValue = None
    ) -> UserValue:
        """What ``value += operand`` binds; an object over there is changed where it is.

        Args:
            value: What is changed.
            operand: The right side.
            operation: Which operator, by its name in `operator`.
            owner: What the outcome is assigned to; it stays a chain if that can take it.
        """
        site = sys._getframe(1)
        if not isinstance(value, self._waiting) and not isinstance(operand, self._waiting):
            self._note(site, _CHANGED.given)
            return getattr(operator, operation)(value, operand)
        if self.is_remote(value):
            self._note(site, REMOTE)
            path = self._remoting.perform(value, operation, operand)
        else:
            self._note(site, _CHANGED.found)
            if operation == "iadd" and isinstance(value, list):  # which goes through the items
                self._note(site, UNPACKED)
                operand = await self._items(operand)
            path = getattr(operator, operation)(value, operand)
        return await self._given(owner, path, site)

    def builtin(self, callee: UserValue) -> UserValue:
        """What to call in place of a builtin, of those that take what is remote as it is.

        They call the user's functions, compare, or reach for attributes by name.
        """

        self._note(sys._getframe(1), _BUILTIN)
        if orders(callee):
            return Ordering(callee, self.is_remote, self._value, self._note)
        if callee is map or callee is filter:
            taken = self._value if callee is map else self._decided
            return Calling(self._asked, callee, self.is_remote, taken, self._note)
        if reaches(callee):
            known = self._remoting
            asking = known.assign, known.delete, known.perform
            return Reaching(*asking, callee, self.is_remote, self._value, self._note)
        return callee

    def equal(self, one: UserValue, other: UserValue) -> UserValue:
        """``one == other``; a chain if either is remote: over there it may have an equality."""
        return self._compared(one, other, "eq", sys._getframe(1))

    def unequal(self, one: UserValue, other: UserValue) -> UserValue:
        """``one != other``, in the same way."""
        return self._compared(one, other, "ne", sys._getframe(1))

    def _compared(
        self, one: UserValue, other: UserValue, operation: str, site: FrameType
    ) -> UserValue:
        asked, operand = (one, other) if self.is_remote(one) else (other, one)
        is_asked = self.is_remote(asked) and self._remoting.pipelines(asked) and one is not other
        if not is_asked:
            self._note(site, _COMPARED)
            return one == other if operation == "eq" else one != other
        self._note(site, REMOTE if asked is one else REFLECTED)
        return self._remoting.perform(asked, operation, operand)

    def known(self, value: UserValue) -> UserValue:
        """What a condition or an f-string gets for a chain in a scope that cannot wait.

        Raises:
            TypeError: It would have to.
        """
        self._refuse_to_wait(value)
        return value

    def found(self, item: UserValue, container: UserValue) -> bool:
        """``item in container`` in a scope that cannot wait; raises as `known` does."""
        self._refuse_to_wait(item)
        return item in container

    def _refuse_to_wait(self, value: UserValue) -> None:
        is_path = self.is_remote(value) and not self._remoting.is_settled(value)
        if is_path or isinstance(value, Deferred):
            why = "would have to be awaited, which a lambda, a def and a class cannot"
            how = "say it in an async def, or in a comprehension"
            raise only_here(TypeError(f"{value!r} {why}: {how}"))

    async def contains(self, item: UserValue, container: UserValue) -> bool:
        """``item in container``; a remote container is asked, not fetched."""
        site = sys._getframe(1)
        if not self._keeps_chain(container, item):
            if not isinstance(item, self._waiting):
                self._note(site, _CONTAINS.found)
            item = await self._value(item, site)
        if isinstance(container, Deferred):
            container = await container
        if not self.is_remote(container):
            self._note(site, _CONTAINS.given)
            return item in container
        self._note(site, REMOTE)
        if not self._remoting.pipelines(container):
            return item in await self._items(container)
        return bool(await self._remoting.perform(container, "contains", item))

    async def hold(self, value: UserValue) -> UserValue:
        """What a chain with a call in it gives, once, for a use of it in several messages."""
        site = sys._getframe(1)
        if not self.is_remote(value) or self._remoting.is_settled(value):
            self._note(site, _HOLD)
            return await self._value(value)
        self._note(site, REMOTE)
        pipelines = self._remoting.pipelines(value)
        return await (self._remoting.ref(value) if pipelines else value)

    def _keeps_chain(self, callee: object, value: UserValue) -> bool:
        if self.is_remote(callee):
            if not self.is_remote(value):
                return not isinstance(value, Deferred)
            same = self._remoting.same_peer(callee, value)
            return same and self._remoting.pipelines(callee)
        return any(callee is taker for taker in (*self._remoting.takers, *_AWAITABLE_TAKERS))

    async def unpack(self, value: UserValue, shape: Shape = ()) -> UserValue:
        """A value for ``*value`` or ``a, b = value``: remote items are fetched.

        Args:
            value: Anything.
            shape: How deep the items themselves are taken apart.
        """
        site = sys._getframe(1)
        here = _UNPACK.found if isinstance(value, self._waiting) else _UNPACK.given
        value = await self._value(value, site)
        self._note(site, UNPACKED if self.is_remote(value) else here)
        return await unpacked_inside(await self._items(value), shape, self._unpacker(site))

    def _unpacker(self, site: FrameType) -> Unpack:
        """What unpacks parts of a value, for the place in the code where a frame stands now."""
        place = Site(site.f_code, site.f_lasti)

        async def unpack(part: UserValue, shape: Shape) -> UserValue:
            if self.is_remote(part):
                self._note(place, NESTED)
                part = await self._items(part)
            return await unpacked_inside(part, shape, unpack)

        return unpack

    async def _items(self, value: UserValue) -> UserValue:
        """The items of what is remote, or a generator expression, as a list."""
        value = await self._value(value)
        if self.is_remote(value) or isinstance(value, Generation):
            return [item async for item in await self._iterator(value)]
        return value

    async def iterate(
        self, value: UserValue, shape: Shape | None = None
    ) -> AsyncIterator[UserValue]:
        """An asynchronous iterator over anything that a plain ``for`` takes, and remote ones.

        Args:
            value: What is gone through.
            shape: How the target of the loop takes each item apart, if it does.

        Raises:
            TypeError: `value` is local and not iterable.
        """
        if isinstance(value, Deferred):
            value = await value
        is_asynchronous = self.is_remote(value) or isinstance(value, AsyncGeneratorType)
        self._note(sys._getframe(1), REMOTE if is_asynchronous else _ITERATE)
        items = await self._iterator(value)
        return items if shape is None else Unpacking(items, shape, self._unpacker(sys._getframe(1)))

    async def _iterator(self, value: UserValue) -> AsyncIterator[UserValue]:
        if self.is_remote(value) and not self._remoting.pipelines(value):
            value = await value
        if self.is_remote(value) or isinstance(value, (Generation, AsyncGeneratorType)):
            return aiter(value)
        return Iteration(iter(value))

    async def manage(self, value: UserValue, shape: Shape | None = None) -> UserValue:
        """An asynchronous context manager for anything that a plain ``with`` takes.

        Args:
            value: What is entered and left.
            shape: How the target after ``as`` takes what it gives apart, if it does.
        """
        site = sys._getframe(1)
        if isinstance(value, Deferred):
            value = await value
        self._note(site, REMOTE if self.is_remote(value) else _MANAGE)
        manager = value if self.is_remote(value) else Context(value)
        return manager if shape is None else Entering(manager, shape, self._unpacker(site))

    def generation(self, source: AsyncGeneratorType[UserValue, None]) -> Generation:
        return Generation(source)

    make_slice = staticmethod(slice)

    async def set_attribute(self, value: UserValue, owner: UserValue, name: str) -> None:
        if self.is_remote(owner):
            self._note(sys._getframe(1), REMOTE)
            await self._remoting.assign(getattr(owner, name), value)
        else:
            self._note(sys._getframe(1), _STORE)
            setattr(owner, name, value)

    async def set_item(self, value: UserValue, owner: UserValue, key: UserValue) -> None:
        if self.is_remote(owner):
            self._note(sys._getframe(1), REMOTE)
            await self._remoting.assign(owner[key], value)
        else:
            self._note(sys._getframe(1), _STORE)
            owner[key] = value

    async def delete_attribute(self, owner: UserValue, name: str) -> None:
        if self.is_remote(owner):
            self._note(sys._getframe(1), REMOTE)
            await self._remoting.delete(getattr(owner, name))
        else:
            self._note(sys._getframe(1), _STORE)
            delattr(owner, name)

    async def delete_item(self, owner: UserValue, key: UserValue) -> None:
        if self.is_remote(owner):
            self._note(sys._getframe(1), REMOTE)
            await self._remoting.delete(owner[key])
        else:
            self._note(sys._getframe(1), _STORE)
            del owner[key]


__all__ = [
    "Resolver",
    "UserValue",
]
