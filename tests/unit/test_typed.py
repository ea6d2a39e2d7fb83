"""Types for remote objects: what is refused, what is compared, and that nothing else changes."""

from __future__ import annotations

import asyncio
import functools
import socket
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, overload

import pytest

import proxyables
import proxyables.sync
from callers import Notebook, wait_for
from connections import connected, on_both_loops
from names import stable
from proxyables.wire.instructions import CALL, DESCRIBE

T = TypeVar("T")


class Till:
    """What is over there."""

    currency = "EUR"
    tags: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.open = True

    def add(self, a: int, b: int = 2, *, scale: int = 1) -> int:
        return (a + b) * scale

    def only(self, a: int, /) -> int:
        return a

    def some(self, *args: int, **kwargs: int) -> int:
        return len(args) + len(kwargs)

    async def wait(self) -> int:
        return 5

    async def rows(self) -> AsyncIterator[int]:
        yield 1

    @property
    def count(self) -> int:
        return 3

    @staticmethod
    def fixed(a: int) -> int:
        return a

    @classmethod
    def made(cls, a: int) -> int:
        return a

    @proxyables.hidden
    def secret(self) -> None: ...


class Api(Protocol):
    """Fits `Till` in every way that fits."""

    currency: Awaitable[str]
    tags: Awaitable[tuple[str, ...]]
    open: Awaitable[bool]
    wait: Callable[[], Awaitable[int]]

    @property
    def count(self) -> Awaitable[int]: ...

    async def add(self, a: int, b: int = 2, *, scale: int = 1) -> int: ...
    async def only(self, number: int, /) -> int: ...
    async def some(self, first: int, second: int = 2, *, third: int) -> int: ...
    def rows(self) -> AsyncIterator[int]: ...
    async def fixed(self, a: int) -> int: ...

    @staticmethod
    async def made(a: int) -> int: ...

    async def _private(self) -> None: ...


class Narrower(Protocol):
    async def add(self, a: int) -> int: ...


class Overloaded(Protocol):
    @overload
    async def add(self, a: int) -> int: ...
    @overload
    async def add(self, a: int, b: int) -> int: ...


class Shelf(Generic[T]):
    def some(self) -> T:
        raise NotImplementedError


class NoMethods: ...


@pytest.fixture(scope="module", autouse=True)
def background() -> None:
    """Starts the thread for good, as a process has one; descriptors are counted per test."""
    with proxyables.sync.serve(Till(), "tcp://127.0.0.1:0") as server:
        proxyables.sync.connect(server.addresses[0]).close()


NO_CLASSES: list[Any] = [5, "Api", Api.add, lambda: None, {}, int | str, T]
FITTING: list[Any] = [Api, Till, Narrower, Overloaded, Shelf, Shelf[int], NoMethods, object]


# -- at run time nothing changes -------------------------------------------------------------------


@on_both_loops
async def test_a_typed_root_is_the_root() -> None:
    async with connected(Till()) as pair:
        assert pair.client.root_as(Api) is pair.client.root
        assert pair.client.root_as(Shelf[int]) is pair.client.root_as(Shelf[int])
        assert await pair.client.root_as(Api).add(1, b=3) == 4


@on_both_loops
async def test_connecting_with_a_class() -> None:
    async with proxyables.serve(Till(), "tcp://127.0.0.1:0") as server:
        async with proxyables.connect(server.addresses[0], Api) as peer:
            assert isinstance(peer.root, proxyables.ProxyCursor)
            assert await peer.root.add(1, 2, scale=2) == 6
        peer = await proxyables.connect(server.addresses[0], api=Api)
        assert await peer.root.count == 3
        peer.close()
        await peer.wait_closed()


@on_both_loops
async def test_importing_with_a_class() -> None:
    ours, theirs = socket.socketpair()
    async with await proxyables.Proxyable.Export(Till(), theirs):
        till = await proxyables.Proxyable.ImportFrom(ours, Api)
        assert isinstance(till, proxyables.ProxyCursor)
        assert await till.add(1) == 3
        peer: Any = proxyables.peer_of(till)
        peer.close()
        await peer.wait_closed()


def test_the_blocking_face_with_a_class() -> None:
    with (
        proxyables.sync.serve(Till(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0], Till) as peer,
    ):
        assert isinstance(peer.root, proxyables.sync.BlockingProxy)
        assert peer.root_as(Till) is peer.root
        assert peer.root.add(1, 2) == 3
        for api in NO_CLASSES:
            with pytest.raises(TypeError, match="described by a class or Protocol, got "):
                peer.root_as(api)


@pytest.mark.parametrize("api", NO_CLASSES, ids=stable)
def test_what_is_no_class_is_refused_before_anything_happens(api: Any) -> None:
    refusal = "described by a class or Protocol, got "
    nowhere = "unix:/nowhere"
    with pytest.raises(TypeError, match=refusal):
        proxyables.connect(nowhere, api)
    with pytest.raises(TypeError, match=refusal):
        proxyables.sync.connect(nowhere, api)
    with pytest.raises(TypeError, match=refusal):
        wait_for(proxyables.Proxyable.ImportFrom(None, api))
    notebook = Notebook()
    with pytest.raises(TypeError, match=refusal):
        wait_for(proxyables.check_api(notebook.root, api))
    assert notebook.asked == []


def test_a_refusal_shows_the_beginning_of_what_was_given() -> None:
    with pytest.raises(TypeError) as caught:
        proxyables.connect("unix:/nowhere", "x" * 5000)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


@on_both_loops
async def test_a_root_as_what_is_no_class() -> None:
    async with connected(Till()) as pair:
        for api in NO_CLASSES:
            with pytest.raises(TypeError, match="described by a class or Protocol"):
                pair.client.root_as(api)


def test_types_of_peers_can_be_written_at_run_time() -> None:
    assert proxyables.Peer[Api].__origin__ is proxyables.Peer  # type: ignore[attr-defined]
    assert proxyables.sync.Peer[Api].__args__ == (Api,)  # type: ignore[attr-defined]


# -- call ------------------------------------------------------------------------------------------


@on_both_loops
async def test_calling_a_method_of_an_ordinary_class() -> None:
    async with connected(Till()) as pair:
        till = pair.client.root_as(Till)
        assert await proxyables.call(till.add, 1, b=3) == 4
        assert await proxyables.call(till.wait) == 5
        async with asyncio.TaskGroup() as group:
            task = group.create_task(proxyables.call(till.add, 2))
        assert task.result() == 4
        with pytest.raises(TypeError, match="missing"):
            await proxyables.call(till.add, scale=2)  # type: ignore[call-overload]


def test_a_call_is_one_round_trip_and_hides_no_name() -> None:
    notebook = Notebook(answer=7)
    assert wait_for(proxyables.call(notebook.root.f, 1, method=2)) == 7
    assert notebook.asked == [(None, ["f", [CALL, [1], {"method": 2}]])]


@pytest.mark.parametrize("method", [Till.fixed, len, 5, None])
def test_only_remote_methods_are_called(method: Any) -> None:
    with pytest.raises(TypeError, match="call takes a remote method, got a "):
        wait_for(proxyables.call(method, 1))


# -- check_api -------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", FITTING, ids=lambda api: getattr(api, "__name__", str(api)))
@on_both_loops
async def test_what_fits(api: Any) -> None:
    async with connected(Till()) as pair:
        if api is Till:  # with what the policy hides
            with pytest.raises(TypeError, match="is no Till: secret is not there$"):
                await proxyables.check_api(pair.client.root, api)
        else:
            assert await proxyables.check_api(pair.client.root, api) is pair.client.root


def api(text: str, *bases: type) -> type:
    """Makes a class with the body `text`."""
    names: dict[str, Any] = {"functools": functools, "Any": Any}
    body = textwrap.indent(text, "    ")
    parents = {f"base{place}": base for place, base in enumerate(bases)}
    exec(f"class Made({', '.join(parents)}):\n{body}", names | parents, names)
    made: type = names["Made"]
    return made


DIFFERENCES = {
    "a name that is not there": ("def nothing(self): ...", "nothing is not there"),
    "an annotated name": ("nothing: int", "nothing is not there"),
    "a class variable": ("nothing = 5", "nothing is not there"),
    "what is hidden": ("def secret(self): ...", "secret is not there"),
    "an attribute": ("def currency(self): ...", "currency is no method there"),
    "an attribute of the instance": ("def open(self): ...", "open is no method there"),
    "a property": ("def count(self): ...", "count is no method there"),
    "a method": ("@property\ndef add(self): ...", "add is a method there"),
    "a cached property": (
        "@functools.cached_property\ndef wait(self): ...",
        "wait is a method there",
    ),
    "an argument too many": (
        "def only(self, a, b, /): ...",
        r"only\(a, /\) there: too many positional arguments",
    ),
    "one that may be there": (
        "def only(self, a, b=5, /): ...",
        r"only\(a, /\) there: too many positional arguments",
    ),
    "an argument missing": ("def add(self): ...", "there: missing a required argument: 'a'"),
    "one that may be missing": (
        "def add(self, a=1): ...",
        "there: missing a required argument: 'a'",
    ),
    "another name": ("def add(self, x): ...", "there: missing a required argument: 'a'"),
    "another keyword": (
        "def add(self, a, *, factor=1): ...",
        "there: got an unexpected keyword argument 'factor'",
    ),
    "a keyword by place": (
        "def add(self, a, b, scale): ...",
        "there: too many positional arguments",
    ),
    "a place by keyword": (
        "def only(self, a): ...",
        "there: .*'a'.*",
    ),
    "a static method": (
        "@staticmethod\ndef fixed(): ...",
        r"fixed\(a\) there: missing a required argument: 'a'",
    ),
    "a class method": (
        "@classmethod\ndef made(cls, b): ...",
        r"made\(a\) there: missing a required argument: 'a'",
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
@on_both_loops
async def test_what_differs(name: str) -> None:
    text, difference = DIFFERENCES[name]
    async with connected(Till()) as pair:
        with pytest.raises(TypeError, match=f"^the remote object is no Made: .*{difference}$"):
            await proxyables.check_api(pair.client.root, api(text))


@on_both_loops
async def test_all_differences_are_told_those_of_the_bases_first() -> None:
    made = api("def two(self): ...\ndef one(self): ...", api("def nil(self): ..."), Narrower)
    async with connected(Till()) as pair:
        with pytest.raises(TypeError, match="nil is not there; two is not there; one is not there"):
            await proxyables.check_api(pair.client.root, made)


@on_both_loops
async def test_modules_and_what_a_call_gave() -> None:
    async with connected(textwrap) as pair:
        await proxyables.check_api(pair.client.root, api("@staticmethod\ndef dedent(text): ..."))
        with pytest.raises(TypeError, match=r"dedent\(text\) there: missing"):
            await proxyables.check_api(pair.client.root, api("def dedent(self): ..."))

    class Maker:
        def make(self) -> Till:
            return Till()

    async with connected(Maker()) as pair:
        made = await pair.client.root.make()
        assert await proxyables.check_api(made, Narrower) is made
        proxyables.release(made)


def test_it_is_one_round_trip() -> None:
    notebook = Notebook(answer={"members": []})
    with pytest.raises(TypeError, match="add is not there"):
        wait_for(proxyables.check_api(notebook.root, Narrower))
    assert notebook.asked == [(None, [[DESCRIBE]])]


def test_only_cursors_are_compared() -> None:
    with pytest.raises(TypeError, match="takes a cursor on a remote object, got a Till"):
        wait_for(proxyables.check_api(Till(), Till))
    with pytest.raises(TypeError, match="takes a blocking proxy, got a Till"):
        proxyables.sync.check_api(Till(), Till)


def told(**row: Any) -> dict[str, Any]:
    return {"members": [{"name": "add", "kind": "method", "signature": "(a)"} | row]}


NOT_THERE = "add is not there"
NO_METHOD = "add is no method there"
HOSTILE: list[tuple[Any, str]] = [
    (None, NOT_THERE),
    ([["add"]], NOT_THERE),
    ({}, NOT_THERE),
    ({"members": 5}, NOT_THERE),
    ({"members": [5, None, [], {}, {"name": ["add"]}, {"name": None}]}, NOT_THERE),
    ({"members": {"add": 1}, "truncated": [True]}, NOT_THERE),
    (told(kind=["method"]), NO_METHOD),
    (told(kind=None), NO_METHOD),
    (told(signature=5), ""),
    (told(signature="(a): import os"), ""),
    (told(signature="(" * 5000), ""),
    ({"members": [], "truncated": True}, ""),
]


@pytest.mark.parametrize(("answer", "difference"), HOSTILE, ids=lambda each: repr(each)[:60])
def test_nothing_that_is_told_is_trusted(answer: Any, difference: str) -> None:
    checked = proxyables.check_api(Notebook(answer=answer).root, Narrower)
    if difference:
        with pytest.raises(TypeError, match=f"^the remote object is no Narrower: {difference}$"):
            wait_for(checked)
    else:
        wait_for(checked)


def test_a_long_signature_is_clipped() -> None:
    names = ", ".join(f"p{number}" for number in range(150))
    with pytest.raises(TypeError, match="missing a required argument: 'p1'") as caught:
        wait_for(proxyables.check_api(Notebook(answer=told(signature=f"({names})")).root, Narrower))
    assert len(str(caught.value)) < 300


# -- check_api, blocking ---------------------------------------------------------------------------


class BlockingApi(Protocol):
    count: int

    def add(self, a: int, b: int) -> int: ...
    def wait(self) -> int: ...
    def rows(self) -> Iterator[int]: ...


def test_the_blocking_face_knows_no_coroutines() -> None:
    with (
        proxyables.sync.serve(Till(), "tcp://127.0.0.1:0") as server,
        proxyables.sync.connect(server.addresses[0], BlockingApi) as peer,
    ):
        assert proxyables.sync.check_api(peer.root, BlockingApi) is peer.root
        with pytest.raises(TypeError) as caught:
            proxyables.sync.check_api(peer.root, Till)
        for name in ("wait", "rows"):
            assert f"{name} is 'async def', and a blocking proxy" in str(caught.value)
        with pytest.raises(TypeError, match="is no Narrower: add is 'async def'"):
            proxyables.sync.check_api(peer.root, Narrower)
        with pytest.raises(TypeError, match="made is 'async def'"):
            proxyables.sync.check_api(peer.root, Api)
        with pytest.raises(TypeError, match="described by a class"):
            proxyables.sync.check_api(peer.root, 5)  # type: ignore[arg-type]
