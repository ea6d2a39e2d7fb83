"""The colours of the prompt and of what is typed, and whether there are any."""

from __future__ import annotations

import asyncio
import os

from prompt_toolkit.lexers import Lexer, PygmentsLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

# The terminal's own sixteen colours, which its owner has made readable on its background.
STYLE = Style.from_dict(
    {
        "pygments.keyword": "ansiblue",
        "pygments.keyword.constant": "ansiblue",
        "pygments.operator.word": "ansiblue",
        "pygments.literal.string": "ansigreen",
        "pygments.literal.string.interpol": "ansicyan",
        "pygments.literal.number": "ansimagenta",
        "pygments.comment": "italic ansibrightblack",
        "pygments.name.builtin": "ansicyan",
        "pygments.name.exception": "ansicyan",
        "pygments.name.function": "bold",
        "pygments.name.class": "bold",
        "pygments.error": "",
        "bottom-toolbar": "noreverse ansibrightblack",
        "bottom-toolbar.text": "",
        "parameter.current": "bold underline ansidefault",
        "auto-suggestion": "ansibrightblack",
    }
)


async def lexer() -> Lexer:
    """What finds the words of Python. It takes long to import, on a thread meanwhile."""
    return await asyncio.to_thread(_python)


def _python() -> Lexer:
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

    return PygmentsLexer(PythonLexer)


def depth(color: str) -> ColorDepth | None:
    """How many colours the prompt uses; None leaves that to the terminal.

    Args:
        color: ``auto``, ``always`` or ``never``.
    """
    if color == "never" or (color == "auto" and os.environ.get("NO_COLOR")):
        return ColorDepth.MONOCHROME
    return ColorDepth.DEPTH_4_BIT if color == "always" else None  # all that `STYLE` needs


__all__ = ["STYLE", "depth", "lexer"]
