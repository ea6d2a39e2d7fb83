"""What was typed, kept from one session to the next.

The file has the form that prompt_toolkit reads: a comment with the time, then the lines with a
``+`` before each. Several sessions may write to it: each input is appended whole, under a lock on
the directory, and so is the file cut, by whoever finds it too long when a session begins.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

MAX_BYTES = 2 << 20
"""A file that is longer loses its older half when a session begins."""
MAX_INPUT = 64 << 10
"""Characters of the longest input that is kept."""

_SECRET = re.compile(
    r"""(token|secret|passw(or)?d|passphrase|api_?key|private_?key|credentials?)["']?\]?\s*[=:](?!=)
    |%secret\b|-----BEGIN|://[^/\s:@]+:[^/\s@]+@|\bBearer\s""",
    re.IGNORECASE | re.VERBOSE,
)


def is_kept(text: str) -> bool:
    """Whether an input may be kept: not empty, not private, and not likely to hold a secret."""
    private = text.startswith(" ") or not text.strip() or len(text) > MAX_INPUT
    return not private and _SECRET.search(text) is None


class _PrivateHistory(FileHistory):
    """A history in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    def append_string(self, string: str) -> None:
        if is_kept(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        text = f"\n# {datetime.datetime.now()}\n{lines}"
        try:
            with _locked(self._path.parent):
                _append(self._path, text.encode("utf-8", "replace"))
        except OSError:
            pass  # the disk is full, or the file is gone: no reason to disturb who types


class _ShortHistory(InMemoryHistory):
    """A history that ends with the session."""

    def append_string(self, string: str) -> None:
        if is_kept(string):
            super().append_string(string)


def open_history() -> History:
    """The history under ``$XDG_STATE_HOME``, readable by nobody else; in memory if there can be
    none."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
        directory = base / "proxyables"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "history"
        with _locked(directory):
            _append(path, b"")
            if path.stat().st_size > MAX_BYTES:
                _halve(path)
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return _ShortHistory()
    return _PrivateHistory(path)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _append(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "ab", buffering=0) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)


def _halve(path: Path) -> None:
    """Leaves the newer half, beginning with a whole input; the old file stands until then."""
    data = path.read_bytes()[-MAX_BYTES // 2 :]
    shorter = path.with_name("history.new")
    shorter.unlink(missing_ok=True)
    _append(shorter, data[max(data.find(b"\n# "), 0) :])
    os.replace(shorter, path)


__all__ = ["is_kept", "open_history"]
