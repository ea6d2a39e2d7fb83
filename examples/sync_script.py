"""A script without async: remote objects that are used like local ones."""

import proxyables.sync


class Shop:
    """Sells fruit."""

    def __init__(self) -> None:
        self.stock = {"apples": 5, "pears": 2}
        self.sold = 0

    def sell(self, what: str, count: int = 1) -> int:
        if self.stock.get(what, 0) < count:
            raise LookupError(f"not enough {what}")
        self.stock[what] -= count
        self.sold += count
        return self.stock[what]

    def catalogue(self) -> list[str]:
        return sorted(self.stock)


with (
    proxyables.sync.serve(Shop(), "tcp://127.0.0.1:0") as server,
    proxyables.sync.connect(server.addresses[0]) as peer,
):
    shop = peer.root
    print("on sale:", ", ".join(shop.catalogue()))
    print("apples left:", shop.sell("apples", count=2))
    shop.stock["plums"] = 7
    shop.sold += 1
    print("kinds:", len(shop.stock), "plums too:", "plums" in shop.stock)
    print("sold:", shop.sold)
    try:
        shop.sell("pears", 10)
    except LookupError as error:
        print("no sale:", error)
