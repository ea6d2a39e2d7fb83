"""What checkers know of blocking proxies."""

from __future__ import annotations

from typing import Any, assert_type

from apis import BlockingShop, Counter

import proxyables.sync


def connecting() -> None:
    peer = proxyables.sync.connect("unix:/s", BlockingShop)
    assert_type(peer, proxyables.sync.Peer[BlockingShop])
    with proxyables.sync.connect("unix:/s", BlockingShop, threads=0) as entered:
        assert_type(entered, proxyables.sync.Peer[BlockingShop])
        assert_type(entered.root, BlockingShop)
    with proxyables.sync.connect("unix:/s", Counter) as other:
        assert_type(other.root, Counter)
        assert_type(other.root_as(BlockingShop), BlockingShop)
        assert_type(proxyables.sync.check_api(other.root, BlockingShop), BlockingShop)


def using(shop: BlockingShop, counter: Counter) -> None:
    assert_type(shop.add(1, b=2), int)
    assert_type(shop.count, int)
    shop.count += 1
    for name, number in shop.rows():
        assert_type(name, str)
        assert_type(number, int)
    with shop.transaction() as entered:
        assert_type(entered, Counter)
    assert_type(len(counter), int)
    proxyables.sync.describe(shop)
    proxyables.sync.copy(shop)
    proxyables.sync.release(shop)


def without_a_class() -> None:
    peer = proxyables.sync.connect("unix:/s")
    assert_type(peer, proxyables.sync.Peer[proxyables.sync.BlockingProxy])
    assert_type(peer.root, proxyables.sync.BlockingProxy)
    assert_type(peer.root.any.path(1), Any)


def takes_every_peer(peer: proxyables.sync.Peer) -> None:
    assert_type(peer.root, Any)


def passing_on(typed: proxyables.sync.Peer[BlockingShop]) -> None:
    takes_every_peer(typed)
