"""A remote side without a connection: cursors as lazy as the library's, and a record of messages.

It stands in for a peer of the library where a test is about *how many* messages some code sends
and what is in them.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Generator
from typing import Any

from proxyables_cli.repl.remoting import Remoting
from proxyables_cli.repl.resolution import Resolver


class Link:
    """One side's record of the messages that it sent."""

    def __init__(self, world: object, name: str = "obj") -> None:
        self.world = world
        self.sent: list[str] = []
        self.name = name
        self.root = Cursor(self, (), None)

    async def send(self, text: str) -> None:
        self.sent.append(text)
        await asyncio.sleep(0)


class Cursor:
    """A lazy path. `steps` are what is still to run on `target` (None: the root)."""

    def __init__(self, link: Link, steps: tuple[tuple[Any, ...], ...], target: object) -> None:
        self.__dict__["_state"] = (link, steps, target)

    def __getattr__(self, name: str) -> Cursor:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._with("get", name)

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("use assign")

    def __getitem__(self, key: object) -> Cursor:
        return self._with("item", key)

    def __call__(self, *args: object, **kwargs: object) -> Cursor:
        return self._with("call", args, kwargs)

    def __add__(self, other: object) -> Cursor:
        return self._with("add", other)

    def __lt__(self, other: object) -> Cursor:
        return self._with("lt", other)

    def __neg__(self) -> Cursor:
        return self._with("neg")

    def __bool__(self) -> bool:
        return True

    __iter__ = None

    def _with(self, *step: object) -> Cursor:
        link, steps, target = self.__dict__["_state"]
        return Cursor(link, (*steps, step), target)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._fetch().__await__()

    async def _fetch(self) -> Any:
        link, _, _ = self.__dict__["_state"]
        await link.send(text_of(self))
        return lent(link, await run(self))

    def __aiter__(self) -> Stream:
        return Stream(self)

    async def __aenter__(self) -> Any:
        link, _, _ = self.__dict__["_state"]
        await link.send(f"enter {text_of(self)}")
        self.__dict__["_entered"] = await run(self)
        return lent(link, self.__dict__["_entered"].__enter__())

    async def __aexit__(self, *error: Any) -> bool | None:
        link, _, _ = self.__dict__["_state"]
        await link.send(f"exit {error[0].__name__ if error[0] else None}")
        return bool(self.__dict__["_entered"].__exit__(*error))

    def __repr__(self) -> str:
        return f"<cursor {text_of(self)}>"


class Stream:
    """What `async for` goes through: one message, then the items."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._items: Any = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        link = link_of(self._cursor)
        if self._items is None:
            await link.send(f"each {text_of(self._cursor)}")
            self._items = iter(await run(self._cursor))
        for item in self._items:
            return lent(link, item)
        raise StopAsyncIteration


def text_of(value: object) -> str:
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(text_of, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if not isinstance(value, Cursor):
        return repr(value) if isinstance(value, (int, str, slice, type(None))) else "local"
    link, steps, target = value.__dict__["_state"]
    text = link.name if target is None else f"<{type(target).__name__}>"
    for kind, *rest in steps:
        match kind:
            case "get":
                text += f".{rest[0]}"
            case "item":
                text += f"[{text_of(rest[0])}]"
            case "call":
                words = [text_of(arg) for arg in rest[0]]
                words += [f"{name}={text_of(arg)}" for name, arg in rest[1].items()]
                text += f"({', '.join(words)})"
            case _:
                text += f" {kind}{''.join(' ' + text_of(part) for part in rest)}"
    return text


async def run(value: object) -> Any:
    """What the other side would do with a chain."""
    if isinstance(value, (list, tuple)):
        return type(value)([await run(part) for part in value])
    if not isinstance(value, Cursor):
        return value
    link, steps, target = value.__dict__["_state"]
    found = link.world if target is None else target
    for kind, *rest in steps:
        given = [await run(part) for part in rest if not isinstance(part, dict)]
        match kind:
            case "get":
                found = getattr(found, rest[0])
            case "item":
                found = found[given[0]]
            case "call":
                found = found(*given[0], **{k: await run(v) for k, v in rest[1].items()})
            case "add":
                found = found + given[0]
            case "lt":
                found = found < given[0]
            case "neg":
                found = -found
    return found


def lent(link: Link, value: object) -> Any:
    """By value what travels by value, by reference the rest."""
    if isinstance(value, (list, tuple)):
        return type(value)(lent(link, part) for part in value)
    if value is None or isinstance(value, (int, float, str, dict)):
        return value
    return Cursor(link, (), value)


async def assign(cursor: Cursor, value: object) -> None:
    link, steps, target = cursor.__dict__["_state"]
    await link.send(f"{text_of(cursor)} = {text_of(value)}")
    owner = await run(Cursor(link, steps[:-1], target))
    kind, key = steps[-1]
    if kind == "get":
        setattr(owner, key, await run(value))
    else:
        owner[await run(key)] = await run(value)


async def delete(cursor: Cursor) -> None:
    link, steps, target = cursor.__dict__["_state"]
    await link.send(f"del {text_of(cursor)}")
    owner = await run(Cursor(link, steps[:-1], target))
    kind, key = steps[-1]
    if kind == "get":
        delattr(owner, key)
    else:
        del owner[await run(key)]


async def perform(cursor: Cursor, operation: str, *args: object) -> Any:
    link, _, _ = cursor.__dict__["_state"]
    await link.send(" ".join([operation, text_of(cursor), *map(text_of, args)]))
    found = await run(cursor)
    if operation == "contains":
        return await run(args[0]) in found
    return lent(link, getattr(builtins, operation)(found, *[await run(each) for each in args]))


async def ref(cursor: Cursor) -> Any:
    link, _, _ = cursor.__dict__["_state"]
    await link.send(f"ref {text_of(cursor)}")
    return Cursor(link, (), await run(cursor))


async def copy(cursor: Cursor) -> Any:
    link, _, _ = cursor.__dict__["_state"]
    await link.send(f"copy {text_of(cursor)}")
    return await run(cursor)


def link_of(cursor: Cursor) -> Link:
    link: Link = cursor.__dict__["_state"][0]
    return link


def resolver() -> Resolver:
    return Resolver(
        Remoting(
            cursor=Cursor,
            assign=assign,
            delete=delete,
            perform=perform,
            ref=ref,
            same_peer=lambda one, other: link_of(one) is link_of(other),
            pipelines=lambda cursor: link_of(cursor).name != "old",
            is_settled=lambda cursor: not cursor.__dict__["_state"][1],
            denied=PermissionError,
            is_exhausted=lambda error: False,
            takers=(copy,),
        )
    )
