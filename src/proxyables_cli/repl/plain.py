"""The prompt of last resort: plain lines, for dumb terminals, pipes and ``--plain``.

A line is read by a thread, so the loop goes on and callbacks run while somebody types. Nothing is
drawn but the prompt itself.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

from proxyables_cli.repl.compiling import Completeness, command_of
from proxyables_cli.repl.interrupts import listening

if TYPE_CHECKING:
    from proxyables_cli.repl.session import Session

PROMPT = ">>> "
MORE = "... "


async def interact(session: Session) -> int:
    """Prompts until the input ends; returns the exit code."""
    with session.telling_background_errors():
        return await _run(session)


async def _run(session: Session) -> int:
    while session.exit_code is None:
        source = await _cell(session)
        if source is None:
            session.write("")
            break
        await session.enter(source)
    return session.exit_code or 0


async def _cell(session: Session) -> str | None:
    """Reads lines until they are a whole cell; None at the end of the input."""
    lines: list[str] = []

    def on_interrupt() -> None:
        # The terminal itself threw the typed line away; the thread goes on reading the next one.
        lines.clear()
        sys.stderr.write(f"\n{PROMPT}")
        sys.stderr.flush()

    with listening(on_interrupt):
        while True:
            line = await _line(MORE if lines else PROMPT)
            if line is None:
                return "\n".join(lines) if lines else None
            lines.append(line)
            source = "\n".join(lines)
            if command_of(source) is not None:
                return source
            if session.evaluator.compiler.completeness(source) is not Completeness.INCOMPLETE:
                return source


async def _line(prompt: str) -> str | None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def tell(line: str | None) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        try:
            line: str | None = input(prompt)
        except (EOFError, OSError, ValueError):  # ended, gone, or closed by exit()
            line = None
        except UnicodeDecodeError:
            line = ""
        try:
            loop.call_soon_threadsafe(tell, line)
        except RuntimeError:
            pass  # the session ended without waiting for this line

    # A thread of its own, which nothing waits for: one of the loop's pool would be joined at the
    # end, and a read from a terminal cannot be cancelled.
    threading.Thread(target=read, name="proxyables-input", daemon=True).start()
    return await answer


__all__ = ["interact"]
