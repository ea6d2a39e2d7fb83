"""Takes the pictures of the README: a real REPL on a terminal of our own, drawn as SVG.

``make screenshots`` runs it with the tests' directory on the path, whose terminal it uses.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pyte

from repl.processes import SOURCES, Terminal, serving_target

CHECKOUT = str(SOURCES)
COLUMNS, ROWS = 92, 24
CELL_WIDTH, CELL_HEIGHT, FONT_SIZE = 8.4, 18, 14
MARGIN, BAR = 14, 30
BACKGROUND, FOREGROUND = "#1e2128", "#d7dae0"
COLOURS = {
    "black": "#3b4048", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d7dae0",
    "brightblack": "#7f848e", "brightred": "#e06c75", "brightgreen": "#98c379",
    "brightbrown": "#e5c07b", "brightblue": "#61afef", "brightmagenta": "#c678dd",
    "brightcyan": "#56b6c2", "brightwhite": "#ffffff",
}  # fmt: skip


def menu(terminal: Terminal) -> None:
    """What the other side offers, while a name is being typed."""
    terminal.enter("obj.name", "Shelf")
    terminal.enter("obj.books[0].title", "Emma")
    terminal.type("obj.s")
    terminal.until(lambda: "stock" in terminal.below, 10)


def table(terminal: Terminal) -> None:
    """Rows, put together here from objects over there."""
    terminal.enter("%table obj.books", "Middlemarch")
    terminal.enter("[b.title for b in obj.books if b.price > 1000]", "Dracula")
    terminal.enter("%time obj.sell('Emma', copies=2)", "message")


def traceback(terminal: Terminal) -> None:
    """An error of theirs: the frames here and the frames over there."""
    terminal.enter("obj.sell('Emma', copies=1000)", "OutOfStock: ")


SCENES: dict[str, Callable[[Terminal], None]] = {
    "menu": menu,
    "table": table,
    "traceback": traceback,
}


def picture(screen: pyte.Screen, title: str) -> str:
    """Draws a screen: its lines down to the last one, of several blank ones in a row the first."""
    filled = [bool(text.strip()) for text in screen.display]
    rows = [row for row in range(screen.lines) if filled[row] or (row and filled[row - 1])]
    if rows and not filled[rows[-1]]:
        rows.pop()
    width = 2 * MARGIN + screen.columns * CELL_WIDTH
    height = BAR + len(rows) * CELL_HEIGHT + MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" role="img" aria-label={quoteattr(title)} '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT_SIZE}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    ]
    for place, colour in enumerate(("#e06c75", "#e5c07b", "#98c379")):
        drawn.append(f'<circle cx="{MARGIN + 6 + 20 * place}" cy="17" r="6" fill="{colour}"/>')
    for place, row in enumerate(rows):
        drawn += line(screen, row, place)
    return "\n".join([*drawn, "</svg>", ""])


def line(screen: pyte.Screen, row: int, place: int) -> list[str]:
    """Draws one line: a rectangle where the background differs, and a text for each style."""
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    drawn: list[str] = []
    start = 0
    for end in range(1, len(cells) + 1):
        if end < len(cells) and style(cells[end]) == style(cells[start]):
            continue
        text = "".join(cell.data for cell in cells[start:end]).replace(CHECKOUT, "/srv/shop")
        drawn += run(text, style(cells[start]), start, place)
        start = end
    return drawn


def style(cell: pyte.screens.Char) -> tuple[str, str, bool]:
    """The foreground, the background, and whether it is bold."""
    front, back = colour(cell.fg, FOREGROUND), colour(cell.bg, BACKGROUND)
    return (back, front, cell.bold) if cell.reverse else (front, back, cell.bold)


def colour(name: str, default: str) -> str:
    """A colour of the screen's for the picture: a name, or six hexadecimal digits."""
    if name == "default":
        return default
    return COLOURS.get(name, f"#{name}")


def run(text: str, styled: tuple[str, str, bool], column: int, row: int) -> list[str]:
    """Draws cells of one style that stand side by side."""
    front, back, bold = styled
    x, y = MARGIN + column * CELL_WIDTH, BAR + row * CELL_HEIGHT
    drawn = []
    if back != BACKGROUND:
        wide = len(text) * CELL_WIDTH
        drawn.append(
            f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{CELL_HEIGHT}" fill="{back}"/>'
        )
    if text.strip():
        lead = len(text) - len(text.lstrip())
        told = text.strip()
        weight = ' font-weight="bold"' if bold else ""
        drawn.append(
            f'<text x="{x + lead * CELL_WIDTH:.1f}" y="{y + FONT_SIZE}" fill="{front}"{weight} '
            f'textLength="{len(told) * CELL_WIDTH:.1f}" xml:space="preserve">{escape(told)}</text>'
        )
    return drawn


def main(directory: Path) -> None:
    """Plays each scene in a REPL of its own, and writes its picture."""
    directory.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        with serving_target("proxyables.demo:obj") as address:
            text = played(scene, address)
        # Which port it was, and where this checkout is, says nothing to readers.
        port = address.rpartition(":")[2]
        text = text.replace(f":{port}", ":9000")
        (directory / f"{name}.svg").write_text(text)
        print(directory / f"{name}.svg")


def played(scene: Callable[[Terminal], None], address: str) -> str:
    """Plays one scene; gives its picture."""
    words = [sys.executable, "-m", "proxyables_cli", "repl", address]
    with (
        tempfile.TemporaryDirectory() as state,
        Terminal(words, columns=COLUMNS, rows=ROWS, XDG_STATE_HOME=state) as terminal,
    ):
        terminal.wait_prompt()
        scene(terminal)
        terminal.until(lambda: "tcp:" in terminal.below, 10)
        return picture(terminal.screen, str(scene.__doc__))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
