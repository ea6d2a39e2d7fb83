"""Paths as arguments: what they name is fetched where it is, and no answer is waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled


class Session:
    def __init__(self, user: str) -> None:
        self.user = user
        self.profile = {"name": user.title(), "tags": ["a", "b"]}

    def me(self) -> Session:
        return self

    def greet(self, other: Any) -> str:
        return f"{self.user} greets {other}"


class API:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.number = 7
        self.table = {"k": "key", 3: "three"}

    def login(self, user: str) -> Session:
        self.log.append(f"login {user}")
        return Session(user)

    async def slow(self, user: str) -> Session:
        await asyncio.sleep(0)
        return Session(user)

    def name_of(self, session: Any) -> str:
        self.log.append(f"name_of {session.user}")
        return session.user

    def add(self, *numbers: Any, **more: Any) -> Any:
        return sum(numbers) + sum(more.values())

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        self.log.append("fail")
        raise KeyError("no such thing")

    async def call(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    def numbers(self) -> Any:
        yield from range(5)


class Counted:
    """Counts the messages that its body sends."""

    def __init__(self, peer: proxyables.Peer) -> None:
        self._peer = peer
        self.calls = 0

    def __enter__(self) -> Counted:
        self._before = self._peer.statistics()["calls_made"]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.calls = self._peer.statistics()["calls_made"] - self._before


@on_both_loops
async def test_building_a_path_sends_nothing() -> None:
    async with connected(API()) as (client, _):
        with Counted(client) as counted:
            path = client.root.login("ann").me().profile["tags"][0]
            assert "login" in repr(path)
            await asyncio.sleep(0)
        assert counted.calls == 0


@on_both_loops
async def test_a_long_chain_through_async_methods_is_one_message() -> None:
    async with connected(API()) as (client, _):
        with Counted(client) as counted:
            assert await client.root.slow("ann").me().me().profile["tags"][1] == "b"
        assert counted.calls == 1


@on_both_loops
async def test_the_result_of_a_call_as_argument_of_another_is_one_message() -> None:
    api = API()
    async with connected(api) as (client, server):
        root = client.root
        with Counted(client) as counted:
            assert await root.name_of(root.login("ann")) == "ann"
        assert counted.calls == 1
        assert api.log == ["login ann", "name_of ann"]
        assert server.snapshot()["entries"] == 0  # the session never left


@on_both_loops
async def test_paths_inside_of_containers_and_keywords_are_one_message() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        with Counted(client) as counted:
            got = await root.echo({"a": [root.number, (root.table["k"],)], "b": {1: root.number}})
            total = await root.add(root.number, x=root.number, y=1)
        assert got == {"a": [7, ("key",)], "b": {1: 7}}
        assert total == 15
        assert counted.calls == 2


@on_both_loops
async def test_a_path_as_item_key() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        with Counted(client) as counted:
            assert await root.table[root.echo("k")] == "key"
            assert await root.login("ann").profile["tags"][: root.add(1)] == ["a"]
        assert counted.calls == 2


@on_both_loops
async def test_a_path_as_operand_on_either_side() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        with Counted(client) as counted:
            assert await (root.number + root.number) == 14
            assert await (10 - root.number) == 3
            assert await (root.number < root.add(8)) is True
        assert counted.calls == 3


@on_both_loops
async def test_a_path_assigned_to_another_place_does_not_travel() -> None:
    api = API()
    async with connected(api) as (client, _):
        with Counted(client) as counted:
            await proxyables.assign(client.root.number, client.root.add(1, 2))
        assert counted.calls == 1
        assert api.number == 3


@on_both_loops
async def test_paths_three_levels_deep() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        with Counted(client) as counted:
            assert await root.add(root.add(root.add(1, root.number), 1), 1) == 10
        assert counted.calls == 1


@on_both_loops
async def test_a_path_on_a_reference_as_argument() -> None:
    async with connected(API()) as (client, _):
        session = await client.root.login("ann")
        with Counted(client) as counted:
            assert await client.root.name_of(session.me()) == "ann"
        assert counted.calls == 1


@on_both_loops
async def test_each_await_of_a_path_runs_it_anew() -> None:
    api = API()
    async with connected(api) as (client, _):
        path = client.root.login("ann")
        assert await path != await path
        assert api.log == ["login ann", "login ann"]


@on_both_loops
async def test_a_path_used_twice_in_one_call_runs_twice() -> None:
    api = API()
    async with connected(api) as (client, _):
        path = client.root.login("ann")
        await client.root.echo([path, path])
        assert api.log == ["login ann", "login ann"]


@on_both_loops
async def test_an_error_in_an_argument_is_the_calls_error_and_it_never_runs() -> None:
    api = API()
    async with connected(api) as (client, _):
        with pytest.raises(KeyError, match="no such thing"):
            await client.root.name_of(client.root.fail())
        assert api.log == ["fail"]


@on_both_loops
async def test_an_error_early_in_a_chain_stops_it() -> None:
    api = API()
    async with connected(api) as (client, _):
        with pytest.raises(KeyError):
            await client.root.fail().login("never")
        assert api.log == ["fail"]


@on_both_loops
async def test_arguments_run_in_the_order_in_which_they_are_written() -> None:
    api = API()
    async with connected(api) as (client, _):
        root = client.root
        await root.echo([root.login("1"), root.login("2"), root.name_of(root.login("3"))])
        assert api.log == ["login 1", "login 2", "login 3", "name_of 3"]


@on_both_loops
async def test_a_method_of_theirs_as_callback_of_theirs() -> None:
    async with connected(API()) as (client, _):
        with Counted(client) as counted:
            assert await client.root.echo(client.root.login("ann").greet("bob")) == "ann greets bob"
        assert counted.calls == 1


@on_both_loops
async def test_a_callback_may_return_a_path_on_the_callers_side() -> None:
    async with connected(API()) as (client, _):
        assert await client.root.call(lambda: client.root.number) == 7
        assert await client.root.call(lambda: [client.root.table["k"]]) == ["key"]


@on_both_loops
async def test_a_path_in_a_callbacks_answer_that_fails_is_the_callers_error() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(KeyError, match="no such thing"):
            await client.root.call(lambda: client.root.fail())
        assert await client.root.number == 7


@on_both_loops
async def test_a_path_that_streams_as_argument_is_the_iterator() -> None:
    class Summing(API):
        def total(self, numbers: Any) -> int:
            return sum(numbers)

    async with connected(Summing()) as (client, _):
        assert await client.root.total(client.root.numbers()) == 10


@on_both_loops
async def test_calls_are_under_way_together() -> None:
    arrived: list[int] = []
    both = asyncio.Event()

    class Meeting:
        async def meet(self, n: int) -> int:
            arrived.append(n)
            if len(arrived) == 50:
                both.set()
            await both.wait()
            return n

    async with connected(Meeting()) as (client, _):
        calls = [client.root.meet(n) for n in range(50)]
        assert await asyncio.gather(*calls) == list(range(50))


@on_both_loops
async def test_pipelined_references_are_all_given_back() -> None:
    async with connected(API()) as (client, server):
        root = client.root
        for _ in range(50):
            kept = await root.echo([root.login("a"), {"b": root.slow("b")}])
        del kept
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_failing_argument_gives_back_what_the_others_lent() -> None:
    async with connected(API()) as (client, server):
        root = client.root
        for _ in range(20):
            with pytest.raises(KeyError):
                await root.echo([object.__new__(API), root.login("x"), root.fail()])
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_released_object_in_a_path_is_refused_here() -> None:
    async with connected(API()) as (client, _):
        session = await client.root.login("ann")
        proxyables.release(session)
        with Counted(client) as counted, pytest.raises(proxyables.ReferenceNotFound):
            await client.root.name_of(session.me())
        assert counted.calls == 0
