"""The live view of ``top``: two tables that fill the terminal, and a few keys."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from proxyables_cli import report
from proxyables_cli.figures import number
from proxyables_cli.fullscreen import FullScreen
from proxyables_cli.output import wants_color

_HELP = "q ends · s sorts by the next column · r turns the order"


class View:
    """A screen that shows one status after the other.

    Args:
        sort: What connections are sorted by at first; a word of `report.ORDERS`.
        color: ``auto``, ``always`` or ``never``.
    """

    def __init__(self, sort: str, color: str) -> None:
        self._sort = sort
        self._is_reversed = False
        self._told: Any = None
        self._is_left = False
        self._watching: asyncio.Task[None] | None = None
        self._code = 0
        colored = wants_color(color)
        self._console = Console(no_color=not colored, highlight=False, emoji=False, markup=False)
        self._screen = FullScreen(
            self._console, on_keys=self._on_keys, on_change=self._draw, on_end=self._on_end
        )

    async def run(self, watching: Coroutine[Any, Any, None]) -> int:
        """Awaits `watching`, which calls `show`, until it ends or somebody leaves.

        Returns:
            The exit code.
        """
        self._watching = asyncio.ensure_future(watching)
        with self._screen:
            try:
                await self._watching
            except asyncio.CancelledError:
                if not self._is_left:
                    raise
        return self._code

    def show(self, told: Any) -> None:
        """Shows a status."""
        self._told = told
        self._draw()

    def _on_end(self, number: int) -> None:
        self._code = 128 + number
        self._leave()

    def _leave(self) -> None:
        self._is_left = True
        if self._watching is not None:
            self._watching.cancel()

    def _on_keys(self, keys: bytes) -> None:
        if b"q" in keys or b"\x04" in keys:
            self._leave()
            return
        orders = list(report.ORDERS)
        for _ in range(keys.count(b"s")):
            self._sort = orders[(orders.index(self._sort) + 1) % len(orders)]
        if keys.count(b"r") % 2:
            self._is_reversed = not self._is_reversed
        self._draw()

    def _draw(self) -> None:
        if self._told is not None:
            self._screen.draw(self._page(self._told))

    def _page(self, told: Any) -> Group:
        """Lays out what fits: who it is, then calls, for half of what is left, then connections."""
        lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in report.headlines(told)]
        room = self._console.size.height - len(lines) - 7  # titles, blanks and the line of help
        calls, connections = report.rows(told, "calls"), self._sorted(told)
        for_calls = min(len(calls), max(room // 2, room - len(connections)))
        arrow = "↑" if self._is_reversed else "↓"
        help_line = Text(f"{_HELP}    sorted by {self._sort} {arrow}", "dim", no_wrap=True)
        return Group(
            *lines,
            Text(),
            self._table(told, "calls", calls, max(for_calls, 0)),
            Text(),
            self._table(told, "connections", connections, max(room - for_calls, 0)),
            help_line,
        )

    def _sorted(self, told: Any) -> list[Any]:
        key = report.ORDERS[self._sort]
        return sorted(
            report.rows(told, "connections"),
            key=lambda row: number(row.get(key)),
            reverse=not self._is_reversed,
        )

    @staticmethod
    def _table(told: Any, key: str, found: list[Any], room: int) -> Group:
        titles = report.CALL_TITLES if key == "calls" else report.CONNECTION_TITLES
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="reverse", expand=True)
        for title in titles:
            table.add_column(title, no_wrap=True, overflow="ellipsis", ratio=_RATIOS.get(title))
        for row in found[:room]:
            cells = (
                report.call_cells(row, _SHOWN_PARTS)
                if key == "calls"
                else report.connection_cells(row)
            )
            table.add_row(*map(Text, cells))
        hidden = number(report.part(told, "totals", report.TOTALS[key])) - min(len(found), room)
        more = Text(f"… and {hidden:.0f} more" if hidden > 0 else "", "dim")
        return Group(table, more)


_SHOWN_PARTS = 2
"""Of the path of a file: the name at its end is what must not be cut off."""
# Which columns take the room that is left; the others are as wide as what is in them.
_RATIOS = {"WHERE": 3, "CALL": 2, "ADDRESS": 3, "CALLER": 2}

__all__ = ["View"]
