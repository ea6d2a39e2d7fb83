"""Reading a command line without typer.

Importing typer takes as long as everything else that a short command does, ``call`` for example,
or a stdio child, which is started anew for each ``exec:`` address. So a plain command line, of
words and of options that are written out, is read here, from the same table (``options.py``).
Whatever else there is (help, clustered or misspelt flags, missing words) is left to typer, which
also says what is wrong: nobody counts milliseconds there, and there is one voice for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxyables_cli import commands
from proxyables_cli.commands import Invocation
from proxyables_cli.options import Options, Row, rows


class _Unclear(Exception):
    """The command line is one for typer."""


def parse(argv: Sequence[str]) -> Invocation | None:
    """Reads a command line that begins with a command; None if it is one for typer.

    Raises:
        Failure: An option's value is wrong; the code is for bad usage.
    """
    if not argv:
        return None
    command = commands.find(argv[0])
    if command is None:
        return None
    try:
        typed = _read(command.options, iter(argv[1:]))
    except _Unclear:
        return None
    return commands.understand(command, typed)


def _read(options: type[Options], argv: Iterator[str]) -> dict[str, object]:
    """Returns what was typed, by field name, as `build` takes it."""
    table = rows(options)
    flags = {flag: (name, row) for name, row in table for flag in row.names}
    typed: dict[str, object] = {}
    lists: dict[str, list[str]] = {}
    words: list[str] = []
    for word in argv:
        if not _is_dashed(word):
            words.append(word)
            continue
        flag, equals, text = word.partition("=") if word.startswith("--") else (word, "", "")
        name, row = flags.get(flag, ("", None))
        if row is None or (row.is_switch and equals):
            raise _Unclear
        if row.is_switch:
            typed[name] = True
            continue
        if not equals:
            text = next(argv, "-?")
            if _is_dashed(text):  # the value was forgotten, most likely
                raise _Unclear
        if row.many:
            lists.setdefault(name, []).append(text)
        else:
            typed[name] = text
    return typed | lists | _placed(words, [(name, row) for name, row in table if not row.names])


def _is_dashed(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _placed(words: list[str], table: Sequence[tuple[str, Row]]) -> dict[str, object]:
    """Shares out the words that belong to no option, in the order of their rows."""
    placed: dict[str, object] = {}
    for name, row in table:
        if row.many:
            placed[name], words = words, []
        elif words:
            placed[name], *words = words
        elif row.required:
            raise _Unclear
    if words:
        raise _Unclear
    return placed


__all__ = ["parse"]
