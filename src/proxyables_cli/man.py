"""``man``: the manual pages, wherever the package was installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, Common, word

# Each shows a file by its path: man-db's own man, and that of mandoc under its first name.
_READERS = (("man", "-l"), ("mandoc", "-a"))
_PAGE = re.compile(r"(?P<name>.*?)(?:[.(](?P<section>[1-9])\)?)?", re.DOTALL)


class ManOptions(Common):
    """The command line of ``man``."""

    page: str = word(
        "PAGE",
        text="The name of a command, address, or config.5 for the configuration file. Else the"
        " page of the whole program.",
        required=False,
    )
    other: str = word(
        "SECTION",
        text="Of the manual, where two pages have one name: man config 5, or man 5 config.",
        required=False,
    )


def run(options: ManOptions) -> int:
    """Shows one page as ``man`` does."""
    page, section = options.page, options.other
    if section and not section.isdigit():
        page, section = section, page
    if section and not section.isdigit():
        told = f"man shows one page, got {options.page!r} and {options.other!r}"
        raise Failure(Code.USAGE, told, "a section is a number")
    path = find(f"{page}.{section}" if section else page)
    if words := reader():
        return subprocess.call([*words, str(path)])  # it has its own pager and its own ^C
    raise Failure(
        Code.NOT_FOUND, "there is neither man nor mandoc here to show it", f"the page is {path}"
    )


def reader() -> tuple[str, str] | None:
    """Returns the words that a page's path is put behind to show it, if there are any."""
    found = ((shutil.which(program), flag) for program, flag in _READERS)
    return next(((program, flag) for program, flag in found if program), None)


def find(page: str) -> Path:
    """Returns the file of a page.

    Args:
        page: ``serve``, ``proxyables-serve``, ``address``, or nothing for the main page; with its
            section, if it is to be that one: ``config.5``, ``config(5)``.

    Raises:
        Failure: There is no such page, or none were installed.
    """
    known = pages()
    if not known:
        raise Failure(Code.NO_TARGET, "the manual pages were not installed", "see --help")
    match = _PAGE.fullmatch(page)
    name, section = match.groups() if match else (page, None)
    short = name.removeprefix("proxyables").removeprefix("-")
    for path in _named(short, section):
        return path
    import difflib

    near = difflib.get_close_matches(short, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"pages: {', '.join(filter(None, known))}"
    raise Failure(Code.NO_TARGET, f"there is no page {page!r}", hint)


def pages() -> dict[str, Path]:
    """Returns the pages that are there, by their short names; the main page's is empty.

    Where a name has several, the others have their section behind it: ``config.5``.
    """
    known: dict[str, Path] = {}
    for path in _files():
        short = _short(path)
        if known.setdefault(short, path).suffix != path.suffix:
            known.setdefault(f"{short}{path.suffix}", path)
    return known


def _named(short: str, section: str | None) -> Iterator[Path]:
    for path in _files():
        if _short(path) == short and section in (None, path.suffix[1:]):
            yield path


def _short(path: Path) -> str:
    return path.stem.removeprefix("proxyables").removeprefix("-")


def _files() -> Iterator[Path]:
    for directory in _directories():
        yield from sorted(directory.glob("proxyables*.[1-9]"))


def _directories() -> Iterator[Path]:
    """Lists where pages may be: in the sources, else below the prefix that pip installed to."""
    yield Path(__file__).resolve().parents[2] / "man"
    bases = [sysconfig.get_path("data")]
    if os.name == "posix":
        bases.append(sysconfig.get_path("data", "posix_user"))
    for base in bases:
        yield from sorted(Path(base, "share", "man").glob("man[1-9]"))


COMMANDS = (
    Command(
        "man",
        ManOptions,
        run,
        help="Show a manual page: of a command, of addresses, or of the configuration file.",
        epilog="Example: proxyables man address",
    ),
)

__all__ = ["COMMANDS", "ManOptions", "find", "pages", "reader", "run"]
