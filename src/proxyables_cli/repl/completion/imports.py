"""Completion of import statements: modules, and what they offer, without importing any.

Modules are looked for where the import system would look. What one offers is known if it has been
imported; else from its code, which is read and not run. All of that happens on threads, and is
asked for once for a while: files may be far away.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType

from proxyables_cli.repl.completion import local
from proxyables_cli.repl.completion.candidate import Candidate

SECONDS = 10.0
"""How long what was found is believed."""
MAX_SOURCE_BYTES = 32 * 1024
"""Source that is compiled for its names: some 10 ms, in which no key is drawn. Bytecode, which most
modules have, is read whatever its size."""
_MAX_CHARACTERS = 2_000

_STATEMENT = re.compile(
    r"""(?:^|[\n;:])[ \t]*
    (?:
        import[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*(?P<module>[\w.]*)
        |from[ \t]+(?P<source>[\w.]*)
        |from[ \t]+\w[\w.]*[ \t]+(?P<word>\w+)
        |from[ \t]+(?P<owner>\w[\w.]*)[ \t]+import[ \t]*
            (?:[ \t]|\(\s*)(?:\w+(?:\s+as\s+\w+)?\s*,\s*)*(?P<name>\w*)
    )\Z""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement that is being typed.

    Attributes:
        owner: The module that something is imported from, or the package of the one that is being
            typed; empty for what stands alone.
        typed: The part of the last name that has been typed.
        kind: ``module``, or ``name`` where names of a module are wanted too, or ``keyword``.
    """

    owner: str
    typed: str
    kind: str


def import_of(text: str) -> Import | None:
    """Reads the statement at the end of a text; None if it is none, or nothing can be offered."""
    match = _STATEMENT.search(text[-_MAX_CHARACTERS:])
    if match is None:
        return None
    if match["word"] is not None:
        return Import("", match["word"], "keyword")
    if match["owner"] is not None:
        return Import(match["owner"], match["name"], "name")
    owner, _, typed = (match["module"] or match["source"] or "").rpartition(".")
    return Import(owner, typed, "module")


class Imports:
    """What import statements can name, as far as it was found lately."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self._searches: dict[tuple[str, str], asyncio.Task[list[str]]] = {}

    async def complete(self, statement: Import) -> list[Candidate]:
        """What could stand at the end of a statement."""
        length = len(statement.typed)
        if statement.kind == "keyword":
            return [Candidate("import", length, "keyword")]
        found = [
            Candidate(name, length, "module")
            for name in await self._names("module", statement.owner, _modules_in)
        ]
        if statement.kind == "name":
            modules = {each.text for each in found}
            names = await self._names("name", statement.owner, _names_in)
            found += [Candidate(name, length, "name") for name in names if name not in modules]
        return sorted(found, key=lambda each: each.text)

    async def _names(self, kind: str, owner: str, search: Callable[[str], list[str]]) -> list[str]:
        key = kind, owner
        known = self._found.get(key)
        if known is not None and time.monotonic() - known[0] < SECONDS:
            return known[1]
        task = self._searches.get(key)
        if task is None:
            task = asyncio.ensure_future(self._searched(key, search))
            self._searches[key] = task
            task.add_done_callback(lambda _: self._searches.pop(key, None))
        await asyncio.wait({task})  # who stops waiting stops nobody else
        return [] if task.cancelled() else task.result()

    async def _searched(
        self, key: tuple[str, str], search: Callable[[str], list[str]]
    ) -> list[str]:
        try:
            names = await asyncio.to_thread(search, key[1])
        except Exception:
            names = []  # a path, or a file on it, is not as it should be; importing will say so
        self._found[key] = time.monotonic(), names
        return names


def _modules_in(package: str) -> list[str]:
    """The modules of a package; those that stand alone if it is empty."""
    import pkgutil  # slow to import

    names: set[str] = set()
    if package:
        places = _places_of(package)
        inside = [name for name in list(sys.modules) if name.startswith(f"{package}.")]
        names.update(name.removeprefix(f"{package}.") for name in inside)
    else:
        places = [place or os.getcwd() for place in sys.path]
        names.update(sys.stdlib_module_names, sys.builtin_module_names)
    names.update(each.name for each in pkgutil.iter_modules(places))
    return sorted(name for name in names if name.isidentifier())


def _places_of(package: str) -> list[str]:
    """Where the modules of a package are."""
    from importlib.machinery import PathFinder

    places: list[str] | None = None
    name = ""
    for part in package.split("."):
        name = f"{name}.{part}" if name else part
        module = sys.modules.get(name)
        if module is not None:
            places = _listed(module, "__path__")
        else:
            spec = PathFinder.find_spec(name, places)
            found = None if spec is None else spec.submodule_search_locations
            places = [*(found or ())]
        if not places:
            return []
    return places or []


def _names_in(module: str) -> list[str]:
    """The names that a module offers."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        return sorted({*local.names_of(loaded), *_listed(loaded, "__all__")})
    code = _code_of(module)
    return [] if code is None else sorted(set(_names_stored(code)))


def _code_of(module: str) -> CodeType | None:
    """The code of a module that is in a file of Python's."""
    from importlib.machinery import PathFinder, SourceFileLoader
    from importlib.util import cache_from_source

    package = module.rpartition(".")[0]
    spec = PathFinder.find_spec(module, _places_of(package) if package else None)
    if spec is None or type(spec.loader) is not SourceFileLoader:
        return None  # compiled, or found by somebody's own code
    path = spec.loader.path
    if os.path.exists(cache_from_source(path)):
        return spec.loader.get_code(module)
    if os.path.getsize(path) > MAX_SOURCE_BYTES:
        return None
    return compile(spec.loader.get_data(path), path, "exec", dont_inherit=True)


def _names_stored(code: CodeType) -> Iterator[str]:
    from dis import get_instructions

    for instruction in get_instructions(code):
        if instruction.opname == "STORE_NAME":
            yield instruction.argval


def _listed(module: object, name: str) -> list[str]:
    """An attribute of a module that lists texts; empty if it is none."""
    value = vars(module).get(name) if isinstance(module, ModuleType) else None
    return [each for each in value if isinstance(each, str)] if isinstance(value, Iterable) else []


__all__ = ["Import", "Imports", "import_of"]
