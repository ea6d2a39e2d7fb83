"""The connections of a session: opened, named, watched, opened again."""

from __future__ import annotations

import asyncio
import builtins
import keyword
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import proxyables
from proxyables_cli.connecting import Place
from proxyables_cli.exits import Code, Failure, explain
from proxyables_cli.repl.scope import Scope

if TYPE_CHECKING:
    from proxyables import Peer


_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_ONCE = ("exec:", "ssh:", "stdio:", "fd:", "-")
_TAKEN = frozenset({"asyncio", "conn", "conns", "px"})
_PASSING = (Code.NO_CONNECTION, Code.TIMED_OUT, Code.LOST)
"""Failures that may be over when the server is back."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
"""Seconds between two attempts to open a lost connection again, at first and at the most."""


@dataclass(slots=True)
class Connection:
    """One connection of a session.

    Attributes:
        name: The variable that holds its root.
        address: Where it leads, as it can be given again.
        place: The same, as it is dialled.
        peer: What speaks over it now; another one after it was opened again.
        watch: The task that tells when it ends.
        closing: True if its end is wanted.
    """

    name: str
    address: str
    place: Place
    peer: Peer
    watch: asyncio.Task[None] | None = None
    closing: bool = False


def check_name(name: str) -> None:
    """Sees to it that a name can be that of a root.

    Raises:
        Failure: It is no Python name, or that of something that everybody expects there.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise Failure(Code.USAGE, f"{name!r} cannot be the name of a connection")
    if name in _TAKEN or hasattr(builtins, name):
        raise Failure(Code.USAGE, f"{name!r} is the name of something else")


class Connections:
    """The named connections; each root is a variable in `scope`, the current one has two.

    Args:
        scope: Gets the roots, ``conn`` and ``conns``.
        name: What the current connection's root is called.
        timeout: Seconds that opening one may take.
        find: Tells where an address leads, and with which secret.
        say: Tells the user something, at any time.
        follow: Told of each connection that was opened, and opened again.
        reconnects: A connection that is lost is opened again as soon as that can be done. A child
            is not: it may have ended for a reason that a new one has as well.
    """

    def __init__(
        self,
        scope: Scope,
        *,
        name: str,
        timeout: float,
        find: Callable[[str], Place] = Place,
        say: Callable[[str], None],
        follow: Callable[[Connection], None],
        reconnects: bool = False,
    ) -> None:
        self.by_name: dict[str, Connection] = {}
        self.current: Connection | None = None
        self.opened: dict[str, Place] = {}
        """Where each connection led that there was, closed ones too."""
        self._scope = scope
        self._name = name
        self._timeout = timeout
        self._find = find
        self._say = say
        self._follow = follow
        self._reconnects = reconnects
        self._peers: dict[str, Peer] = {}
        scope.bind("conns", self._peers)

    async def open(self, address: str, name: str | None = None, *, wait: float = 0.0) -> Connection:
        """Opens a connection; the first one becomes the current one.

        Args:
            address: As it was written.
            name: What it is called; else as the first one is, or that with a number.
            wait: Seconds that a server which is not there yet gets to come up.

        Raises:
            Failure: The name cannot be a variable, or is taken, or nobody is there, or the address
                cannot be understood.
        """
        if name is not None:
            self._check_free(name)
            check_name(name)
        place = self._find(address)
        peer = await self._connect_sometime(place, wait)
        try:  # others may have been opened meanwhile
            name = self._free_name() if name is None else self._check_free(name)
        except Failure:
            peer.close()
            await peer.wait_closed()
            raise
        connection = Connection(name, address, place, peer)
        self.by_name[name] = connection
        self._bind(connection)
        if self.current is None:
            self.use(name)
        return connection

    def use(self, name: str) -> Connection:
        """Makes a connection the current one: ``obj`` and ``conn`` are its."""
        connection = self.get(name)
        self.current = connection
        self._bind(connection)
        return connection

    async def reopen(self, name: str | None = None) -> Connection:
        """Opens a connection again under its name. What the old one gave is gone.

        Raises:
            Failure: There is no such connection, or nobody is there.
        """
        connection = self.get(name)
        peer = await self._connect(connection.place)  # or the old one is left as it is
        old, watch = connection.peer, connection.watch
        if watch is not None:
            watch.cancel()
        connection.peer, connection.watch = peer, None
        self._bind(connection)
        # Its end may take some seconds: the new one is in its place by then, cancelled or not.
        await _ended(old, watch)
        return connection

    async def close(self, name: str | None = None) -> Connection:
        """Closes a connection and forgets its names."""
        connection = self.get(name)
        await self._end(connection)
        del self.by_name[connection.name], self._peers[connection.name]
        self._scope.unbind(connection.name)
        if self.current is connection:
            self.current = None
            self._scope.unbind(self._name)
            self._scope.unbind("conn")
            for other in self.by_name:
                self.use(other)
                break
        return connection

    async def close_all(self) -> None:
        """Closes every connection, at the end of the session."""
        await asyncio.gather(*map(self._end, self.by_name.values()))

    def get(self, name: str | None = None) -> Connection:
        """Finds a connection by its name, or the current one.

        Raises:
            Failure: There is none.
        """
        found = self.current if not name else self.by_name.get(name)
        if found is None:
            known = ", ".join(self.by_name) or "none"
            what = f"no connection is called {name!r}" if name else "no connection is open"
            raise Failure(Code.USAGE, what, f"known: {known}; %open ADDRESS opens one")
        return found

    def about_lost(self, source: str) -> Iterator[str]:
        """Says which names in a cell are of connections that are no more, and what that means."""
        for name in dict.fromkeys(_NAME.findall(source)):
            cursor = self._scope.names.get(name)
            if not isinstance(cursor, proxyables.ProxyCursor):
                continue
            peer = cast("Peer", proxyables.peer_of(cursor))
            if not peer.closed:
                continue
            if any(each.peer is peer for each in self.by_name.values()):
                yield f"{name} cannot be reached: its connection is not open at the moment"
            else:
                yield f"{name} belonged to the previous server at {peer.address}, and is gone"

    async def _connect(self, place: Place) -> Peer:
        try:
            return await proxyables.connect(place.address, timeout=self._timeout, token=place.token)
        except ValueError as error:
            raise Failure(Code.USAGE, str(error)) from None
        except (proxyables.ProxyError, OSError) as error:
            raise Failure(*explain(error)) from error

    def _check_free(self, name: str) -> str:
        if name in self.by_name:
            raise Failure(Code.USAGE, f"there is a connection called {name!r} already")
        return name

    def _free_name(self) -> str:
        if not self.by_name:
            return self._name
        number = 2
        while f"{self._name}{number}" in self.by_name:
            number += 1
        return f"{self._name}{number}"

    def _bind(self, connection: Connection) -> None:
        self._peers[connection.name] = connection.peer
        self._follow(connection)
        self.opened[connection.name] = connection.place
        self._scope.bind(connection.name, connection.peer.root)
        if connection is self.current:
            self._scope.bind(self._name, connection.peer.root)
            self._scope.bind("conn", connection.peer)
        if connection.watch is None or connection.watch.done():
            connection.watch = asyncio.create_task(self._watch(connection))

    async def _watch(self, connection: Connection) -> None:
        """Tells when a connection ends, and opens it again; ends when its end is wanted."""
        while True:
            await connection.peer.wait_closed()
            if connection.closing:
                return
            lost = f"the connection to {connection.address} is lost"
            if not self._reconnects:
                self._say(lost)
                return
            if connection.place.address.startswith(_ONCE):
                again = f"%reconnect {connection.name}".removesuffix(f" {self._name}")
                self._say(f"{lost}; {again} opens it again")
                return
            self._say(f"{lost}; trying to open it again")
            try:
                connection.peer = await self._connect_sometime(connection.place)
            except Failure as error:
                self._say(f"{error.message}; not trying any more")
                return
            self._bind(connection)
            self._say(f"connected to {connection.address} again; what it gave before is gone")

    async def _connect_sometime(self, place: Place, seconds: float = math.inf) -> Peer:
        """Connects as soon as somebody is there.

        Raises:
            Failure: Somebody is there and refuses, which trying again does not change; or the time
                is up.
        """
        now = asyncio.get_running_loop().time
        end = now() + seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._connect(place)
            except Failure as error:
                if error.code not in _PASSING or now() >= end:
                    raise
            await asyncio.sleep(min(pause, max(end - now(), 0.0)))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _end(self, connection: Connection) -> None:
        connection.closing = True
        await _ended(connection.peer, connection.watch)


async def _ended(peer: Peer, watch: asyncio.Task[None] | None) -> None:
    peer.close()
    if watch is not None:
        watch.cancel()
        await asyncio.wait({watch})
    await peer.wait_closed()


__all__ = ["Connection", "Connections", "check_name"]
