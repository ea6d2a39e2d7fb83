"""Commands on connections, and on what is held over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import proxyables
from proxyables_cli.exits import Code, Failure, escaped
from proxyables_cli.repl.commands.command import Command, needed
from proxyables_cli.repl.remoting import is_remote

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session


async def _conn(session: Session, rest: str) -> None:
    del rest
    if not session.connections.by_name:
        session.write("no connection is open; %open ADDRESS opens one")
    for name, connection in session.connections.by_name.items():
        mark = "*" if connection is session.connections.current else " "
        try:
            seconds = await connection.peer.ping()
            state = f"{seconds * 1000:.1f} ms"
        except proxyables.ProxyError as error:
            state = escaped(str(error))
        session.write(f"{mark} {name}  {connection.address}  {state}")


async def _open(session: Session, rest: str) -> None:
    name, equals, address = rest.partition("=")
    named = bool(equals) and name.strip().isidentifier()
    if not rest:
        raise Failure(Code.USAGE, "%open needs an address", "as in %open bank=/tmp/bank.sock")
    connection = await session.connections.open(
        address.strip() if named else rest, name.strip() if named else None
    )
    session.write(f"{connection.name} is the root of {connection.address}")


async def _use(session: Session, rest: str) -> None:
    connection = session.connections.use(needed(rest, "use", "NAME"))
    session.write(f"{session.name} is now the root of {connection.address}")


async def _close(session: Session, rest: str) -> None:
    connection = await session.connections.close(rest or None)
    session.write(f"closed {connection.address}")


async def _reconnect(session: Session, rest: str) -> None:
    connection = await session.connections.reopen(rest or None)
    session.write(f"connected to {connection.address} again; what it gave before is gone")


async def _refs(session: Session, rest: str) -> None:
    """What each side holds of the other, and which names of the session hold it."""
    del rest
    for name, connection in session.connections.by_name.items():
        counts = connection.peer.statistics()
        session.write(
            f"{name}: {counts['imports']} of their objects are held here, "
            f"{counts['exports']} of ours over there"
        )
    for name in session.scope.mine():
        value = session.scope.names[name]
        # What a connection gave that is gone holds nothing any more.
        if is_remote(value) and not cast(proxyables.Peer, proxyables.peer_of(value)).closed:
            session.write(f"  {name}  {escaped(repr(value), characters=200)}")


async def _release(session: Session, rest: str) -> None:
    value = await session.chain(needed(rest, "release", "NAME"))
    if not is_remote(value):
        raise Failure(Code.USAGE, f"{rest} is not a remote object")
    proxyables.release(value)


COMMANDS: dict[str, Command] = {
    "conn": Command("", "the connections and how fast they answer", _conn),
    "open": Command("[NAME=]ADDRESS", "open one more connection", _open),
    "use": Command("NAME", "make a connection the current one", _use),
    "close": Command("[NAME]", "close a connection", _close),
    "reconnect": Command("[NAME]", "open a connection again", _reconnect),
    "refs": Command("", "what each side holds of the other", _refs),
    "release": Command("EXPRESSION", "give a remote object back now", _release),
}

__all__ = ["COMMANDS"]
