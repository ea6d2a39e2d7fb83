"""Paths by value, none longer than a system's: what a path is asked may take the square of it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

from proxyables.errors import EncodingError

from .payloads import fields, want

MOST_CHARACTERS = 32_768
"""What Windows takes. Linux takes 4,096."""
MOST_PARTS = 2_048
"""As many separators."""


def is_too_long(texts: Iterable[str]) -> bool:
    """Whether no system takes a path of these texts, one behind the other."""
    characters = parts = 0
    for text in texts:
        characters += len(text)
        parts += text.count("/") + text.count("\\") if characters <= MOST_CHARACTERS else 0
    return characters > MOST_CHARACTERS or parts > MOST_PARTS


def dump_path(value: Any) -> Any:
    """Returns ``[flavour, text]``.

    Raises:
        EncodingError: The path is longer than those of any system.
    """
    text = str(value)
    if is_too_long([text]):
        raise EncodingError(
            f"a path of {len(text)} characters, or of very many parts: at most {MOST_CHARACTERS} "
            f"and {MOST_PARTS} travel"
        )
    return ["windows" if issubclass(type(value), pathlib.PureWindowsPath) else "posix", text]


def load_path(value: Any) -> pathlib.PurePath:
    """The reverse of `dump_path`."""
    flavour, text = fields(value, 2, "path")
    want(type(flavour) is str and flavour in ("posix", "windows") and type(text) is str, "path")
    want(not is_too_long([text]), "path")
    return pathlib.PurePosixPath(text) if flavour == "posix" else pathlib.PureWindowsPath(text)
