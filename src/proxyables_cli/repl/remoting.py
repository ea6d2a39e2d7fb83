"""The library, as the resolver needs it, and the functions that a session offers as ``px``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import proxyables
from proxyables_cli.repl.deferred import Deferred
from proxyables_cli.repl.faces import UserValue


@dataclass(frozen=True, slots=True)
class Remoting:
    """What the resolver has to know of the library.

    Attributes:
        cursor: The type of every remote chain.
        assign: Makes the awaitable that sets what a chain names.
        delete: Makes the awaitable that deletes what a chain names.
        perform: Makes the awaitable of an operation on a chain, by its name.
        ref: Makes the awaitable of a reference to what a chain gives.
        same_peer: Whether two cursors belong to one connection.
        pipelines: Whether a cursor's peer can take chains as arguments (classic ones cannot).
        is_settled: Whether a cursor is a reference with nothing left to run.
        denied: What is raised where a policy lets nobody ask.
        is_exhausted: Whether an error says that a remote iterator has no more items.
        takers: Local functions that want a chain itself, not its value.
    """

    cursor: type
    assign: Callable[[UserValue, UserValue], Awaitable[object]]
    delete: Callable[[UserValue], Awaitable[object]]
    perform: Callable[..., Awaitable[UserValue]]
    ref: Callable[[UserValue], Awaitable[UserValue]]
    same_peer: Callable[[UserValue, UserValue], bool]
    pipelines: Callable[[UserValue], bool]
    is_settled: Callable[[UserValue], bool]
    denied: type[Exception]
    is_exhausted: Callable[[Exception], bool]
    takers: tuple[Callable[..., object], ...] = ()


def is_remote(value: object) -> bool:
    """Whether a value is a cursor."""
    return isinstance(value, proxyables.ProxyCursor)


def is_object(value: object) -> bool:
    """Whether a value is a cursor that stands for an object; a path to one would have to run."""
    return is_remote(value) and proxyables.is_settled(value)


class Tools(SimpleNamespace):
    """The functions of ``px``."""

    def __repr__(self) -> str:
        return f"<px: {', '.join(vars(self))}>"


def tools(
    open_: Callable[..., Coroutine[Any, Any, UserValue]],
    help_: Callable[..., Coroutine[Any, Any, None]],
) -> Tools:
    """Makes ``px``: what one does to chains, in forms that auto-await awaits by itself.

    Args:
        open_: Opens one more connection and gives its root.
        help_: Tells what an object is and offers.
    """

    async def _gather(*chains: Awaitable[UserValue]) -> list[UserValue]:
        return await asyncio.gather(*chains)

    async def _wait(chain: Awaitable[UserValue]) -> UserValue:
        return await chain

    def gather(*chains: Awaitable[UserValue]) -> Deferred:
        """Runs chains at the same time; gives the list of their values."""
        return Deferred(lambda: _gather(*chains))

    def spawn(chain: Awaitable[UserValue]) -> asyncio.Task[UserValue]:
        """Runs a chain in the background; gives its task."""
        return asyncio.get_running_loop().create_task(_wait(chain))

    def copy(chain: proxyables.ProxyCursor) -> Deferred:
        """Fetches the value itself of what a chain names, whatever the rule says."""
        return Deferred(lambda: proxyables.copy(chain))

    def ref(chain: object) -> UserValue:
        """Keeps what a chain names over there and gives a reference; also for arguments."""
        return proxyables.ref(chain)

    def describe(chain: proxyables.ProxyCursor) -> Deferred:
        """Tells what a remote object offers, without running anything of it."""
        return Deferred(lambda: proxyables.describe(chain))

    def release(chain: proxyables.ProxyCursor) -> None:
        """Gives a remote object back now."""
        proxyables.release(chain)

    def open(address: str, name: str | None = None) -> Deferred:  # noqa: A001
        """Opens one more connection; gives its root and binds it to `name`."""
        return Deferred(lambda: open_(address, name))

    def help(subject: object = None) -> Deferred:  # noqa: A001
        """Tells what an object is and offers; without one, what the REPL does."""
        return Deferred(lambda: help_(subject))

    made = (gather, spawn, copy, ref, describe, release, open, help)
    return Tools(**{function.__name__: function for function in made})


def remoting(px: Tools) -> Remoting:
    """The real library behind a resolver.

    Args:
        px: Made by `tools`; its functions take chains, not their values.
    """
    functions = (
        proxyables.assign,
        proxyables.call,
        proxyables.check_api,
        proxyables.construct,
        proxyables.contains,
        proxyables.copy,
        proxyables.delete,
        proxyables.describe,
        proxyables.is_settled,
        proxyables.peer_of,
        proxyables.perform,
        proxyables.ref,
        proxyables.release,
        proxyables.run,
    )
    return Remoting(
        cursor=proxyables.ProxyCursor,
        assign=proxyables.assign,
        delete=proxyables.delete,
        perform=proxyables.perform,
        ref=proxyables.ref,
        same_peer=lambda one, other: proxyables.peer_of(one) is proxyables.peer_of(other),
        pipelines=_pipelines,
        is_settled=proxyables.is_settled,
        denied=proxyables.AccessDenied,
        is_exhausted=_is_exhausted,
        takers=(*functions, *vars(px).values()),
    )


def _is_exhausted(error: Exception) -> bool:
    if not isinstance(error, proxyables.RemoteError):
        return False
    return error.type_name in ("StopIteration", "StopAsyncIteration")


def _pipelines(cursor: proxyables.ProxyCursor) -> bool:
    return not cast(proxyables.Peer, proxyables.peer_of(cursor)).is_classic


__all__ = ["Remoting", "is_object", "is_remote", "remoting", "tools"]
