"""What tells a supervisor how the server is: a descriptor, a file, and systemd's socket.

The protocol of ``NOTIFY_SOCKET`` is in sd_notify(3), that of ``LISTEN_FDS`` in sd_listen_fds(3).
Nothing here is silent about a failure but the socket: a supervisor that went away must not end
the server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from proxyables_cli import targets
from proxyables_cli.daemon.options import ServeOptions
from proxyables_cli.exits import Code, Failure, talk
from proxyables_cli.log_forms import NOTICES

notice = logging.getLogger(NOTICES)

if TYPE_CHECKING:
    from proxyables import Server

_FIRST_DESCRIPTOR = 3
_STATUS_PAUSE = 1.0  # seconds


def passed_sockets() -> list[str]:
    """Returns an address for each socket that systemd passed to this very process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    try:
        count = int(os.environ.get("LISTEN_FDS", ""))
    except ValueError:
        return []
    return [f"fd:{_FIRST_DESCRIPTOR + place}" for place in range(count)]


@contextmanager
def pid_file(options: ServeOptions) -> Iterator[None]:
    """Keeps the file of ``--pid-file`` for as long as the block runs, if there is to be one.

    It is locked meanwhile: one that a process which was killed has left counts for nothing, and
    neither does its number, which may be another's by now.

    Raises:
        Failure: It cannot be written, or a living process has it.
    """
    path = options.pid_file
    if not path:
        yield
        return
    with options.concerning("pid_file"):
        path = targets.absolute(path)  # the target may go to another directory
        descriptor = _written(path)
    owner = os.getpid()
    try:
        yield
    finally:
        # Not in a child that was forked, nor what is no file at all.
        if os.getpid() == owner and _is_regular(descriptor) and _is_at(descriptor, path):
            os.unlink(path)
        os.close(descriptor)


def _written(path: str) -> int:
    """Returns the descriptor of the file, in which this process's number stands."""
    try:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if _is_regular(descriptor):
                    _lock(descriptor, path)
                    os.ftruncate(descriptor, 0)
                if _is_at(descriptor, path):  # else its process took it along in this moment
                    os.write(descriptor, b"%d\n" % os.getpid())
                    return descriptor
            except (Failure, OSError):
                os.close(descriptor)
                raise
            os.close(descriptor)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(Code.CANNOT_LISTEN, f"cannot write the file {path}: {reason}") from None


def _lock(descriptor: int, path: str) -> None:
    import fcntl

    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which no child inherits
    except (BlockingIOError, PermissionError):
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "another"
        told = f"process {owner} runs already, says {path}"
        raise Failure(Code.CANNOT_LISTEN, told) from None


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _is_at(descriptor: int, path: str) -> bool:
    """Whether a file is still the one that its name leads to."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def claim(descriptor: int | None) -> int | None:
    """Takes the descriptor of ``--ready-fd`` for ourselves, before anything else gets its number.

    Raises:
        Failure: It is not open.
    """
    if descriptor is None:
        return None
    try:
        ours = os.dup(descriptor)  # which no child inherits
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(Code.USAGE, f"--ready-fd {descriptor}: {reason}") from None
    if descriptor > 2:
        os.close(descriptor)
    return ours


def announce(options: ServeOptions, addresses: Sequence[str], note: str = "") -> None:
    """Says on standard error that every listener accepts.

    Who was started with pipes knows without being told.
    """
    dialled = [address for address in addresses if not address.startswith("stdio:")]
    if not dialled:
        return
    for address in dialled:
        notice.info("serving %s on %s", options.target, address)
    if note:
        notice.info(note)
    is_for_people = options.log_file is not None or options.log_format in ("auto", "text")
    if is_for_people and not options.quiet:
        import shlex

        talk(f"try: proxyables repl {shlex.quote(_reachable(dialled[0]))}")


def _reachable(address: str) -> str:
    """Makes an address that can be dialled from one that stands for every interface."""
    scheme, _, rest = address.partition("://")
    for everywhere in ("*:", "0.0.0.0:", "[::]:"):
        if rest.startswith(everywhere):
            return f"{scheme}://127.0.0.1:{rest.removeprefix(everywhere)}"
    return address


def tell_ready(descriptor: int | None, addresses: Sequence[str]) -> None:
    """Tells that every listener accepts.

    Args:
        descriptor: Gets ``{"addresses": […], "pid": …}`` as one line of JSON, and is closed.
        addresses: Where.

    Raises:
        Failure: It cannot be written to.
    """
    if descriptor is not None:
        import json

        line = json.dumps({"addresses": list(addresses), "pid": os.getpid()}) + "\n"
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failure(Code.USAGE, f"--ready-fd: {reason}") from None
    notify(f"READY=1\nMAINPID={os.getpid()}\nSTATUS=serving on {', '.join(addresses)}")


def notify(state: str) -> None:
    """Sends a state to systemd, or to whoever else listens on ``NOTIFY_SOCKET``."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    where = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), where)
    except OSError:
        pass


async def tell_status(server: Server) -> None:
    """Keeps systemd's ``STATUS=`` up to date with how many connections there are; for ever."""
    where, count = ", ".join(server.addresses), 0
    while True:
        while len(server.peers) == count:
            await server.changed()
        count = len(server.peers)
        told = "1 connection" if count == 1 else f"{count} connections"
        notify(f"STATUS=serving on {where}, {told}")
        await asyncio.sleep(_STATUS_PAUSE)


def allowed_silence() -> float:
    """Returns how many seconds systemd waits for word of this process; 0 for any."""
    if os.environ.get("WATCHDOG_PID") not in (None, str(os.getpid())):
        return 0.0
    try:
        return max(int(os.environ.get("WATCHDOG_USEC", "")) / 1e6, 0.0)
    except ValueError:
        return 0.0


async def watchdog() -> None:
    """Sends ``WATCHDOG=1`` twice within the time that systemd allows; for ever.

    It runs on the event loop, so a loop that is blocked is noticed, and not one that is idle.
    """
    allowed = allowed_silence()
    if not allowed:
        await asyncio.Event().wait()
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(allowed / 2)


__all__ = [
    "allowed_silence",
    "announce",
    "claim",
    "notify",
    "passed_sockets",
    "pid_file",
    "tell_ready",
    "tell_status",
    "watchdog",
]
