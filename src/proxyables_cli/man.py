"""``man``: the manual pages, wherever the package was installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from proxyables_cli.exits import Code, Failure
from proxyables_cli.options import Command, Common, word

# Each shows a file by its path: man-db's own man, and that of mandoc under its first name.
_READERS = (("man", "-l"), ("mandoc", "-a"))


class ManOptions(Common):
    """The command line of ``man``."""

    page: str = word(
        "PAGE",
        text="The name of a command, or address. Else the page of the whole program.",
        required=False,
    )


def run(options: ManOptions) -> int:
    """Shows one page as ``man`` does."""
    path = find(options.page)
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
        page: ``serve``, ``proxyables-serve``, ``address``, or nothing for the main page.

    Raises:
        Failure: There is no such page, or none were installed.
    """
    known = pages()
    short = page.removeprefix("proxyables").removeprefix("-")
    if not known:
        raise Failure(Code.NO_TARGET, "the manual pages were not installed", "see --help")
    if short not in known:
        import difflib

        near = difflib.get_close_matches(short, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"pages: {', '.join(filter(None, known))}"
        raise Failure(Code.NO_TARGET, f"there is no page {page!r}", hint)
    return known[short]


def pages() -> dict[str, Path]:
    """Returns the pages that are there, by their short names; the main page's is empty."""
    known: dict[str, Path] = {}
    for directory in _directories():
        for path in sorted(directory.glob("proxyables*.[1-9]")):
            known.setdefault(path.stem.removeprefix("proxyables").removeprefix("-"), path)
    return known


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
        help="Show a manual page: of a command, or of addresses.",
        epilog="Example: proxyables man address",
    ),
)

__all__ = ["COMMANDS", "ManOptions", "find", "pages", "reader", "run"]
