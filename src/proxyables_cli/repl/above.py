"""What is printed while a prompt is there appears above it, line by line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from prompt_toolkit.patch_stdout import StdoutProxy


@contextmanager
def printing_above() -> Iterator[None]:
    """Has the standard outputs write above the prompt inside the block.

    A line that nobody has ended by then is written at the end of the block.
    """
    above = _Above()
    file = cast(TextIO, above)
    with above, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        try:
            yield
        finally:
            above.end_line()


class _Above(StdoutProxy):
    """Keeps a line until it is ended, and knows whether it has one."""

    _is_open = False

    def write(self, data: str) -> int:
        if data:
            self._is_open = not data.endswith("\n")
        return super().write(data)

    def end_line(self) -> None:
        if self._is_open:  # what runs next begins in a line of its own
            self.write("\n")


__all__ = ["printing_above"]
