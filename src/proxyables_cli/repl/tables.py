"""Rows as a table: lists of dicts that have the same keys, which is how most data comes.

Where the columns would become too narrow to be read, each row is shown as a list of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from proxyables_cli.repl.resolution import UserValue

MAX_ROWS = 100
_MAX_COLUMNS = 64
_LEAST_COLUMN = 10
"""Characters that a column must get if it has them, or the rows are shown one below the other."""
_CELL = 500
_GAP = "  "

Row = dict[str, UserValue]


def rows_of(value: UserValue, *, wanted: bool = False) -> list[Row] | None:
    """Returns a value as rows; None if it is not made of any.

    Args:
        value: Lists and tuples of dicts have rows. Nothing else is looked into.
        wanted: Make rows also of one dict, of dicts with different keys, and of plain values.
    """
    if wanted and type(value) is dict:
        value = [{"key": key, "value": each} for key, each in value.items()]
    if type(value) not in (list, tuple) or not value:
        return None
    if wanted:
        return [each if _is_row(each) else {"value": each} for each in value]
    first = value[0]
    if len(value) < 2 or not _is_row(first) or not 2 <= len(first) <= _MAX_COLUMNS:
        return None
    keys = first.keys()
    return list(value) if all(_is_row(each) and each.keys() == keys for each in value) else None


def _is_row(value: object) -> bool:
    return type(value) is dict and all(type(key) is str for key in value)


def table_of(
    rows: Sequence[Row],
    width: int,
    *,
    text_of: Callable[[UserValue], str] = repr,
    is_whole: bool = False,
) -> Iterator[str]:
    """Lays rows out as lines of at most `width` characters.

    Args:
        rows: At least one; values that are missing stay empty.
        width: Columns of the terminal.
        text_of: Makes the text of a value. Strings stand for themselves.
        is_whole: Show every row, and all of each value.
    """
    taken, length = (rows, None) if is_whole else (rows[:MAX_ROWS], _CELL)
    names = list(dict.fromkeys(name for row in taken for name in row))
    shown = [
        [_cell(row[name], text_of, length) if name in row else "" for name in names]
        for row in taken
    ]
    headings = [_cell(name, text_of, length) for name in names]
    columns = zip(headings, *shown, strict=True)
    least = [min(max(map(_size, column)), _LEAST_COLUMN) for column in columns]
    if sum(least) + len(_GAP) * (len(least) - 1) > width:
        yield from _one_below_the_other(headings, shown, width)
    else:
        right = [_is_number(name, taken) for name in names]
        yield from _side_by_side(headings, shown, right, width)
    if len(rows) > len(taken):
        yield f"… {len(rows) - len(taken)} more rows of {len(rows)}"


def _cell(value: UserValue, text_of: Callable[[UserValue], str], length: int | None) -> str:
    from proxyables_cli.exits import escaped

    text = value if type(value) is str else "" if value is None else text_of(value)
    return escaped(text[:length].replace("\n", " ").replace("\t", " "))


def _side_by_side(
    headings: list[str], shown: list[list[str]], right: list[bool], width: int
) -> Iterator[str]:
    columns = zip(headings, *shown, strict=True)
    wide = [max(map(_size, column)) for column in columns]
    room = width - len(_GAP) * (len(headings) - 1)
    while sum(wide) > room:  # the widest columns give, down to the next widest
        most = max(wide)
        next_most = max((each for each in wide if each < most), default=_LEAST_COLUMN)
        widest = [place for place, each in enumerate(wide) if each == most]
        excess = -(-(sum(wide) - room) // len(widest))
        for place in widest:
            wide[place] = max(most - excess, min(next_most, most - 1), 1)
    for number, cells in enumerate([headings, *shown]):
        fitted = [
            _fitted(cell, size, is_right=each)
            for cell, size, each in zip(cells, wide, right, strict=True)
        ]
        yield _GAP.join(fitted).rstrip()
        if number == 0:
            yield _GAP.join("─" * each for each in wide)


def _is_number(name: str, rows: Sequence[Row]) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(type(each) in (int, float) for each in values)


def _one_below_the_other(headings: list[str], shown: list[list[str]], width: int) -> Iterator[str]:
    wide = min(max(map(_size, headings)), width // 2)
    for number, cells in enumerate(shown, 1):
        yield f"── {number} ".ljust(min(width, 40), "─")
        for heading, cell in zip(headings, cells, strict=True):
            line = f"{_fitted(heading, wide, is_right=True)}{_GAP}{cell}"
            yield _fitted(line, width).rstrip()


def _size(text: str) -> int:
    """Counts the columns that a text takes on a terminal."""
    from rich.cells import cell_len  # slow to import, and only prompts come here

    return cell_len(text)


def _fitted(text: str, width: int, *, is_right: bool = False) -> str:
    """Cuts or fills a text to a number of columns."""
    size = _size(text)
    if size > width:
        from rich.cells import set_cell_size

        return set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if is_right else text + " " * (width - size)


__all__ = ["MAX_ROWS", "Row", "rows_of", "table_of"]
