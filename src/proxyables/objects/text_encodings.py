"""Names of encodings: the interpreter keeps what it does not find for good, however long."""

from __future__ import annotations

import encodings.aliases
import re
from typing import Any

_MOST_UNKNOWN = 64
_MOST_NAME = 40
_LONGEST_OF_DEAR = 4096
_DEAR = frozenset({"idna", "punycode"})
_USUAL = re.compile(r"[a-z0-9]+([-_ ][a-z0-9]+)*")
_known: set[str] = set()
_unknown: set[str] = set()
"""What may be an encoding of the application's own."""


def check_encoding(name: Any, size: int) -> None:
    """Refuses a name that is no encoding's before it is looked up.

    Args:
        name: What was given for it; what is no text fails by itself.
        size: How long the text is.

    Raises:
        LookupError: There is no such encoding.
        ValueError: It takes the square of the length, which is not small.
    """
    if not issubclass(type(name), str):
        return
    plain = str.lower(str.__str__(name)[: _MOST_NAME + 1])
    if len(plain) <= _MOST_NAME and plain.isascii():
        normal = encodings.normalize_encoding(plain)
        if normal in _DEAR and size > _LONGEST_OF_DEAR:
            raise ValueError(f"{normal} takes at most {_LONGEST_OF_DEAR} characters here")
        # Each way to write a name is kept by itself, so that only the usual ones are any number.
        if _USUAL.fullmatch(plain) and normal in _known_encodings():
            return
        if plain in _unknown:
            return
        if len(_unknown) < _MOST_UNKNOWN:
            _unknown.add(plain)
            return
    raise LookupError(f"unknown encoding: {plain}")


def _known_encodings() -> set[str]:
    if not _known:
        import pkgutil  # hardly any connection needs it

        _known.update(encodings.aliases.aliases)
        _known.update(module.name for module in pkgutil.iter_modules(encodings.__path__))
    return _known
