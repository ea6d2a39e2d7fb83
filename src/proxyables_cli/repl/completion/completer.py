"""Completion: what could stand at the cursor, without running anything of anybody's.

Local values are looked at statically. Remote ones are followed through what descriptions call
attributes and classes, and through the items of builtin containers; a method is not called and a
property not read, so behind those there are no completions.
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
from proxyables_cli.repl.completion.place import Chain, Key, Place, Step, place_of
from proxyables_cli.repl.completion.remote import Descriptions, text_in
from proxyables_cli.repl.completion.signatures import (
    Help,
    current_of,
    keywords_of,
    parameters_of,
)

_OPAQUE = frozenset({"method", "property"})
_CONTAINERS = frozenset({"list", "tuple", "dict"})
MAX_KEYS = 200


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a chain leads.

    Attributes:
        value: A local value, a cursor, or `local.MISSING`.
        owner: What its last step was taken of, if that is local.
        row: What the description of its owner says of it, if that is remote.
    """

    value: Any
    owner: object = local.MISSING
    row: Mapping[str, Any] | None = None


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

    async def complete(self, text: str) -> list[Candidate]:
        """The candidates at the end of `text`; waits for the other side if it must be asked.

        Names that begin with an underscore are offered when one has been typed.
        """
        line = command_line_of(text)
        words = [] if line is None else await self._arguments.complete(line)
        if line is not None and not self._arguments.takes_python(line):
            return words
        place = place_of(text if line is None else line.rest)
        if place.key is not None:
            return await self._keys(place.key)
        if place.is_text or (place.has_dot and place.owner is None):
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
        found = await self._follow(owner)
        if self._is_remote(found.value):
            told = await self.descriptions.of(found.value)
            return [_of_row(row, length) for row in told.members.values()]
        if found.value is local.MISSING:
            return []
        return [Candidate(name, length, "attribute") for name in local.names_of(found.value)]

    async def _keys(self, key: Key) -> list[Candidate]:
        found = await self._follow(key.owner)
        if self._is_remote(found.value):
            told = await self.descriptions.of(found.value)
            is_dict = told.is_builtin and told.type == "dict"
            keys: Sequence[object] = await self.descriptions.keys(found.value) if is_dict else []
        else:
            keys = local.keys_of(found.value, MAX_KEYS)
        made = [_of_key(each, key) for each in keys]
        return [each for each in made if each is not None]

    # ---- following chains

    async def _signature(self, function: Chain) -> tuple[str, str]:
        """The signature of what a chain names, and the first line of its documentation."""
        found = await self._follow(function)
        if found.row is not None and text_in(dict(found.row), "signature"):
            return text_in(dict(found.row), "signature"), text_in(dict(found.row), "doc")
        if self._is_remote(found.value):
            told = await self.descriptions.of(found.value)
            return told.signature, told.doc.partition("\n")[0]
        return local.signature_of(found.value, found.owner), local.doc_of(found.value)

    async def _follow(self, chain: Chain) -> _Found:
        value = self._names.get(chain.base, getattr(builtins, chain.base, local.MISSING))
        found = _Found(value if chain.base else None)
        for step in chain.steps:
            if self._is_remote(found.value):
                found = await self._remote_step(found, step)
            elif found.value is not local.MISSING:
                found = _Found(local.step(found.value, step), found.value)
        return found

    async def _remote_step(self, found: _Found, step: Step) -> _Found:
        """One step on a cursor; its value is missing where something would have to run."""
        told = await self.descriptions.of(found.value)
        if step.kind == "get":
            row = told.members.get(step.value)
            # What is not told of could be a property as well.
            opaque = row is None or row.get("kind") in _OPAQUE
            return _Found(local.MISSING if opaque else getattr(found.value, step.value), row=row)
        if step.kind == "item" and told.is_builtin and told.type in _CONTAINERS:
            return _Found(found.value[step.value])
        return _Found(local.MISSING)


def _of_row(row: Mapping[str, Any], length: int) -> Candidate:
    told = dict(row)
    meta = text_in(told, "signature") or text_in(told, "type") or text_in(told, "doc")
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
