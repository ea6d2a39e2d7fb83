"""Objects and functions as arguments and results: passed on, passed back, compared."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

import proxyables
from connections import connected, on_both_loops, settled


class Account:
    bank = "ours"

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.total = 0

    def deposit(self, amount: int) -> int:
        self.total += amount
        return self.total

    @classmethod
    def of_bank(cls) -> str:
        return cls.bank

    @staticmethod
    def rate() -> float:
        return 0.5


class Bank:
    Account = Account

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.held: list[Any] = []

    def open(self, owner: str) -> Account:
        return self.accounts.setdefault(owner, Account(owner))

    def owns(self, thing: Any) -> bool:
        return any(thing is each for each in self.accounts.values())

    def hold(self, thing: Any) -> None:
        self.held.append(thing)

    def drop(self) -> None:
        self.held.clear()

    def give(self) -> Any:
        return self.held[-1]

    def are_same(self, one: Any, other: Any) -> list[bool]:
        return [one is other, one == other, hash(one) == hash(other)]

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    async def call_held(self, *args: Any) -> Any:
        return await self.held[-1](*args)

    def adder(self, by: int) -> Any:
        return lambda x: x + by

    def bound(self, owner: str) -> Any:
        return self.open(owner).deposit

    def partial(self, owner: str, amount: int) -> Any:
        return functools.partial(self.open(owner).deposit, amount)


@on_both_loops
async def test_a_returned_object_is_used_where_it_is() -> None:
    async with connected(Bank()) as (client, _):
        account = await client.root.open("ann")
        assert await account.deposit(5) == 5
        assert await account.deposit(5) == 10
        assert await account.total == 10


@on_both_loops
async def test_the_same_object_twice_is_the_same_cursor() -> None:
    async with connected(Bank()) as (client, _):
        one, other = await client.root.open("ann"), await client.root.open("ann")
        assert one is other
        assert one != await client.root.open("bob")


@on_both_loops
async def test_a_cursor_on_an_object_is_a_good_key() -> None:
    async with connected(Bank()) as (client, _):
        notes = {await client.root.open("ann"): "kind"}
        assert notes[await client.root.open("ann")] == "kind"
        assert await client.root.open("bob") not in notes


@on_both_loops
async def test_an_object_goes_home_as_itself() -> None:
    async with connected(Bank()) as (client, _):
        account = await client.root.open("ann")
        assert await client.root.owns(account)
        assert not await client.root.owns(Account("ann"))


@on_both_loops
async def test_an_object_goes_home_as_itself_from_inside_of_containers() -> None:
    bank = Bank()
    async with connected(bank) as (client, _):
        account = await client.root.open("ann")
        await client.root.hold({"all": [(account,)]})
        assert bank.held[0]["all"][0][0] is bank.accounts["ann"]


@on_both_loops
async def test_the_root_itself_can_be_an_argument() -> None:
    bank = Bank()
    async with connected(bank) as (client, _):
        await client.root.hold(client.root)
        assert bank.held[0] is bank


@on_both_loops
async def test_our_object_comes_back_as_itself() -> None:
    mine = Account("me")
    async with connected(Bank()) as (client, _):
        await client.root.hold(mine)
        assert await client.root.give() is mine


@on_both_loops
async def test_our_function_comes_back_as_itself() -> None:
    def function() -> None: ...

    async with connected(Bank()) as (client, _):
        await client.root.hold(function)
        assert await client.root.give() is function


@on_both_loops
async def test_our_object_is_one_over_there_however_often_it_is_passed() -> None:
    mine = Account("me")
    async with connected(Bank()) as (client, _):
        assert await client.root.are_same(mine, mine) == [True, True, True]
        assert await client.root.are_same(mine, Account("me")) == [False, False, False]


@on_both_loops
async def test_equal_objects_are_not_one() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    async with connected(Bank()) as (client, _):
        assert (await client.root.are_same(Equal(), Equal()))[0] is False


@on_both_loops
async def test_a_function_is_called_back_with_values_keywords_and_objects() -> None:
    async with connected(Bank()) as (client, _):

        async def callback(x: int, *, account: Any) -> Any:
            return [x, await account.deposit(x)]

        account = client.root.open("ann")
        assert await client.root.call(callback, 3, account=account) == [3, 3]


@on_both_loops
async def test_an_async_callback_may_call_back_in_turn() -> None:
    async with connected(Bank()) as (client, _):

        async def countdown(n: int) -> int:
            return 0 if n == 0 else 1 + await client.root.call(countdown, n - 1)

        assert await countdown(20) == 20


@on_both_loops
async def test_a_kept_callback_is_called_after_its_call_is_over() -> None:
    async with connected(Bank()) as (client, _):
        await client.root.hold(lambda x: x * 3)
        assert await client.root.call_held(5) == 15


@on_both_loops
async def test_a_returned_closure_is_called_over_there() -> None:
    async with connected(Bank()) as (client, _):
        add = await client.root.adder(10)
        assert await add(5) == 15
        assert await asyncio.gather(add(1), add(2)) == [11, 12]


@on_both_loops
async def test_a_remote_function_given_back_is_called_without_a_detour() -> None:
    class Caller(Bank):
        def apply(self, function: Any, x: int) -> Any:
            return function(x)  # the function itself: nothing to wait for

    async with connected(Caller()) as (client, server):
        add = await client.root.adder(1)
        assert await client.root.apply(add, 1) == 2
        assert server.statistics()["calls_made"] == 0


@on_both_loops
async def test_a_bound_method_is_a_value() -> None:
    bank = Bank()
    async with connected(bank) as (client, _):
        deposit = await client.root.bound("ann")
        assert await deposit(7) == 7
        assert bank.accounts["ann"].total == 7


@on_both_loops
async def test_our_bound_method_is_a_value() -> None:
    mine = Account("me")
    async with connected(Bank()) as (client, _):
        await client.root.call(mine.deposit, 4)
        assert mine.total == 4


@on_both_loops
async def test_a_partial_is_called_with_what_it_holds() -> None:
    async with connected(Bank()) as (client, _):
        deposit = await client.root.partial("ann", 5)
        assert await deposit() == 5
        assert await client.root.call(functools.partial(pow, 2), 10) == 1024


@on_both_loops
async def test_a_class_is_called_for_an_instance() -> None:
    async with connected(Bank()) as (client, _):
        made = await client.root.Account("new")
        assert await made.owner == "new"
        other = await proxyables.construct(client.root.Account, "other")
        assert await other.owner == "other"


@on_both_loops
async def test_class_and_static_methods() -> None:
    async with connected(Bank()) as (client, _):
        account = await client.root.open("ann")
        assert await account.of_bank() == "ours"
        assert await account.rate() == 0.5
        assert await client.root.Account.of_bank() == "ours"
        assert await client.root.Account.rate() == 0.5
        assert await client.root.Account.bank == "ours"


@on_both_loops
async def test_our_class_is_constructed_by_the_other_side() -> None:
    async with connected(Bank()) as (client, _):
        made = await client.root.call(Account, "there")
        assert type(made) is Account
        assert made.owner == "there"


@on_both_loops
async def test_a_method_of_an_argument_is_used_over_there() -> None:
    class Shop:
        async def pay(self, account: Any, amount: int) -> Any:
            await account.deposit(-amount)
            return await account.total

    mine = Account("me")
    async with connected(Shop()) as (client, _):
        assert await client.root.pay(mine, 3) == -3
        assert mine.total == -3


@on_both_loops
async def test_attributes_of_an_argument_are_set_over_there() -> None:
    class Clerk:
        async def rename(self, account: Any, name: str) -> None:
            await proxyables.assign(account.owner, name)

    mine = Account("me")
    async with connected(Clerk()) as (client, _):
        await client.root.rename(mine, "you")
        assert mine.owner == "you"


@on_both_loops
async def test_each_side_holds_the_others_objects_and_passes_them_to_and_fro() -> None:
    mine = Account("mine")
    bank = Bank()
    async with connected(bank, back=Bank()) as (client, server):
        theirs = await client.root.open("theirs")
        await client.root.hold([mine, theirs])
        got_mine, got_theirs = await client.root.give()
        assert got_mine is mine
        assert got_theirs is theirs
        assert bank.held[0][1] is bank.accounts["theirs"]
        there = await server.root.open("x")
        await server.root.hold(there)
        assert await server.root.give() is there


@on_both_loops
async def test_a_callable_instance_is_called_and_has_attributes() -> None:
    class Counter:
        count = 0

        def __call__(self, by: int = 1) -> int:
            self.count += by
            return self.count

    class Holder:
        counter = Counter()

    async with connected(Holder()) as (client, _):
        counter = await client.root.counter
        assert await counter() == await counter.count
        assert await counter(by=4) == await counter.count


@on_both_loops
async def test_functions_and_objects_passed_by_the_hundred_are_all_given_back() -> None:
    async with connected(Bank()) as (client, server):
        for n in range(100):
            assert await client.root.call(lambda x, n=n: x + n, 1) == n + 1
            assert await client.root.are_same(Account("a"), Account("b")) == [False] * 3
        assert (await settled(client))["entries"] == 0
        assert (await settled(server))["entries"] == 0


@on_both_loops
async def test_a_value_given_by_ref_is_one_live_object_over_there() -> None:
    rows = [1, 2, 3]

    class Editor:
        async def edit(self, rows: Any) -> Any:
            await rows.append(await rows[0] + 10)
            await proxyables.assign(rows[0], "first")

    async with connected(Editor()) as (client, _):
        await client.root.edit(proxyables.ref(rows))
        assert rows == ["first", 2, 3, 11]


@on_both_loops
async def test_a_method_may_return_by_reference_what_travels_by_value() -> None:
    class Owner:
        def __init__(self) -> None:
            self.rows = [1]

        def live(self) -> Any:
            return proxyables.ref(self.rows)

    owner = Owner()
    async with connected(owner) as (client, _):
        rows = await client.root.live()
        await rows.append(2)
        assert owner.rows == [1, 2]


@on_both_loops
async def test_a_cursor_cannot_be_shared_with_another_process_by_pickle() -> None:
    import pickle

    async with connected(Bank()) as (client, _):
        with pytest.raises(TypeError, match="belongs to its connection"):
            pickle.dumps(await client.root.open("ann"))


@on_both_loops
async def test_peer_of_tells_the_connection() -> None:
    async with connected(Bank()) as (client, _):
        assert proxyables.peer_of(await client.root.open("ann")) is client
