"""How remote objects look, as their owners say: all those of one connection in one message.

The texts are cut over there, so that a repr of a hundred megabytes costs one page of the wire. They
travel as one string, put together over there: a repr that raises spoils it for the others, and then
each object is asked for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import proxyables
from proxyables.errors import RemoteError

_BETWEEN = "\x1e"
"""Separates texts: ASCII's record separator, which hardly a repr contains."""

MOST_COLUMNS = 12
"""Attributes of a remote object that a table shows."""

Told = str | Exception
"""What became of a question: a text, or why there is none."""


async def reprs(cursors: Sequence[proxyables.ProxyCursor], characters: int) -> list[Told]:
    """Asks for the repr of each object; what is longer ends in ``…``. Raises nothing of theirs."""
    groups: dict[int, list[int]] = {}
    for place, cursor in enumerate(cursors):
        groups.setdefault(id(proxyables.peer_of(cursor)), []).append(place)
    told: list[Told] = [""] * len(cursors)
    asked = (_of_one_peer([cursors[at] for at in places], characters) for places in groups.values())
    for places, texts in zip(groups.values(), await asyncio.gather(*asked), strict=True):
        for place, text in zip(places, texts, strict=True):
            told[place] = _cut(text, characters) if isinstance(text, str) else text
    return told


async def attributes(cursors: Sequence[proxyables.ProxyCursor]) -> list[dict[str, Any]]:
    """The plain attributes of objects, as rows; what the first one has decides on the columns.

    No property is read. What an object has not, or does not tell, is left out of its row.
    """
    told = await proxyables.describe(cursors[0])
    names = [
        str(row["name"])
        for row in told.get("members", ())
        if row.get("kind") == "attribute" and str(row.get("name")).isidentifier()
    ][:MOST_COLUMNS]
    asked = [getattr(cursor, name) for cursor in cursors for name in names]
    values = iter(await asyncio.gather(*asked, return_exceptions=True))
    rows = [{name: next(values) for name in names} for _ in cursors]
    return [
        {name: value for name, value in row.items() if not isinstance(value, BaseException)}
        for row in rows
    ]


async def _of_one_peer(
    cursors: Sequence[proxyables.ProxyCursor], characters: int
) -> Sequence[Told]:
    asked = [_repr(cursor, characters) for cursor in cursors]
    if len(asked) > 1:
        together = asked[0]
        for each in asked[1:]:
            together = together + _BETWEEN + each
        try:
            texts: list[str] = (await together).split(_BETWEEN)
        except (RemoteError, AttributeError):
            texts = []
        except Exception as error:
            return [error] * len(cursors)
        if len(texts) == len(cursors):
            return texts
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [_told(answer) for answer in answers]


def _repr(cursor: proxyables.ProxyCursor, characters: int) -> proxyables.ProxyCursor:
    return proxyables.perform(cursor, "repr")[: characters + 1]


def _told(answer: object) -> Told:
    if isinstance(answer, BaseException) and not isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, (str, Exception)) else TypeError("its repr is no text")


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]} …"


__all__ = ["Told", "attributes", "reprs"]
