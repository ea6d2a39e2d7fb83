"""Values of which a table of keys or elements is to be made at once."""

from __future__ import annotations

from typing import Any

from proxyables.wire.hashes import MOST, Hashes

from .sizes import base_of

# Their hashes are not for a sender to choose.
_SPREAD = frozenset({type(None), bool, str, bytes})
_CONTAINERS = (list, tuple, set, frozenset, dict)


def check_spread(items: object) -> None:
    """Refuses many values that have one hash; a table takes the square of their number.

    Raises:
        ValueError: There are more than a message may have.
    """
    base: Any = base_of(items, _CONTAINERS)
    if base is None or base.__len__(items) <= MOST:
        return
    kinds = set(map(type, base.__iter__(items))) - _SPREAD
    if not kinds:
        return
    chosen = [each for each in base.__iter__(items) if type(each) in kinds]
    try:
        if len(chosen) - len(set(map(hash, chosen))) < MOST:
            return
    except Exception:  # what cannot be hashed fails by itself
        return
    hashes = Hashes()
    for each in chosen:
        hashes.check(each)
