"""Types: a class that both sides know tells the editor, and the checker, what is over there."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import proxyables


@proxyables.by_value
@dataclass(frozen=True)
class Order:
    item: str
    count: int
    price: Decimal


@proxyables.register_exception
class OutOfStock(Exception): ...


class Service:
    def place(self, order: Order) -> Order:
        if order.item != "nuts":
            raise OutOfStock(order.item)
        return Order(order.item, order.count, order.price * Decimal("0.9"))


class RemoteService(Protocol):
    """What callers see of it: there, a call is awaited."""

    async def place(self, order: Order) -> Order: ...


async def main() -> None:
    async with (
        proxyables.serve(Service(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0], RemoteService) as peer,
    ):
        service = await proxyables.check_api(peer.root, RemoteService)
        order = await service.place(Order("nuts", 10, Decimal("1.50")))
        print(order.count, order.item, "cost", order.count * order.price)
        try:
            await service.place(Order("bolts", 1, Decimal(1)))
        except OutOfStock as error:
            print("out of stock:", error)


asyncio.run(main())
