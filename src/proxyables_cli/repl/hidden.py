"""Reading a line from the terminal that is not echoed."""

from __future__ import annotations

import asyncio
import os
import termios

from proxyables_cli.exits import Code, Failure
from proxyables_cli.repl.age import aside

_MOST_BYTES = 4096
"""What a terminal keeps of one line."""


async def read_line(prompt: str) -> str:
    """Reads one line from the controlling terminal, with echo off; the loop goes on meanwhile.

    If cancelled, the terminal is as it was before.

    Raises:
        Failure: There is no terminal, or no line came, or it is not text.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise Failure(Code.USAGE, "%secret needs a terminal") from None
    try:
        before = termios.tcgetattr(terminal)
        quiet = termios.tcgetattr(terminal)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
        try:
            with aside():
                os.write(terminal, prompt.encode())
                line = await _line(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
    finally:
        os.close(terminal)
    if not line.endswith(b"\n"):
        raise Failure(Code.USAGE, "no line was read")
    try:
        return line.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        raise Failure(Code.BAD_DATA, "what was read is not text") from None


async def _line(terminal: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def on_readable() -> None:
        loop.remove_reader(terminal)
        if not answer.done():
            try:
                answer.set_result(
                    os.read(terminal, _MOST_BYTES)
                )  # a whole line: it is edited there
            except OSError as error:
                answer.set_exception(error)

    loop.add_reader(terminal, on_readable)
    try:
        return await answer
    finally:
        loop.remove_reader(terminal)


__all__ = ["read_line"]
