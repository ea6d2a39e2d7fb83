"""Values of your own: dataclasses that travel whole, and exceptions that arrive as themselves."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import proxyables


@proxyables.by_value
@dataclass(frozen=True)
class Order:
    """Travels by value: both sides have this class."""

    item: str
    count: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        return self.count * self.price


@proxyables.register_exception
class OutOfStock(Exception): ...


class Service:
    """Takes orders, and gives a discount."""

    def place(self, order: Order) -> Order:
        if order.item != "nuts":
            raise OutOfStock(order.item)
        return Order(order.item, order.count, order.price * Decimal("0.9"))


async def main() -> None:
    async with (
        proxyables.serve(Service(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        order: Order = await peer.root.place(Order("nuts", 10, Decimal("1.50")))
        print(order.count, order.item, "cost", order.total)
        try:
            await peer.root.place(Order("bolts", 1, Decimal(1)))
        except OutOfStock as error:
            print("out of stock:", error)


asyncio.run(main())
