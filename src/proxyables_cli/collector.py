"""The garbage collector, which rests while a command is being imported.

Nothing that is imported is garbage, and looking for some in it, again and again while there comes
more, is a tenth of the time until a command is of use.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """Stops the collector until `wake` is called, or the block has ended."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def wake() -> None:
    """Starts the collector, once, before any code of a user's runs.

    What is there by now is never looked at again: every full collection is faster for it.
    """
    gc.freeze()
    gc.enable()


__all__ = ["resting", "wake"]
