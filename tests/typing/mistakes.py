"""What checkers must refuse, and what each of them calls it."""

# ruff: noqa: F841
# The consequences of an unknown name are not what is tested.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from apis import BlockingShop, Counter, Item, Shop

import proxyables
import proxyables.sync
from proxyables import call


async def arguments(shop: Shop) -> None:
    await shop.add("1", 2)  # mypy: arg-type; pyright: reportArgumentType
    await shop.add(1)  # mypy: call-arg; pyright: reportCallIssue
    await shop.add(1, 2, 3)  # mypy: call-arg; pyright: reportCallIssue
    await shop.add(1, c=2)  # mypy: call-arg; pyright: reportCallIssue
    await shop.on_change(print)  # mypy: arg-type; pyright: reportArgumentType
    await (await shop.find("nut")).rename(5)  # mypy: arg-type; pyright: reportArgumentType


async def names(shop: Shop, peer: proxyables.Peer[Shop]) -> None:
    await shop.subtract(1, 2)  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    await peer.root.subtract(1, 2)  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    peer.nothing  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    shop.count = 5  # mypy: assignment, misc; pyright: reportAttributeAccessIssue


async def forgotten_await(shop: Shop) -> None:
    shop.add(1, 2)  # mypy: unused-coroutine; pyright: reportUnusedCoroutine
    number: int = shop.add(1, 2)  # mypy: assignment; pyright: reportAssignmentType
    total = shop.add(1, 2) + 1  # mypy: operator; pyright: reportOperatorIssue
    for row in shop.rows():  # mypy: attr-defined; pyright: reportGeneralTypeIssues
        print(row)
    with shop.transaction():  # mypy: attr-defined; pyright: reportGeneralTypeIssues
        pass


async def results(shop: Shop) -> None:
    text: str = await shop.add(1, 2)  # mypy: assignment; pyright: reportAssignmentType
    name: int = await shop.first().name  # mypy: assignment; pyright: reportAssignmentType


async def ordinary_class(it: Counter) -> None:
    await it.add(1, 2)  # mypy: misc; pyright: reportGeneralTypeIssues
    await call(it.add, "1", 2)  # mypy: call-overload; pyright: reportArgumentType, reportCallIssue
    await call(it.add)  # mypy: call-overload; pyright: reportCallIssue
    await call(it.sub)  # mypy: attr-defined, call-overload; pyright: reportAttributeAccessIssue
    call(it.add, 1, 2)  # mypy: unused-coroutine; pyright: reportUnusedCoroutine


async def classes(peer: proxyables.Peer[Shop]) -> None:
    proxyables.connect("unix:/s", 5)  # mypy: arg-type; pyright: reportArgumentType
    proxyables.connect("unix:/s", "Shop")  # mypy: arg-type; pyright: reportArgumentType
    peer.root_as("Shop")  # mypy: arg-type; pyright: reportArgumentType
    await proxyables.check_api(peer.root, 5)  # mypy: arg-type; pyright: reportArgumentType
    other: proxyables.Peer[Item] = peer  # mypy: assignment; pyright: reportAssignmentType


async def without_a_class() -> None:
    peer = await proxyables.connect("unix:/s")
    number: int = peer.root.add(1, 2)  # mypy: assignment; pyright: reportAssignmentType
    await proxyables.run(5)  # mypy: arg-type; pyright: reportArgumentType


def blocking(shop: BlockingShop) -> None:
    shop.add("1", 2)  # mypy: arg-type; pyright: reportArgumentType
    shop.subtract(1, 2)  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    shop.count = "5"  # mypy: assignment; pyright: reportAttributeAccessIssue
    text: str = shop.add(1, 2)  # mypy: assignment; pyright: reportAssignmentType
    with proxyables.sync.connect("unix:/s", BlockingShop) as peer:
        peer.root.subtract(1, 2)  # mypy: attr-defined; pyright: reportAttributeAccessIssue
        peer.root_as(5)  # mypy: arg-type; pyright: reportArgumentType
    proxyables.sync.connect("unix:/s", 5)  # mypy: arg-type; pyright: reportArgumentType
    proxyables.sync.check_api(shop, 5)  # mypy: arg-type; pyright: reportArgumentType
