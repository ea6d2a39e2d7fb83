"""What the two sides of a scenario lend each other."""

from __future__ import annotations

from typing import NoReturn


class Shared:
    """What `ParityGetShared` lends: the same one to everybody."""

    kind = "shared"
    value = "shared"


class Nested:
    """What `NestedObjectAccess` lends; its fields are read from over there."""

    label = "nested"

    @property
    def pong(self) -> str:
        return self.ping()

    def ping(self) -> str:
        return "pong"


class Greeter:
    """What `ConstructGreeter` makes."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def greet(self, name: str) -> str:
        return f"{self._greeting} {name}"


class Leaf:
    answer = 42


class Branch:
    def __init__(self) -> None:
        self.leaf = Leaf()


class Graph:
    """What `ParityGetDeepGraph` lends."""

    label = "deep"

    def __init__(self) -> None:
        self.branch = Branch()

    def echo(self, text: str) -> str:
        return f"echo {text}"


class Helper:
    """What a driver lends for `ObjectArgumentRoundtrip`."""

    def greet(self, name: str) -> str:
        return f"helper:{name}"


def call_back(value: object) -> str:
    """What a driver lends for `CallbackRoundtrip`."""
    return f"callback:{value}"


def fail(value: object) -> NoReturn:
    """What a driver lends where a call is to fail."""
    raise ValueError("Boom")
