"""A small bookshop to try things on: ``proxyables demo``, or serve ``proxyables.demo:obj``.

It has one of everything that a remote object can have. On a prompt, where every remote call is
awaited for you::

    obj.name                                  an attribute
    obj.add(2, 3)                             a method
    obj.books[0].title                        an item, and an attribute of a nested object
    obj.stock["Emma"]                         a dictionary, by key
    obj.sell("Emma", copies=2, gift=True)     keyword arguments
    obj.till.total                            another nested object
    obj.wrap("Emma", seconds=0.5)             an async method
    obj.on_sale(print)                        a callback, which is called at each sale
    for title in obj.titles(): print(title)   a generator
    obj.sell("Emma", copies=1000)             an error of its own: OutOfStock
    obj.Customer("Ada").greet()               a class to construct

Everything lives in memory and nothing in it touches the machine, so that strangers may play with
it. It is plain Python that knows nothing of this package: exporting it takes no change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

MAX_LISTENERS = 100
MAX_SECONDS = 60.0


class OutOfStock(LookupError):
    """The shelf does not hold that many copies."""


class Book:
    """One title on the shelf.

    Attributes:
        title: What it is called.
        author: Who wrote it.
        price: Cents for one copy.
    """

    def __init__(self, title: str, author: str, price: int) -> None:
        self.title = title
        self.author = author
        self.price = price

    def __repr__(self) -> str:
        return f"<Book {self.title!r} by {self.author}>"

    def quote(self, copies: int = 1, *, discount: int = 0) -> int:
        """Tells the price of some copies in cents, less a discount in percent."""
        if not 0 <= discount <= 100:
            raise ValueError(f"a discount is between 0 and 100 percent, got {discount!r}")
        return copies * self.price * (100 - discount) // 100


class Customer:
    """Somebody who buys books."""

    def __init__(self, name: str, *, budget: int = 5000) -> None:
        self.name = name
        self.budget = budget

    def __repr__(self) -> str:
        return f"<Customer {self.name}>"

    def greet(self) -> str:
        """Says hello."""
        return f"Good morning, {self.name}!"


class Till:
    """Where the money goes."""

    def __init__(self) -> None:
        self.total = 0
        self.sales = 0

    def __repr__(self) -> str:
        return f"<Till with {self.total} cents>"

    def take(self, cents: int) -> int:
        """Puts money in and returns what is in it then."""
        if cents < 0:
            raise ValueError(f"a till takes no negative amounts, got {cents!r}")
        self.total += cents
        self.sales += 1
        return self.total


class Bookshop:
    """A bookshop with three titles.

    Attributes:
        name: What stands over the door; may be set.
        books: The titles on the shelf.
        stock: How many copies of each there are, by title.
        till: Where the money goes.
    """

    Customer = Customer

    def __init__(self) -> None:
        self.name = "The Remote Shelf"
        self.books = [
            Book("Emma", "Jane Austen", 900),
            Book("Dracula", "Bram Stoker", 1100),
            Book("Middlemarch", "George Eliot", 1400),
        ]
        self.stock = {"Emma": 12, "Dracula": 3, "Middlemarch": 5}
        self.till = Till()
        self._listeners: list[Callable[..., Any]] = []

    def __repr__(self) -> str:
        return f"<Bookshop {self.name!r}>"

    def __len__(self) -> int:
        return sum(self.stock.values())

    def add(self, a: Any, b: Any) -> Any:
        """Adds two values: the smallest call that shows that something is there."""
        return a + b

    def find(self, title: str) -> Book:
        """Finds a book by its title.

        Raises:
            KeyError: There is no such title.
        """
        for book in self.books:
            if book.title == title:
                return book
        raise KeyError(title)

    async def sell(self, title: str, copies: int = 1, *, gift: bool = False) -> dict[str, Any]:
        """Sells copies of a title, and tells every listener before it returns the receipt.

        Raises:
            KeyError: There is no such title.
            ValueError: The number of copies is not positive.
            OutOfStock: The shelf does not hold that many.
        """
        book = self.find(title)
        if copies < 1:
            raise ValueError(f"at least one copy, got {copies!r}")
        if copies > self.stock[title]:
            raise OutOfStock(f"{copies} copies of {title!r} wanted, {self.stock[title]} there")
        self.stock[title] -= copies
        cents = book.quote(copies)
        self.till.take(cents)
        for listener in list(self._listeners):
            await _call(listener, title, copies)
        return {"title": title, "copies": copies, "cents": cents, "gift": gift}

    def on_sale(self, callback: Callable[..., Any]) -> int:
        """Has ``callback(title, copies)`` called at each sale; returns how many listen.

        Raises:
            ValueError: Too many listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise ValueError(f"{MAX_LISTENERS} listeners are enough")
        self._listeners.append(callback)
        return len(self._listeners)

    def off_sale(self) -> int:
        """Forgets all listeners; returns how many there were."""
        count = len(self._listeners)
        self._listeners.clear()
        return count

    async def price_with(self, title: str, rule: Callable[..., Any]) -> Any:
        """Asks a function of the caller's for a price: ``rule(cents)`` runs on their side."""
        return await _call(rule, self.find(title).price)

    async def wrap(self, title: str, seconds: float = 0.1) -> str:
        """Wraps a book as a gift, which takes its time; other calls go on meanwhile."""
        # Imported where it is needed: the module is also used to show that a plain one can be
        # exported.
        import asyncio

        book = self.find(title)
        await asyncio.sleep(min(max(seconds, 0.0), MAX_SECONDS))
        return f"{book.title}, in paper with a bow"

    def titles(self) -> Iterator[str]:
        """Goes along the shelf, title by title."""
        for book in self.books:
            yield book.title

    async def countdown(self, start: int = 3, seconds: float = 0.1) -> AsyncIterator[int]:
        """Counts down to zero, one number at a time, until the shop closes."""
        import asyncio

        for left in range(start, -1, -1):
            yield left
            if left:
                await asyncio.sleep(min(max(seconds, 0.0), MAX_SECONDS))


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    """Calls what may be a local function or a remote one, whose result is awaited."""
    result = function(*args)
    return await result if hasattr(type(result), "__await__") else result


obj = Bookshop()

__all__ = ["Book", "Bookshop", "Customer", "OutOfStock", "Till", "obj"]
