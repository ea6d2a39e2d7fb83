"""How exceptions look: the user's own frames here, then the frames over there, then the error."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Iterator

import msgpack

import proxyables
import proxyables_cli
from proxyables.errors import ProxyError, RemoteError
from proxyables_cli.exits import escaped

_MESSAGE_CHARACTERS = 10_000
_NESTED = 8
"""Causes, contexts and group members below which no more are shown."""

_CAUSED = "The above exception was the direct cause of the following exception"
_MEANWHILE = "During handling of the above exception, another exception occurred"

_INTERNAL = tuple(
    os.path.dirname(os.path.abspath(str(package.__file__))) + os.sep
    for package in (proxyables, proxyables_cli, asyncio, msgpack)
)
_HIDDEN = (*_INTERNAL, "<frozen ", "msgpack/")  # the last is where its compiled part says it is


def text_of(error: BaseException) -> str:
    """The whole text of an exception with its causes; ends with a line end."""
    return "".join(_lines(error, _NESTED, set(), whole=False))


def whole_text_of(error: BaseException) -> str:
    """As `text_of`, with the frames between the user's own code and the connection."""
    return "".join(_lines(error, _NESTED, set(), whole=True))


def _lines(error: BaseException, depth: int, seen: set[int], *, whole: bool) -> Iterator[str]:
    seen.add(id(error))
    before, link = _before(error)
    if before is not None and id(before) not in seen and depth:
        yield from _lines(before, depth - 1, seen, whole=whole)
        yield f"\n{link}:\n\n"
    yield from _own_lines(error, whole=whole)
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions[:_NESTED], 1):
            yield f"  +---- {number} of {len(error.exceptions)}\n"
            if depth:
                inner = "".join(_lines(member, depth - 1, seen, whole=whole))
                yield "".join(f"  | {line}\n" for line in inner.splitlines())


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, _CAUSED
    return None if error.__suppress_context__ else error.__context__, _MEANWHILE


def _own_lines(error: BaseException, *, whole: bool) -> Iterator[str]:
    remote = isinstance(error, RemoteError)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if whole or not frame.filename.startswith(_HIDDEN)
    ]
    if frames:
        yield "Traceback (here):\n" if remote else "Traceback (most recent call last):\n"
        yield from traceback.StackSummary.from_list(frames).format()
    if not isinstance(error, RemoteError):
        lines = traceback.format_exception_only(error)
        if isinstance(error, ProxyError):  # known by its name; where we keep it says nothing
            lines = [lines[0].removeprefix(f"{type(error).__module__}.")]
        yield from map(escaped, lines)  # our own may be about what came from over there
        return
    if error.frames:
        yield "Traceback (remote):\n"
    for frame in error.frames:
        where, inside = escaped(frame.file), escaped(frame.function)
        yield f'  File "{where}", line {frame.line}, in {inside}\n'
        if frame.text:
            yield f"    {escaped(frame.text.strip())}\n"
    yield f"{_headline(error)}\n"
    for note in getattr(error, "__notes__", ()):
        if type(note) is str:  # the library's own notes, of a type of theirs, repeat the frames
            yield f"{escaped(note)}\n"


def _headline(error: RemoteError) -> str:
    name, message = error.type_name or type(error).__name__, error.message
    if error.module not in ("", "builtins", ProxyError.__module__):
        name = f"{error.module}.{name}"
    text = f"{name}: {message}" if message else name
    return escaped(text, characters=_MESSAGE_CHARACTERS)


__all__ = ["text_of", "whole_text_of"]
