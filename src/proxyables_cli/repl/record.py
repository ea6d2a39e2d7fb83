"""What happened in a session: its inputs, what became of each, and where the remote was.

`%history`, `%edit` and `%save` read it.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType

from proxyables_cli.repl.evaluation import Ending, Outcome
from proxyables_cli.repl.faces import UserValue
from proxyables_cli.repl.notes import CELLS, Site, is_only_here
from proxyables_cli.repl.remoting import is_remote

MOST_ENTRIES = 10_000
MOST_LITERAL = 10_000
"""Characters of a value that an entry keeps."""

Place = tuple[str, int | None, int | None, int | None, int | None]
"""A file's name; the first line and the last, the first column and the last."""


@dataclass(slots=True)
class Entry:
    """One input.

    Attributes:
        source: What was typed.
        is_command: Whether it is a ``%`` line, or asks about a name.
        number: The number of the cell that it is, or that it compiled first.
        auto_await: Whether remote chains were awaited in it.
        is_done: Whether it has ended as it should.
        raised: The type of what it raised, if anything. The error itself would keep alive whatever
            its frames hold, remote objects too.
        only_here: Whether that was an error which the same code does not raise in a program.
        shown: The value that it showed, as Python; None if it has no such form.
        shows: Whether it showed a value that is not None.
        streams: Whether it showed the items of an iterator.
        is_reference: Whether it showed an object of the other side.
        remote_names: The names that held something remote when it had ended.
    """

    source: str
    is_command: bool
    number: int
    auto_await: bool
    is_done: bool = False
    raised: type[BaseException] | None = None
    only_here: bool = False
    shown: str | None = None
    shows: bool = False
    streams: bool = False
    is_reference: bool = False
    remote_names: frozenset[str] = frozenset()


@dataclass(slots=True)
class Record:
    """The entries of a session in their order, and what was done at places in its code."""

    entries: list[Entry] = field(default_factory=list)
    places: dict[Place, set[str]] = field(default_factory=dict)
    _running: Entry | None = None
    _noted: dict[tuple[int, int, str], CodeType] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def begin(self, entry: Entry) -> None:
        """Takes an input that is about to run."""
        if len(self.entries) >= MOST_ENTRIES:
            del self.entries[0]
        self.entries.append(entry)
        self._running = entry

    def end(self, entry: Entry, outcome: Outcome, names: Mapping[str, UserValue]) -> None:
        """Takes what became of it, and the names of the session."""
        entry.remote_names = frozenset(name for name in names if is_remote(names[name]))
        entry.is_done = outcome.ending is Ending.DONE
        entry.raised = None if outcome.error is None else type(outcome.error)
        entry.only_here = is_only_here(outcome.error)
        self._running = None

    def show(self, value: UserValue, *, streams: bool, is_reference: bool) -> None:
        """Takes a value that the running input showed."""
        entry = self._running
        if entry is not None and value is not None:
            entry.shows, entry.streams = True, streams
            entry.is_reference = is_reference
            entry.shown = None if streams else literal_of(value)

    def note(self, frame: FrameType | Site, done: str) -> None:
        """Takes what was done at the place in the code where a frame waits; see `Resolver`."""
        code = frame.f_code
        key = (id(code), frame.f_lasti, done)
        if key in self._noted or not code.co_filename.startswith(CELLS):
            return
        self._noted[key] = code  # a loop comes here often; and while it is kept, its id is its own
        instruction = frame.f_lasti // 2  # each takes two bytes, its caches among them
        position = next(itertools.islice(code.co_positions(), instruction, None), None)
        if position is not None:
            self.places.setdefault((code.co_filename, *position), set()).add(done)


def literal_of(value: UserValue) -> str | None:
    """Plain data as Python; None for what is more than that, or too much."""
    if type(value) not in (bool, int, float, complex, str, bytes, list, tuple, dict, set):
        return None
    try:
        text = repr(value)
        same = len(text) <= MOST_LITERAL and bool(ast.literal_eval(text) == value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return text if same else None


__all__ = ["Entry", "Place", "Record", "literal_of"]
