"""What to try where a path leads nowhere on the other side."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxyables_cli import paths
from proxyables_cli.configuration import nearest
from proxyables_cli.exits import Code, Failure, explain
from proxyables_cli.paths import Step

PATIENCE = 1.0
"""Seconds that the other side gets to tell what there is instead."""
_MISSING = re.compile(r"has no attribute '(\w+)'")


@asynccontextmanager
async def advised(root: Any, steps: list[Step], *, is_called: bool = False) -> AsyncIterator[None]:
    """Adds to a failure in the block what to write instead, if that can be found out.

    Args:
        root: The cursor that the path begins at.
        steps: The path.
        is_called: Whether what it names is called.

    Raises:
        Failure: There is something to try.
        RemoteError: There is nothing.
    """
    import proxyables

    try:
        yield
    except proxyables.RemoteError as error:
        try:
            async with asyncio.timeout(PATIENCE):
                hint = await _hint(root, steps, error, is_called)
        except (proxyables.ProxyError, TimeoutError):
            raise error from None
        if not hint:
            raise
        raise Failure(Code.RAISED, explain(error)[1], hint) from error


async def _hint(root: Any, steps: list[Step], error: Any, is_called: bool) -> str:
    import proxyables

    missing = _MISSING.search(str(error))
    if error.type_name == "AttributeError" and missing and ("name", missing[1]) in steps:
        place = steps.index(("name", missing[1]))
        told: Any = await proxyables.describe(paths.walk(root, steps[:place]))
        names = [str(row["name"]) for row in told["members"]]
        if missing[1] in names:
            return ""  # it is there: its own code has raised
        if told.get("type") == "dict":
            return f'write an item in brackets: ["{missing[1]}"]'
        return nearest(missing[1], names)
    if is_called and error.type_name == "TypeError" and "is not callable" in str(error):
        told = await proxyables.describe(paths.walk(root, steps))
        return "it is no method; get prints it" if told.get("kind") == "object" else ""
    return ""


__all__ = ["PATIENCE", "advised"]
