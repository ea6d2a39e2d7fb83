"""Which changes of what is typed have all be drawn again.

prompt_toolkit tells of completions when it begins to look for them, and of a suggestion when there
is none. Each time it would draw what is on the screen already, before the other side is asked for
what a menu shows.
"""

from __future__ import annotations

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.utils import Event


def draw_less(buffer: Buffer) -> None:
    """Has changes of a buffer that change nothing on the screen told to nobody; to be called
    before anybody listens."""
    buffer.on_completions_changed = _Completions(buffer)
    buffer.on_suggestion_set = _Suggestions(buffer)


class _Completions(Event[Buffer]):
    def fire(self) -> None:
        state = self.sender.complete_state
        if state is None or state.completions:
            super().fire()


class _Suggestions(Event[Buffer]):
    def fire(self) -> None:
        # One that was there went with the text that it was for.
        if self.sender.suggestion is not None:
            super().fire()


__all__ = ["draw_less"]
