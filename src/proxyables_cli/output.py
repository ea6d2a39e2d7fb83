"""Printing values: comfort on a terminal, stable bytes in a pipe.

Standard output is data. In a pipe that is one line of compact JSON per value, always UTF-8
whatever the locale, with everything escaped that could steer a terminal later.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from proxyables_cli import forms
from proxyables_cli.exits import escaped
from proxyables_cli.options import Choice, Common, value
from proxyables_cli.stdout import is_terminal, write

FORMATS = ("auto", "pretty", "json", "jsonl", "raw", "repr", "table")

# JSON escapes C0 by itself. DEL and C1 steer terminals, U+2028/9 end lines in some readers, those
# behind them turn the direction of writing, and a lone surrogate has no UTF-8.
_UNBOUNDED = 1 << 20
_ESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Printing(Common):
    """The options of every command that prints values."""

    output: str = value(
        "-o",
        "--output",
        metavar="FORMAT",
        text="auto (the default: pretty on a terminal, else json), pretty, json, jsonl, raw, repr"
        " or table.",
        convert=Choice(*FORMATS),
        default="auto",
    )

    @property
    def printer(self) -> Printer:
        """What prints values as these options ask for."""
        return Printer(self.output, self.color)

    @property
    def is_for_a_reader(self) -> bool:
        """Whether somebody looks at a terminal, and wants no form in particular."""
        return self.output == "auto" and is_terminal()


class Printer:
    """Writes values in one format.

    Args:
        format: One of `FORMATS`; ``auto`` is ``pretty`` on a terminal, else ``json``. ``jsonl``
            writes each item of a list on a line of its own, ``table`` rows of dicts; what has
            none is written as JSON.
        color: ``auto``, ``always`` or ``never``.
    """

    def __init__(self, format: str = "auto", color: str = "auto") -> None:  # noqa: A002
        if format == "auto":
            format = "pretty" if is_terminal() else "json"  # noqa: A001
        self.format = format
        self._color = color

    def value(self, value: Any) -> None:
        """Prints one value.

        Raises:
            OutputClosed: Nobody reads any more.
            Failure: It cannot be written for another reason, such as a full disk.
        """
        if self.format == "pretty":
            write(self._pretty(value) + b"\n")
        elif self.format == "jsonl" and isinstance(value, (list, tuple, set, frozenset)):
            for item in forms.in_order(value):
                write(json_line(item))
        elif self.format == "table" and (lines := _table(value)):
            write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
        elif self.format == "repr":
            write(escaped(repr(value)).encode("utf-8", "backslashreplace") + b"\n")
        elif self.format == "raw" and isinstance(value, (bytes, bytearray, memoryview)):
            write(bytes(value))
        elif self.format == "raw" and isinstance(value, str):
            write(value.encode("utf-8", "backslashreplace") + b"\n")
        else:
            write(json_line(value))

    def rows(self, rows: Sequence[Any]) -> None:
        """Prints values of one kind: each by itself, or one table of all.

        Raises:
            OutputClosed, Failure: As of `value`.
        """
        if self.format == "table" and rows:
            self.value(list(rows))
            return
        for row in rows:
            self.value(row)

    def _pretty(self, value: Any) -> bytes:
        from io import StringIO

        from rich.console import Console
        from rich.highlighter import ReprHighlighter
        from rich.pretty import pretty_repr
        from rich.text import Text

        made = StringIO()
        console = Console(
            file=made,
            force_terminal=wants_color(self._color),
            no_color=not wants_color(self._color),
            width=None if is_terminal() else 100,
        )
        # As `rich.pretty.Pretty` does, which would obey what in the text steers a terminal.
        text = escaped(pretty_repr(value, max_width=console.width))
        # What is longer than a line stays in one piece.
        console.print(ReprHighlighter()(Text(text, style="pretty")), end="", soft_wrap=True)
        return made.getvalue().rstrip("\n").encode("utf-8", "backslashreplace")


def _table(value: Any) -> list[str]:
    """Lays a value out as a table; empty if it has no rows. In a pipe, nothing is cut to fit."""
    import shutil  # dear

    from proxyables_cli.repl.tables import rows_of, table_of

    rows = rows_of(value, wanted=True)
    if rows is None:
        return []
    fits = is_terminal()
    width = shutil.get_terminal_size().columns if fits else _UNBOUNDED

    def text_of(each: Any) -> str:
        return json_line(each).decode().rstrip()

    return list(table_of(rows, width, text_of=text_of, is_whole=not fits))


def json_line(value: Any) -> bytes:
    """Makes one line of compact JSON, its line end included."""
    text = json.dumps(forms.dump(value), ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode() + b"\n"


def wants_color(when: str) -> bool:
    """Decides about colour: the option first, then NO_COLOR and TERM, then the terminal."""
    if when != "auto":
        return when == "always"
    dumb = os.environ.get("TERM", "dumb") in ("", "dumb")
    return is_terminal() and not dumb and not os.environ.get("NO_COLOR")


__all__ = ["FORMATS", "Printer", "Printing", "json_line", "wants_color"]
