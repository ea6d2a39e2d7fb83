"""What surrounds a served call: who calls, and whose context variables it sees."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


class API:
    def __init__(self) -> None:
        self.later: asyncio.Task[Any] | None = None

    def who(self) -> Any:
        return proxyables.current_peer()

    def is_from(self, index: int) -> bool:
        return proxyables.current_peer() is peers[index]

    async def is_from_later(self, index: int) -> bool:
        await asyncio.sleep(0)
        return proxyables.current_peer() is peers[index]

    def in_generator(self, index: int) -> Any:
        for _ in range(3):
            yield proxyables.current_peer() is peers[index]

    async def in_async_generator(self, index: int) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
            yield proxyables.current_peer() is peers[index]

    @property
    def in_property(self) -> bool:
        return proxyables.current_peer() is peers[0]

    async def in_child_task(self, index: int) -> bool:
        return await asyncio.create_task(self.is_from_later(index))

    def get_user(self) -> str:
        return user.get()

    async def get_user_later(self) -> str:
        await asyncio.sleep(0)
        return user.get()

    def set_user(self, name: str) -> str:
        user.set(name)
        return user.get()

    async def set_user_later(self, name: str) -> str:
        user.set(name)
        await asyncio.sleep(0)
        return user.get()

    def set_in_generator(self, name: str) -> Any:
        user.set(name)
        yield user.get()

    async def call_between(self, function: Any) -> list[str]:
        user.set("me")
        theirs = await function()
        return [theirs, user.get()]

    async def call(self, function: Any) -> Any:
        return await function()


peers: list[Any] = []


@on_both_loops
async def test_current_peer_is_whoever_calls_in_every_kind_of_code() -> None:
    async with connected(API()) as one, connected(API()) as other:
        peers[:] = [one.server, other.server]
        try:
            for index, pair in enumerate((one, other)):
                root = pair.client.root
                assert await root.is_from(index)
                assert await root.is_from_later(index)
                assert await root.in_child_task(index)
                assert [each async for each in root.in_generator(index)] == [True] * 3
                assert [each async for each in root.in_async_generator(index)] == [True] * 3
            assert await one.client.root.in_property
        finally:
            peers.clear()


@on_both_loops
async def test_many_calls_of_two_peers_at_once_each_see_their_own() -> None:
    api = API()
    async with connected(api) as one, connected(api) as other:
        peers[:] = [one.server, other.server]
        try:
            calls = [
                pair.client.root.is_from_later(index)
                for _ in range(100)
                for index, pair in enumerate((one, other))
            ]
            assert all(await asyncio.gather(*calls))
        finally:
            peers.clear()


@on_both_loops
async def test_in_a_callback_current_peer_is_the_other_side() -> None:
    async with connected(API()) as (client, _):
        assert await client.root.call(lambda: proxyables.current_peer() is client)


@on_both_loops
async def test_outside_of_calls_there_is_none() -> None:
    async with connected(API()) as (client, _):
        await client.root.get_user()
        with pytest.raises(LookupError, match="methods that a peer has called"):
            proxyables.current_peer()


@on_both_loops
async def test_a_peer_itself_is_not_lent() -> None:
    async with connected(API()) as (client, _):
        with pytest.raises(proxyables.AccessDenied):
            await client.root.who()


@on_both_loops
async def test_what_a_caller_sets_is_not_seen_over_there() -> None:
    async with connected(API()) as (client, _):
        user.set("caller")
        assert await client.root.get_user() == "nobody"
        assert await client.root.get_user_later() == "nobody"
        assert user.get() == "caller"


@on_both_loops
async def test_what_one_call_sets_is_gone_with_it() -> None:
    async with connected(API()) as (client, _):
        root = client.root
        for setting in (root.set_user("sync"), root.set_user_later("async")):
            await setting
            assert await root.get_user() == "nobody"
            assert await root.get_user_later() == "nobody"
        assert [name async for name in root.set_in_generator("generator")] == ["generator"]
        assert await root.get_user() == "nobody"
        assert user.get() == "nobody"


@on_both_loops
async def test_calls_side_by_side_do_not_see_each_others() -> None:
    async with connected(API()) as (client, _):
        names = [f"user {n}" for n in range(50)]
        calls = [client.root.set_user_later(name) for name in names]
        assert await asyncio.gather(*calls) == names


@on_both_loops
async def test_a_callback_sees_neither_the_others_nor_a_stale_one() -> None:
    async with connected(API()) as (client, _):
        user.set("caller")
        theirs, mine = await client.root.call_between(lambda: user.get())
        assert mine == "me"
        assert theirs == "nobody"
