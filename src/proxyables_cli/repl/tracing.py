"""Showing the remote calls of a session as they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from proxyables_cli.exits import escaped
from proxyables_cli.repl.timing import duration_text

if TYPE_CHECKING:
    from proxyables_cli.repl.connections import Connection

PATH_CHARACTERS = 200

_unnoticed: ContextVar[bool] = ContextVar("unnoticed", default=False)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Has calls inside the block not shown: those that only a menu makes, for example."""
    token = _unnoticed.set(True)
    try:
        yield
    finally:
        _unnoticed.reset(token)


class Tracer:
    """Tells of each call, while it is on.

    Args:
        say: Tells the user something, at any time.
        connections: Gives those that there are.
    """

    def __init__(
        self, say: Callable[[str], None], connections: Callable[[], Iterable[Connection]]
    ) -> None:
        self._say = say
        self._connections = connections
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether calls are shown."""
        return self._is_on

    @is_on.setter
    def is_on(self, value: bool) -> None:
        self._is_on = value
        for connection in self._connections():
            self.follow(connection)

    def follow(self, connection: Connection) -> None:
        """Listens to a connection's peer, which is a new one after each reconnecting, or stops."""
        name = connection.name
        if self._is_on:
            connection.peer.on_call = lambda call: self._on_call(name, call)
        else:
            connection.peer.on_call = None

    def _on_call(self, name: str, call: Any) -> None:
        if not _unnoticed.get():
            self._say(_text(name, call))

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Is on inside the block."""
        before, self.is_on = self.is_on, True
        try:
            yield
        finally:
            self.is_on = before


def _text(name: str, call: Any) -> str:
    path = escaped(call.path, characters=PATH_CHARACTERS)
    if path.startswith("root"):
        path = name + path.removeprefix("root")
    if call.seconds is None:
        return f"→ {path}"
    failed = "" if call.error is None else f"  {type(call.error).__name__}"
    return f"→ {path}  {duration_text(call.seconds)}{failed}"


__all__ = ["Tracer", "unnoticed"]
