"""Which process has the port, or the socket, that is in use.

Linux tells it below ``/proc``: which sockets listen, and what each process has open, as far as this
user may see it. Elsewhere, and of other users' processes, nothing is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

_TCP_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_TCP_LISTENS = "0A"
_UNIX_TABLE = "/proc/net/unix"
_UNIX_LISTENS = 0x10000  # __SO_ACCEPTCON


def who_has_port(port: int) -> str:
    """Tells who listens on a TCP port, as ``", by process 123 (python)"``; empty if unknown."""
    return _who_has(set(_tcp_sockets(port)))


def who_has_socket(path: str) -> str:
    """Tells the same of a Unix socket; that of an abstract one begins with ``@``."""
    return _who_has(set(_unix_sockets({path, os.path.abspath(path)})))


def _tcp_sockets(port: int) -> Iterator[str]:
    for table in _TCP_TABLES:
        for cells in _rows(table):
            local, state, inode = cells[1], cells[3], cells[9]
            if state == _TCP_LISTENS and int(local.rpartition(":")[2], 16) == port:
                yield inode


def _unix_sockets(names: set[str]) -> Iterator[str]:
    for cells in _rows(_UNIX_TABLE):
        if int(cells[3], 16) & _UNIX_LISTENS and " ".join(cells[7:]) in names:
            yield cells[6]


def _rows(table: str) -> Iterator[list[str]]:
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as file:
            next(file, None)  # the head
            yield from map(str.split, file)
    except OSError:
        return


def _who_has(inodes: set[str]) -> str:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(_processes()) if wanted else ():
        if wanted & set(_open_files(process)):
            return f", by process {process} ({_name_of(process)})"
    return ""


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _open_files(process: int) -> Iterator[str]:
    directory = f"/proc/{process}/fd"
    try:
        names = os.listdir(directory)
    except OSError:  # it is another user's, or has ended
        return
    for name in names:
        try:
            yield os.readlink(f"{directory}/{name}")
        except OSError:
            continue  # closed again


def _name_of(process: int) -> str:
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return ascii(file.read().strip())[1:-1]
    except OSError:
        return "unknown"


__all__ = ["who_has_port", "who_has_socket"]
