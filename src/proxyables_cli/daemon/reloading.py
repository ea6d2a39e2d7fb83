"""``--reload``: a server that is started again whenever its program is edited.

The supervisor keeps the listening sockets, so who connects while the program is imported waits
for it. While it cannot be imported nobody is kept waiting: connections are closed at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from proxyables_cli import targets
from proxyables_cli.daemon.children import Children, ServingProcess
from proxyables_cli.daemon.options import ServeOptions
from proxyables_cli.exits import Code, Failure
from proxyables_cli.log_forms import NOTICES

log = logging.getLogger("proxyables")
notice = logging.getLogger(NOTICES)


class Edits:
    """The edits of a program's files.

    Args:
        options: Which files: Python sources below some directories, and the file of the
            environment.

    Raises:
        Failure: watchfiles is not installed, or a directory is none.
    """

    def __init__(self, options: ServeOptions) -> None:
        try:
            import watchfiles
        except ImportError:
            hint = "pip install 'proxyables[reload]'"
            raise Failure(Code.CONFIGURATION, "--reload needs watchfiles", hint) from None
        logging.getLogger("watchfiles").setLevel(logging.ERROR)
        target = targets.parse(options.target)
        own = (
            os.path.dirname(targets.absolute(target.module)) if target.is_file else options.app_dir
        )
        self.directories = [targets.absolute(each) for each in options.reload_dir or [own]]
        for directory in self.directories:
            if not os.path.isdir(directory):
                name = "reload_dir" if options.reload_dir else "app_dir"
                told = f"--{name.replace('_', '-')} {directory!r} is not a directory"
                raise options.blamed(Failure(Code.USAGE, told), name)
        also = [options.env_file] if options.env_file else []
        self._also = [targets.absolute(os.path.expanduser(each)) for each in also]
        self._watched = [*self.directories, *filter(os.path.isfile, self._also)]
        self._is_python = watchfiles.PythonFilter()
        self._watch = watchfiles.awatch
        self._event = asyncio.Event()
        self._paths: set[str] = set()

    async def watch(self) -> None:
        """Watches for ever.

        Raises:
            Failure: The system cannot.
        """
        try:
            async for changes in self._watch(*self._watched, watch_filter=self._concerns):
                self._paths |= {path for _, path in changes}
                self._event.set()
        except OSError as error:
            told = f"cannot watch {', '.join(self.directories)}: {error.strerror or error}"
            raise Failure(Code.CONFIGURATION, told) from None

    async def wait(self) -> str:
        """Waits for an edit since the last `forget`; returns the path of a file, a short one."""
        await self._event.wait()
        return min(self._paths).removeprefix(f"{os.getcwd()}{os.sep}")

    def forget(self) -> None:
        """Leaves what has been edited so far out of account."""
        self._event.clear()
        self._paths.clear()

    def _concerns(self, change: object, path: str) -> bool:
        return path in self._also or self._is_python(change, path)  # type: ignore[arg-type]


class Reloader:
    """The supervisor of one process after the other.

    Args:
        children: Starts and stops them.
        edits: When the next one is due.
        on_ready: Called once, when the first accepts.
    """

    def __init__(self, children: Children, edits: Edits, on_ready: Callable[[], None]) -> None:
        self._children = children
        self._edits = edits
        self._on_ready: Callable[[], None] | None = on_ready

    async def run(self) -> int:
        """Serves for ever; returns an exit code if an edit would not help."""
        while True:
            self._edits.forget()
            child = await self._children.start()
            following = asyncio.ensure_future(self._follow(child))
            editing = asyncio.ensure_future(self._edits.wait())
            try:
                await asyncio.wait({following, editing}, return_when=asyncio.FIRST_COMPLETED)
                if not editing.done():
                    code = following.result()
                    if self._on_ready is not None and code != Code.NO_TARGET:
                        return code
                    self._tell_end(code)
                    with refusing(self._children.sockets):
                        await editing
                notice.info("%s was edited: starting again", editing.result())
            finally:
                following.cancel()
                editing.cancel()
                await asyncio.gather(following, editing, return_exceptions=True)
            await self._children.stop(child)

    async def _follow(self, child: ServingProcess) -> int:
        """Tells when it is ready; returns its exit code."""
        if await child.until_ready():
            if self._on_ready is None:
                notice.info("serving again")
            else:
                self._on_ready()
                self._on_ready = None
        return await child.wait()

    def _tell_end(self, code: int) -> None:
        """An import that failed has told so itself."""
        if code != Code.NO_TARGET:
            log.warning("the server ended with status %d; waiting for an edit", code)
        elif self._on_ready is not None:
            notice.info("waiting for an edit")


@contextmanager
def refusing(sockets: Sequence[Sequence[socket.socket]]) -> Iterator[None]:
    """Closes every connection that comes while the block runs, those too that wait already."""
    loop = asyncio.get_running_loop()
    listening = [sock for each in sockets for sock in each]
    for sock in listening:
        loop.add_reader(sock.fileno(), _refuse, sock)
    try:
        yield
    finally:
        for sock in listening:
            loop.remove_reader(sock.fileno())


def _refuse(sock: socket.socket) -> None:
    try:
        sock.accept()[0].close()
    except OSError:
        pass  # it has gone by itself


__all__ = ["Edits", "Reloader", "refusing"]
