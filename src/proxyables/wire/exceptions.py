"""Exceptions as plain maps, and back: with their type where both sides know it.

The map (px dialect): ``type``, ``module``, ``message``, and where there is something to tell
``args`` (plain values only), ``notes``, ``frames`` (lists of file, line, function, text),
``cause``, ``context``, ``suppress``, ``group`` (maps like this one).

What is loaded is a `RemoteError`; if its type is a builtin exception here, an instance of a class
that is both. No class is ever looked up by a name that is not in the closed table of builtins.
"""

from __future__ import annotations

import builtins
import functools
import traceback
from typing import Any

from proxyables.errors import (
    AccessDenied,
    ReferenceNotFound,
    RemoteError,
    RemoteFrame,
)
from proxyables.limits import Limits

_MAX_CHAIN = 8
_MAX_GROUP = 64
_MAX_FRAMES = 64
_MAX_NOTES = 32
_MAX_ARGS = 16
_MAX_NESTING = 4

_BUILTINS: dict[str, type[BaseException]] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type)
    and issubclass(value, Exception)
    # These steer the interpreter: raised in a caller they would end its loops, not report.
    and not issubclass(value, (StopIteration, StopAsyncIteration, BaseExceptionGroup))
    and name == value.__name__
}
_OURS: dict[str, type[RemoteError]] = {
    "AccessDenied": AccessDenied,
    "ReferenceNotFound": ReferenceNotFound,
}
_MODULE = "proxyables"


# -- out ------------------------------------------------------------------------------------------


def safe_text(value: object, limit: int) -> str:
    """Returns ``str(value)`` cut to `limit` characters; an exception's `__str__` may raise."""
    try:
        text = str(value)
    except Exception as error:  # user code: its failure is worth telling, not worth failing for
        return f"<no text: {type(error).__name__} in __str__>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def dump_exception(
    error: BaseException, limits: Limits, *, seen: frozenset[int] = frozenset()
) -> dict[str, Any]:
    """Returns the map that tells `error`; never raises, and is bounded in size.

    Cyclic causes end where they close; chains end after 8 links, groups after 64 members.
    """
    told = _dump_type(error, limits)
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        told["notes"] = [safe_text(note, limits.max_text) for note in notes[:_MAX_NOTES]]
    frames = _dump_frames(error)
    if frames:
        told["frames"] = frames
    seen = seen | {id(error)}
    if len(seen) >= _MAX_CHAIN:
        return told
    for key, link in (("cause", error.__cause__), ("context", error.__context__)):
        if link is not None and id(link) not in seen:
            told[key] = dump_exception(link, limits, seen=seen)
    if error.__suppress_context__:
        told["suppress"] = True
        told.pop("context", None)
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions[:_MAX_GROUP]
        told["group"] = [dump_exception(member, limits, seen=seen) for member in members]
    return told


def _dump_type(error: BaseException, limits: Limits) -> dict[str, Any]:
    if isinstance(error, RemoteError) and not isinstance(error, tuple(_OURS.values())):
        # It came from a peer behind this one: pass on what it was there.
        name, module, message = error.type_name, error.module, error.message
    else:
        kind = type(error)
        module = kind.__module__ if isinstance(kind.__module__, str) else ""
        if isinstance(error, tuple(_OURS.values())):
            module = _MODULE
        name, message = kind.__qualname__, safe_text(error, limits.max_text)
    told: dict[str, Any] = {"type": name, "module": module, "message": message}
    args = error.args
    if type(args) is tuple and _is_plain(args, limits):
        told["args"] = list(args)
    if isinstance(error, OSError) and isinstance(error.filename, str):
        told["filename"] = error.filename[: limits.max_text]  # not among its args
    return told


def _is_plain(value: Any, limits: Limits, depth: int = 0) -> bool:
    kind = type(value)
    if kind is tuple:
        few = len(value) <= _MAX_ARGS and depth < _MAX_NESTING
        return few and all(_is_plain(each, limits, depth + 1) for each in value)
    if kind is str or kind is bytes:
        return len(value) <= limits.max_text
    if kind is int:
        return bool(value.bit_length() <= 63)
    return value is None or kind is bool or kind is float


def _dump_frames(error: BaseException) -> list[list[Any]]:
    entries: list[list[Any]] = []
    if isinstance(error, RemoteError):
        entries = [list(frame) for frame in error.frames]
    found = traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES)
    entries += [
        [frame.filename, frame.lineno or 0, frame.name, (frame.line or "")[:200]]
        for frame in found
        if not _is_internal(frame.filename)
    ]
    return entries[-_MAX_FRAMES:]


@functools.cache
def _package_directory() -> str:
    return __file__.rpartition("wire")[0]


def _is_internal(filename: str) -> bool:
    directory = _package_directory()
    return filename.startswith(directory) and not filename.endswith("demo.py")


# -- in -------------------------------------------------------------------------------------------


@functools.cache
def _mixed(name: str) -> type[RemoteError]:
    """Returns the class that is a `RemoteError` and a builtin exception at once."""
    base = _BUILTINS[name]

    def get_state(self: RemoteError) -> tuple[Any, ...]:
        return (load_exception, ({"type": self.type_name, "message": self.message}, Limits()))

    namespace = {"__module__": __name__, "__slots__": (), "__reduce__": get_state}
    return type(name, (RemoteError, base), namespace)


def load_exception(told: object, limits: Limits, *, depth: int = 0) -> RemoteError:
    """Returns the exception that a map tells of. Fields of the wrong type are left out."""
    fields = told if isinstance(told, dict) else {}
    name = _text(fields.get("type"), limits) or "RemoteError"
    module = _text(fields.get("module"), limits)
    message = _text(fields.get("message"), limits)
    error = _make(name, module, message, fields.get("args"))
    if isinstance(error, OSError) and isinstance(fields.get("filename"), str):
        error.filename = _text(fields["filename"], limits)
    error.type_name, error.module, error.message = name, module, message
    error.frames = _load_frames(fields.get("frames"), limits)
    notes = fields.get("notes")
    for note in notes[:_MAX_NOTES] if isinstance(notes, list) else ():
        error.add_note(_text(note, limits))
    if depth < _MAX_CHAIN:
        _load_links(error, fields, limits, depth + 1)
    return error


def _make(name: str, module: str, message: str, args: object) -> RemoteError:
    if module == _MODULE and name in _OURS:
        return _OURS[name](message, type_name=name, module=module)
    base = _BUILTINS.get(name) if module in ("builtins", "") else None
    if base is None:
        return RemoteError(message, type_name=name, module=module)
    kind = _mixed(name)
    given = tuple(args) if isinstance(args, list) else (message,)
    # Builtin constructors check their arguments (UnicodeDecodeError wants five); __new__ does
    # not, so a map that lies about them still gives the right type.
    error = kind.__new__(kind, *given)
    RemoteError.__init__(error, message, type_name=name, module=module)
    error.args = given
    _set_fields(error, base, given)
    return error


def _set_fields(error: RemoteError, base: type[BaseException], given: tuple[Any, ...]) -> None:
    """Fills what a builtin's own constructor would have set from its arguments."""
    if issubclass(base, OSError) and len(given) >= 2:
        error.errno, error.strerror = given[0], given[1]  # type: ignore[attr-defined]
        return
    try:
        base.__init__(error, *given)
    except TypeError:
        pass  # arguments that its constructor would not take: the type and the text remain


def _load_links(error: RemoteError, fields: dict[Any, Any], limits: Limits, depth: int) -> None:
    if isinstance(fields.get("cause"), dict):
        error.cause = error.__cause__ = load_exception(fields["cause"], limits, depth=depth)
    if isinstance(fields.get("context"), dict):
        error.__context__ = load_exception(fields["context"], limits, depth=depth)
    error.__suppress_context__ = bool(fields.get("suppress")) or error.__cause__ is not None
    group = fields.get("group")
    if isinstance(group, list):
        members = [load_exception(member, limits, depth=depth) for member in group[:_MAX_GROUP]]
        error.extra["exceptions"] = members


def _load_frames(frames: object, limits: Limits) -> tuple[RemoteFrame, ...]:
    if not isinstance(frames, list):
        return ()
    return tuple(
        RemoteFrame(
            _text(frame[0], limits),
            frame[1] if type(frame[1]) is int else 0,
            _text(frame[2], limits),
            _text(frame[3], limits),
        )
        for frame in frames[:_MAX_FRAMES]
        if isinstance(frame, list) and len(frame) == 4
    )


def _text(value: object, limits: Limits) -> str:
    return value[: limits.max_text] if isinstance(value, str) else ""
