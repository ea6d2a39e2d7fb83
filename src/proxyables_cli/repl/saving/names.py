"""Which names a cell makes, and which it needs."""

from __future__ import annotations

import ast
import dis
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import CodeType

_AT_ONCE = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_OPTIMIZED = 0x1  # inspect.CO_OPTIMIZED; inspect is slow to import
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(slots=True)
class Names:
    """The names of one cell, among those of the session.

    Attributes:
        made: What it binds.
        needed: What it reads before it has bound it.
        needed_later: What is read by the functions that it defines.
        imports: What its top-level imports bind, and from where.
        made_otherwise: What all else in it binds.
        declared: What it declares as global.
        words: All names in it, those inside of functions too.
    """

    made: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)
    needed_later: set[str] = field(default_factory=set)
    imports: dict[str, set[str]] = field(default_factory=dict)
    made_otherwise: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether it may have bound others, in a way that a program has as well."""
        return "*" in self.imports or "globals" in self.needed | self.needed_later

    @classmethod
    def of(cls, body: Sequence[ast.stmt]) -> Names:
        """The names of some statements; none of what cannot be compiled."""
        names = cls()
        imports = [each for each in body if isinstance(each, (ast.Import, ast.ImportFrom))]
        for statement in imports:
            names._import(statement)
        try:
            code_tree = ast.Module(list(body), [])
            code = compile(code_tree, "<saved>", "exec", _FLAGS, dont_inherit=True)
        except (SyntaxError, ValueError):
            return names
        names._read(code, at_once=True)
        rest = [each for each in body if each not in imports]
        names.made_otherwise = cls.of(rest).made if imports else names.made
        for node in ast.walk(code_tree):
            match node:
                case ast.Global():
                    names.declared.update(node.names)
                case ast.Name(id=word) | ast.arg(arg=word):
                    names.words.add(word)
        names.words |= names.made
        return names

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for each in statement.names:
            name = each.asname or each.name.partition(".")[0]
            origin = name
            if isinstance(statement, ast.ImportFrom):
                origin = ast.unparse(ast.ImportFrom(statement.module, [each], statement.level))
            elif each.asname is not None:
                origin = ast.unparse(ast.Import([each]))
            self.imports.setdefault(name, set()).add(origin)

    def _read(self, code: CodeType, *, at_once: bool, is_class: bool = False) -> None:
        own: set[str] = set()
        for loads, name in _used(code):
            if not loads:
                (own if is_class else self.made).add(name)
            elif not at_once:
                self.needed_later.add(name)
            elif name not in self.made | own:
                self.needed.add(name)
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                is_body = not inner.co_flags & _OPTIMIZED
                runs = is_body or inner.co_name in _AT_ONCE
                self._read(inner, at_once=at_once and runs, is_class=is_body)


def _used(code: CodeType) -> Iterator[tuple[bool, str]]:
    """The names of the session in the instructions of some code, and whether it reads them."""
    for instruction in dis.get_instructions(code):
        name = str(instruction.argval)
        is_own = name.startswith("__") and name.strip("_")  # Python's, as `__annotations__`
        if instruction.opname in _LOADS | _STORES and not is_own:
            yield instruction.opname in _LOADS, name


def rebound(names: Sequence[Names], given: Set[str]) -> set[str]:
    """The names of some given ones, builtins and the like, that are read, and bound later.

    In a function they would be local, and nothing before that.

    Args:
        names: Those of the inputs, in their order.
        given: The names.
    """
    found: set[str] = set()
    read: set[str] = set()
    made: set[str] = set()
    for each in names:
        read |= each.needed | each.needed_later
        found |= (each.made - made) & read & given
        made |= each.made
    return found


def movable(names: Sequence[Names]) -> set[str]:
    """What is bound by imports, always from the same place, and by nothing else."""
    origins: dict[str, set[str]] = {}
    for each in names:
        for name, found in each.imports.items():
            origins.setdefault(name, set()).update(found)
    once = {name for name, found in origins.items() if len(found) == 1 or name == "*"}
    return once.difference(*(each.made_otherwise for each in names))


def imported(names: Sequence[Names], package: str) -> set[str]:
    """What is bound by imports of a package, or from it, under other names than its own."""
    return {
        name
        for each in names
        for name, origins in each.imports.items()
        if name != package
        and any(re.match(rf"(import|from) {package}\b", origin) for origin in origins)
    }


def lacking(kept: Mapping[int, Names], known: Set[str], given: Set[str]) -> dict[int, str]:
    """The inputs that cannot run without others which are not kept, and a name that each lacks.

    Args:
        kept: The names of each input that is kept, by its number, in their order.
        known: The names that the session had.
        given: Those that every program has.
    """
    left: dict[int, str] = {}
    kept = dict(kept)
    while True:
        made = set(given)
        made_at_all = made.union(*(names.made for names in kept.values()))
        for number, names in kept.items():
            missing = (names.needed & known) - made | (names.needed_later & known) - made_at_all
            if missing:
                left[number] = min(missing)
                del kept[number]
                break
            made |= names.made
        else:
            return left


__all__ = ["Names", "imported", "lacking", "movable", "rebound"]
