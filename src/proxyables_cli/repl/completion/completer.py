"""Completion: what could stand at the cursor, without running anything of anybody's.

Local values are looked at statically. Remote ones are followed through what descriptions call
attributes and classes, and through the items of builtin containers; a method is not called and a
property not read, so behind those there are no completions. What is not known here is left to the
owner, who is asked for what stands at the end of a whole path and refuses where something would
run: one round trip, however long the path.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxyables_cli.repl.completion import local
from proxyables_cli.repl.completion.arguments import Arguments, command_line_of
from proxyables_cli.repl.completion.candidate import Candidate
from proxyables_cli.repl.completion.imports import Imports, import_of
from proxyables_cli.repl.completion.place import Chain, Key, Place, Step, place_of
from proxyables_cli.repl.completion.remote import Descriptions, text_in
from proxyables_cli.repl.completion.signatures import (
    Help,
    bare,
    current_of,
    keywords_of,
    parameters_of,
)

_OPAQUE = frozenset({"method", "property"})
_CONTAINERS = frozenset({"list", "tuple", "dict"})
_SCALARS = frozenset({"NoneType", "bool", "bytes", "float", "int", "str"})
MAX_KEYS = 200


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a chain leads.

    Attributes:
        value: A local value, a cursor, or `local.MISSING`.
        owner: What its last step was taken of; `local.MISSING` if there is no step.
    """

    value: Any
    owner: Any = local.MISSING


class Completer:
    """Finds completions in a scope.

    Args:
        names: The scope's names.
        is_remote: Tells cursors from other values.
        descriptions: What is known of remote objects.
        arguments: What the ``%`` commands take.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        is_remote: Callable[[object], bool],
        descriptions: Descriptions,
        arguments: Arguments,
    ) -> None:
        self.descriptions = descriptions
        self._names = names
        self._is_remote = is_remote
        self._arguments = arguments
        self._imports = Imports()

    async def complete(self, text: str) -> list[Candidate]:
        """The candidates at the end of `text`; waits for the other side if it must be asked.

        Names that begin with an underscore are offered when one has been typed.
        """
        line = command_line_of(text)
        words = [] if line is None else await self._arguments.complete(line)
        if line is not None and not self._arguments.takes_python(line):
            return words
        code = text if line is None else line.rest
        place = place_of(code)
        if place.key is not None:
            return await self._keys(place.key)
        if place.is_text:
            return []
        statement = import_of(code)
        if statement is not None:
            return _matching(await self._imports.complete(statement), statement.typed)
        if place.has_dot and place.owner is None:
            return []
        if place.owner is not None:
            return _matching(await self._members(place.owner, place.prefix), place.prefix)
        named = await self._keywords(place)
        free = self._free(place) if place.prefix else []
        return [*words, *_matching([*named, *free], place.prefix)]

    async def help(self, text: str) -> Help | None:
        """What is known about the innermost call at the end of `text` whose function has a
        signature; waits for the other side if it must be asked."""
        line = command_line_of(text)
        if line is not None:
            text = line.rest if self._arguments.takes_python(line) else ""
        for call in reversed(place_of(text).calls):
            signature, doc = await self._signature(call.function)
            parameters = parameters_of(signature)
            if parameters is not None:
                name = _name_of(call.function)
                return Help(name, parameters, current_of(parameters, call), doc)
        return None

    # ---- candidates

    def _free(self, place: Place) -> list[Candidate]:
        """What a name that stands alone could be."""
        length = len(place.prefix)
        mine = [name for name in self._names if not name.startswith("__")]
        rows: Iterable[tuple[str, Iterable[str]]] = (
            ("name", dict.fromkeys([*mine, *place.names])),
            ("keyword", keyword.kwlist),
            ("builtin", dir(builtins)),
        )
        taken: set[str] = set()
        found = []
        for kind, names in rows:
            for name in names:
                if name not in taken and (kind == "keyword" or not keyword.iskeyword(name)):
                    found.append(Candidate(name, length, kind))
                    taken.add(name)
        return found

    async def _keywords(self, place: Place) -> list[Candidate]:
        call = place.calls[-1] if place.calls else None
        if call is None or not call.begins or call.keyword:
            return []
        signature, _ = await self._signature(call.function)
        parameters = parameters_of(signature) or ()
        return [
            Candidate(f"{each.name}=", len(place.prefix), "keyword argument", each.text)
            for each in keywords_of(parameters, call)
        ]

    async def _members(self, owner: Chain, prefix: str) -> list[Candidate]:
        length = len(prefix)
        value = self._follow(owner).value
        if self._is_remote(value):
            told = await self.descriptions.of(value)
            named = told.members.get(prefix, {})
            if _leads_on(named) and named.get("type") not in _SCALARS and prefix[0] != "_":
                self.descriptions.prefetch(getattr(value, prefix))  # a dot or a bracket may follow
            return [_of_row(row, length) for row in told.members.values()]
        if value is local.MISSING:
            return []
        return [Candidate(name, length, "attribute") for name in local.names_of(value)]

    async def _keys(self, key: Key) -> list[Candidate]:
        value = self._follow(key.owner).value
        if self._is_remote(value):
            told = await self.descriptions.of(value)
            is_dict = told.is_builtin and told.type == "dict"
            keys: Sequence[object] = await self.descriptions.keys(value) if is_dict else []
        else:
            keys = local.keys_of(value, MAX_KEYS)
        made = [_of_key(each, key) for each in keys]
        return [each for each in made if each is not None]

    # ---- following chains

    async def _signature(self, function: Chain) -> tuple[str, str]:
        """The signature of what a chain names, and the first line of its documentation."""
        found = self._follow(function)
        if self._is_remote(found.owner) and function.steps[-1].kind == "get":
            told = await self.descriptions.of(found.owner)
            row = dict(told.members.get(function.steps[-1].value, {}))
            if text_in(row, "signature"):
                return text_in(row, "signature"), text_in(row, "doc")
            if not _leads_on(row):
                return "", ""
        if self._is_remote(found.value):
            told = await self.descriptions.of(found.value)
            return told.signature, told.doc.partition("\n")[0]
        return local.signature_of(found.value, found.owner), local.doc_of(found.value)

    def _follow(self, chain: Chain) -> _Found:
        value = self._names.get(chain.base, getattr(builtins, chain.base, local.MISSING))
        found = _Found(value if chain.base else None)
        for step in chain.steps:
            if found.value is local.MISSING:
                return _Found(local.MISSING)
            is_remote = self._is_remote(found.value)
            taken = self._remote_step if is_remote else local.step
            found = _Found(taken(found.value, step), found.value)
        return found

    def _remote_step(self, cursor: Any, step: Step) -> Any:
        """One step on a cursor; missing where it is known by now that something would run."""
        told = self.descriptions.known(cursor)
        if step.kind == "get" and not step.value.startswith("_"):
            leads_on = told is None or _leads_on(told.members.get(step.value, {}))
            return getattr(cursor, step.value) if leads_on else local.MISSING
        if step.kind == "item" and (told is None or (told.is_builtin and told.type in _CONTAINERS)):
            return cursor[step.value]
        return local.MISSING


def _leads_on(row: Mapping[str, Any]) -> bool:
    """Whether a member can be read without running anything. What is not told of could be a
    property as well."""
    return bool(row) and row.get("kind") not in _OPAQUE


def _of_row(row: Mapping[str, Any], length: int) -> Candidate:
    told = dict(row)
    meta = bare(text_in(told, "signature")) or text_in(told, "type") or text_in(told, "doc")
    return Candidate(told["name"], length, text_in(told, "kind"), meta)


def _of_key(key: object, typed: Key) -> Candidate | None:
    """A key as it would be typed; None if it needs more than a string between quotes."""
    if not isinstance(key, str):
        text = repr(key)
        fits = type(key) is int and not typed.quote
        return Candidate(text, 0, "key") if fits else None
    quote = typed.quote or '"'
    plain = key.isprintable() and quote not in key and "\\" not in key
    if not plain or not key.startswith(typed.typed if typed.quote else ""):
        return None
    before = "" if typed.quote else quote
    return Candidate(
        f"{before}{key}{quote}", len(typed.typed) if typed.quote else 0, "key", shown=key
    )


def _name_of(chain: Chain) -> str:
    if chain.steps:
        last = chain.steps[-1]
        return str(last.value) if last.kind == "get" else "…"
    return chain.base


def _matching(found: Iterable[Candidate], prefix: str) -> list[Candidate]:
    hidden = not prefix.startswith("_")
    return [
        each
        for each in found
        if each.text.startswith(prefix) and not (hidden and each.text.startswith("_"))
    ]


__all__ = ["Completer"]
