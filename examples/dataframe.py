"""A data frame that stays where it is: only the answers travel."""

import asyncio
import sys
from typing import Any

import proxyables

try:
    import pandas
except ImportError:
    print("pandas is not installed here: nothing to show")
    sys.exit()


class Warehouse:
    """Owns a table that is too big to send."""

    def __init__(self) -> None:
        rows = 100_000
        self.orders = pandas.DataFrame(
            {"city": ["Oslo", "Rome"] * (rows // 2), "amount": range(rows)}
        )

    def totals(self) -> Any:
        return self.orders.groupby("city")["amount"].sum().to_dict()


async def main() -> None:
    async with (
        proxyables.serve(Warehouse(), "tcp://127.0.0.1:0") as server,
        proxyables.connect(server.addresses[0]) as peer,
    ):
        orders = peer.root.orders
        print("shape:", await orders.shape)
        print("mean amount:", await orders["amount"].mean())
        large = orders[orders["amount"] >= 99_990]  # filtered over there
        print("large orders:", await proxyables.perform(large, "len"))
        print("totals:", await peer.root.totals())


asyncio.run(main())
