"""Exceptions as plain maps, and back: with their type where both sides know it.

The map (px dialect): ``type``, ``module``, ``message``, and where there is something to tell
``args`` (small values only; of a group its text alone), ``notes``, ``frames`` (lists of file, line,
function, text), ``cause``, ``context``, ``suppress``, ``group`` (maps like this one), ``filename``
of an OSError, and ``state``: the plain attributes of a registered exception, the fields of a
`LimitExceeded`, and what builtin exceptions hold besides their arguments.

What is loaded is a `RemoteError`; if its type is a builtin exception here, or a limit, an instance
of a class that is both. No class is ever looked up by a name that is not in the closed table of
builtins. Types of what came are compared exactly, as in `values`.
"""

from __future__ import annotations

import builtins
import functools
import math
import traceback
from collections.abc import Sequence
from typing import Any, cast

from proxyables.errors import (
    AccessDenied,
    LimitExceeded,
    ReferenceNotFound,
    RemoteError,
    RemoteFrame,
)
from proxyables.limits import Limits

from .payloads import visible
from .registration import REGISTRATION

_MAX_CHAIN = 8
_MAX_GROUP = 64
_MAX_FRAMES = 64
_MAX_NOTES = 32

_BUILTINS: dict[str, type[BaseException]] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type)
    and issubclass(value, Exception)
    # These steer the interpreter: raised in a caller they would end its loops, not report.
    and not issubclass(value, (StopIteration, StopAsyncIteration, BaseExceptionGroup))
    and name == value.__name__
}
_GROUPS: dict[str, type[BaseException]] = {"ExceptionGroup": ExceptionGroup}
_FIELDS: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (AttributeError, ("name",)),
    (ImportError, ("name", "path")),
    (NameError, ("name",)),
    (OSError, ("filename2",)),
)
"""What builtin exceptions hold that is not among their arguments: texts."""
_OWN_FIELDS = frozenset(vars(RemoteError())) - {"code"} | {"__notes__"}
_OURS: dict[str, type[RemoteError]] = {
    "AccessDenied": AccessDenied,
    "ReferenceNotFound": ReferenceNotFound,
}
_MODULE = "proxyables"
_LIMIT_FIELDS = ("limit", "allowed", "got")


# -- out ------------------------------------------------------------------------------------------


def safe_text(value: object, limit: int) -> str:
    """Returns ``str(value)`` cut to `limit` characters; an exception's `__str__` may raise."""
    try:
        text = str(value)
    except Exception as error:  # user code: its failure is worth telling, not worth failing for
        return f"<no text: {type(error).__name__} in __str__>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_plain(value: object, limits: Limits) -> bool:
    from .plain import is_plain  # most processes never raise across a connection

    return is_plain(value, limits)


def dump_exception(
    error: BaseException,
    limits: Limits,
    *,
    frames: bool = True,
    seen: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    """Returns the map that tells `error`; never raises, and is bounded in size.

    Cyclic causes end where they close; chains end after 8 links, groups after 64 members.

    Args:
        error: What is told.
        limits: This side's bounds.
        frames: Whether its traceback is told: files, functions, and lines of source.
        seen: What this is a link or a member of.
    """
    told = _dump_type(error, limits)
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        own = [note for note in notes[:_MAX_NOTES] if not isinstance(note, RemoteTraceback)]
        told["notes"] = [safe_text(note, limits.max_text) for note in own]
    state = _dump_state(error, (told["module"], told["type"]), limits)
    if state:
        told["state"] = state
    if frames and (shown := _dump_frames(error)):
        told["frames"] = shown
    seen = seen | {id(error)}
    if len(seen) >= _MAX_CHAIN:
        return told
    for key, link in (("cause", error.__cause__), ("context", error.__context__)):
        if link is not None and id(link) not in seen:
            told[key] = dump_exception(link, limits, frames=frames, seen=seen)
    if error.__suppress_context__:
        told["suppress"] = True
        told.pop("context", None)
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions[:_MAX_GROUP]
        told["group"] = [
            dump_exception(member, limits, frames=frames, seen=seen) for member in members
        ]
    return told


def _dump_type(error: BaseException, limits: Limits) -> dict[str, Any]:
    if isinstance(error, RemoteError) and not isinstance(error, tuple(_OURS.values())):
        # It came from a peer behind this one: pass on what it was there.
        name, module, message = error.type_name, error.module, error.message
    else:
        kind = type(error)
        module = kind.__module__ if isinstance(kind.__module__, str) else ""
        if kind is LimitExceeded or isinstance(error, tuple(_OURS.values())):
            module = _MODULE
        name, message = kind.__qualname__, safe_text(error, limits.max_text)
    told: dict[str, Any] = {"type": name, "module": module, "message": message}
    args = error.args
    if isinstance(error, BaseExceptionGroup):
        told["message"] = safe_text(error, limits.max_text)
        args = args[:1]  # its members are told as what they are
    if type(args) is tuple and _is_plain(args, limits):
        told["args"] = list(args)
    if isinstance(error, OSError) and isinstance(error.filename, str):
        told["filename"] = error.filename[: limits.max_text]  # not among its args
    return told


def _dump_state(
    error: BaseException, place: tuple[str, str], limits: Limits
) -> dict[str, Any] | None:
    """Returns the plain ones of an exception's own attributes, as far as the other side sets them.

    Args:
        error: The exception.
        place: The module and the name that tell its class.
        limits: Bounds.
    """
    held: dict[str, Any] = {}
    if type(error) in (LimitExceeded, _limit_class()):
        held = {name: vars(error).get(name) for name in _LIMIT_FIELDS}
    elif place in REGISTRATION.exceptions:
        own = vars(error).items()
        held = {name: each for name, each in own if name.isidentifier() and name not in _OWN_FIELDS}
    told = {name: value for name, value in held.items() if _is_plain(value, limits)}
    for base, names in _FIELDS:
        if isinstance(error, base):
            texts = {name: getattr(base, name).__get__(error) for name in names}
            told |= {name: text for name, text in texts.items() if _is_text(text, limits)}
    return told


def _is_text(value: object, limits: Limits) -> bool:
    return type(value) is str and len(value) <= limits.max_text


def _dump_frames(error: BaseException) -> list[list[Any]]:
    found = traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES)
    entries = [
        [frame.filename, frame.lineno or 0, frame.name, (frame.line or "")[:200]]
        for frame in found
        if not _is_internal(frame.filename)
    ]
    if isinstance(error, RemoteError):  # the frames behind this peer were called by those here
        entries += [list(frame) for frame in error.frames]
    return entries[-_MAX_FRAMES:]


@functools.cache
def _package_directory() -> str:
    return __file__.rpartition("wire")[0]


def _is_internal(filename: str) -> bool:
    directory = _package_directory()
    return filename.startswith(directory) and not filename.endswith("demo.py")


# -- in -------------------------------------------------------------------------------------------


@functools.cache
def _mixed(base: Any) -> type[RemoteError]:
    """Returns the class that is a `RemoteError` and an exception known here at once."""

    def reduce(self: RemoteError) -> tuple[Any, ...]:
        return (load_exception, (dump_exception(self, Limits()), Limits()))

    # `message` hides the read-only one of exception groups.
    namespace = {"__module__": __name__, "__reduce__": reduce, "message": ""}
    if issubclass(base, BaseExceptionGroup):
        namespace["__str__"] = base.__str__  # which counts its members
    return type(base.__name__, (RemoteError, base), namespace)


def _limit_class() -> type[RemoteError]:
    """Returns the class of a limit of the other side's: theirs, and known by its own type."""
    return _mixed(LimitExceeded)


def load_exception(told: object, limits: Limits, *, depth: int = 0) -> RemoteError:
    """Returns the exception that a map tells of. Fields of the wrong type are left out."""
    fields = told if type(told) is dict else {}
    name = _text(fields.get("type"), limits) or "RemoteError"
    module = _text(fields.get("module"), limits)
    message = _text(fields.get("message"), limits)
    members = _load_members(fields.get("group"), limits, depth)
    error = _make(name, module, message, fields, members, limits)
    error.type_name, error.module = name, module
    error.message = error.args[0] if isinstance(error, ExceptionGroup) else message
    error.frames = _load_frames(fields.get("frames"), limits)
    notes = fields.get("notes")
    for note in notes[:_MAX_NOTES] if type(notes) is list else ():
        error.add_note(_text(note, limits))
    if error.frames:
        error.add_note(RemoteTraceback(error.frames))
    if depth < _MAX_CHAIN:
        _load_links(error, fields, limits, depth + 1)
    return error


class RemoteTraceback(str):
    """The note under a `RemoteError` that shows where over there it was raised."""

    __slots__ = ()

    def __new__(cls, frames: Sequence[RemoteFrame]) -> RemoteTraceback:
        lines = ["Remote traceback (most recent call last):"]
        for frame in frames:
            file, function = visible(frame.file), visible(frame.function)
            lines.append(f'  File "{file}", line {frame.line}, in {function}')
            if frame.text:
                lines.append(f"    {visible(frame.text)}")
        return super().__new__(cls, "\n".join(lines))


def _make(
    name: str,
    module: str,
    message: str,
    fields: dict[Any, Any],
    members: list[RemoteError],
    limits: Limits,
) -> RemoteError:
    if module == _MODULE and name in _OURS:
        return _OURS[name](message, type_name=name, module=module)
    if module == _MODULE and name == LimitExceeded.__name__:
        return _make_limit(message, fields.get("state"), limits)
    base: Any = REGISTRATION.exceptions.get((module, name))
    is_ours = base is not None
    if base is None and module in ("builtins", ""):
        base = _GROUPS.get(name) if members else _BUILTINS.get(name)
    is_group = base is not None and issubclass(base, BaseExceptionGroup)
    if base is None or (is_group and not members):
        error = RemoteError(message, type_name=name, module=module)
        if members:
            error.extra["exceptions"] = members
        return error
    kind = _mixed(base)
    given = _load_args(fields.get("args"), message, limits)
    if is_group:
        given = (given[0] if given and type(given[0]) is str else message, members)
    # Constructors check their arguments (UnicodeDecodeError wants five), or run code of their
    # own; a builtin __new__ does neither, so a map that lies about them still gives the right type.
    # Python takes that of the base which lays the instance out, and no other.
    layout: Any = kind.__base__
    maker = next(each for each in layout.__mro__ if each.__module__ == "builtins")
    error = cast(RemoteError, maker.__new__(kind, *given))
    RemoteError.__init__(error, message, type_name=name, module=module)
    error.args = given
    state = fields.get("state")
    if is_ours:
        _set_state(error, state, limits)
    elif not is_group:
        _set_fields(error, base, given, fields, message)
    _set_texts(error, state, limits)
    return error


def _make_limit(message: str, state: object, limits: Limits) -> RemoteError:
    """Returns the error of a limit; what was not told of it is an empty text, or no number."""
    kind = _limit_class()
    error = ValueError.__new__(kind, message)
    RemoteError.__init__(error, message)
    given = state if type(state) is dict else {}
    limit, allowed, got = (given.get(name) for name in _LIMIT_FIELDS)
    error.__dict__ |= {
        "limit": _text(limit, limits),
        "allowed": allowed if type(allowed) in (int, float) else math.nan,
        "got": got if type(got) in (int, float) else math.nan,
    }
    return error


def _load_args(args: object, message: str, limits: Limits) -> tuple[Any, ...]:
    """Returns the arguments that came; if they are none, or not plain, the text of the error."""
    given = tuple(args) if type(args) is list else None
    return (message,) if given is None or not _is_plain(given, limits) else given


def _set_state(error: RemoteError, state: object, limits: Limits) -> None:
    """Sets the attributes that a registered exception brought: plain values, public names."""
    for name, value in state.items() if type(state) is dict else ():
        is_name = type(name) is str and name.isidentifier() and name not in _OWN_FIELDS
        if is_name and _is_plain(value, limits):
            error.__dict__[name] = value


def _set_texts(error: RemoteError, state: object, limits: Limits) -> None:
    """Sets what a builtin exception holds besides its arguments."""
    given = state if type(state) is dict else {}
    for base, names in _FIELDS:
        if isinstance(error, base):
            for name in names:
                if _is_text(given.get(name), limits):
                    setattr(error, name, given[name])


def _set_fields(
    error: RemoteError, base: Any, given: tuple[Any, ...], fields: dict[Any, Any], message: str
) -> None:
    """Fills what a builtin's own constructor would have set from its arguments."""
    if isinstance(error, OSError):
        if len(given) >= 2:
            error.errno, error.strerror = given[0], given[1]
        if type(fields.get("filename")) is str:
            error.filename = fields["filename"]
        return
    if isinstance(error, SyntaxError) and len(given) > 1 and not _is_place(given[1]):
        return  # who shows it takes the fields for what they should be
    try:
        base.__init__(error, *given)
    except (TypeError, ValueError, ArithmeticError, LookupError):
        pass  # arguments that its constructor would not take: the type and the text remain


def _is_place(place: object) -> bool:
    """Whether these are a file, a line, a column and a text, and perhaps an end."""
    kinds = (str, int, int, str, int, int)
    return (
        type(place) is tuple
        and len(place) in (4, 6)
        and all(map(lambda each, kind: each is None or type(each) is kind, place, kinds))
    )


def _load_members(group: object, limits: Limits, depth: int) -> list[RemoteError]:
    if type(group) is not list or depth >= _MAX_CHAIN:
        return []
    return [load_exception(member, limits, depth=depth + 1) for member in group[:_MAX_GROUP]]


def _load_links(error: RemoteError, fields: dict[Any, Any], limits: Limits, depth: int) -> None:
    if type(fields.get("cause")) is dict:
        error.cause = error.__cause__ = load_exception(fields["cause"], limits, depth=depth)
    if type(fields.get("context")) is dict:
        error.__context__ = load_exception(fields["context"], limits, depth=depth)
    error.__suppress_context__ = fields.get("suppress") is True or error.__cause__ is not None


def _load_frames(frames: object, limits: Limits) -> tuple[RemoteFrame, ...]:
    if type(frames) is not list:
        return ()
    return tuple(
        RemoteFrame(
            _text(frame[0], limits),
            frame[1] if type(frame[1]) is int else 0,
            _text(frame[2], limits),
            _text(frame[3], limits),
        )
        for frame in frames[:_MAX_FRAMES]
        if type(frame) is list and len(frame) == 4
    )


def _text(value: object, limits: Limits) -> str:
    return value[: limits.max_text] if type(value) is str else ""
