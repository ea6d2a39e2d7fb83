"""What a process that is forked inside of a running loop leaves to the one that it was forked from.

The child has copies of the parent's sockets, of the loop, and of all that is waited for in it.
Ending a connection there would say goodbye in the parent's name, wait for an answer that the
parent reads, take the parent's sockets out of the epoll that both share, remove its socket files
and kill its children. So all that belongs to that loop is disowned at once: each descriptor is
replaced by a socket whose other end is closed, and who waits is told. What is then done to it in
the child, by the ends of ``async with`` for instance, does nothing to the parent.

A process that is forked while no loop runs in the thread takes everything with it, as programs
that become daemons do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import selectors
import socket
import threading
import weakref
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from proxyables.errors import ConnectionClosed

_DESCRIPTORS = "/proc/self/fd"


class Owned(Protocol):
    """Something that belongs to the process that made it."""

    loop: asyncio.AbstractEventLoop

    def disown(self) -> None:
        """Leaves everything to the parent. Must not wait, nor take a lock that others may hold."""


class Forks(threading.local):
    """What is to be disowned in children that are forked; the running loop is each thread's own."""

    owned: ClassVar[weakref.WeakSet[Owned]] = weakref.WeakSet()
    running: asyncio.AbstractEventLoop | None = None

    def before(self) -> None:
        """Notes which loop runs: in the child none does."""
        self.running = asyncio._get_running_loop()

    def after_in_child(self) -> None:
        """Disowns all that belongs to that loop."""
        running, self.running = self.running, None
        found = [] if running is None else [each for each in self.owned if each.loop is running]
        for each in found:
            self.owned.discard(each)
            each.disown()
        if found:
            _part(running)

    def after_in_parent(self) -> None:
        """Forgets the loop."""
        self.running = None


FORKS = Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=FORKS.before,
        after_in_child=FORKS.after_in_child,
        after_in_parent=FORKS.after_in_parent,
    )


def cover(descriptors: Iterable[int]) -> None:
    """Puts a socket that leads nowhere in the place of each descriptor, in this process only."""
    with contextlib.suppress(OSError):  # there are no more descriptors to be had
        dead, other = socket.socketpair()
        with dead:
            other.close()
            for descriptor in descriptors:
                if descriptor >= 0:
                    os.dup2(dead.fileno(), descriptor, inheritable=False)


def _part(loop: Any) -> None:
    """Gives the child's copy of one of asyncio's own loops an epoll and a self-pipe of its own.

    They share the parent's: closing the loop would take the parent's self-pipe out of the epoll,
    and nothing that a thread calls there would wake the parent any more. Needs private attributes;
    where they are missing, the loop is left as it is.
    """
    selector = getattr(loop, "_selector", None)
    pipe: list[Any] = [getattr(loop, name, None) for name in ("_ssock", "_csock")]
    epoll = getattr(selectors, "EpollSelector", ())
    if selector is None:
        _part_foreign()
        return
    if not isinstance(selector, epoll) or not all(isinstance(end, socket.socket) for end in pipe):
        return
    with contextlib.suppress(OSError), contextlib.ExitStack() as closed:
        own = closed.enter_context(select.epoll())
        os.dup2(own.fileno(), selector.fileno(), inheritable=False)
        for mine, shared in zip(socket.socketpair(), pipe, strict=True):
            closed.enter_context(mine)
            mine.setblocking(False)
            os.dup2(mine.fileno(), shared.fileno(), inheritable=False)
        for key in list(selector.get_map().values()):
            selector.unregister(key.fileobj)
            selector.register(key.fileobj, key.events, key.data)


def _part_foreign() -> None:
    """Does the same for a loop that does not tell what it waits with: for uvloop's.

    What the child's libuv takes out of a shared epoll, the parent's misses, and aborts. Linux tells
    which descriptors are epolls, and what each waits for.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(_DESCRIPTORS):
            with contextlib.suppress(OSError):  # that of the list itself is closed by now
                if os.readlink(f"{_DESCRIPTORS}/{name}") == "anon_inode:[eventpoll]":
                    _part_epoll(int(name))


def _part_epoll(descriptor: int) -> None:
    with open(f"{_DESCRIPTORS}info/{descriptor}") as told:
        rows = [line.split() for line in told if line.startswith("tfd:")]
    waited = {int(number): int(events, 16) for _, number, _, events, *_ in rows}
    if any(int(row[5], 16) & 0xFFFFFFFF != int(row[1]) for row in rows):
        return  # not libuv's, which finds what it waits for by the descriptor
    with select.epoll() as own:
        for number, events in waited.items():
            with contextlib.suppress(OSError):  # it was closed, but is open in another process
                if os.readlink(f"{_DESCRIPTORS}/{number}") == "anon_inode:[eventfd]":
                    _wake_apart(number)
                own.register(number, events)
        os.dup2(own.fileno(), descriptor, inheritable=False)


def _wake_apart(descriptor: int) -> None:
    """Has the child's threads wake the child's loop, and not the parent's.

    It is woken once: what the parent's threads had asked for is not to be waited for.
    """
    waker = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    os.dup2(waker, descriptor, inheritable=False)
    os.close(waker)


def descriptors_of(transport: asyncio.BaseTransport) -> list[int]:
    """Returns what a transport reads from and writes to."""
    found = list(transport.get_extra_info("descriptors", ()))
    sock: Any = transport.get_extra_info("socket")
    return found if sock is None else [*found, sock.fileno()]


def forked() -> ConnectionClosed:
    """Returns what calls in the child fail with."""
    return ConnectionClosed("the connection belongs to the process that this one forked from")


__all__ = ["FORKS", "Forks", "Owned", "cover", "descriptors_of", "forked"]
