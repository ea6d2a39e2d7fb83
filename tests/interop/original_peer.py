"""Runs the first Python implementation (`stateforward-proxyables`) as one end of a connection.

Started by the tests with that implementation's own Python, so `proxyables` here is not the package
of this project. Speaks JSON, one line each, on stdout; ends when stdin does.

    original_peer.py serve    prints its port, then serves a new root to each connection
    original_peer.py drive    for each line [PORT, SCENARIO]: imports from there, prints the result
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from proxyables.transport import AsyncIOStreamAdapter
from proxyables.yamux.consts import FLAG_SYN, TYPE_PING

from proxyables import Proxyable


def tell(value: Any) -> None:
    print(json.dumps(value), flush=True)


# -- as the server --------------------------------------------------------------------------------


class Greeter:
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    def greet(self, name: str) -> str:
        return f"{self.greeting} {name}"


class Nested:
    label = "nested"

    def ping(self) -> str:
        return "pong"


class Shared:
    kind = value = "shared"


class Root:
    intValue = 42  # noqa: N815
    textValue = "hello"  # noqa: N815
    bytesValue = b"\x00\xff"  # noqa: N815
    Greeter = Greeter

    def __init__(self) -> None:
        self.nested = Nested()
        self.listValue = [1, 2, 3]
        self.mapValue = {"a": 1}
        self.shared = Shared()
        self.exported: Any = None
        self.never = asyncio.Event()

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def kind(self, value: Any) -> str:
        return f"{type(value).__name__}:{value!r}"

    def size(self, text: str) -> int:
        return len(text)

    def text(self, size: int) -> str:
        return "x" * size

    def make(self) -> Nested:
        return Nested()

    def boom(self) -> None:
        raise ValueError("Boom")

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    def block(self, seconds: float) -> None:
        time.sleep(seconds)

    async def hang(self) -> None:
        await self.never.wait()

    def wake(self) -> None:
        self.never.set()

    async def apply(self, callback: Any, value: Any) -> Any:
        return await callback(value)

    async def greeted(self, thing: Any) -> Any:
        return await thing.greet("Ada")

    async def ping(self) -> None:
        await self.exported.session.write_frame(TYPE_PING, FLAG_SYN, 0)

    def stats(self) -> str:
        counts = self.exported.snapshot()
        return json.dumps({**counts, "streams": len(self.exported.session.streams)})

    async def leave(self) -> None:
        await self.exported.session.close()

    async def RunScenario(self, scenario: str, *args: Any) -> Any:  # noqa: N802
        """Some of what the parity agents of the other languages answer."""
        match scenario:
            case "GetScalars":
                scalars = {"intValue": 42, "boolValue": True, "stringValue": "hello"}
                return {**scalars, "nullValue": None}
            case "CallAdd":
                return args[0] + args[1]
            case "CallbackRoundtrip":
                return await args[0]("value")
            case "ErrorPropagation":
                raise ValueError("Boom")
            case "ParityGetShared":
                return self.shared
            case "ParityDebugState":
                counts = self.exported.snapshot()
                told = {f"exported{key.capitalize()}": each for key, each in counts.items()}
                return json.dumps(told)
            case "AliasRetainRelease":
                counts = {"baseline": 0, "peak": 1, "afterFirstRelease": 1, "final": 0}
                return {**counts, "released": True}
            case "UseAfterRelease":
                return {"baseline": 0, "peak": 0}
        raise NotImplementedError(f"unknown scenario {scenario}")


async def serve() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        root = Root()
        root.exported = await Proxyable.Export(root, AsyncIOStreamAdapter(reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    tell(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(sys.stdin.read)


# -- as the client --------------------------------------------------------------------------------


async def attributes(proxy: Any) -> Any:
    names = ("intValue", "stringValue", "floatValue", "boolValue", "nullValue", "negValue")
    big = [await proxy.bigValue, await proxy.hugeValue]
    return [[await getattr(proxy, name) for name in names], big, list(await proxy.bytesValue)]


async def methods(proxy: Any) -> Any:
    return [await proxy.add(20, 22), await proxy.add("a", "b"), await proxy.later("x")]


async def nested(proxy: Any) -> Any:
    found = await proxy.nested
    return [await found.label, await found.ping(), await found.deeper.answer]


async def containers(proxy: Any) -> Any:
    items, table = await proxy.listValue, await proxy.mapValue
    return [await items[1], await table["a"], await proxy.listValue[2]]


async def constructs(proxy: Any) -> Any:
    return await (await proxy.Greeter("Hi")).greet("Bob")


async def callbacks(proxy: Any) -> Any:
    async def later(value: Any) -> Any:
        await asyncio.sleep(0)
        return f"later:{value}"

    def fail(value: Any) -> Any:
        raise LookupError(f"no {value}")

    seen = [await proxy.applyCallback(lambda value: f"cb:{value}", "val")]
    seen.append(await proxy.applyCallback(later, 7))
    return [*seen, await _error(proxy.applyCallback(fail, "way"))]


async def nesting(proxy: Any) -> Any:
    """Recursion between both sides, as deep as the original's pool of eight streams allows."""

    async def down(depth: int) -> int:
        return depth if depth == 0 else 1 + await proxy.applyCallback(down, depth - 1)

    return await down(7)


async def errors(proxy: Any) -> Any:
    return [
        await _error(proxy.boom()),
        await _error(proxy.noSuchThing),
        await _error(proxy.nested.noSuchThing()),
        await _error(proxy._secret),
        await _error(proxy.tooLarge()),
        await _error(proxy.echo(print)),
        await proxy.add(1, 1),
    ]


async def _error(call: Awaitable[Any]) -> str:
    try:
        await call
    except Exception as error:
        return str(error)
    return "no error"


async def releases(proxy: Any) -> Any:
    held = [await proxy.makeGreeter("Hi") for _ in range(20)]
    before = json.loads(await proxy.stats())
    del held
    gc.collect()
    after = await _emptied(proxy)
    return [before, after]


async def _emptied(proxy: Any) -> Any:
    for _ in range(200):
        counts = json.loads(await proxy.stats())
        if not counts["entries"]:
            return counts
        await asyncio.sleep(0.01)
    return counts


async def many(proxy: Any) -> Any:
    return sum([await proxy.add(number, 1) for number in range(3000)])


async def together(proxy: Any) -> Any:
    return sum(await asyncio.gather(*(proxy.later(number) for number in range(300))))


async def large(proxy: Any) -> Any:
    text = "é" * (1 << 19) + "x" * (1 << 20)  # 2 MiB
    back = await proxy.echo(text)
    return [len(text.encode()), back == text]


async def pings(proxy: Any) -> Any:
    session = proxy._importer.session
    for _ in range(3):
        await session.write_frame(TYPE_PING, FLAG_SYN, 0)
    return await proxy.add(1, 2)


async def blocks(proxy: Any) -> Any:
    """Answers no ping for a while, as the original does whenever a method is slow."""
    await proxy.add(1, 1)
    time.sleep(0.3)  # noqa: ASYNC251  # the point of it
    return await proxy.add(1, 2)


async def refused(proxy: Any) -> Any:
    """Asks a server that has no room for it: one call, one more, and several at once."""
    told = [await _error(proxy.add(1, 1)), await _error(proxy.nested.ping())]
    return [*told, *await asyncio.gather(*(_error(proxy.add(1, 1)) for _ in range(5)))]


async def one_too_many(proxy: Any) -> Any:
    """Has as many calls wait as the server bears, of the eight that it has streams for itself."""
    waiting = [asyncio.create_task(_error(proxy.hang())) for _ in range(5)]
    while await _error(proxy.add(1, 1)) == "no error":
        await asyncio.sleep(0.01)
    told = [await _error(proxy.add(1, 1)), await _error(proxy.hang())]
    await proxy._importer.session.close()
    await asyncio.gather(*waiting)
    return told


async def parity(proxy: Any) -> Any:
    """Drives a parity agent, by a scenario of each kind."""
    run = proxy.RunScenario
    scalars, aliases = await run("GetScalars"), await run("AliasRetainRelease")
    shared = await run("ParityGetShared")
    fan = await run("ConcurrentCallbackFanout", 2, lambda value: f"cb:{value}")
    told = [await scalars.intValue, await scalars.nullValue, await run("CallAdd", 20, 22)]
    told += [await run("CallbackRoundtrip", lambda value: f"cb:{value}"), await fan.values[1]]
    told += [await run("ErrorPropagation"), await shared.kind, await aliases.peak]
    told += [await (await run("NestedObjectAccess")).pong]
    return [*told, await _error(run("Nonsense"))]


async def identity(proxy: Any) -> Any:
    return [await proxy.is_classic(), await proxy.software()]


async def leaves(proxy: Any) -> Any:
    """Ends in the middle of a call, with references in its hands."""
    held = [await proxy.nested, await proxy.makeGreeter("Hi")]
    call = asyncio.create_task(_error(proxy.hang()))
    count = await proxy.add(1, len(held))
    await proxy._importer.session.close()
    return [count, await call]


SCENARIOS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    scenario.__name__: scenario
    for scenario in (
        attributes,
        blocks,
        callbacks,
        constructs,
        containers,
        errors,
        identity,
        large,
        leaves,
        many,
        methods,
        nested,
        nesting,
        one_too_many,
        parity,
        pings,
        refused,
        releases,
        together,
    )
}


async def drive() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        port, scenario = json.loads(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        proxy = await Proxyable.ImportFrom(AsyncIOStreamAdapter(reader, writer))
        tell(await SCENARIOS[scenario](proxy))
        await proxy._importer.session.close()


if __name__ == "__main__":
    asyncio.run({"serve": serve, "drive": drive}[sys.argv[1]]())
