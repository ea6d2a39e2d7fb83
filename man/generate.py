"""Writes the options of each command into its manual page: ``python man/generate.py``.

All else on the pages is written by hand. What is generated stands between ``The options are:`` and
the end of the list that follows; `tests/cli/test_man.py` looks whether it is what the program
understands.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from proxyables_cli import commands, options

MAN = Path(__file__).resolve().parent
_LIST = re.compile(
    r"(?P<head>^The(?:se)? options (?:are|stand [^\n]*):\n\.Bl -tag -width Ds\n)"
    r"(?P<items>.*?)(?=^\.El$)",
    re.DOTALL | re.MULTILINE,
)


def generated() -> Iterator[tuple[Path, str]]:
    """Yields each page that has options, and its text as it should be."""
    common = {row.names for _, row in options.rows(options.Common)}
    yield _page("proxyables", [row for _, row in options.rows(options.Common)])
    for command in commands.every():
        table = [row for _, row in options.rows(command.options)]
        own = [row for row in table if row.names and row.names not in common]
        if own:
            yield _page(f"proxyables-{command.name}", own)


def _page(name: str, table: list[options.Row]) -> tuple[Path, str]:
    path = MAN / f"{name}.1"
    items = "".join(f"{line}\n" for row in table for line in _item(row))
    text, count = _LIST.subn(lambda match: match["head"] + items, path.read_text(), count=1)
    if not count:
        raise ValueError(f"{path} has no list of options")
    return path, text


def _item(row: options.Row) -> Iterator[str]:
    flags = " , ".join(f"Fl {name.removeprefix('-')}" for name in row.names)
    yield f".It {flags}" + (f" Ar {_escaped(row.metavar)}" if row.metavar else "")
    for sentence in re.split(r"(?<=[.?!]) (?=[A-Z0-9])", row.help):  # mdoc: each on its own line
        for line in textwrap.wrap(sentence, 76, break_on_hyphens=False, break_long_words=False):
            yield _escaped(line)


def _escaped(text: str) -> str:
    """Makes a text that mdoc takes as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return rf"\&{text}" if text.startswith((".", "\\(aq")) else text


def main() -> None:
    """Writes the pages that have changed, and names them."""
    for path, text in generated():
        if text != path.read_text():
            path.write_text(text)
            print(path.name)


if __name__ == "__main__":
    main()
