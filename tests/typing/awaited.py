"""What checkers know of cursors."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from apis import AtomicClock, Clock, Counter, Item, Shop, Store

import proxyables


async def connecting() -> None:
    peer = await proxyables.connect("unix:/s", Shop)
    assert_type(peer, proxyables.Peer[Shop])
    assert_type(peer.root, Shop)
    async with proxyables.connect("unix:/s", Shop, timeout=1) as entered:
        assert_type(entered, proxyables.Peer[Shop])
    assert_type((await proxyables.connect("unix:/s", Clock)).root, Clock)
    assert_type((await proxyables.connect("unix:/s", Counter)).root, Counter)
    assert_type((await proxyables.connect("unix:/s", Store[int])).root, Store[int])


async def other_ways(peer: proxyables.Peer, stream: object) -> None:
    assert_type(peer.root_as(Shop), Shop)
    assert_type(peer.root_as(Clock), Clock)
    assert_type(peer.root_as(Counter), Counter)
    assert_type(peer.root_as(proxyables.ProxyCursor), proxyables.ProxyCursor)
    assert_type(await peer.root_as(Store[int]).get("key"), int)
    assert_type(await proxyables.Proxyable.ImportFrom(stream, Shop), Shop)
    assert_type(await proxyables.check_api(peer.root, Shop), Shop)
    async with peer as entered:
        assert_type(entered, proxyables.Peer[Any])


def lending(item: Item) -> None:
    assert_type(proxyables.restrict(item, allow=["name"], read_only=True), Item)
    proxyables.revocable(item).revoke()


async def looking_inside(peer: proxyables.Peer) -> None:
    told = await peer.status()
    assert_type(told, proxyables.Status)
    assert_type(told["rates"]["p99"], float | None)
    async for event in peer.trace("shop.*", errors_only=True):
        assert_type(event, proxyables.TraceEvent)


async def using(shop: Shop) -> None:
    assert_type(await shop.add(1, b=2), int)
    assert_type(await shop.count, int)
    item = await shop.find("nut")
    assert_type(item, Item)
    assert_type(await item.name, str)
    assert_type(await shop.first().name, str)
    async for name, number in shop.rows():
        assert_type(name, str)
        assert_type(number, int)
    async with shop.transaction() as entered:
        assert_type(entered, Item)
    assert_type(await asyncio.wait_for(shop.add(1, 2), 1), int)
    assert_type(await asyncio.gather(shop.add(1, 2), shop.count), tuple[int, int])


async def functions(shop: Shop, item: Item) -> None:
    assert_type(await proxyables.copy(shop.count), int)
    assert_type(await proxyables.copy(item), Any)
    assert_type(await proxyables.run(shop.add(1, 2)), int)
    assert_type(await proxyables.contains(shop, 1), bool)
    assert_type(proxyables.is_settled(item), bool)
    await proxyables.assign(item.name, "bolt")
    await proxyables.delete(item.name)
    await proxyables.describe(item)
    await proxyables.describe(item, static=True)
    proxyables.peer_of(item)
    proxyables.release(item)


async def ordinary_classes(counter: Counter, shop: Shop, cursor: proxyables.ProxyCursor) -> None:
    assert_type(await proxyables.call(counter.add, 1, b=2), int)
    assert_type(await proxyables.call(counter.slow), str)
    assert_type(await proxyables.call(shop.add, 1, 2), int)
    assert_type(await proxyables.call(cursor.add, 1, 2), Any)
    async with asyncio.TaskGroup() as group:
        assert_type(group.create_task(proxyables.call(counter.add, 1, 2)), asyncio.Task[int])
        assert_type(group.create_task(proxyables.run(shop.add(1, 2))), asyncio.Task[int])


async def without_a_class(stream: object) -> None:
    peer = await proxyables.connect("unix:/s")
    assert_type(peer, proxyables.Peer[proxyables.ProxyCursor])
    assert_type(peer.root, proxyables.ProxyCursor)
    assert_type(peer.root.any.path(1), proxyables.ProxyCursor)
    assert_type(await peer.root.any.path(1), Any)
    assert_type(await proxyables.Proxyable.ImportFrom(stream), proxyables.ProxyCursor)
    assert_type(proxyables.current_peer().root, proxyables.ProxyCursor)


async def takes_every_peer(peer: proxyables.Peer) -> None:
    assert_type(peer.root, Any)


async def takes_clocks(peer: proxyables.Peer[Clock]) -> None:
    assert_type(await peer.root.now(), float)


async def passing_on(typed: proxyables.Peer[Shop], finer: proxyables.Peer[AtomicClock]) -> None:
    await takes_every_peer(typed)
    await takes_every_peer(await proxyables.connect("unix:/s"))
    await takes_clocks(finer)
