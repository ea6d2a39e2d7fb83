"""Where threads and coroutines stand, told by the lines that are the user's own.

Frames are only looked at, from any thread, while whatever they belong to goes on; so a line may be
one that has just been left.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxyables.peer.reports import Place

_DEEPEST = 1000
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (_PACKAGE + os.sep, f"{_PACKAGE}_cli" + os.sep)
_DEMO = os.path.join(_PACKAGE, "demo.py")  # exported code like any other
_STANDARD = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ("site-packages", "dist-packages")
_OURS_RANK = 3


def innermost(frames: list[FrameType]) -> Place | None:
    """Returns the innermost frame that is the user's own, or else that of a package.

    Args:
        frames: The innermost first.

    Returns:
        None if all of them are this package's.
    """
    found = by_interest(frames)
    return place_of(found[0]) if found and _rank(found[0]) < _OURS_RANK else None


def by_interest(frames: list[FrameType]) -> list[FrameType]:
    """Sorts frames: the user's, installed packages', the standard library's, then this package's.

    The order in each sort stays: the innermost first.
    """
    return sorted(frames, key=_rank)  # which keeps the order of what ranks equal


def _rank(frame: FrameType) -> int:
    file = frame.f_code.co_filename
    if file == _DEMO:
        return 0
    if file.startswith(_OURS):
        return _OURS_RANK
    if any(part in file for part in _INSTALLED):
        return 1
    return 2 if file.startswith((_STANDARD, "<frozen ")) else 0


def place_of(frame: FrameType) -> Place:
    """Returns where a frame stands."""
    code = frame.f_code
    line = frame.f_lineno or code.co_firstlineno  # None, between two lines
    return {"file": code.co_filename, "line": line, "function": code.co_qualname}


def text_of(place: Place) -> str:
    """Returns a place as people write it: ``shop.py:12 Shop.add``, with the whole path."""
    return f"{place['file']}:{place['line']} {place['function']}"


def thread_frames(thread: int, outer: object = None) -> list[FrameType]:
    """Returns the frames of a running thread, the innermost first.

    Args:
        thread: As `threading.get_ident` tells it.
        outer: Only those inside of the frame of this code object are wanted.
    """
    frames: list[FrameType] = []
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code is not outer and len(frames) < _DEEPEST:
        frames.append(frame)
        frame = frame.f_back
    return frames


def awaited(coroutine: Any) -> Iterator[Any]:
    """Yields a suspended coroutine and what it waits for, link by link, the outermost first.

    The last link is whatever is no coroutine and no generator, such as a future.
    """
    for _ in range(_DEEPEST):
        yield coroutine
        if inspect.iscoroutine(coroutine):
            coroutine = coroutine.cr_await
        elif inspect.isasyncgen(coroutine):
            coroutine = coroutine.ag_await
        elif inspect.isgenerator(coroutine):
            coroutine = coroutine.gi_yieldfrom
        else:
            # What `async for` and `asend` wait for has no way to its generator but this one.
            links = gc.get_referents(coroutine) if _is_step(coroutine) else ()
            coroutine = next(filter(inspect.isasyncgen, links), None)
        if coroutine is None:
            return


def _is_step(awaitable: object) -> bool:
    return type(awaitable).__name__ in ("async_generator_asend", "async_generator_athrow")


def frame_of(link: Any) -> FrameType | None:
    """Returns the frame of a coroutine or generator, if it is one and has not ended."""
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(link, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


__all__ = [
    "awaited",
    "by_interest",
    "frame_of",
    "innermost",
    "place_of",
    "text_of",
    "thread_frames",
]
