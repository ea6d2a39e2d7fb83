"""Programs that take the terminal for a while: a pager, an editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence

from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.age import aside
from proxyables_cli.repl.interrupts import listening

_PAGERS = ("less", "more")
_EDITORS = ("nano", "vi")


async def page(text: str, write: Callable[[str], None]) -> None:
    """Shows a text in ``$PAGER``; writes it as it is where there is no terminal or no pager."""
    words = _program("PAGER", _PAGERS)
    if words is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        write(text)
        return
    await _run(words, f"{text}\n")


async def edit(path: str) -> None:
    """Opens a file in ``$VISUAL`` or ``$EDITOR``, and waits.

    Raises:
        Failure: There is no editor, or it failed, or nobody could use it.
    """
    words = _program("VISUAL", ()) or _program("EDITOR", _EDITORS)
    if words is None:
        raise Failure(Code.USAGE, "there is no editor", "set EDITOR to one")
    code = await _run([*words, path], None)
    if code:
        raise Failure(Code.USAGE, f"{words[0]} ended with status {code}", "nothing was run")


def _program(variable: str, others: Sequence[str]) -> list[str] | None:
    try:
        words = shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise Failure(Code.USAGE, f"{variable} cannot be split into words: {error}") from None
    if words:
        return words
    found = next((each for each in others if shutil.which(each)), None)
    return None if found is None else [found]


async def _run(words: Sequence[str], text: str | None) -> int:
    """Runs a program on our terminal; Ctrl-C is its, and the loop goes on meanwhile."""
    sys.stdout.flush()
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=None if text is None else asyncio.subprocess.PIPE,
            # As git has it: what fits on the screen is only written there.
            env={"LESS": "FRX", **os.environ},
        )
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Failure(Code.USAGE, f"cannot run {words[0]!r}: {why}") from None
    with aside(), listening(lambda: None):
        try:
            await process.communicate(None if text is None else text.encode("utf-8", "replace"))
        except BaseException:
            process.kill()
            await process.wait()
            raise
    return process.returncode or 0


__all__ = ["edit", "page"]
