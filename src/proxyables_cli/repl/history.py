"""What was typed, kept from one session to the next.

The file has the form that prompt_toolkit reads: a comment with the time, then the lines with a
``+`` before each. Several sessions may write to it: each input is appended whole, under a lock on
the directory, and so is the file cut, by whoever finds it too long when a session begins.
"""

from __future__ import annotations

import ast
import datetime
import fcntl
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from proxyables_cli.repl.compiling import dedented, with_commands

MAX_BYTES = 2 << 20
"""A file that is longer loses its older half when a session begins."""
MAX_INPUT = 64 << 10
"""Characters of the longest input that is kept."""

_SECRET_NAME = re.compile(
    r"token|secret|passw(or)?d|passphrase|pwd|credential|(api|private|access)_?key", re.IGNORECASE
)
_SECRET = re.compile(
    rf"""({_SECRET_NAME.pattern})\w*["']?\]?\s*(:|[-+*/%@&|^]|//|\*\*|<<|>>)?[=:](?!=)
    |%secret\b|-----BEGIN|://[^/\s:@]+:[^/\s@]+@|\bBearer\s""",
    re.IGNORECASE | re.VERBOSE,
)

_COMMAND = re.compile(r"^%\w+ ")
"""What stands before the code that a command runs."""


def is_kept(text: str) -> bool:
    """Whether an input may be kept: not empty, not private, and not likely to hold a secret."""
    if text.startswith(" ") or not text.strip() or len(text) > MAX_INPUT:
        return False
    return _SECRET.search(text) is None and not _assigns_a_secret(text)


def _assigns_a_secret(text: str) -> bool:
    """Whether a target is called like a secret where the name and the sign are apart, as in
    ``password, user = …`` and ``tokens["ada"] = …``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(with_commands(dedented(_COMMAND.sub("", text))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    targets: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
            targets.append(node.target)
    words = (word for target in targets for part in ast.walk(target) for word in _words(part))
    return any(_SECRET_NAME.search(word) for word in words)


def _words(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str(word)):
            yield word


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
