"""A process that lends all sorts of objects; the scenarios of the blocking face talk to it.

``python tests/workshop.py [ADDRESS]`` prints where it listens, and ends when its stdin does. Each
connection gets a workshop of its own.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import io
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import proxyables.sync

_SOURCE = Path(proxyables.__file__).parents[1]


class Money:
    """An amount; the operators with plain numbers work from both sides."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __add__(self, other: Any) -> Money:
        return Money(self.cents + _cents(other))

    def __sub__(self, other: Any) -> Money:
        return Money(self.cents - _cents(other))

    def __rsub__(self, other: Any) -> Money:
        return Money(_cents(other) - self.cents)

    def __mul__(self, factor: int) -> Money:
        return Money(self.cents * factor)

    def __rmul__(self, factor: int) -> Money:
        return Money(factor * self.cents)

    def __iadd__(self, other: Any) -> Money:
        self.cents += _cents(other)
        return self

    def __neg__(self) -> Money:
        return Money(-self.cents)

    def __pow__(self, exponent: int, modulus: int | None = None) -> int:
        return pow(self.cents, exponent, modulus)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self) -> int:
        return hash(self.cents)

    def __lt__(self, other: Any) -> bool:
        return self.cents < _cents(other)

    def __bool__(self) -> bool:
        return self.cents != 0

    def __str__(self) -> str:
        return f"{self.cents / 100:.2f}"

    def __format__(self, spec: str) -> str:
        return format(self.cents / 100, spec)


def _cents(value: Any) -> int:
    cents: int = value.cents if hasattr(value, "cents") else value
    return cents


class Tool:
    """Something to work with."""

    material = "iron"

    def __init__(self, name: str = "hammer", *, weight: int = 1) -> None:
        self.name = name
        self.weight = weight

    @property
    def label(self) -> str:
        """The name, for a sign."""
        return self.name.upper()

    @label.setter
    def label(self, text: str) -> None:
        self.name = text.lower()

    @property
    def broken(self) -> str:
        raise OSError(5, "the sensor does not answer")

    @classmethod
    def default(cls) -> Tool:
        return cls()

    @staticmethod
    def heavier(one: Any, other: Any) -> Any:
        """Returns the heavier of two."""
        return one if one.weight > other.weight else other

    def lift(self, times: int = 1, *, by: str = "hand") -> str:
        """Lifts it."""
        return f"{self.name} x{times} by {by}"


class PowerTool(Tool):
    """One with a motor."""

    def lift(self, times: int = 1, *, by: str = "crane") -> str:
        return super().lift(times, by=by)


class Shelf:
    """A container of its own make."""

    def __init__(self) -> None:
        self._places: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return ["slice", key.start, key.stop, key.step]
        return self._places[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._places[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._places[key]

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self._places))


class OutOfStock(Exception):
    """Nobody but this process knows it."""

    def __init__(self, item: str, wanted: int) -> None:
        super().__init__(f"{item}: {wanted} wanted")
        self.item = item


class Door:
    """A context manager that notes how it was left."""

    def __init__(self, log: list[Any], *, forgives: bool) -> None:
        self._log = log
        self._forgives = forgives

    def __enter__(self) -> Door:
        self._log.append("in")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._log.append(["out", kind.__name__ if kind else None, str(error or "")])
        return self._forgives and isinstance(error, LookupError)

    def knock(self) -> str:
        return "who is there?"


class Workshop:
    """What every client gets."""

    Tool = Tool
    PowerTool = PowerTool
    Money = Money

    def __init__(self) -> None:
        self.owner = "Ann"
        self.tool = Tool()
        self.shelf = Shelf()
        self.money = Money(250)
        self.names = ["a", "b", "c", "d", "e"]
        self.stock: dict[str, Any] = {"nails": 100, "saws": 3}
        self.empty: list[int] = []
        self.kinds = {"hand", "power"}
        self.log: list[Any] = []
        self.produced = 0
        self.kept: Any = None
        self.bell = threading.Event()
        self._made: weakref.WeakSet[Tool] = weakref.WeakSet()
        self._threads: list[threading.Thread] = []

    # -- values -----------------------------------------------------------------------------------

    def pid(self) -> int:
        return os.getpid()

    def same(self, value: Any) -> Any:
        return value

    def is_tool(self, value: Any) -> bool:
        return value is self.tool

    def lift_tool(self) -> str:
        return self.tool.lift()

    def keep(self, value: Any) -> None:
        self.kept = value

    def is_kept(self, value: Any) -> bool:
        return value is self.kept

    @staticmethod
    def pair(*args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def counter(self) -> Any:
        return collections.Counter("hello")

    def make(self, number: int) -> list[Tool]:
        made = [Tool(str(index)) for index in range(number)]
        self._made.update(made)
        return made

    def document(self) -> io.StringIO:
        return io.StringIO("one\ntwo\nthree\n")

    def fill(self, file: Any) -> int:
        """Writes to a file of the caller, and closes it."""
        with file:
            for number in range(3):
                file.write(f"line {number}\n")
        return 3

    def read(self, file: Any) -> list[str]:
        return [line.rstrip() for line in file]

    def collected(self) -> bool:
        """Collects what nobody holds, before it answers."""
        return gc.collect() >= 0

    def alive(self) -> int:
        """Counts the tools of `make` that somebody still holds."""
        return len(self._made)

    # -- iteration --------------------------------------------------------------------------------

    def rows(self, number: int) -> Iterator[dict[str, int]]:
        try:
            for index in range(number):
                self.produced += 1
                yield {"index": index}
        finally:
            self.log.append("closed")

    def blocks(self, number: int) -> Iterator[bytes]:
        for _ in range(number):
            self.produced += 1
            yield bytes(1 << 16)

    def slow_numbers(self) -> Iterator[int]:
        """Two at once; the third ten seconds later."""
        yield 0
        yield 1
        self.wait(10)
        yield 2

    def until_broken(self, number: int) -> Iterator[int]:
        yield from range(number)
        raise OutOfStock("nails", number)

    def echoes(self) -> Iterator[Any]:
        heard = None
        while heard != "stop":
            heard = yield heard

    def numbers(self, number: int) -> Iterator[int]:
        yield from range(number)

    def total(self, numbers: Any) -> int:
        return sum(numbers)

    # -- errors and context managers --------------------------------------------------------------

    def fail(self, kind: str) -> None:
        if kind == "custom":
            raise OutOfStock("nails", 5)
        if kind == "chained":
            try:
                self.stock["screws"]
            except KeyError as error:
                raise RuntimeError("no order") from error
        if kind == "exit":
            sys.exit(3)
        self.names.index(kind)

    def door(self, *, forgives: bool = False) -> Door:
        return Door(self.log, forgives=forgives)

    @contextmanager
    def order(self) -> Iterator[dict[str, int]]:
        lines: dict[str, int] = {}
        try:
            yield lines
        except ValueError:
            self.log.append("given back")
            raise
        else:
            self.log.append("paid")

    def enter(self, manager: Any) -> Any:
        with manager as entered:
            return entered

    # -- callbacks --------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def guard(self, function: Callable[..., Any]) -> str:
        try:
            function()
        except LookupError as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    def down(self, depth: int, other: Any) -> int:
        return 0 if depth == 0 else 1 + int(other.down(depth - 1, self))

    def call_later(self, function: Callable[[Any], Any], values: list[Any]) -> None:
        """Calls back from a thread of this process's own, each with a value."""

        def work() -> None:
            self.bell.wait(30)
            for value in values:
                function(value)

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def ring(self) -> None:
        self.bell.set()

    def join(self) -> int:
        for thread in self._threads:
            thread.join(30)
        return sum(thread.is_alive() for thread in self._threads)

    # -- waiting ----------------------------------------------------------------------------------

    def wait(self, seconds: float = 30) -> bool:
        return self.bell.wait(seconds)

    def begin(self, began: Callable[[], Any]) -> bool:
        """Tells that it has begun, and waits for the bell."""
        began()
        return self.bell.wait(30)

    def left(self) -> str:
        return "still here"

    def exit_process(self) -> None:
        os._exit(7)

    # -- other processes --------------------------------------------------------------------------

    def dial(self, address: str) -> Any:
        self._far = proxyables.sync.connect(address)
        return self._far.root

    def hang_up(self) -> None:
        self._far.close()


class Running:
    """A workshop in another process.

    Attributes:
        address: Where it listens.
        process: The child.
    """

    def __init__(self, address: str = "tcp://127.0.0.1:0") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, address],
            env={**os.environ, "PYTHONPATH": str(_SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the workshop did not start"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(BrokenPipeError), self.process:  # closes its stdin, and waits
            pass

    def kill(self) -> None:
        """Ends the process as no program can resist."""
        self.process.kill()
        self.process.wait()


def eventually(condition: Callable[[], object], within: float = 10) -> bool:
    """Whether a condition of another process becomes true in time."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def main(address: str = "tcp://127.0.0.1:0") -> None:
    """Serves until stdin ends."""
    serving = proxyables.sync.serve(
        Workshop, address, factory=True, instance="connection", threads=8
    )
    with serving as server:
        print(server.addresses[0], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
