"""The object that the recorded servers exported, in Python; and what the recorded clients did."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from proxyables import ProxyCursor, construct, current_peer


class Custom(Exception):
    """An exception of the application's own."""


class Deeper:
    answer = 42


class Nested:
    label = "nested"

    def __init__(self) -> None:
        self.deeper = Deeper()

    def ping(self) -> str:
        return "pong"


class Greeter:
    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def greet(self, name: str) -> str:
        return f"{self._greeting} {name}"


class API:
    Greeter = Greeter

    def __init__(self) -> None:
        self.intValue = 42
        self.stringValue = "hello"
        self.floatValue = 1.5
        self.boolValue = True
        self.nullValue = None
        self.negValue = -7
        self.bigValue = 2**63 - 1
        self.hugeValue = 2**64 - 1
        self.bytesValue = b"\x00\x01\xff"
        self.listValue = [1, 2, 3]
        self.mapValue = {"a": 1, "b": 2}
        self.nested = Nested()

    def add(self, a: int, b: int) -> int:
        return a + b

    def describe(self, *args: Any) -> str:
        return " | ".join(f"{type(arg).__name__}:{arg!r}" for arg in args)

    def makeGreeter(self, greeting: str) -> Greeter:  # noqa: N802  # the recorded name
        return Greeter(greeting)

    async def applyCallback(self, callback: Any, value: Any) -> Any:  # noqa: N802
        return await callback(value)

    async def useObject(self, thing: Any) -> Any:  # noqa: N802
        return await thing.greet("Ada")

    def boom(self) -> None:
        raise ValueError("Boom")

    def boomCustom(self) -> None:  # noqa: N802
        raise Custom("custom Boom") from ValueError("inner")

    def stats(self) -> str:
        return json.dumps(current_peer().snapshot())


class Local:
    """What the clients lend for `useObject`."""

    def greet(self, name: str) -> str:
        return f"local:{name}"


# -- what the clients did, case by case -----------------------------------------------------------


async def _scalars(root: ProxyCursor, client: str) -> list[Any]:
    names = ("intValue", "stringValue", "floatValue", "boolValue", "nullValue")
    return [await getattr(root, name) for name in names]


async def _big_ints(root: ProxyCursor, client: str) -> list[Any]:
    return [await root.bigValue, await root.hugeValue]


async def _list(root: ProxyCursor, client: str) -> list[Any]:
    found = await root.listValue
    return [found, await found[1]]


async def _map(root: ProxyCursor, client: str) -> list[Any]:
    found = await root.mapValue
    return [found, await found["a"]]


async def _nested(root: ProxyCursor, client: str) -> list[Any]:
    found = await root.nested
    return [found, await found.label, await found.ping(), await found.deeper.answer]


async def _greeter(root: ProxyCursor, client: str) -> list[Any]:
    made = await root.makeGreeter("Hi")
    return [made, await made.greet("Bob")]


async def _construct(root: ProxyCursor, client: str) -> list[Any]:
    # The Python client has no CONSTRUCT: it calls the class.
    made = await (root.Greeter("Hey") if client == "py" else construct(root.Greeter, "Hey"))
    return [made, await made.greet("Bob")]


async def _pass_back(root: ProxyCursor, client: str) -> list[Any]:
    found = await root.nested
    return [await root.describe(found)]


async def _release(root: ProxyCursor, client: str) -> list[Any]:
    found = await root.nested
    before = await root.stats()
    if client == "ts":
        await found.label
    del found
    return [before, await root.stats()]


def _one(path: Callable[[ProxyCursor], ProxyCursor]) -> Callable[..., Awaitable[list[Any]]]:
    async def run(root: ProxyCursor, client: str) -> list[Any]:
        return [await path(root)]

    return run


CASES: dict[str, Callable[[ProxyCursor, str], Awaitable[list[Any]]]] = {
    "call_bytes_arg": _one(lambda root: root.describe(b"\x00\x01")),
    "call_dict_arg": _one(lambda root: root.describe({"k": [1]})),
    "call_ints": _one(lambda root: root.add(20, 22)),
    "call_list_arg": _one(lambda root: root.describe([1, "two"])),
    "call_mixed_scalars": _one(lambda root: root.describe(1, -1, 2**40, 1.5, "str", True, None)),
    "call_no_args": _one(lambda root: root.describe()),
    "call_undefined": _one(lambda root: root.describe(None, 3)),
    "callback_object_arg": _one(lambda root: root.useObject(Local())),
    "callback_roundtrip": _one(lambda root: root.applyCallback(lambda text: f"cb:{text}", "val")),
    "chain": _one(lambda root: root.nested.deeper.answer),
    "construct_by_call": _greeter,
    "construct_class": _construct,
    "error": _one(lambda root: root.boom()),
    "error_custom": _one(lambda root: root.boomCustom()),
    "get_big_ints": _big_ints,
    "get_bytes": _one(lambda root: root.bytesValue),
    "get_date": _one(lambda root: root.dateValue),
    "get_list": _list,
    "get_map": _map,
    "get_missing": _one(lambda root: root.noSuchThing),
    "get_negative": _one(lambda root: root.negValue),
    "get_symbol": _one(lambda root: root.symValue),
    "nested_reference_and_use": _nested,
    "pass_reference_back": _pass_back,
    "release_on_gc": _release,
    "scalar_get": _scalars,
}
