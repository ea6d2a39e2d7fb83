"""Finding the object that a command line names: ``shop:store``, ``app/shop.py:store``, ``shop``.

A target that cannot be had is the user's own mistake more often than anything else on the command
line, so each way to miss it has a line of its own, with the innermost frame of *their* code and
never one of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, cast

from proxyables.frozen import frozen
from proxyables_cli.configuration import nearest
from proxyables_cli.exits import Code, Failure

_HERE = os.path.dirname(os.path.abspath(__file__))
_OURS = (f"{_HERE}{os.sep}", os.path.join(os.path.dirname(_HERE), "proxyables", ""), "<frozen ")
_CIRCLE = r"(?s) \(most likely due to a circular import\).*"


@frozen
class Target:
    """What stands on the command line, taken apart.

    Attributes:
        text: As it was written.
        module: A dotted module name, or the path of a ``.py`` file.
        attributes: The names after the colon; empty for the module itself.
    """

    text: str
    module: str
    attributes: tuple[str, ...]

    @property
    def is_file(self) -> bool:
        """True if the module is given as a file."""
        return self.module.endswith(".py") or os.sep in self.module

    @property
    def label(self) -> str:
        """A short name that is fit for a file: the last word of the target."""
        stem = os.path.splitext(os.path.basename(self.module))[0] if self.is_file else self.module
        return (self.attributes[-1] if self.attributes else stem.rpartition(".")[2]) or "object"


def parse(text: str) -> Target:
    """Takes a target apart, without looking for it.

    Raises:
        Failure: It is not of the form of a target; the code is for bad usage.
    """
    module, colon, path = text.rpartition(":") if ":" in text else (text, "", "")
    attributes = tuple(path.split(".")) if colon else ()
    target = Target(text, module, attributes)
    words = attributes if target.is_file else (*module.split("."), *attributes)
    if not module or not all(word.isidentifier() for word in words):
        raise Failure(
            Code.USAGE,
            f"{text!r} is not a target",
            "write module:attribute, path/file.py:attribute or module",
        )
    return target


def load(target: Target, app_dir: str = ".") -> object:
    """Imports the module of a target and walks to its object.

    Args:
        target: What to find.
        app_dir: The directory that is searched first, as Python does with a script's own.

    Raises:
        Failure: It cannot be had; the line says why, and the code is that for targets.
    """
    module = _from_file(target.module) if target.is_file else _from_name(target.module, app_dir)
    found: object = module
    way = target.module
    for name in target.attributes:
        try:
            found = getattr(found, name)
        except AttributeError as error:
            if _user_frame(error):  # a property over there that failed inside
                raise _raised(f"{way}.{name} cannot be read", error) from error
            hint = _did_you_mean(name, dir(found), found)
            raise Failure(Code.NO_TARGET, f"{way!r} has no attribute {name!r}", hint) from None
        except Exception as error:
            raise _raised(f"{way}.{name} cannot be read", error) from error
        way = f"{way}.{name}"
    if found is None:
        raise Failure(Code.NO_TARGET, f"{target.text!r} is None, and there is nothing to serve")
    return found


def absolute(path: str) -> str:
    """Returns what a path means here.

    Raises:
        Failure: It is relative, and to a directory that has been removed.
    """
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        told = "the working directory does not exist any more"
        raise Failure(Code.USAGE, told, "cd to one that does") from None


async def make(factory: Callable[[], Any], text: str) -> object:
    """Calls a factory, which may be a coroutine function, and returns what it made.

    Raises:
        Failure: It raised; the line names the frame of the user's code.
    """
    try:
        made = factory()
        made = await made if inspect.isawaitable(made) else made
    except (Exception, SystemExit) as error:
        raise _raised(f"the factory {text!r} failed", error) from error
    if made is None:
        raise Failure(Code.NO_TARGET, f"the factory {text!r} returned None", "is a return missing?")
    return cast(object, made)


def check_directory(app_dir: str) -> str:
    """Returns what ``--app-dir`` means.

    Raises:
        Failure: It is no directory.
    """
    directory = absolute(app_dir)
    if not os.path.isdir(directory):
        raise Failure(Code.NO_TARGET, f"--app-dir {app_dir!r} is not a directory")
    return directory


def _from_name(name: str, app_dir: str) -> ModuleType:
    directory = check_directory(app_dir)
    _search_first(directory)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            hint = _did_you_mean(name, _modules_in(directory), None)
            where = f"no module named {missing!r} in {directory} nor on the import path"
            raise Failure(Code.NO_TARGET, where, hint) from None
        raise _raised(f"cannot import {name!r}", error) from error
    except (Exception, SystemExit) as error:  # a target that calls sys.exit() is no target
        raise _raised(f"cannot import {name!r}", error) from error


def _from_file(path: str) -> ModuleType:
    place = absolute(path)
    if not os.path.isfile(place):
        directory, file = os.path.split(place)
        files = os.listdir(directory) if os.path.isdir(directory) else []
        hint = _did_you_mean(file, [name for name in files if name.endswith(".py")], None)
        raise Failure(Code.NO_TARGET, f"no file {path!r}", hint)
    package, directory = _package_of(os.path.dirname(place))
    name = os.path.splitext(os.path.basename(place))[0]
    if package and name.isidentifier():
        _search_first(os.path.dirname(place))  # as for a file that stands alone
        _search_first(directory)
        whole = package if name == "__init__" else f"{package}.{name}"
        try:
            return importlib.import_module(whole)
        except (Exception, SystemExit) as error:
            raise _raised(f"cannot import {path!r} as {whole}", error) from error
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise Failure(Code.NO_TARGET, f"{path!r} is not a Python file", "its name must end in .py")
    _search_first(os.path.dirname(place))
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs, as the import system does: dataclasses and by-value classes look
    # their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a target that calls sys.exit() is no target
        raise _raised(f"cannot import {path!r}", error) from error
    return module


def _package_of(directory: str) -> tuple[str, str]:
    """Tells which package a directory is, and where it lies: its modules may import each other.

    Returns:
        Its dotted name, empty if it is none, and the directory around the outermost of it.
    """
    names: list[str] = []
    while os.path.isfile(os.path.join(directory, "__init__.py")):
        directory, name = os.path.split(directory)
        if not name.isidentifier():
            return "", ""
        names.insert(0, name)
    return ".".join(names), directory


def _search_first(directory: str) -> None:
    if directory not in sys.path:
        sys.path.insert(0, directory)


def _raised(what: str, error: BaseException) -> Failure:
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        line = f"{kind}: {error.msg} ({error.filename}, line {error.lineno})"
        return Failure(Code.NO_TARGET, f"{what}: {line}")
    told, circles = re.subn(_CIRCLE, "", str(error))
    said = f"{kind}: {told}" if told else kind
    frame = _user_frame(error)
    where = f" ({frame})" if frame else ""
    hint = "a circular import: import one of the two where it is used" if circles else ""
    return Failure(Code.NO_TARGET, f"{what}: {said}{where}", hint)


def _user_frame(error: BaseException) -> str:
    """Tells the innermost frame of the user's own code; that of a library if there is none."""
    frames = [
        frame
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if not frame.filename.startswith(_OURS)
    ]
    own = [frame for frame in frames if not _is_installed(frame.filename)]
    for frame in own or frames:
        inside = "" if frame.name == "<module>" else f", in {frame.name}"
        return f"{frame.filename}, line {frame.lineno}{inside}"
    return ""


def _is_installed(file: str) -> bool:
    """Whether a file belongs to Python or to a library."""
    import sysconfig  # rarely needed

    paths = sysconfig.get_paths()
    return file.startswith(tuple(paths[kind] + os.sep for kind in ("stdlib", "purelib", "platlib")))


def _modules_in(directory: str) -> list[str]:
    with os.scandir(directory) as entries:
        return [
            entry.name.removesuffix(".py")
            for entry in entries
            if entry.name.endswith(".py") or os.path.exists(os.path.join(entry.path, "__init__.py"))
        ]


def _did_you_mean(name: str, candidates: Iterable[str], owner: object) -> str:
    """Suggests a near name; for a module, else, the objects that it defines itself."""
    public = [candidate for candidate in candidates if not candidate.startswith("_")]
    if near := nearest(name, public):
        return near
    if not isinstance(owner, ModuleType):
        return ""
    own = [
        candidate
        for candidate in public
        if not isinstance(vars(owner).get(candidate), ModuleType)
        and getattr(vars(owner).get(candidate), "__module__", owner.__name__) == owner.__name__
    ]
    return f"it has {', '.join(own[:6])}" if own else ""


__all__ = ["Target", "absolute", "check_directory", "load", "make", "parse"]
