"""What holds after every test: nothing is left behind.

A test fails if it leaves a task for the event loop to cancel, an open connection, or a file
descriptor, or if asyncio reported an error that nobody was told of. Asked without walking the
heap, so that it costs well under a millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import signal
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import uvloop

from proxyables.peer.peer import Peer

_DESCRIPTORS = "/proc/self/fd"

hypothesis.settings.register_profile("default", deadline=None)  # other processes run as well
hypothesis.settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="the event loop of tests that do not choose one themselves",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and nohup that the
    # terminal is gone; their children would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    uvloop.new_event_loop().close()  # its first loop opens a pipe for signals, for good
    if config.getoption("--loop") == "uvloop":
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, on another loop, what chooses its loop itself: it runs on both without that."""
    if config.getoption("--loop") == "asyncio":
        return
    chosen = {
        item
        for item in items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "loop" in item.callspec.params
    }
    config.hook.pytest_deselected(items=list(chosen))
    items[:] = [item for item in items if item not in chosen]


class Leftovers(logging.Handler):
    """Notes what a test leaves, by watching the few places that everything goes through."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.tasks: list[str] = []
        self.errors: list[str] = []
        self._peers: weakref.WeakSet[Peer] = weakref.WeakSet()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes what asyncio can only log: nobody waits for the task or callback that failed."""
        error = record.exc_info[1] if record.exc_info else None
        told = record.getMessage()
        self.errors.append(f"{told}: {error!r}" if error else told)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Has every runner and every peer seen from here on."""
        close, connection_made = asyncio.Runner.close, Peer.connection_made

        @functools.wraps(close)
        def watched_close(runner: asyncio.Runner) -> None:
            # It would cancel them without a word.
            with contextlib.suppress(RuntimeError):  # it is closed already
                left = asyncio.all_tasks(runner.get_loop())
                self.tasks += [repr(task) for task in left]
            close(runner)

        @functools.wraps(connection_made)
        def watched_connection_made(peer: Peer, transport: asyncio.BaseTransport) -> None:
            self._peers.add(peer)
            connection_made(peer, transport)

        patch.setattr(asyncio.Runner, "close", watched_close)
        patch.setattr(Peer, "connection_made", watched_connection_made)

    def take(self) -> dict[str, list[str]]:
        """Returns what was noted since the last call, without the sorts of which there is none."""
        found = {
            "tasks that were still running": self.tasks,
            "errors that asyncio logged": self.errors,
            "connections that were still open": [
                repr(peer) for peer in self._peers if not peer.closed
            ],
        }
        self.tasks, self.errors = [], []
        self._peers.clear()
        return {what: those for what, those in found.items() if those}


@pytest.fixture(scope="session")
def leftovers() -> Iterator[Leftovers]:
    """The one that watches, for the whole run."""
    noted = Leftovers()
    logger = logging.getLogger("asyncio")
    logger.addHandler(noted)
    with pytest.MonkeyPatch.context() as patch:
        noted.watch(patch)
        yield noted
    logger.removeHandler(noted)


@pytest.fixture(autouse=True)
def nothing_is_left(leftovers: Leftovers) -> Iterator[None]:
    """Fails the test that leaves a task, a connection, a descriptor or an unread error."""
    leftovers.take()
    before = _descriptors()
    yield
    found: dict[str, Any] = leftovers.take()
    if len(_descriptors()) > len(before):
        gc.collect()  # what is only garbage is no leak
        left = [_target(number) for number in _descriptors() - before]
        if left and len(_descriptors()) > len(before):
            found["open descriptors"] = left
    if found:
        told = "\n".join(f"{what}: {', '.join(those)}" for what, those in found.items())
        pytest.fail(f"the test left behind\n{told}", pytrace=False)


def _descriptors() -> set[str]:
    return set(os.listdir(_DESCRIPTORS)) if sys.platform == "linux" else set()


def _target(number: str) -> str:
    try:
        return f"{number} -> {os.readlink(f'{_DESCRIPTORS}/{number}')}"
    except OSError:
        return f"{number} (closed again)"
