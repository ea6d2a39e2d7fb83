"""Descriptions of remote objects for somebody who asks what a path names, not what it gives.

Names are followed without running anything, so of a property that is told what its class says of
it. Calls and items were written to be made, and are.
"""

from __future__ import annotations

import difflib
from typing import Any, cast

import proxyables
from proxyables import ProxyCursor
from proxyables_cli.exits import Code, Failure

_RUN_NOTHING = ("method", "class", "function")
"""Members that are found without running anything of the object."""
_ADVICE = "nothing is run to describe it; x = … takes the value, and x? tells what that is"


async def description_of(cursor: ProxyCursor) -> dict[str, Any]:
    """A description in the form of `proxyables.describe`; of a property, as a row of its members.

    Raises:
        Failure: A property, or a name that is made up when it is asked for, is in the way.
        RemoteError: What calls and items raise.
    """
    steps = cursor._steps
    written = 1 + max((at for at, step in enumerate(steps) if type(step) is not str), default=-1)
    if written == len(steps) or cast(proxyables.Peer, proxyables.peer_of(cursor)).is_classic:
        return await proxyables.describe(cursor)
    if written:
        made = await proxyables.ref(ProxyCursor(cursor._peer, cursor._reference, steps[:written]))
        cursor = ProxyCursor(made._peer, made._reference, [*made._steps, *steps[written:]])
    return await _still(cursor)


async def _still(cursor: ProxyCursor) -> dict[str, Any]:
    *path, name = cursor._steps
    try:
        owner = ProxyCursor(cursor._peer, cursor._reference, path)
        told = await proxyables.describe(owner, static=True)
    except proxyables.AccessDenied as error:
        raise Failure(Code.RAISED, f"{error}, or something would have to run", _ADVICE) from error
    rows = {row["name"]: row for row in told["members"]}
    row = rows.get(name)
    kind = row["kind"] if row else "attribute" if told.get("truncated") else ""
    if kind in _RUN_NOTHING:
        return await proxyables.describe(cursor)
    if kind == "attribute":
        try:
            return await proxyables.describe(cursor, static=True)
        except proxyables.AccessDenied:
            pass  # it is computed, by something that is no property
    if row is None:
        near = difflib.get_close_matches(str(name), rows, n=1)
        hint = f"did you mean {near[0]}?" if near else _ADVICE
        raise Failure(Code.RAISED, f"a {told['type']} tells of no {name!r}", hint)
    return dict(row)


__all__ = ["description_of"]
